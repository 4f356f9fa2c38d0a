//! `stammbuch check` finds each difference that is planted between database, objects, keys, index and log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use stammbuch::app::SystemRandom;
use stammbuch::config::Config;
use stammbuch::database::{Database, DatabaseError, log, sql_from};
use stammbuch::domain::digest::Sha256;
use stammbuch::tlog::{Leaf, LeafKind, Salt};
use tempfile::TempDir;

use crate::actors::Server;
use crate::actors::noon;
use crate::actors::place::Place;
use crate::actors::postgres::Databases;

/// More than a segment, so that a change can lie beyond the head of the object.
const DOCUMENT_BYTES: usize = 200_000;
const LEAVES: u8 = 3;

/// A folder that was served and has a document and three leaves.
fn used() -> (Place, String) {
    let server = Server::start();
    let text = "Ein langer Satz. ".repeat(DOCUMENT_BYTES / 17);
    let answer =
        server.engine().send("POST", "/v1/documents", &[("Content-Type", "text/plain")], text.as_bytes());
    let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
    let url = server.config().database_url(&server.config().database.url);
    on_database(&url, async |database| {
        let leaves = (0..LEAVES).map(|n| {
            let leaf = Leaf::new(LeafKind::AuditHead, &Salt::draw(&SystemRandom::new()), &Sha256::of(&[n]));
            database.write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    log::enqueue(tx, &[n; 16], &leaf, noon());
                    Ok(())
                })
            })
        });
        for queued in leaves {
            queued.await.unwrap();
        }
    });
    let checkpoint = server.data_dir().join("objects/log/checkpoint");
    let size =
        || fs::read_to_string(&checkpoint).ok().and_then(|note| note.lines().nth(1).map(str::to_owned));
    while size() != Some(LEAVES.to_string()) {
        std::thread::yield_now();
    }
    (server.stop(), id)
}

fn on_database(url: &str, work: impl AsyncFnOnce(&Database)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = if url.contains("keystore") || url.ends_with("_keys") {
            Database::open_keystore(url).await.unwrap()
        } else {
            Database::open(url).await.unwrap()
        };
        work(&database).await;
        database.close().await;
    });
}

/// A copy of a used folder in which something may be changed.
struct Copy {
    folder: TempDir,
    config: Config,
    /// On PostgreSQL.
    databases: Option<Databases>,
}

