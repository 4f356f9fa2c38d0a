//! What the program says when its arguments or settings are not what they should be: one line and an exit code.

use std::process::{Command, Output};

fn stammbuch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stammbuch")).args(arguments).output().unwrap()
}

/// Requires exit code 2 and one line on standard error, and gives it.
#[track_caller]
fn bad_input(arguments: &[&str]) -> String {
    let output = stammbuch(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Writes `text` as the settings of a new folder and serves with them.
fn serve(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file.display().to_string())
}

#[test]
fn arguments_that_are_not_understood_are_bad_input() {
    assert!(bad_input(&[]).contains("requires a subcommand"));
    assert!(bad_input(&["dance"]).contains("unrecognized subcommand 'dance'; see `stammbuch --help`"));
    assert!(bad_input(&["serve", "--configuration", "x"]).contains("--configuration"));
}

#[test]
fn help_shows_examples_and_is_no_error() {
    let help = stammbuch(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("stammbuch serve --config config/default.toml"));
}

#[test]
fn settings_that_are_not_understood_are_bad_input() {
    assert!(
        bad_input(&["serve", "--config", "no/such/file.toml"]).contains("no/such/file.toml: No such file")
    );
    let (_folder, file) = serve("[limits]\njson_bytes = 1\n");
    let expected = format!(
        "stammbuch: {file}:2: [limits] unknown field `json_bytes`, expected `upload_bytes_max` or `json_bytes_max`\n"
    );
    assert_eq!(bad_input(&["serve", "--config", &file]), expected);
    let (_folder, file) = serve("[diagnostics]\nlevel = \"a=b=c\"\n");
    assert!(bad_input(&["serve", "--config", &file]).contains("diagnostics.level"));
}

#[test]
fn a_start_that_fails_names_the_part_and_its_causes_in_one_line() {
    let signer = "[[signing.authorities]]\nauthority = \"00112233445566778899aabbccddeeff\"\n\
                  key_file = \"keys/none.pem\"\ncertificates_file = \"keys/none.pem\"\n";
    for (settings, part) in [
        ("listen = \"192.0.2.1:1\"\n", "cannot listen on 192.0.2.1:1: "),
        (
            "[database]\nurl = \"oracle:x\"\n",
            "the database does not open: a database address is `sqlite:PATH`",
        ),
        (signer, "keys/none.pem: No such file or directory"),
    ] {
        let (_folder, file) = serve(settings);
        let output = stammbuch(&["serve", "--config", &file]);
        let said = String::from_utf8(output.stderr).unwrap();
        let last = said.lines().last().unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(last.starts_with("stammbuch: ") && last.contains(part), "{said}");
    }
}
