//! Power cuts: the file system of the server is put back to what its device had at one moment, and what was acknowledged
//! by then must be there. What the kernel held in memory only is gone, unlike after kill -9.

use super::kill;
use crate::actors::ServerProcess;
use crate::actors::place::Place;
use crate::actors::volume::Volume;

const ROUNDS: u64 = 6;
const ROUNDS_LONG: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "one variable chooses the long form")]
fn rounds() -> u64 {
    if std::env::var("STAMMBUCH_LONG").is_ok() { ROUNDS_LONG } else { ROUNDS }
}

#[test]
fn power_cuts_at_random_times_lose_and_double_nothing() {
    let seed = kill::seed();
    eprintln!("seed {seed} ({} sets another)", kill::SEED);
    let Some(mut volume) = Volume::make(192) else { return };
    let mut place = Place::new_in(volume.path(), |_| {});
    if place.on_postgres().is_some() {
        eprintln!("skipped on PostgreSQL: its files lie elsewhere");
        return;
    }
    volume.sync();
    let mut sent = Vec::new();
    for round in 0..rounds() {
        let server = ServerProcess::on(place);
        kill::check_and_complete(&server, &mut sent);
        sent.extend(kill::uploads_until(&server, seed, round, |server| {
            server.freeze();
            volume.picture();
            server.kill_now();
        }));
        place = server.kill();
        volume.lose_power();
    }
    let server = ServerProcess::on(place);
    kill::check_and_complete(&server, &mut sent);
    kill::all_are_whole(&server, &sent);
    let (status, _, place) = server.terminate();
    assert!(status.success());
    kill::nothing_else_is_there(&place, &sent);
    drop(place);
}

/// What the kernel could not write is read back from its memory until it forgets it, also by the next process.
#[test]
fn a_start_believes_the_disk_and_not_what_memory_holds_of_files_that_were_never_written() {
    let Some(mut volume) = Volume::make(192) else { return };
    let place = Place::new_in(volume.path(), |_| {});
    if place.on_postgres().is_some() {
        eprintln!("skipped on PostgreSQL: its files lie elsewhere");
        return;
    }
    let server = ServerProcess::on(place);
    let uploads: Vec<Vec<u8>> = (1..20_u8).map(|n| vec![0x80 | n; 30_000]).collect();
    let ids: Vec<String> = uploads
        .iter()
        .map(|bytes| server.engine().send("POST", "/v1/documents", &[], bytes).expect(201))
        .map(|created| created["id"].as_str().unwrap().to_owned())
        .collect();
    let place = server.kill();
    volume.sync();
    let objects = super::files(&place.data_dir().join("objects/o"));
    // The second block of each file: in the journal it lies elsewhere in its block.
    let blocks: Vec<[u8; 4096]> =
        objects.iter().map(|file| std::fs::read(file).unwrap()[4096..8192].try_into().unwrap()).collect();
    let lost = volume.lose_blocks(&blocks);
    assert!(lost >= uploads.len(), "{lost} blocks are lost");
    let server = ServerProcess::on(place);
    let (status, log, place) = server.terminate();
    assert!(status.success());
    volume.remount();
    let server = ServerProcess::on(place);
    for (id, bytes) in ids.iter().zip(&uploads) {
        let content = server.clerk().get(&format!("/v1/documents/{id}/content"));
        assert_eq!(content.status, 200, "{id}: {}", log.join("\n"));
        assert!(content.body == *bytes, "document {id}");
    }
    drop(server.kill());
}
