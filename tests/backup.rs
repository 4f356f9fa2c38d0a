//! `stammbuch backup` and `restore`: a running installation comes back whole elsewhere, with its keys and not without;
//! what was erased since does not come back; what is damaged, too old or half done is refused.

mod refused;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tempfile::TempDir;

use crate::actors::desk::{desk, order};
use crate::actors::place::{Place, files};
use crate::actors::{Server, ServerProcess};
use crate::search::{ask, found_later, ids};

/// Stands in title, text and file name of a document.
const CANARY: &str = "kanarienwortzyx";

/// Where the backups of a test go: two places that nobody loses together.
struct Places {
    folder: TempDir,
}

impl Places {
    fn new() -> Self {
        let places = Self { folder: tempfile::tempdir().unwrap() };
        places.secret("passphrase", "correct horse battery staple");
        places
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn data(&self, of: &Place) -> Output {
        run("backup", &["--config", text(&of.config_file()), text(&self.path("data"))])
    }

    fn keys(&self, of: &Place, name: &str) -> Output {
        let (file, passphrase) = (self.path(name), self.path("passphrase"));
        let line = ["--config", text(&of.config_file()), "--keys", text(&file), "--passphrase-file"];
        run("backup", &[&line[..], &[text(&passphrase)]].concat())
    }

    /// Rows and objects, then the keys into the file `keys`.
    fn both(&self, of: &Place) {
        done(&self.data(of));
        done(&self.keys(of, "keys"));
    }

    fn restore(&self, into: &Place, keys: &str, more: &[&str]) -> Output {
        let line = self.restore_line(into, keys);
        run("restore", &line.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
    }

    fn restore_line(&self, into: &Place, keys: &str) -> Vec<String> {
        let (data, keys, passphrase) = (self.path("data"), self.path(keys), self.path("passphrase"));
        ["--from", text(&data), "--keys", text(&keys), "--passphrase-file", text(&passphrase), "--into"]
            .map(str::to_owned)
            .into_iter()
            .chain([text(&into.config_file()).to_owned()])
            .collect()
    }
}

/// For command lines that outlive the path; a test leaks a few bytes.
fn text(path: &Path) -> &'static str {
    path.to_str().unwrap().to_owned().leak()
}

fn run(command: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stammbuch")).arg(command).args(arguments).output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said} {}", String::from_utf8_lossy(&output.stderr));
    said
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{} {said}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains(why), "{why:?} expected: {said}");
}

fn check_deep(of: &Place) {
    done(&run("check", &["--config", text(&of.config_file()), "--deep"]));
}

fn content(of: &Place, id: &str) -> Vec<u8> {
    let answer = of.engine().get(&format!("/v1/documents/{id}/content"));
    assert_eq!(answer.status, 200);
    answer.body
}

fn upload(to: &Place, bytes: &[u8]) -> String {
    let headers = [("Content-Type", "text/plain")];
    let answer = to.engine().send("POST", "/v1/documents?title=Schreiben", &headers, bytes);
    answer.expect(201)["id"].as_str().unwrap().to_owned()
}

/// Files below a folder in which these bytes stand.
fn having(folder: &Path, look: &[u8]) -> Vec<PathBuf> {
    let has = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(look.len()).any(|window| window == look)
    };
    files(folder).into_iter().filter(has).collect()
}

#[test]
fn a_running_server_under_load_is_backed_up_and_comes_back_in_a_second_installation() {
    let server = ServerProcess::start();
    let long: Vec<u8> = "Ein langer Satz. ".repeat(70_000).into_bytes();
    let mut stored = vec![(upload(&server, &long), long)];
    for number in 0..20 {
        let bytes = format!("Schreiben {number}").into_bytes();
        stored.push((upload(&server, &bytes), bytes));
    }
    let (places, stop) = (Places::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for who in 0..2 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    upload(server, format!("unter Last {who} {round}").as_bytes());
                }
            });
        }
        let outputs = [places.data(&server), places.data(&server), places.keys(&server, "keys")];
        stop.store(true, Ordering::Relaxed);
        outputs.iter().for_each(|output| drop(done(output)));
        let again = String::from_utf8_lossy(&outputs[1].stdout).into_owned();
        assert!(!again.contains(" 0 of them new"), "the load brought some: {again}");
    });
    let second = Place::empty_like(&server);
    let said = done(&places.restore(&second, "keys", &["--went-no-further"]));
    assert!(said.contains("no difference"), "{said}");
    check_deep(&second);
    let second = ServerProcess::on(second);
    for (id, bytes) in &stored {
        assert_eq!(content(&second, id), *bytes);
    }
    let new = found_later(&second.engine(), "title=Neues", "Nach der Rückkehr");
    assert_eq!(content(&second, &new), "Nach der Rückkehr".as_bytes());
    // The first one goes on as if nothing had been.
    assert_eq!(content(&server, &stored[3].0), stored[3].1);
}

