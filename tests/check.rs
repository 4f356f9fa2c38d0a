//! `stammbuch check` finds each difference that is planted between database, objects, keys, index and log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};
use stammbuch::app::SystemRandom;
use stammbuch::config::Config;
use stammbuch::database::{Database, DatabaseError, log, sql_from};
use stammbuch::domain::digest::Sha256;
use stammbuch::tlog::{Leaf, LeafKind, Salt};
use tempfile::TempDir;

use crate::actors::noon;
use crate::actors::place::Place;
use crate::actors::postgres::Databases;
use crate::actors::{Server, ServerProcess};
use crate::search::found_later;

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
    while server.engine().get(&format!("/v1/documents/{id}")).expect(200).get("indexedAt").is_none() {
        std::thread::yield_now();
    }
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

    /// The object of the document: the other one, of its text, is small.
    fn object(&self) -> PathBuf {
        let folders = fs::read_dir(self.file("objects/o")).unwrap();
        let objects = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        let objects = objects.map(|object| object.unwrap().path());
        objects.max_by_key(|path| (fs::metadata(path).unwrap().len(), path.clone())).unwrap()
    }

    /// An object that nothing refers to.
    fn stray(&self) -> PathBuf {
        let folder = self.file("objects/o/00");
        fs::create_dir_all(&folder).unwrap();
        let stray = folder.join("00".repeat(16));
        fs::write(&stray, "stray").unwrap();
        stray
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

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
        let output = command.args(["check", "--config"]).arg(self.folder.path().join("site.toml"));
        output.args(arguments).output().unwrap()
    }

    /// Exit code and lines of `check`.
    fn check(&self, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
        let output = self.run(arguments);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said.lines().map(str::to_owned).collect())
    }

    /// Requires that `check` exits with 1 and says this and nothing else.
    #[track_caller]
    fn differs(&self, deep: bool, expected: &str) {
        let (code, said) = self.check(if deep { &["--deep"] } else { &[] });
        assert_eq!(code, Some(1), "{said:?}");
        let is_difference = |line: &&String| !line.starts_with("  ->") && !line.starts_with("note: ");
        let differences: Vec<_> =
            said.iter().take_while(|line| !line.starts_with("compared: ")).filter(is_difference).collect();
        assert!(!differences.is_empty(), "{expected}: {said:?}");
        assert!(differences.iter().all(|line| line.contains(expected)), "{expected}: {said:?}");
    }

    /// Requires that it differs by one of these rules, that it is repaired, and that nothing differs then.
    #[track_caller]
    fn is_repaired(&self, rule: &str) {
        let report = self.json(&[], 1);
        let rules: Vec<&str> = report["counts"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(rules, [rule], "{report}");
        assert!(report["differences"][0]["repairable"].as_bool().unwrap(), "{report}");
        let report = self.json(&["--repair"], 0);
        assert_eq!(report["repaired"][0]["rule"], rule, "{report}");
        assert_eq!(self.json(&["--deep"], 0)["repaired"], json!([]));
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said} {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(report["clean"], code == 0);
        report
    }
}

/// Something done to a copy.
type Harm = fn(&Copy);

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        // The journal would bring back what a test takes away; its objects have files by now. And the server that
        // ended may still be removing its own folder in it.
        if entry.file_name() == ".staging" {
            continue;
        }
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
    let (code, said) = whole.check(&["--deep"]);
    assert!(said[0].starts_with("compared: ") && said[0].contains("3 leaves"), "{said:?}");
    assert!(said[0].contains("2 objects, 2 read to their end"), "{said:?}");
    assert_eq!((code, said[1].as_str()), (Some(0), "no difference"));
    let (_, said) = whole.check(&[]);

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
    assert_eq!(copy.check(&[]).1.last(), said.last(), "only a deep check reads so far");
    copy.differs(true, "segment 2 does not open");

    let copy = Copy::of(&place);
    let stray = copy.stray();
    assert_eq!(copy.check(&[]).1.last(), said.last(), "it may belong to an upload on its way");
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
    copy.differs(false, "1 changes of the database are not in the index");

    let copy = Copy::of(&place);
    copy.statement(
        &copy.config.database.url,
        "UPDATE index_changes SET document = x'00000000000000000000000000000001'",
    );
    let (_, said) = copy.check(&[]);
    assert!(said[0].contains("of the index is none of this database"), "{said:?}");
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

