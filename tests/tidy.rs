//! Tidy: the rules of style that no compiler checks, read off the files themselves.
//!
//! Standard library only, so that `rustc --test tests/tidy.rs` builds it alone. Knows nothing of the program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;
const HEADER_LINES_MAX: usize = 6;
const BANNED_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];
/// Folders that are to move into a crate of their own one day, and what they must not know by then.
const INNER: [&str; 3] = ["src/domain", "src/tlog", "src/verify"];
const OUTER_CRATES: [&str; 7] = ["actix", "sqlx", "tantivy", "aws_", "ureq", "askama", "prometheus"];
const OUTER_MODULES: [&str; 10] =
    ["database", "objects", "search", "http", "web", "app", "config", "jobs", "access", "cli"];
const SQL: [&[&str]; 8] = [
    &["SELECT", "FROM"],
    &["SELECT", "1"],
    &["INSERT", "INTO"],
    &["UPDATE", "SET"],
    &["DELETE", "FROM"],
    &["CREATE", "TABLE"],
    &["ALTER", "TABLE"],
    &["BEGIN", "IMMEDIATE"],
];
/// A line that waits must say why no signal could be waited for instead.
const SLEEP_MARK: &str = "// sleeps:";

#[test]
fn files_are_short_and_say_first_what_they_are() {
    let mut faults = Vec::new();
    for (name, text) in rust_files() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{name}: {lines} lines, at most {LINES_MAX}"));
        }
        let header = text.lines().take_while(|line| line.starts_with("//!")).count();
        if !(1..=HEADER_LINES_MAX).contains(&header) {
            faults.push(format!(
                "{name}: opens with {header} lines of `//!`, expected 1 to {HEADER_LINES_MAX}"
            ));
        }
    }
    none(&faults);
}

