//! The disk fails under load: full, its syncs failing, its folders not to be written. What was acknowledged stays, who
//! asks meanwhile is told to come again, and when the fault goes, everything gets done, once.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::load::{self, Witness};
use super::on_postgres;
use crate::actors::ServerProcess;
use crate::actors::place::Place;
use crate::actors::volume::Volume;
use crate::census;

/// A server whose files lie in a file system of their own.
fn on_a_volume(mebibytes: u64) -> Option<(Volume, ServerProcess)> {
    if on_postgres() {
        eprintln!("skipped on PostgreSQL: its files lie elsewhere");
        return None;
    }
    let volume = Volume::make(mebibytes)?;
    let server = ServerProcess::on(Place::new_in(volume.path(), |_| {}));
    Some((volume, server))
}

#[test]
fn a_disk_that_is_full() {
    let Some((volume, server)) = on_a_volume(128) else { return };
    load::survives(server, |witness| {
        for _ in 0..2 {
            let filler = volume.fill();
            witness.sees_refusals();
            witness.sees_ready(503);
            std::fs::remove_file(filler).unwrap();
            witness.sees_ready(200);
        }
    });
}

#[test]
fn a_file_for_which_there_is_no_room_is_refused_and_leaves_nothing() {
    let Some((volume, server)) = on_a_volume(64) else { return };
    server.engine().send("POST", "/v1/documents", &[], b"before").expect(201);
    let before = census::of(&server);
    let large = vec![0x81; 80 << 20];
    for (path, headers) in [
        ("/v1/documents", &[][..]),
        (
            "/v1/uploads",
            &[
                ("Tus-Resumable", "1.0.0"),
                ("Upload-Length", "83886080"),
                ("Content-Type", "application/offset+octet-stream"),
            ],
        ),
    ] {
        let refused = server.engine().send("POST", path, headers, &large);
        refused.problem(503, "unavailable");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{path}");
    }
    let after = census::settled_by(&server, |now| now.staged == 0 && now.documents == before.documents);
    assert_eq!((after.staged, after.documents), (0, before.documents));
    server.engine().send("POST", "/v1/documents", &[], b"after").expect(201);
    drop((server, volume));
}

/// strace, which makes the syncs of a running process fail without doing them.
struct FailingSyncs(Child);

impl FailingSyncs {
    /// `when`: which of them, as strace counts them in each thread. None, said aloud, where nobody may trace.
    fn of(server: &ServerProcess, when: &str) -> Option<Self> {
        let id = server.id().to_string();
        let inject = format!("inject=fsync,fdatasync,syncfs:error=EIO:when={when}");
        let strace = Command::new("strace")
            .args([
                "-f",
                "-qq",
                "-p",
                &id,
                "-o",
                "/dev/null",
                "-e",
                "trace=fsync,fdatasync,syncfs",
                "-e",
                &inject,
            ])
            .stdout(Stdio::null())
            .spawn();
        let Ok(mut strace) = strace else {
            eprintln!("skipped: strace is not installed");
            return None;
        };
        let status = format!("/proc/{id}/status");
        while std::fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n") {
            if strace.try_wait().unwrap().is_some() {
                eprintln!("skipped: strace may not trace here");
                return None;
            }
            // sleeps: until the process is traced
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self(strace))
    }

    /// Ends it where the process is dead. Asked to let go, strace would wait for the main thread, and that for other
    /// threads of which strace has not taken notice: for ever.
    fn end_with_the_process(mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for FailingSyncs {
    /// Lets the process go on as if nothing had been.
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let _ = self.0.wait();
    }
}

#[test]
fn a_disk_that_syncs_nothing() {
    if on_postgres() {
        return;
    }
    load::survives(ServerProcess::start(), |witness| {
        for _ in 0..2 {
            let Some(failing) = FailingSyncs::of(witness.server, "1+") else { return };
            witness.sees_refusals();
            witness.sees_ready(503);
            drop(failing);
            witness.sees_ready(200);
        }
    });
}