#[test]
fn what_has_one_right_form_is_repaired() {
    let (place, id) = used();

    let copy = Copy::of(&place);
    let stray = copy.stray();
    make_old(&stray);
    copy.is_repaired("orphan-object");
    assert!(!stray.exists());

    let copy = Copy::of(&place);
    let spare = "INSERT INTO wrapped_keys (object_id, authority, key_id, wrapped, created_at)
                 SELECT x'00000000000000000000000000000001', authority, key_id, wrapped, 0 FROM wrapped_keys LIMIT 1";
    copy.statement(&copy.config.keystore.url, spare);
    copy.is_repaired("orphan-key");

    let copy = Copy::of(&place);
    let row = "INSERT INTO objects (id, authority, sha256, cipher_sha256, size, format, created_at)
               SELECT x'00000000000000000000000000000001', authority, cipher_sha256, sha256, size, format, 0
               FROM objects WHERE size > 150000 LIMIT 1";
    copy.statement(&copy.config.database.url, row);
    let rules = copy.json(&[], 1)["counts"].clone();
    assert_eq!(rules, json!({"key-missing": 1, "row-unused": 1}));
    assert_eq!(copy.json(&["--repair"], 0)["repaired"][0]["rule"], "row-unused");

    for (file, rule) in [
        ("objects/log/tile/0/000.p/3", "file-missing"),
        ("objects/log/tile/entries/000.p/3", "file-missing"),
        ("objects/log/checkpoint", "checkpoint-behind"),
    ] {
        let copy = Copy::of(&place);
        fs::remove_file(copy.file(file)).unwrap();
        copy.is_repaired(rule);
        assert_eq!(fs::read(copy.file(file)).unwrap(), fs::read(place.data_dir().join(file)).unwrap());
    }
    let copy = Copy::of(&place);
    let tile = copy.file("objects/log/tile/0/000.p/3");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    fs::write(&tile, bytes).unwrap();
    copy.is_repaired("file-wrong");

    let copy = Copy::of(&place);
    let change = "INSERT INTO index_changes (document, authority, at) SELECT id, authority, 0 FROM documents";
    copy.statement(&copy.config.database.url, change);
    copy.is_repaired("index-behind");

    let copy = Copy::of(&place);
    fs::remove_dir_all(copy.file("index")).unwrap();
    copy.is_repaired("index-behind");

    let copy = Copy::of(&place);
    let meta = copy.file("index/v2/b00/meta.json");
    fs::write(&meta, "{").unwrap();
    copy.is_repaired("index-unreadable");

    let copy = Copy::of(&place);
    let erased =
        "INSERT INTO erasures (document, authority, reason, provision, erased_at, erased_by, restricted,
                      object, index_seq)
                  SELECT x'00000000000000000000000000000001', authority, 'mistaken', '§ 7', 0, 'nobody', 0,
                      x'00000000000000000000000000000002', 1 FROM documents";
    copy.statement(&copy.config.database.url, erased);
    copy.is_repaired("erasure-stands-still");

    let copy = Copy::of(&place);
    copy.statement(&copy.config.database.url, "UPDATE documents SET extracted_at = NULL");
    copy.is_repaired("document-unread");
    // The job is due by the machine's clock.
    let now = "2100-01-01T00:00:00Z".parse().unwrap();
    let server = Server::on_at(Place::beside(&place, copy.config.clone()), now);
    let path = format!("/v1/documents/{id}");
    while server.engine().get(&path).expect(200).get("extractedAt").is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn a_document_that_the_index_lost_or_kept_is_found_and_put_right() {
    let (place, _) = used();
    let copy = Copy::of(&place);
    // One that the database says is in the index, and is not.
    let lost = "INSERT INTO documents (id, authority, object, media_type, received_at, received_by, stored_at,
                    extracted_at, pages, words, indexed_at)
                SELECT x'00000000000000000000000000000001', authority, object, media_type, received_at, received_by,
                    stored_at, extracted_at, 0, 0, 1 FROM documents";
    copy.statement(&copy.config.database.url, lost);
    let counts = copy.json(&[], 1)["counts"].clone();
    assert_eq!(counts, json!({"document-untold": 1, "index-lacks": 1}));
    let repaired = copy.json(&["--repair"], 0)["repaired"].clone();
    assert_eq!(repaired.as_array().unwrap().len(), 2, "{repaired}");
    // It is in the index now; its row goes without anybody telling.
    copy.statement(
        &copy.config.database.url,
        "DELETE FROM documents WHERE id = x'00000000000000000000000000000001'",
    );
    copy.is_repaired("index-stray");
}

