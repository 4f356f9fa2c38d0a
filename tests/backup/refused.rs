//! What is not restored: damaged backups, keys that are over, too old or another's, into what is not empty; and what a
//! kill leaves in the middle.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use stammbuch::app::{Inspection, SystemRandom};
use stammbuch::backup;
use stammbuch::domain::clock::{Clock, FixedClock};
use stammbuch::domain::random::Random;

use super::{Places, content, done, files, refused, run, text, upload};
use crate::actors::place::Place;
use crate::actors::{ServerProcess, noon};

/// A place with a backup of a few documents.
fn backed_up() -> (Place, Places, Vec<(String, Vec<u8>)>) {
    let server = ServerProcess::start();
    let stored = (0..4).map(|number| {
        let bytes = format!("Schreiben {number} ").repeat(10_000 * number + 1).into_bytes();
        (upload(&server, &bytes), bytes)
    });
    let stored = stored.collect();
    let places = Places::new();
    places.both(&server);
    (server.kill(), places, stored)
}

fn one(places: &Places, look: impl Fn(&PathBuf) -> bool) -> PathBuf {
    files(&places.path("data")).into_iter().find(look).unwrap()
}

#[test]
fn a_backup_with_a_changed_cut_or_missing_file_is_refused() {
    let (place, places, _) = backed_up();
    let manifest = one(&places, |file| file.ends_with("manifest"));
    let list = one(&places, |file| file.ends_with("objects.list"));
    let rows = fs::read_to_string(&manifest).unwrap();
    let rows = rows.split("\"rows\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let object = |file: &PathBuf| file.parent().unwrap().parent().unwrap().ends_with("o");
    let sealed = one(&places, |file| file.ends_with(&rows));
    let document = one(&places, |file| object(file) && !file.ends_with(&rows));
    for (file, why) in [(&manifest, "manifest"), (&list, "objects.list"), (&sealed, "o/"), (&document, "o/")]
    {
        let whole = fs::read(file).unwrap();
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        for bytes in [flipped(whole.len() / 2), flipped(whole.len() - 1), whole[..whole.len() - 1].to_vec()] {
            fs::write(file, bytes).unwrap();
            let second = Place::empty_like(&place);
            let output = places.restore(&second, "keys", &["--went-no-further"]);
            refused(&output, "the backup is damaged");
            refused(&output, why);
            // Whatever was written by then is not served.
            let config = ["--config", text(&second.config_file())];
            if second.data_dir().join("restore.unfinished").exists() {
                refused(&run("serve", &config), "half restored");
            }
        }
        fs::remove_file(file).unwrap();
        let second = Place::empty_like(&place);
        let output = places.restore(&second, "keys", &["--went-no-further"]);
        let expected =
            if file == &manifest { "no backup that was finished" } else { "the backup is damaged" };
        refused(&output, expected);
        fs::write(file, &whole).unwrap();
    }
    let second = Place::empty_like(&place);
    done(&places.restore(&second, "keys", &["--went-no-further"]));
    refused(&places.restore(&second, "keys", &[]), "is not empty");
    refused(&places.restore(&place, "keys", &[]), "is not empty");
}

#[test]
fn keys_that_are_over_too_old_or_under_another_passphrase_open_nothing() {
    let (place, places, _) = backed_up();
    let second = Place::empty_like(&place);
    fs::copy(places.path("keys"), places.path("other")).unwrap();
    places.secret("passphrase", "wrong horse battery staple");
    refused(&places.restore(&second, "other", &[]), "another passphrase");
    places.secret("passphrase", "short");
    refused(&places.restore(&second, "other", &[]), "at least 16 bytes");
    places.secret("passphrase", "correct horse battery staple");
    assert!(!second.data_dir().join("restore.unfinished").exists(), "nothing was begun");

    refused(&places.keys(&place, "keys"), "not written over");
    refused(&places.keys(&place, "data/keys"), "another place");
    let inside = place.data_dir().join("keys.backup");
    let line = ["--config", text(&place.config_file()), "--keys", text(&inside), "--passphrase-file"];
    refused(&run("backup", &[&line[..], &[text(&places.path("passphrase"))]].concat()), "another place");

    // A year ago.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let with = Inspection::open(place.config()).await.unwrap();
        let (file, passphrase) = (places.path("over"), places.path("passphrase"));
        let (clock, random) = (FixedClock::new(noon()), SystemRandom::new());
        let by: (&dyn Clock, &dyn Random) = (&clock, &random);
        let taken = backup::take_keys(place.config(), &with, (&file, &passphrase), noon(), by).await;
        taken.unwrap();
        with.close().await;
    });
    refused(&places.restore(&second, "over", &[]), "its time was over at 2026-05-04T12:00:00Z");
}