#[test]
fn certificates_and_their_log_come_back_and_the_log_goes_on_only_where_nobody_saw_more() {
    let server = desk();
    let issue =
        |on: &Place, key: &str| on.registrar().post_once("/v1/certificates", key, &order("815")).expect(201);
    let first = issue(&server, "first");
    let places = Places::new();
    places.both(&server);
    let checkpoint = |of: &Place| of.citizen().get("/log/checkpoint").body;
    let old = checkpoint(&server);
    fs::write(places.path("old"), &old).unwrap();
    issue(&server, "second");
    fs::write(places.path("newest"), checkpoint(&server)).unwrap();
    let pdf = format!("/v1/certificates/{}/pdf", first["id"].as_str().unwrap());
    let bytes = server.registrar().get(&pdf).body;

    let second = Place::empty_like(&server);
    let said = done(&places.restore(&second, "keys", &[]));
    assert!(said.contains("The log has 1 leaves and is not signed"), "{said}");
    let resume =
        |claim: &[&str]| run("log", &[&["resume", "--config", text(&second.config_file())], claim].concat());
    refused(&resume(&["--last-checkpoint", text(&places.path("newest"))]), "had gone on to 2 leaves");
    fs::write(places.path("forged"), "test.example/log\n1\n").unwrap();
    refused(&resume(&["--last-checkpoint", text(&places.path("forged"))]), "the last checkpoint");
    assert_eq!(resume(&[]).status.code(), Some(2));
    // Not signed as long as nobody says how far it went; what is there is served.
    let second = Server::on(second);
    assert_eq!(second.registrar().get(&pdf).body, bytes);
    assert_eq!(checkpoint(&second), old);
    let ready = second.citizen().get("/health/ready");
    assert_eq!(ready.status, 503, "{}", ready.text());
    let second = second.stop();
    let resume =
        |claim: &[&str]| run("log", &[&["resume", "--config", text(&second.config_file())], claim].concat());
    done(&resume(&["--last-checkpoint", text(&places.path("old"))]));
    let second = Server::on(second);
    let next = issue(&second, "third");
    assert_eq!(next["logIndex"], 1);
    let second = second.stop();
    check_deep(&second);
}

fn erase(on: &Place, id: &str) {
    let grounds = json!({"reason": "mistaken", "provision": "§ 7 Abs. 3 PStG"});
    let erase = || on.registrar().post(&format!("/v1/documents/{id}/erase"), &grounds);
    assert!(matches!(erase().status, 200 | 202));
    while erase().json().get("doneAt").is_none() {
        std::thread::yield_now();
    }
}

fn planted(server: &Place) -> String {
    let text = format!("Im Text steht {CANARY} neben Buchsbaum.");
    found_later(&server.engine(), &format!("title=Titel%20{CANARY}&reference={CANARY}"), &text)
}

#[test]
fn what_was_erased_is_in_no_later_backup_and_does_not_come_back_from_an_earlier_one() {
    let server = ServerProcess::start();
    let id = planted(&server);
    let other = found_later(&server.engine(), "title=Anderer", "Ein anderer Text mit Buchsbaum");
    let places = Places::new();
    done(&places.data(&server));
    assert_eq!(having(&places.path("data"), CANARY.as_bytes()), Vec::<PathBuf>::new(), "rows are sealed");
    erase(&server, &id);
    done(&places.keys(&server, "keys"));
    let after = Places::new();
    after.both(&server);
    assert_eq!(having(after.folder.path(), CANARY.as_bytes()), Vec::<PathBuf>::new());

    let second = Place::empty_like(&server);
    let said = done(&places.restore(&second, "keys", &["--went-no-further"]));
    assert!(said.contains("erased again: 1."), "{said}");
    assert_eq!(having(second.data_dir(), CANARY.as_bytes()), Vec::<PathBuf>::new());
    check_deep(&second);
    let second = ServerProcess::on(second);
    second.engine().get(&format!("/v1/documents/{id}")).problem(410, "erased");
    assert_eq!(ids(&ask(&second.registrar(), "Buchsbaum")), [&other]);
    drop(second);

    let third = Place::empty_like(&server);
    done(&after.restore(&third, "keys", &["--went-no-further"]));
    let third = ServerProcess::on(third);
    third.engine().get(&format!("/v1/documents/{id}")).problem(410, "erased");
    assert_eq!(ids(&ask(&third.registrar(), "Buchsbaum")), [&other]);
}

#[test]
fn nothing_in_a_backup_is_a_key_or_opens_without_one() {
    let server = ServerProcess::start();
    planted(&server);
    let places = Places::new();
    places.both(&server);
    let config = server.config();
    let mut secrets: Vec<Vec<u8>> =
        vec![CANARY.as_bytes().to_vec(), b"Titel".to_vec(), b"engine-one".to_vec()];
    let master = fs::read_to_string(config.path(&config.keystore.master_key_file)).unwrap();
    let master = master.lines().nth(1).unwrap().split_once(' ').unwrap().1.to_owned();
    secrets.push(hex::decode(&master).unwrap());
    secrets.push(master.into_bytes());
    for file in files(&server.data_dir().join("keys")) {
        let longest = fs::read_to_string(file).unwrap();
        secrets.extend(longest.lines().filter(|line| line.len() >= 40).map(|line| line.as_bytes().to_vec()));
    }
    let keystore = config.database_url(&config.keystore.url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wrapped: Vec<Vec<u8>> = runtime.block_on(async {
        use stammbuch::database::{Database, DatabaseError, sql};
        let keystore = Database::open_keystore(&keystore).await.unwrap();
        let rows = keystore.read::<_, DatabaseError, _>(|tx| {
            Box::pin(async move {
                let text = "SELECT wrapped FROM wrapped_keys UNION ALL SELECT wrapped FROM authority_keys";
                sql(text).all(tx).await?.iter().map(|row| row.bytes("wrapped")).collect()
            })
        });
        rows.await.unwrap()
    });
    assert!(wrapped.len() >= 4, "documents, backup, authorities");
    secrets.extend(wrapped);
    for secret in &secrets {
        let found = having(&places.path("data"), secret);
        assert_eq!(found, Vec::<PathBuf>::new(), "{}", String::from_utf8_lossy(secret));
        let found = having(places.folder.path(), secret);
        assert_eq!(found, Vec::<PathBuf>::new(), "nor openly in the file of keys");
    }
    // Without the file of keys there is nothing to begin with.
    refused(&places.restore(&Place::empty_like(&server), "none", &[]), "none");
}