impl Copy {
    fn of(place: &Place) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = place.config().clone();
        config.data_dir = folder.path().join("data");
        copy_tree(place.data_dir(), &config.data_dir);
        let databases = place.on_postgres().map(Databases::copied);
        if let Some(databases) = &databases {
            databases.configure(&mut config);
        }
        fs::write(folder.path().join("site.toml"), toml::to_string(&config).unwrap()).unwrap();
        Self { folder, config, databases }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.config.data_dir.join(path)
    }

    /// The only object that is there.
    fn object(&self) -> PathBuf {
        let folders = fs::read_dir(self.file("objects/o")).unwrap();
        let mut objects = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        objects.next().unwrap().unwrap().path()
    }

    fn statement(&self, database: &str, statement: &str) {
        let url = self.config.database_url(database);
        // Bytes are written x'00' on SQLite and '\\x00' on PostgreSQL.
        let bytes = if self.databases.is_some() { "'\\x" } else { "x'" };
        let statement = statement.replace("x'", bytes);
        on_database(&url, async |database| {
            let work = database.write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move { sql_from(statement).execute(tx).await })
            });
            assert_eq!(work.await.unwrap(), 1);
        });
    }

    /// Exit code and lines of `check`, those about the index apart: how far it came is a matter of timing.
    fn check(&self, deep: bool) -> (Option<i32>, Vec<String>, Vec<String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
        command.args(["check", "--config"]).arg(self.folder.path().join("site.toml"));
        let output = if deep { command.arg("--deep") } else { &mut command }.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let (about_index, other) =
            said.lines().map(str::to_owned).partition(|line| line.starts_with("index: "));
        (output.status.code(), other, about_index)
    }

    /// Requires that `check` exits with 1 and says this and nothing else.
    #[track_caller]
    fn differs(&self, deep: bool, expected: &str) {
        let (code, said, _) = self.check(deep);
        assert_eq!(code, Some(1), "{said:?}");
        let differences: Vec<_> = said.iter().take_while(|line| !line.starts_with("compared: ")).collect();
        assert!(!differences.is_empty(), "{expected}: {said:?}");
        assert!(differences.iter().all(|line| line.contains(expected)), "{expected}: {said:?}");
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn make_old(path: &Path) {
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

#[test]
fn each_difference_is_found_and_named() {
    let (place, _) = used();
    let whole = Copy::of(&place);
    let (_, said, _) = whole.check(true);
    assert!(said[0].starts_with("compared: ") && said[0].contains("3 leaves"), "{said:?}");

    let copy = Copy::of(&place);
    fs::remove_file(copy.object()).unwrap();
    copy.differs(false, "does not exist");

    let copy = Copy::of(&place);
    File::options().write(true).open(copy.object()).unwrap().set_len(100_000).unwrap();
    copy.differs(false, "bytes on the store where");

    let copy = Copy::of(&place);
    let mut bytes = fs::read(copy.object()).unwrap();
    bytes[150_000] ^= 1;
    fs::write(copy.object(), bytes).unwrap();
    assert_eq!(copy.check(false).1[0], said[0], "only a deep check reads so far");
    copy.differs(true, "segment 2 does not open");

    let copy = Copy::of(&place);
    let stray = copy.object().with_file_name("00".repeat(16));
    fs::write(&stray, "stray").unwrap();
    assert_eq!(copy.check(false).1[0], said[0], "it may belong to an upload on its way");
    make_old(&stray);
    copy.differs(false, "belongs to nothing in the database");

    let copy = Copy::of(&place);
    copy.statement(&copy.config.keystore.url, "DELETE FROM wrapped_keys");
    copy.differs(false, "has no key");

    let copy = Copy::of(&place);
    let spare = "INSERT INTO wrapped_keys (object_id, authority, key_id, wrapped, created_at)
                 SELECT x'00000000000000000000000000000001', authority, key_id, wrapped, 0 FROM wrapped_keys LIMIT 1";
    copy.statement(&copy.config.keystore.url, spare);
    copy.differs(false, "the key of object 00000000000000000000000000000001 belongs to nothing");

    let copy = Copy::of(&place);
    copy.statement(
        &copy.config.database.url,
        "INSERT INTO journal_counters (authority, last) SELECT id, 2 FROM authorities LIMIT 1",
    );
    copy.differs(false, "the counter stands at 2, there are 0 lines up to 0");
}

#[test]
fn differences_of_log_and_index_are_found_and_named() {
    let (place, _) = used();

    let copy = Copy::of(&place);
    fs::remove_file(copy.file("objects/log/checkpoint")).unwrap();
    copy.differs(false, "published checkpoint: none; signed in the database: one of 3 leaves");

    let copy = Copy::of(&place);
    fs::remove_file(copy.file("objects/log/tile/0/000.p/3")).unwrap();
    copy.differs(false, "tile/0/000.p/3 is missing");

    let copy = Copy::of(&place);
    let bundle = copy.file("objects/log/tile/entries/000.p/3");
    let mut bytes = fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&bundle, bytes).unwrap();
    copy.differs(false, "tile/entries/000.p/3 has other bytes than its leaves give");

    let copy = Copy::of(&place);
    copy.statement(&copy.config.database.url, "DELETE FROM log_entries WHERE log_index = 1");
    copy.differs(false, "the database lacks leaves between 0 and 3, or has damaged ones");

    let copy = Copy::of(&place);
    let change = "INSERT INTO index_changes (document, authority, at) VALUES (x'00000000000000000000000000000001', x'00000000000000000000000000000001', 0)";
    copy.statement(&copy.config.database.url, change);
    let (code, _, about_index) = copy.check(false);
    assert_eq!(code, Some(1));
    assert!(about_index[0].ends_with("changes of the database are not in the index"), "{about_index:?}");
}

#[test]
fn check_makes_nothing_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    fs::write(&file, "data_dir = \"data\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("keys/log.key: No such file"));
    assert!(!folder.path().join("data").exists());
}
