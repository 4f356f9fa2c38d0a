//! The database fails under load: locked, gone, full, stopped, its connections cut. Who asks meanwhile is told to come
//! again (503 with Retry-After), `/health/ready` says so, and when the fault goes, everything gets done, once.

mod disk;
mod load;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::actors::ServerProcess;
use crate::actors::place::Place;
use crate::actors::postgres;
use load::Witness;

fn on_postgres() -> bool {
    postgres::server().is_some()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Begins to write to the file, and does not end, as long as `meanwhile` runs.
fn locked(file: &Path, meanwhile: impl FnOnce()) {
    block_on(async {
        let mut other = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        meanwhile();
        other.execute("ROLLBACK").await.unwrap();
        other.close().await.unwrap();
    });
}

/// Both databases, one after the other, are locked by another program for longer than one waits for that.
#[test]
fn files_that_another_program_writes_to() {
    if on_postgres() {
        return;
    }
    load::survives(ServerProcess::start(), |witness: &Witness<'_>| {
        for name in ["stammbuch.sqlite", "keystore.sqlite"] {
            locked(&witness.server.data_dir().join(name), || {
                witness.sees_refusals();
                witness.sees_ready(503);
            });
            witness.sees_ready(200);
        }
    });
}

#[test]
fn files_that_are_moved_away_and_come_back() {
    if on_postgres() {
        return;
    }
    load::survives(ServerProcess::start(), |witness| {
        for name in ["stammbuch.sqlite", "keystore.sqlite"] {
            let file = witness.server.data_dir().join(name);
            let elsewhere = file.with_extension("elsewhere");
            std::fs::rename(&file, &elsewhere).unwrap();
            witness.sees_refusals();
            witness.sees_ready(503);
            // Another file is not the one that was opened.
            std::fs::copy(&elsewhere, &file).unwrap();
            witness.sees_refusals();
            std::fs::rename(&elsewhere, &file).unwrap();
            witness.sees_ready(200);
        }
    });
}

/// No file of the process may grow any more: to SQLite and to the store that is a disk without room.
#[test]
fn files_that_cannot_grow() {
    if on_postgres() {
        return;
    }
    if Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: prlimit (util-linux) is not installed");
        return;
    }
    let server = ServerProcess::under(Place::new(|_| {}), &["env", "--ignore-signal=XFSZ"]);
    load::survives(server, |witness| {
        let limit = |bytes: &str| {
            let pid = witness.server.id().to_string();
            let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
            assert!(set.unwrap().success());
        };
        limit("100000");
        witness.sees_refusals();
        limit("unlimited");
        witness.sees_ready(200);
    });
}

/// A PostgreSQL that is the test's own: it can be stopped.
struct Cluster {
    folder: TempDir,
    url: String,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { folder, url: String::new() };
        cluster.url = cluster.run("start", "0");
        cluster.execute("CREATE DATABASE rows");
        cluster.execute("CREATE DATABASE keys");
        cluster
    }

    fn database(&self, name: &str) -> String {
        let (host, _) = self.url.rsplit_once('/').unwrap();
        format!("{host}/{name}")
    }

    fn port(&self) -> &str {
        let (host, _) = self.url.rsplit_once('/').unwrap();
        host.rsplit_once(':').unwrap().1
    }

    fn run(&self, what: &str, port: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/postgres.sh");
        let mut command = Command::new(script);
        let output = command.arg(what).arg(self.folder.path()).arg(port).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn execute(&self, statement: &str) {
        block_on(async {
            let mut link = PgConnection::connect(&self.url).await.unwrap();
            link.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
            link.close().await.unwrap();
        });
    }

    fn place(&self) -> Place {
        Place::new(|config| {
            config.database.url = self.database("rows");
            config.keystore.url = self.database("keys");
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("stop", "0");
    }
}

#[test]
fn a_postgres_that_is_stopped_and_started_again() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::start();
    load::survives(ServerProcess::on(cluster.place()), |witness| {
        for _ in 0..2 {
            cluster.run("stop", "0");
            witness.sees_refusals();
            witness.sees_ready(503);
            cluster.run("start", cluster.port());
            witness.sees_ready(200);
        }
    });
}

#[test]
fn a_postgres_that_cuts_its_connections_again_and_again() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::start();
    load::survives(ServerProcess::on(cluster.place()), |witness| {
        for _ in 0..20 {
            cluster.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stammbuch'",
            );
            // sleeps: between two cuts some work is to be under way
            std::thread::sleep(Duration::from_millis(50));
        }
        witness.sees_ready(200);
    });
}