#[test]
fn what_cannot_be_repaired_is_named_with_what_to_do_and_left_alone() {
    let (place, _) = used();
    let object = |copy: &Copy| fs::remove_file(copy.object()).unwrap();
    let key = |copy: &Copy| copy.statement(&copy.config.keystore.url, "DELETE FROM wrapped_keys");
    let forged = |copy: &Copy| {
        let wrapped = "UPDATE wrapped_keys SET wrapped = (SELECT wrapped FROM authority_keys LIMIT 1)";
        copy.statement(&copy.config.keystore.url, wrapped);
    };
    let journal = |copy: &Copy| {
        let counter = "INSERT INTO journal_counters (authority, last) SELECT id, 2 FROM authorities LIMIT 1";
        copy.statement(&copy.config.database.url, counter);
    };
    let leaf = |copy: &Copy| {
        copy.statement(&copy.config.database.url, "DELETE FROM log_entries WHERE log_index = 1");
    };
    let checkpoint = |copy: &Copy| {
        fs::write(copy.file("objects/log/checkpoint"), "test.example/log\n9\n").unwrap();
    };
    let dead = |copy: &Copy| {
        let job = "INSERT INTO jobs (id, authority, kind, payload, created_at, due_at, poisoned_at)
                   SELECT id, id, 'event:hook', '{}', 0, 0, 0 FROM authorities LIMIT 1";
        copy.statement(&copy.config.database.url, job);
    };
    let cases: [(Harm, &str); 7] = [
        (object, "object-missing"),
        (key, "key-missing"),
        (forged, "key-forged"),
        (journal, "journal-torn"),
        (leaf, "leaves-damaged"),
        (checkpoint, "checkpoint-forged"),
        (dead, "job-dead"),
    ];
    for (damage, rule) in cases {
        let copy = Copy::of(&place);
        damage(&copy);
        let before = copy.json(&[], 1);
        let counts: Vec<&String> = before["counts"].as_object().unwrap().keys().collect();
        assert_eq!(counts, [rule], "{before}");
        assert!(!before["differences"][0]["help"].as_str().unwrap().is_empty());
        let after = copy.json(&["--repair"], 1);
        assert_eq!((&after["counts"], &after["repaired"]), (&before["counts"], &json!([])));
    }
    // A byte that only a deep look finds is not lost from the report by a repair of something else.
    let copy = Copy::of(&place);
    let mut bytes = fs::read(copy.object()).unwrap();
    bytes[150_000] ^= 1;
    fs::write(copy.object(), bytes).unwrap();
    fs::remove_file(copy.file("objects/log/checkpoint")).unwrap();
    let after = copy.json(&["--deep", "--repair"], 1);
    assert_eq!(after["counts"], json!({"object-damaged": 1}));
    assert_eq!(after["repaired"][0]["rule"], "checkpoint-behind");
}

#[test]
fn beside_a_server_under_load_nothing_differs_and_nothing_is_repaired() {
    let server = ServerProcess::start();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
        command.args(["check", "--config"]).arg(server.config_file()).args(arguments).output().unwrap()
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for who in 0..2 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let (engine, registrar) = (server.engine(), server.registrar());
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let text = format!("Schreiben {who} {round}");
                    let id = found_later(&engine, "title=Schreiben", &text);
                    let grounds = json!({"reason": "mistaken", "provision": "§ 7 PStG"});
                    let erased = registrar.post(&format!("/v1/documents/{id}/erase"), &grounds);
                    assert!(matches!(erased.status, 200 | 202), "{}", erased.status);
                }
            });
        }
        for arguments in [&["--json"] as &[&str], &["--deep", "--json"]] {
            let output = run(arguments);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            // Ended before anything is asserted, or the others would never end.
            if arguments.len() == 2 || output.status.code() != Some(0) {
                stop.store(true, Ordering::Relaxed);
            }
            assert_eq!(output.status.code(), Some(0), "{said} {}", String::from_utf8_lossy(&output.stderr));
        }
    });
    let output = run(&["--repair"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stop the server, then repair"));
}
