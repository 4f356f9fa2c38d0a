//! Rounds of uploads over several connections that end with kill -9 at a moment drawn from a seed, and what must hold
//! after each of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use stammbuch::domain::digest::Sha256;

use crate::actors::ServerProcess;
use crate::actors::place::Place;
use crate::actors::speak::Actor;
use crate::census;

/// Connections that upload at the same time.
const CONNECTIONS: u64 = 4;
/// Names the seed of the moments and the sizes.
pub const SEED: &str = "STAMMBUCH_KILL_SEED";

/// An upload that was begun; with an id, it was acknowledged.
#[derive(Debug, Clone)]
pub struct Upload {
    number: u64,
    size: usize,
    /// The document's id, once it was acknowledged.
    pub id: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "one variable repeats a run of this test")]
pub fn seed() -> u64 {
    std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Rounds of a run: fewer on PostgreSQL, where a start takes longer, and more in the long form.
#[expect(clippy::disallowed_methods, reason = "one variable chooses the long form")]
pub fn rounds(place: &Place) -> u64 {
    match (std::env::var("STAMMBUCH_LONG").ok(), place.on_postgres()) {
        (Some(_), _) => 200,
        (None, None) => 50,
        (None, Some(_)) => 20,
    }
}

fn draw(seed: u64, what: &str, number: u64, below: u64) -> u64 {
    let digest = Sha256::of(format!("{seed} {what} {number}").as_bytes());
    digest.as_bytes().iter().take(7).fold(0, |value, byte| value << 8 | u64::from(*byte)) % below
}

impl Upload {
    fn new(seed: u64, number: u64) -> Self {
        // Every sixth is longer than what the store holds back in memory.
        let below = if number.is_multiple_of(6) { 700_000 } else { 30_000 };
        let size = 1 + usize::try_from(draw(seed, "size", number, below)).unwrap();
        Self { number, size, id: None }
    }

    /// Its bytes: each upload has its own.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("upload {} ", self.number).into_bytes();
        text.extend((0..self.size).map(|at| b'a' + u8::try_from(at % 26).unwrap()));
        text
    }

    /// Sends it under its key; `None`: no answer came.
    fn send(&self, engine: &Actor) -> Option<String> {
        let key = format!("upload-{}", self.number);
        let answer = engine.try_send("POST", "/v1/documents", &[("Idempotency-Key", &key)], &self.bytes());
        let created = answer.ok()?.expect(201);
        assert_eq!(created["sha256"], Sha256::of(&self.bytes()).to_string());
        Some(created["id"].as_str().unwrap().to_owned())
    }
}

/// Uploads over all connections until the server is killed; gives what was begun, acknowledged or not.
pub fn uploads_until_killed(server: &ServerProcess, seed: u64, round: u64) -> Vec<Upload> {
    uploads_until(server, seed, round, ServerProcess::kill_now)
}

/// As [`uploads_until_killed`]; `end` kills the server.
pub fn uploads_until(
    server: &ServerProcess,
    seed: u64,
    round: u64,
    end: impl FnOnce(&ServerProcess),
) -> Vec<Upload> {
    let begun = AtomicUsize::new(0);
    let (acknowledged, acknowledgements) = mpsc::channel();
    let wanted = 1 + draw(seed, "acknowledged", round, 6);
    let moment = Duration::from_micros(draw(seed, "moment", round, 8_000));
    std::thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let (engine, acknowledged, begun) = (server.engine(), acknowledged.clone(), &begun);
                scope.spawn(move || {
                    let mut sent = Vec::new();
                    for count in 0.. {
                        let number = round * 100_000 + connection * 10_000 + count;
                        let mut upload = Upload::new(seed, number);
                        begun.fetch_add(1, Ordering::Relaxed);
                        upload.id = upload.send(&engine);
                        let killed = upload.id.is_none();
                        sent.push(upload);
                        if killed {
                            break;
                        }
                        let _ = acknowledged.send(());
                    }
                    sent
                })
            })
            .collect();
        // From here on only those who upload hold it: when they have all given up, nobody is waited for.
        drop(acknowledged);
        for _ in 0..wanted {
            acknowledgements.recv().expect("the server acknowledges uploads until it is killed");
        }
        // sleeps: the moment of the kill is what is drawn, nothing is waited for
        std::thread::sleep(moment);
        end(server);
        let sent: Vec<Upload> = connections.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(sent.iter().any(|upload| upload.id.is_none()), "some were in flight");
        assert_eq!(sent.len(), begun.load(Ordering::Relaxed));
        sent
    })
}

/// What was acknowledged is there byte for byte and is not doubled by a retry; what was not is sent again.
pub fn check_and_complete(server: &ServerProcess, sent: &mut [Upload]) {
    let (engine, clerk) = (server.engine(), server.clerk());
    let last_round = sent.last().map(|upload| upload.number / 100_000);
    for upload in sent.iter_mut().rev() {
        if Some(upload.number / 100_000) != last_round {
            break;
        }
        let again = upload.send(&engine).expect("the server runs");
        match &upload.id {
            Some(id) => assert_eq!(*id, again, "a retry gives the first answer"),
            None => upload.id = Some(again.clone()),
        }
        let content = clerk.get(&format!("/v1/documents/{again}/content"));
        assert_eq!(content.status, 200);
        assert!(content.body == upload.bytes(), "upload {} is not what was sent", upload.number);
    }
}

/// Every upload can be read as it was sent.
pub fn all_are_whole(server: &ServerProcess, sent: &[Upload]) {
    for upload in sent {
        let path = format!("/v1/documents/{}/content", upload.id.as_deref().unwrap());
        let content = server.clerk().get(&path);
        assert_eq!(content.status, 200);
        assert_eq!(Sha256::of(&content.body), Sha256::of(&upload.bytes()), "{path}");
    }
}

/// One document for each upload, one object, key and file for each document and its text, and nothing else once the
/// sweep has run.
pub fn nothing_else_is_there(place: &Place, sent: &[Upload]) {
    let count = sent.len() as u64;
    let before = census::of(place);
    assert_eq!((before.documents, before.keys_of_requests), (count, count));
    nothing_is_orphaned(place, sent.len());
    assert_eq!(census::of(place).documents, count);
}

/// Sweeps without grace what is left of a server that has stopped: then there are these objects with a key each, their
/// texts, and nothing else.
pub fn nothing_is_orphaned(place: &Place, objects: usize) {
    let texts = census::sweep_all(place);
    let after = census::of(place);
    assert_eq!(after.object_rows, after.object_files as u64);
    assert_eq!(after.keys, objects);
    assert_eq!(after.object_files, objects + texts, "files of documents and of their texts");
    assert_eq!(after.staged, 0, "the next start removes what was half-written");
}
