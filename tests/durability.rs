//! What `201` promises about an upload: the order of the syncs before it, and that no kill -9 at any moment loses,
//! doubles or half-shows a document.

mod kill;
mod trace;

use std::process::Command;

use stammbuch::domain::digest::Sha256;

use crate::actors::ServerProcess;
use crate::actors::place::Place;
use trace::{Call, calls};

const TRACED: &str = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,write,writev,pwrite64,pwritev,sendto,sendmsg";

/// Uploads one document to a traced server and gives the calls of all its threads.
fn traced_upload() -> Option<Vec<Call>> {
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
    server.engine().send("POST", "/v1/documents", &[], b"the first one makes the folders").expect(201);
    server.engine().send("POST", "/v1/documents", &[], b"the one that is looked at").expect(201);
    let (status, log, _place) = server.terminate();
    assert!(status.success(), "{status}: {}", log.join("\n"));
    Some(calls(&std::fs::read_to_string(file).unwrap()))
}

#[test]
fn file_folder_key_and_row_are_synced_in_this_order_before_201_is_sent() {
    let Some(calls) = traced_upload() else { return };
    let sent: Vec<&Call> = calls.iter().filter(|call| call.text.contains("HTTP/1.1 201")).collect();
    let [before, sent] = sent.as_slice() else { panic!("two answers with 201 are sent: {sent:?}") };
    let between = |call: &&Call| call.began > before.ended && call.ended < sent.began;
    let between: Vec<&Call> = calls.iter().filter(between).collect();
    let only = |what: &str, found: Vec<&Call>| -> Call {
        assert_eq!(found.len(), 1, "{what}: {found:?}\nof {between:#?}");
        (*found.first().unwrap()).clone()
    };
    let find = |what: &str, fits: &dyn Fn(&Call) -> bool| {
        only(what, between.iter().copied().filter(|call| fits(call)).collect())
    };
    let is_sync = |call: &Call| matches!(call.name.as_str(), "fsync" | "fdatasync");
    let named = find("the rename that gives the object its name", &|call| {
        call.name == "renameat2"
            && call.text.contains("RENAME_NOREPLACE")
            && call.text.contains("/objects/o/")
    });
    let file =
        find("the sync of the object's bytes", &|call| is_sync(call) && call.text.contains("/.staging/"));
    let folder = find("the sync of the object's folder", &|call| {
        is_sync(call) && call.text.contains("/objects/o/") && call.began > named.ended
    });
    let key =
        find("the sync of the keystore", &|call| is_sync(call) && call.text.contains("keystore.sqlite-wal"));
    assert!(file.ended < named.began, "the bytes are durable before they have a name");
    let row = between.iter().find(|call| {
        is_sync(call)
            && call.text.contains("stammbuch.sqlite-wal")
            && call.began > folder.ended.max(key.ended)
    });
    assert!(row.is_some(), "the row is committed after bytes and key, before the answer: {between:#?}");
}

#[test]
fn fifty_kills_lose_and_double_nothing() {
    let seed = kill::seed();
    eprintln!("seed {seed} ({} sets another)", kill::SEED);
    let mut place = Place::new(|_| {});
    let mut sent = Vec::new();
    for round in 0..kill::ROUNDS {
        let server = ServerProcess::on(place);
        kill::check_and_complete(&server, &mut sent);
        sent.extend(kill::uploads_until_killed(&server, seed, round));
        place = server.kill();
    }
    let server = ServerProcess::on(place);
    kill::check_and_complete(&server, &mut sent);
    for upload in &sent {
        let path = format!("/v1/documents/{}/content", upload.id.as_deref().unwrap());
        let content = server.clerk().get(&path);
        assert_eq!(content.status, 200);
        assert_eq!(Sha256::of(&content.body), Sha256::of(&upload.bytes()), "{path}");
    }
    let (status, _, place) = server.terminate();
    assert!(status.success());
    kill::nothing_else_is_there(&place, &sent);
}
