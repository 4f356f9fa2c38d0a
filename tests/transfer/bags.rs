//! Bags come in whole or not at all: whatever is wrong with one is said with its file and line, before anything is sent.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use super::{Ran, program, write};
use crate::actors::Server;
use crate::census;

/// A bag as others make them, with a name that only fits on a line encoded.
fn bag() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "bagit.txt", "BagIt-Version: 0.97\r\nTag-File-Character-Encoding: UTF-8\r\n");
    write(at, "bag-info.txt", "Source-Organization: Stadtarchiv\nPayload-Oxum: 22.3\n");
    write(at, "data/a.txt", "Anzeige");
    write(at, "data/b/zwei\nZeilen.txt", "Beilage");
    write(at, "data/100%25.txt", "Prozente");
    let line = |text: &str, path: &str| format!("{}  {path}\n", Sha256::of(text.as_bytes()));
    let manifest = line("Anzeige", "data/a.txt")
        + &line("Beilage", "data/b/zwei%0AZeilen.txt")
        // As nearly every program writes it, against the letter of the RFC.
        + &line("Prozente", "data/100%25.txt");
    write(at, "manifest-sha256.txt", &manifest);
    write(at, "tagmanifest-sha256.txt", line(&manifest, "manifest-sha256.txt"));
    folder
}

fn import(server: &Server, folder: &Path) -> Ran {
    let arguments = ["import", folder.to_str().unwrap(), "--collection", "bag"];
    Ran::of(program(server, Role::Engine, &arguments))
}

#[test]
fn a_bag_of_others_comes_in_with_names_as_they_were() {
    let (server, folder) = (Server::start(), bag());
    let ran = import(&server, folder.path());
    assert_eq!((ran.code, ran.counts()), (0, (3, 0, 0)), "{}", ran.errors);
    for path in ["a.txt", "b/zwei\nZeilen.txt", "100%25.txt"] {
        assert_eq!(ran.outcome(path), ("stored", ""));
    }
}

/// What is done to a bag, how, and what is said of it.
type Damage = (&'static str, fn(&Path), &'static str);

/// Adds a line to the manifest.
fn append(at: &Path, line: &str) {
    let path = at.join("manifest-sha256.txt");
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(at.join("tagmanifest-sha256.txt")).unwrap();
    fs::write(path, format!("{text}{line}\n")).unwrap();
}

fn digest(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}

/// Adds a file that the words about all do not count.
fn add(at: &Path, name: &str) {
    fs::remove_file(at.join("bag-info.txt")).unwrap();
    write(at, name, "x");
}

const PAYLOAD: [Damage; 6] = [
    (
        "a flipped byte",
        |at| drop(write(at, "data/a.txt", "Anzeigf")),
        "manifest-sha256.txt, line 1: \"data/a.txt\" has",
    ),
    (
        "a missing file",
        |at| {
            fs::remove_file(at.join("data/a.txt")).unwrap();
            fs::remove_file(at.join("bag-info.txt")).unwrap();
        },
        "manifest-sha256.txt, line 1: \"data/a.txt\" cannot be opened",
    ),
    ("cut short", |at| drop(write(at, "data/a.txt", "Anz")), "bag-info.txt, line 2: the payload has 18.3"),
    ("one more", |at| add(at, "data/c.txt"), "data/c.txt: it is not in manifest-sha256.txt"),
    ("one more, hidden", |at| add(at, "data/.c"), "data/.c: it is not in manifest-sha256.txt"),
    ("a link", |at| symlink("a.txt", at.join("data/l")).unwrap(), "data/l: a symbolic link"),
];

const LINES: [Damage; 5] = [
    (
        "up",
        |at| append(at, &format!("{}  data/../../x", digest("x"))),
        "line 4: \"data/../../x\" does not lie",
    ),
    (
        "a root",
        |at| append(at, &format!("{}  /etc/passwd", digest("x"))),
        "line 4: \"/etc/passwd\" does not lie",
    ),
    (
        "outside the payload",
        |at| append(at, &format!("{}  bagit.txt", digest("x"))),
        "line 4: \"bagit.txt\" does not lie in data/",
    ),
    ("no digest", |at| append(at, "abc  data/a.txt"), "line 4: it is not a digest of 64"),
    (
        "twice",
        |at| append(at, &format!("{}  data/a.txt", digest("Anzeige"))),
        "line 4: \"data/a.txt\" stands there twice",
    ),
];

const TAGS: [Damage; 4] = [
    (
        "a tag file",
        |at| {
            let path = at.join("manifest-sha256.txt");
            fs::write(&path, fs::read_to_string(&path).unwrap() + "\n").unwrap();
        },
        "tagmanifest-sha256.txt, line 1: \"manifest-sha256.txt\" has",
    ),
    (
        "no manifest",
        |at| {
            fs::remove_file(at.join("manifest-sha256.txt")).unwrap();
            fs::remove_file(at.join("tagmanifest-sha256.txt")).unwrap();
        },
        "there is no manifest of SHA-256",
    ),
    ("another version", |at| drop(write(at, "bagit.txt", "BagIt-Version: 2.0\n")), "bagit.txt, line 1"),
    (
        "elsewhere",
        |at| drop(write(at, "fetch.txt", "http://x 1 data/y\n")),
        "fetch.txt: parts of the payload",
    ),
];

#[test]
fn whatever_is_wrong_with_a_bag_is_said_and_nothing_of_it_is_sent() {
    let server = Server::start();
    for (name, damage, expected) in PAYLOAD.into_iter().chain(LINES).chain(TAGS) {
        let folder = bag();
        damage(folder.path());
        let ran = import(&server, folder.path());
        assert_eq!(ran.code, 2, "{name}: {}", ran.errors);
        assert!(ran.errors.contains(expected), "{name}: {}", ran.errors);
    }
    assert_eq!(census::of(&server).documents, 0);
}