#[test]
fn keys_taken_before_a_backup_do_not_open_it() {
    let server = ServerProcess::start();
    upload(&server, b"Schreiben");
    let places = Places::new();
    done(&places.keys(&server, "keys"));
    done(&places.data(&server));
    let second = Place::empty_like(&server);
    refused(&places.restore(&second, "keys", &[]), "no key opens it");
    done(&places.keys(&server, "younger"));
    done(&places.restore(&second, "younger", &["--went-no-further"]));
}

#[test]
fn another_installation_neither_writes_into_the_folder_nor_opens_it() {
    let (place, places, _) = backed_up();
    let other = ServerProcess::start();
    refused(&places.data(&other), "backups of this installation");
    done(&places.keys(&other, "others"));
    let second = Place::empty_like(&place);
    refused(&places.restore(&second, "others", &[]), "the keys are those of the log");
    fs::create_dir(places.path("full")).unwrap();
    fs::write(places.path("full/file"), "something").unwrap();
    let line = ["--config", text(&place.config_file()), text(&places.path("full"))];
    refused(&run("backup", &line), "expected an empty folder");
}

#[test]
fn objects_by_reference_come_back_where_the_store_still_is_and_nowhere_else() {
    let server = ServerProcess::start();
    // A picture: no job adds an object with its text while the backup is made.
    let bytes = b"\x89PNG\r\n\x1a\nrest".as_slice();
    let answer = server.engine().send("POST", "/v1/documents", &[("Content-Type", "image/png")], bytes);
    let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
    let places = Places::new();
    let line =
        ["--config", text(&server.config_file()), text(&places.path("data")), "--objects", "reference"];
    done(&run("backup", &line));
    done(&places.keys(&server, "keys"));
    let place = server.kill();
    let second = Place::empty_like(&place);
    refused(&places.restore(&second, "keys", &[]), "lacks 1 objects");
    // The store survived, databases and keys did not.
    let objects = second.data_dir().join("objects");
    fs::remove_dir_all(&objects).unwrap();
    fs::rename(place.data_dir().join("objects"), &objects).unwrap();
    let said = done(&places.restore(&second, "keys", &[]));
    assert!(said.contains("no difference"), "{said}");
    let second = ServerProcess::on(second);
    assert_eq!(content(&second, &id), bytes);
}

#[test]
fn killed_in_the_middle_a_backup_is_not_there_and_a_restore_is_done_anew() {
    let (place, places, stored) = backed_up();
    let program = env!("CARGO_BIN_EXE_stammbuch");
    let killed = |arguments: &[String], after: u64| {
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // sleeps: the moment of the kill is what varies
        std::thread::sleep(Duration::from_millis(after));
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let server = ServerProcess::on(place);
    for round in 0..6 {
        upload(&server, format!("zwischen {round}").as_bytes());
        let line = ["backup", "--config", text(&server.config_file()), text(&places.path("data"))];
        killed(&line.map(str::to_owned), 15 * round);
    }
    let place = server.kill();
    // Those that came to their end before the kill are whole; the first one is, in any case.
    done(&places.data(&place));
    done(&places.keys(&place, "younger"));
    let unfinished = fs::read_dir(places.path("data/snapshots")).unwrap().map(Result::unwrap);
    assert!(unfinished.map(|entry| entry.path().join("manifest")).all(|manifest| manifest.exists()));

    let second = Place::empty_like(&place);
    let line = [&["restore".to_owned()], &places.restore_line(&second, "younger")[..]].concat();
    for round in 0..8 {
        killed(&line, 40 * round);
        if second.data_dir().join("restore.unfinished").exists() {
            refused(&run("serve", &["--config", text(&second.config_file())]), "half restored");
        }
    }
    if second.data_dir().join("restore.unfinished").exists() || !second.data_dir().join("keys").exists() {
        done(&places.restore(&second, "younger", &["--went-no-further"]));
    }
    super::check_deep(&second);
    let second = ServerProcess::on(second);
    for (id, bytes) in &stored {
        assert_eq!(content(&second, id), *bytes);
    }
}