#[test]
fn names_say_what_a_module_does() {
    let mut faults = Vec::new();
    for (name, text) in rust_files() {
        let parts = name.trim_end_matches(".rs").split('/');
        faults.extend(
            parts
                .filter(|part| BANNED_NAMES.contains(part))
                .map(|part| format!("{name}: a name like {part}")),
        );
        for line in text.lines().map(str::trim) {
            let declared = line.split_once("mod ").map(|(_, rest)| rest.trim_end_matches([';', '{', ' ']));
            if declared.is_some_and(|declared| BANNED_NAMES.contains(&declared)) {
                faults.push(format!("{name}: {line}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn dependencies_point_inward() {
    let mut faults = Vec::new();
    for (name, text) in rust_files().into_iter().filter(|(name, _)| is_under(name, &INNER)) {
        for statement in use_statements(&text) {
            let words: Vec<&str> = statement
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .collect();
            let outer_crate =
                words.first().is_some_and(|first| OUTER_CRATES.iter().any(|outer| first.starts_with(outer)));
            let outer_module = words.first() == Some(&"crate")
                && words.get(1).is_some_and(|second| OUTER_MODULES.contains(second));
            if outer_crate || outer_module {
                faults.push(format!("{name}: {statement}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn sql_lives_only_in_the_database_folder() {
    let mut faults = Vec::new();
    for (name, text) in rust_files() {
        if !name.starts_with("src/") || name.starts_with("src/database/") {
            continue;
        }
        for literal in string_literals(&text) {
            let words: Vec<&str> = literal.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            let speaks_sql = SQL.iter().any(|phrase| {
                let mut rest = words.iter();
                phrase.iter().all(|word| rest.any(|other| other == word))
            });
            if speaks_sql {
                faults.push(format!("{name}: {}", literal.lines().next().unwrap_or_default()));
            }
        }
    }
    none(&faults);
}

#[test]
fn nobody_sleeps_instead_of_waiting_for_a_signal() {
    let mut faults = Vec::new();
    let call = ["sleep", "("].concat();
    for (name, text) in rust_files() {
        let mut before = "";
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(&call) && !line.contains(SLEEP_MARK) && !before.contains(SLEEP_MARK) {
                faults.push(format!(
                    "{name}:{}: needs `{SLEEP_MARK} why` on this line or the one above",
                    index + 1
                ));
            }
            before = line;
        }
    }
    none(&faults);
}

#[test]
fn the_project_names_no_folder_of_one_machine() {
    let needles = ["work", "root", "tmp", "home"].map(|folder| format!("/{folder}/"));
    let mut faults = Vec::new();
    for path in files(&root(), &|_| true) {
        // What is not UTF-8 is a font, a picture or a test vector.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (index, line) in text.lines().enumerate() {
            for needle in &needles {
                let own = line.match_indices(needle.as_str()).any(|(at, _)| {
                    let before = line.get(..at).and_then(|head| head.chars().next_back());
                    !before.is_some_and(|c| {
                        c.is_alphanumeric() || matches!(c, '.' | '}' | '_' | '-' | ')' | '~' | '*')
                    })
                });
                if own {
                    faults.push(format!("{}:{}: names {needle}", relative(&path), index + 1));
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn the_readers_of_this_file_read_rust() {
    let text = r##"let a = "one \" two"; // "no"
        let b = r#"raw "x" "#; let c = '"'; fn f<'a>(x: &'a str) { g(b"four") } /* "no" */"##;
    assert_eq!(string_literals(text), ["one \\\" two", "raw \"x\" ", "four"]);
    assert_eq!(use_statements("use a::{\n  b,\n  c};\nlet use_x = 1;\npub use d;"), ["a::{ b, c}", "d"]);
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(
        std::env::var_os("CARGO_MANIFEST_DIR").expect("CARGO_MANIFEST_DIR names the project's folder"),
    )
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the project's folder").to_string_lossy().replace('\\', "/")
}

/// Every Rust file of the project with its text.
fn rust_files() -> Vec<(String, String)> {
    let found = files(&root(), &|path| path.extension() == Some(OsStr::new("rs")));
    assert!(found.len() > 20, "only {} Rust files found: is CARGO_MANIFEST_DIR right?", found.len());
    found
        .into_iter()
        .map(|path| (relative(&path), fs::read_to_string(&path).expect("a Rust file is UTF-8 text")))
        .collect()
}

/// All files below `folder` that `wanted` takes, without build output and hidden folders other than `.ci`.
fn files(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                let left_out =
                    name == "target" || name == "stammbuch-demo" || name.starts_with('.') && name != ".ci";
                if !left_out {
                    folders.push(path);
                }
            } else if name != "Cargo.lock" && name != ".git" && wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_under(name: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with(['/', '.'])))
}

/// What stands between `use` and `;`, with white space folded.
fn use_statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim) {
        let start = match line.split_once("use ") {
            Some((before, rest)) if before.is_empty() || before.starts_with("pub") => Some(rest),
            _ => None,
        };
        match (&mut open, start) {
            (Some(statement), _) => {
                statement.push(' ');
                statement.push_str(line);
            }
            (None, Some(rest)) => open = Some(rest.to_owned()),
            (None, None) => {}
        }
        if open.as_ref().is_some_and(|statement| statement.ends_with(';')) {
            found.extend(open.take().map(|statement| statement.trim_end_matches(';').to_owned()));
        }
    }
    found
}

/// The contents of all string literals, as they are written.
fn string_literals(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match (at(i), at(i + 1)) {
            ('/', '/') => i = position(&chars, i, "\n"),
            ('/', '*') => i = position(&chars, i, "*/") + 2,
            ('\'', '\\') => i = position(&chars, i + 3, "'") + 1,
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            ('r', '"' | '#') if !at(i.wrapping_sub(1)).is_alphanumeric() || at(i.wrapping_sub(1)) == 'b' => {
                let hashes = chars.iter().skip(i + 1).take_while(|c| **c == '#').count();
                let start = i + 1 + hashes + 1;
                if at(start - 1) != '"' {
                    i += 1;
                    continue;
                }
                let end = position(&chars, start, &format!("\"{}", "#".repeat(hashes)));
                found.push(chars.iter().skip(start).take(end - start).collect());
                i = end + 1 + hashes;
            }
            ('"', _) => {
                let mut end = i + 1;
                while end < chars.len() && at(end) != '"' {
                    end += if at(end) == '\\' { 2 } else { 1 };
                }
                found.push(chars.iter().skip(i + 1).take(end - i - 1).collect());
                i = end + 1;
            }
            _ => i += 1,
        }
    }
    found
}

/// Where `needle` begins at or after `from`; the end of the text if nowhere.
fn position(chars: &[char], from: usize, needle: &str) -> usize {
    let needle: Vec<char> = needle.chars().collect();
    (from..chars.len())
        .find(|at| chars.iter().skip(*at).take(needle.len()).eq(&needle))
        .unwrap_or(chars.len())
}
