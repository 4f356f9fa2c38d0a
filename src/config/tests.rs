//! The documented defaults are the program's, and mistakes are told in one line.

use std::collections::BTreeSet;

use super::*;

const DEFAULT: &str = include_str!("../../config/default.toml");

fn parsed(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("site.toml")).map_err(|error| error.to_string())
}

/// `default.toml` with its examples in force.
fn with_examples() -> String {
    DEFAULT.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn keys(value: &toml::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                keys(value, &format!("{path}.{key}"), found);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().for_each(|item| keys(item, path, found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn keys_of(value: &toml::Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys(value, "", &mut found);
    found
}

#[test]
fn the_documented_defaults_are_those_of_the_program() {
    assert_eq!(parsed(DEFAULT), Ok(Config::default()));
    assert_eq!(parsed(""), Ok(Config::default()));
}

#[test]
fn every_key_of_the_program_is_documented_and_every_documented_key_is_known() {
    let documented = with_examples();
    let config = parsed(&documented).expect("the examples are valid");
    let known = keys_of(&toml::Value::try_from(&config).unwrap());
    assert_eq!(keys_of(&toml::from_str(&documented).unwrap()), known);
    assert!(known.contains(".access.tokens.person") && known.contains(".signing.registrars.key_file"));
}

#[test]
fn every_documented_key_has_an_explanation() {
    let mut before = "";
    for line in DEFAULT.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with("# "), "{line}");
        }
        before = line;
    }
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_what_is_known() {
    let error =
        parsed("listen = \"127.0.0.1:1\"\n\n[limits]\nupload_bytes_max = 1\nupload_max = 2\n").unwrap_err();
    assert_eq!(
        error,
        "site.toml:5: [limits] unknown field `upload_max`, expected `upload_bytes_max` or `json_bytes_max`"
    );
    assert!(
        parsed("lisen = 1").unwrap_err().starts_with("site.toml:1: unknown field `lisen`, expected one of")
    );
    assert!(parsed("[nonsense]\na = 1").unwrap_err().contains("unknown field `nonsense`"));
}

#[test]
fn values_that_cannot_be_are_told_with_their_key() {
    let token = "[[access.tokens]]\nsha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n\
                 client = \"c\"\nauthority = \"00112233445566778899aabbccddeeff\"\n";
    let cases = [
        ("listen = 80".to_owned(), "site.toml:1: "),
        ("listen = \"localhost\"".to_owned(), "invalid socket address"),
        ("public_url = \"ftp://x\"".to_owned(), "expected https://HOST"),
        ("public_url = \"https://x/\"".to_owned(), "expected https://HOST"),
        ("= 1".to_owned(), "site.toml:1: "),
        ("[http]\nworkers = 0".to_owned(), "http.workers: expected at least 1"),
        ("[http]\nworkers = -1".to_owned(), "[http] "),
        ("[limits]\njson_bytes_max = \"many\"".to_owned(), "[limits] invalid type"),
        (format!("{token}roles = []"), "access.tokens: expected a role for \"c\""),
        (format!("{token}roles = [\"king\"]"), "unknown variant `king`, expected one of"),
        (format!("{token}roles = [\"registrar\"]"), "a registrar is a named person"),
        (token.replace("ba78", "zz78"), "a SHA-256 digest has 64 hex digits"),
        (token.replace("0011", "G011"), "an identifier has 32 lower-case hex digits"),
    ];
    for (text, expected) in cases {
        let error = parsed(&text).unwrap_err();
        assert!(error.contains(expected), "{text}\n{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_bucket_needs_an_address_nobody_else_can_read_on_the_way_and_a_name() {
    let with = |lines: &str| parsed(&format!("[objects]\nstore = \"s3\"\n[objects.s3]\n{lines}"));
    let here = "endpoint = \"http://127.0.0.1:9000\"\nbucket = \"b\"\n";
    let cases = [
        (String::new(), "objects.s3.endpoint: expected https://HOST"),
        ("endpoint = \"http://store.example\"\nbucket = \"b\"".to_owned(), "objects.s3.endpoint"),
        ("endpoint = \"http://127.0.0.1.example\"\nbucket = \"b\"".to_owned(), "objects.s3.endpoint"),
        ("endpoint = \"https://store.example\"".to_owned(), "objects.s3.bucket"),
        (format!("{here}prefix = \"archive\""), "objects.s3.prefix"),
        (format!("{here}prefix = \"/archive/\""), "objects.s3.prefix"),
        (format!("{here}lock_days = 10"), "objects.s3.lock: expected a mode"),
        (format!("{here}lock = \"compliance\""), "objects.s3.lock_days: expected at least 1"),
        (format!("{here}lock = \"forever\""), "unknown variant `forever`"),
        (format!("{here}secret = \"x\""), "unknown field `secret`"),
    ];
    for (lines, expected) in cases {
        let error = with(&lines).unwrap_err();
        assert!(error.contains(expected), "{lines}\n{error}");
    }
    for lines in [here, "endpoint = \"https://store.example\"\nbucket = \"b\"\nprefix = \"a/b/\""] {
        assert!(with(lines).is_ok(), "{:?}", with(lines));
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("no/such.toml")).unwrap_err();
    assert!(error.to_string().starts_with("no/such.toml: No such file"), "{error}");
}

#[test]
fn paths_are_relative_to_the_data_folder_and_that_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    fs::write(&file, "data_dir = \"data\"\n[log]\nkey_file = \"/safe/log.key\"").unwrap();
    let config = Config::load(&file).unwrap();
    let data = folder.path().join("data");
    assert_eq!(config.path(&config.objects.folder), data.join("objects"));
    assert_eq!(config.path(&config.log.key_file), Path::new("/safe/log.key"));
    assert_eq!(
        config.database_url(&config.database.url),
        format!("sqlite:{}/stammbuch.sqlite", data.display())
    );
    assert_eq!(config.database_url("postgres://u@h/d"), "postgres://u@h/d");
}