/// Each thread's second sync fails, and every third after it: nothing that is asked for comes through at one go.
#[test]
fn a_disk_that_fails_to_sync_now_and_then() {
    if on_postgres() {
        return;
    }
    load::survives(ServerProcess::start(), |witness| {
        let Some(failing) = FailingSyncs::of(witness.server, "2+3") else { return };
        for _ in 0..10 {
            witness.sees_refusals();
        }
        drop(failing);
        witness.sees_ready(200);
    });
}

#[test]
fn a_disk_that_does_not_sync_the_first_upload() {
    if on_postgres() {
        return;
    }
    let server = ServerProcess::start();
    let upload = || server.engine().send("POST", "/v1/documents", &[("Idempotency-Key", "k")], b"first");
    let Some(failing) = FailingSyncs::of(&server, "1+") else { return };
    upload().problem(503, "unavailable");
    drop(failing);
    upload().expect(201);
}

/// The server dies while its disk fails: what it could not sync and has refused must not come back as acknowledged,
/// and what is acknowledged later does not hang on it.
#[test]
fn a_disk_that_fails_to_sync_until_the_server_dies() {
    if on_postgres() {
        return;
    }
    let server = ServerProcess::start();
    let upload = |server: &ServerProcess, n: u32| {
        let key = format!("k{n}");
        let body = format!("upload {n}");
        server.engine().send("POST", "/v1/documents", &[("Idempotency-Key", &key)], body.as_bytes())
    };
    let first = upload(&server, 1).expect(201);
    let Some(failing) = FailingSyncs::of(&server, "1+") else { return };
    upload(&server, 2).problem(503, "unavailable");
    server.kill_now();
    failing.end_with_the_process();
    let server = ServerProcess::on(server.kill());
    let second = upload(&server, 2).expect(201);
    let third = upload(&server, 3).expect(201);
    let server = ServerProcess::on(server.kill());
    for (n, expected) in [(1, &first), (2, &second), (3, &third)] {
        assert_eq!(upload(&server, n).expect(201), *expected);
    }
    assert_eq!(census::of(&server).documents, 3);
}

/// Folders into which nobody may write, not even root.
struct Immutable(Vec<PathBuf>);

impl Immutable {
    /// The folder and all below it.
    fn below(folder: &Path) -> Self {
        let mut folders = vec![folder.to_owned()];
        let mut at = 0;
        while let Some(folder) = folders.get(at) {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            let inner: Vec<_> =
                entries.filter(|e| e.file_type().unwrap().is_dir()).map(|e| e.path()).collect();
            folders.extend(inner);
            at += 1;
        }
        change("+i", &folders);
        Self(folders)
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        change("-i", &self.0);
    }
}

fn change(attribute: &str, folders: &[PathBuf]) {
    assert!(Command::new("chattr").arg(attribute).args(folders).status().unwrap().success());
}

#[test]
fn a_folder_that_nobody_may_write_to() {
    let Some((_volume, server)) = on_a_volume(128) else { return };
    load::survives(server, |witness: &Witness<'_>| {
        let fixed = Immutable::below(&witness.server.data_dir().join("objects"));
        witness.sees_refusals();
        witness.sees_ready(503);
        drop(fixed);
        witness.sees_ready(200);
    });
}

#[test]
fn on_a_disk_that_may_only_be_read_a_server_says_so_in_one_line_and_starts_when_it_may_be_written() {
    let Some((volume, server)) = on_a_volume(64) else { return };
    let created = server.engine().send("POST", "/v1/documents", &[], b"kept").expect(201);
    let place = server.kill();
    volume.set_writable(false);
    let start = Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .args(["serve", "--config", place.config_file().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&start.stderr);
    assert_eq!(start.status.code(), Some(1), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("Read-only")).count(), 1, "{said}");
    volume.set_writable(true);
    let server = ServerProcess::on(place);
    let path = format!("/v1/documents/{}/content", created["id"].as_str().unwrap());
    assert_eq!(server.clerk().get(&path).body, b"kept");
    drop((server, volume));
}
