//! What `201` promises about an upload: the order of the syncs before it, and that no kill -9 at any moment loses,
//! doubles or half-shows a document.

mod kill;
mod power;
mod trace;

use std::process::Command;

use crate::actors::ServerProcess;
use crate::actors::place::{Place, files};
pub use kill::nothing_is_orphaned;
use trace::{Call, calls};

const TRACED: &str = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,write,writev,pwrite64,pwritev,sendto,sendmsg";

/// The calls of a traced server between its answers to two uploads of `size` bytes, and the answer to the second.
fn traced_upload(size: usize) -> Option<(Vec<Call>, Call)> {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return None;
    }
    let place = Place::new(|_| {});
    if place.on_postgres().is_some() {
        eprintln!("skipped on PostgreSQL: its server syncs rows and keys");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls");
    let strace = ["strace", "-D", "-f", "-y", "-s", "64", "-e", TRACED, "-o", file.to_str().unwrap()];
    let server = ServerProcess::under(place, &strace);
    // The first one makes the folders.
    for number in [0x81, 0x82] {
        server.engine().send("POST", "/v1/documents", &[], &vec![number; size]).expect(201);
    }
    let (status, log, _place) = server.terminate();
    assert!(status.success(), "{status}: {}", log.join("\n"));
    let calls = calls(&std::fs::read_to_string(file).unwrap());
    let sent: Vec<&Call> = calls.iter().filter(|call| call.text.contains("HTTP/1.1 201")).collect();
    let [before, sent] = sent.as_slice() else { panic!("two answers with 201 are sent: {sent:?}") };
    let between = |call: &&Call| call.began > before.ended && call.ended < sent.began;
    Some((calls.iter().filter(between).cloned().collect(), (*sent).clone()))
}

/// The one call of `calls` that fits.
fn only(what: &str, calls: &[Call], fits: impl Fn(&Call) -> bool) -> Call {
    let found: Vec<_> = calls.iter().filter(|call| fits(call)).collect();
    assert_eq!(found.len(), 1, "{what}: {found:?}\nof {calls:#?}");
    found[0].clone()
}

fn is_sync(call: &Call, of: &str) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync")
        && call.text.contains(of)
        && call.text.ends_with("= 0")
}

/// An object gets its name: by a rename that replaces nothing, or by a link, which never does.
fn is_naming(call: &Call) -> bool {
    let renamed = call.name == "renameat2" && call.text.contains("RENAME_NOREPLACE");
    let linked = call.name == "linkat" && call.text.ends_with("= 0");
    (renamed || linked) && call.text.contains("/objects/o/")
}

/// The key is synced, and after it, after `stored` and before the answer the row.
fn key_and_row_follow(calls: &[Call], stored: usize) {
    let key = only("the sync of the keystore", calls, |call| is_sync(call, "keystore.sqlite-wal"));
    let last = stored.max(key.ended);
    let row = calls.iter().any(|call| is_sync(call, "stammbuch.sqlite-wal") && call.began > last);
    assert!(row, "the row is committed after bytes and key, before the answer: {calls:#?}");
}

#[test]
fn journal_key_and_row_are_synced_in_this_order_before_201_is_sent() {
    const BYTES: usize = 70_000;
    let Some((calls, _)) = traced_upload(BYTES) else { return };
    let written = only("the record in the journal", &calls, |call| {
        call.name == "writev" && call.text.contains("/journal-0>")
    });
    let (_, written_bytes) = written.text.rsplit_once("= ").unwrap();
    assert!(written_bytes.trim().parse::<usize>().unwrap() > BYTES, "name and bytes are in it: {written:?}");
    let synced = only("the sync of the journal", &calls, |call| is_sync(call, "/journal-0>"));
    let named = only("the call that gives the object its name", &calls, is_naming);
    assert!(written.ended < synced.began, "the journal is synced after it was written");
    assert!(synced.ended < named.began, "name and bytes are durable before anybody sees them");
    key_and_row_follow(&calls, named.ended);
}

#[test]
fn file_folder_key_and_row_of_a_large_upload_are_synced_in_this_order_before_201_is_sent() {
    let Some((calls, _)) = traced_upload(1_000_000) else { return };
    let file = only("the sync of the object's bytes", &calls, |call| is_sync(call, "/.staging/"));
    let named = only("the call that gives the object its name", &calls, is_naming);
    let folder = only("the sync of the object's folder", &calls, |call| {
        is_sync(call, "/objects/o/") && call.began > named.ended
    });
    assert!(file.ended < named.began, "the bytes are durable before they have a name");
    key_and_row_follow(&calls, folder.ended);
}

#[test]
fn a_power_cut_that_takes_the_files_of_small_uploads_loses_none_that_was_acknowledged() {
    let server = ServerProcess::on(Place::new(|_| {}));
    let uploads: Vec<Vec<u8>> = (1..40_u8).map(|n| vec![0x80 | n; usize::from(n) * 1_700]).collect();
    let ids: Vec<String> = uploads
        .iter()
        .map(|bytes| server.engine().send("POST", "/v1/documents", &[], bytes).expect(201))
        .map(|created| created["id"].as_str().unwrap().to_owned())
        .collect();
    let place = server.kill();
    let objects = place.data_dir().join("objects/o");
    let mut lost = 0;
    for (number, file) in files(&objects).into_iter().enumerate() {
        match number % 3 {
            0 => std::fs::remove_file(file).unwrap(),
            1 => std::fs::write(file, b"").unwrap(),
            _ => std::fs::File::options().write(true).open(file).unwrap().set_len(512).unwrap(),
        }
        lost += 1;
    }
    assert!(lost >= uploads.len(), "each upload had a file");
    let server = ServerProcess::on(place);
    for (id, bytes) in ids.iter().zip(&uploads) {
        let content = server.clerk().get(&format!("/v1/documents/{id}/content"));
        assert_eq!(content.status, 200);
        assert!(content.body == *bytes, "document {id}");
    }
}

#[test]
fn kills_at_random_times_lose_and_double_nothing() {
    let seed = kill::seed();
    eprintln!("seed {seed} ({} sets another)", kill::SEED);
    let mut place = Place::new(|_| {});
    let mut sent = Vec::new();
    for round in 0..kill::rounds(&place) {
        let server = ServerProcess::on(place);
        kill::check_and_complete(&server, &mut sent);
        sent.extend(kill::uploads_until_killed(&server, seed, round));
        place = server.kill();
    }
    let server = ServerProcess::on(place);
    kill::check_and_complete(&server, &mut sent);
    kill::all_are_whole(&server, &sent);
    let (status, _, place) = server.terminate();
    assert!(status.success());
    kill::nothing_else_is_there(&place, &sent);
}
