//! What is acknowledged stays; what is complete becomes one document; what is over leaves nothing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;

use super::append::{EMPTY_MAX, PIECE_BYTES};
use super::*;
use crate::database::documents;
use crate::database::testing::{authority, count, found, on_each_engine};
use crate::database::{Database, documents::Document};
use crate::domain::clock::FixedClock;
use crate::domain::random::SeededRandom;
use crate::events::Outbox;
use crate::intake::keeper::Keeper;
use crate::intake::receive::Aside;
use crate::intake::turns::Turns;
use crate::objects::{
    KeyRows as _, MasterKeys, MemoryKeyRows, MemoryStore, ObjectRef, ObjectStore as _, Vault,
};
use crate::scan::Scanning;

const LIMIT: u64 = 3 * PIECE_BYTES;
const BOUNDS: Bounds = Bounds {
    kept: SignedDuration::from_hours(24),
    client_open_max: 3,
    client_bytes_max: 2 * LIMIT,
    authority_open_max: 4,
    authority_bytes_max: 3 * LIMIT - 1,
};

struct Bench {
    uploads: Uploads,
    store: MemoryStore,
    keys: Arc<MemoryKeyRows>,
    clock: Arc<FixedClock>,
}

/// Objects, keys, uploads, pieces, documents.
type Counts = [usize; 5];

impl Bench {
    async fn new(database: Database) -> Self {
        found(&database, 1).await;
        found(&database, 2).await;
        let clock = Arc::new(FixedClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
        let random = Arc::new(SeededRandom::new(1));
        let (store, keys) = (MemoryStore::new(clock.clone()), Arc::new(MemoryKeyRows::default()));
        let master = MasterKeys::single([1; 32]);
        let vault = Vault::new(Arc::new(store.clone()), keys.clone(), master, clock.clone(), random.clone());
        let keeper = Keeper::new(&database, Outbox::silent(), None);
        let receiver = Receiver {
            vault,
            database,
            clock: clock.clone(),
            random,
            bytes_max: LIMIT,
            jobs: None,
            turns: Turns::default(),
            keeper,
            scanning: Scanning::off(),
            aside: Aside::default(),
        };
        Self { uploads: Uploads::new(receiver, BOUNDS), store, keys, clock }
    }

    /// The same installation after a crash: nothing is left but what is durable.
    fn restart(&mut self) {
        self.uploads = Uploads::new(self.uploads.receiver.clone(), BOUNDS);
    }

    async fn begin(&self, size: u64, metadata: &str) -> Upload {
        self.uploads.begin(&sender("engine-1"), new(size, metadata), None).await.unwrap()
    }

    async fn send(&self, id: UploadId, offset: u64, bytes: &[u8]) -> Result<Upload, UploadError> {
        self.send_checked(id, offset, bytes, None).await
    }

    async fn send_checked(
        &self,
        id: UploadId,
        offset: u64,
        bytes: &[u8],
        checksum: Option<Checksum>,
    ) -> Result<Upload, UploadError> {
        let chunk = Chunk { offset, length: Some(bytes.len() as u64), checksum };
        self.uploads.append(authority(1), id, chunk, body(bytes)).await
    }

    async fn counts(&self) -> Counts {
        let database = &self.uploads.receiver.database;
        let (objects, keys) = (self.store.list("").await.unwrap(), self.keys.list(None, 1000).await.unwrap());
        let mut counts = vec![objects.len(), keys.len()];
        for table in ["uploads", "upload_pieces", "documents"] {
            counts.push(count(database, table).await);
        }
        counts.try_into().unwrap()
    }

    async fn document(&self, upload: &Upload) -> (Document, Vec<u8>) {
        let id = upload.document.unwrap();
        let database = &self.uploads.receiver.database;
        let document: Result<_, DatabaseError> =
            database.read(move |tx| Box::pin(documents::find(tx, authority(1), id))).await;
        let document: Document = document.unwrap().unwrap();
        let at = ObjectRef::own(authority(1), document.object);
        let bytes = self.uploads.receiver.vault.read(at).await.unwrap();
        (document, bytes)
    }
}

fn sender(client: &str) -> Sender {
    Sender { authority: authority(1), client: client.into(), role: "engine", request_id: None }
}

fn new(size: u64, metadata: &str) -> NewUpload {
    NewUpload { size, metadata: Metadata::parse(metadata).unwrap(), digests: Vec::new() }
}

fn body(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, ()>> + use<> {
    let pieces: Vec<_> = bytes.chunks(70_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// A body that breaks off behind `bytes`.
fn cut(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, ()>> + use<> {
    body(bytes).chain(stream::iter([Err(())]))
}

use futures_util::{Stream, StreamExt as _};

fn text(size: u64) -> Vec<u8> {
    (0..size).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect()
}

#[tokio::test]
async fn an_upload_in_pieces_becomes_a_document_and_leaves_nothing_else() {
    on_each_engine(async |db| {
        let mut bench = Bench::new(db).await;
        let bytes = text(2 * PIECE_BYTES + 100_000);
        let metadata = "filename YS50eHQ=,title QW56ZWlnZQ==";
        let upload = bench.begin(bytes.len() as u64, metadata).await;
        let first = usize::try_from(PIECE_BYTES).unwrap() + 12_345;
        let after = bench.send(upload.id, 0, &bytes[..first]).await.unwrap();
        assert_eq!((after.received, after.piece_count, after.document), (first as u64, 2, None));
        assert_eq!(bench.counts().await, [2, 1, 1, 2, 0]);
        bench.restart();
        assert_eq!(bench.uploads.settle(authority(1), upload.id).await.unwrap(), after);
        let done = bench.send(upload.id, first as u64, &bytes[first..]).await.unwrap();
        let (document, stored) = bench.document(&done).await;
        assert!(stored == bytes, "byte for byte");
        assert_eq!(document.sha256, Sha256::of(&bytes));
        assert_eq!(document.file_name.as_deref(), Some("a.txt"));
        assert_eq!((document.title.as_deref(), document.received_by.as_str()), (Some("Anzeige"), "engine-1"));
        // The document's object and key; the row that answers whoever asks again.
        assert_eq!(bench.counts().await, [1, 1, 1, 0, 1]);
        let again = bench.uploads.settle(authority(1), upload.id).await.unwrap();
        assert_eq!((again.document, again.metadata.as_str()), (done.document, ""));
        // The client sends the last request again because the answer was lost.
        let lost = bench.send(upload.id, bytes.len() as u64, b"").await.unwrap();
        assert_eq!(lost.document, done.document);
        bench.clock.advance(idempotency::KEPT);
        assert_eq!(bench.uploads.tidy().await.unwrap(), Tidied { removed: 1, finished: 0 });
        assert_eq!(bench.counts().await, [1, 1, 0, 0, 1]);
    })
    .await;
}

#[tokio::test]
async fn what_came_before_a_body_broke_off_counts_unless_it_had_a_checksum() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let bytes = text(200_000);
        let upload = bench.begin(200_000, "").await;
        let chunk = |checksum| Chunk { offset: 0, length: Some(200_000), checksum };
        let wrong = Checksum::new("sha256", &[0; 32]);
        let broken =
            bench.uploads.append(authority(1), upload.id, chunk(wrong.clone()), cut(&bytes[..90_000]));
        assert!(matches!(broken.await, Err(UploadError::Broken { offset: 0 })));
        let mismatch = bench.send_checked(upload.id, 0, &bytes, wrong).await;
        assert!(matches!(mismatch, Err(UploadError::Checksum { .. })), "{mismatch:?}");
        assert_eq!(bench.counts().await, [0, 0, 1, 0, 0]);
        let broken = bench.uploads.append(authority(1), upload.id, chunk(None), cut(&bytes[..90_000]));
        assert!(matches!(broken.await, Err(UploadError::Broken { offset: 90_000 })));
        let right = Checksum::new("sha256", Sha256::of(&bytes[90_000..]).as_bytes());
        let done = bench.send_checked(upload.id, 90_000, &bytes[90_000..], right).await.unwrap();
        assert!(bench.document(&done).await.1 == bytes);
    })
    .await;
}

#[tokio::test]
async fn bytes_elsewhere_too_many_or_none_are_refused_and_change_nothing() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let id = bench.begin(100, "").await.id;
        bench.send(id, 0, &[b'x'; 10]).await.unwrap();
        let before = bench.counts().await;
        for offset in [0, 9, 11, u64::MAX] {
            let refused = bench.send(id, offset, b"y").await;
            assert!(matches!(refused, Err(UploadError::Offset { expected: 10, got }) if got == offset));
        }
        assert!(matches!(bench.send(id, 10, &[b'x'; 91]).await, Err(UploadError::TooLong { remaining: 90 })));
        let unannounced = Chunk { offset: 10, length: None, checksum: None };
        let long = bench.uploads.append(authority(1), id, unannounced, body(&[b'x'; 91])).await;
        assert!(matches!(long, Err(UploadError::TooLong { remaining: 90 })));
        for _ in 0..EMPTY_MAX {
            bench.send(id, 10, b"").await.unwrap();
        }
        for _ in 0..2 {
            assert!(matches!(bench.send(id, 10, b"").await, Err(UploadError::NoBytes { max: EMPTY_MAX })));
        }
        assert_eq!(bench.counts().await, before);
        bench.send(id, 10, &[b'x'; 10]).await.unwrap();
        bench.send(id, 20, b"").await.unwrap();
        assert!(bench.send(id, 20, &[b'x'; 80]).await.unwrap().document.is_some());
    })
    .await;
}

#[tokio::test]
async fn another_authoritys_upload_does_not_exist() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let id = bench.begin(10, "").await.id;
        let chunk = Chunk { offset: 0, length: Some(1), checksum: None };
        let theirs = bench.uploads.append(authority(2), id, chunk, body(b"x")).await;
        assert!(matches!(theirs, Err(UploadError::NotFound)));
        assert!(matches!(bench.uploads.settle(authority(2), id).await, Err(UploadError::NotFound)));
        assert!(matches!(bench.uploads.find(authority(2), id).await, Err(UploadError::NotFound)));
        assert!(matches!(bench.uploads.end(authority(2), id).await, Err(UploadError::NotFound)));
        assert_eq!(bench.uploads.find(authority(1), id).await.unwrap().received, 0);
    })
    .await;
}

#[tokio::test]
async fn only_one_request_works_and_whoever_asks_where_to_go_on_stops_it() {
    on_each_engine(async |db| {
        let bench = Arc::new(Bench::new(db).await);
        let id = bench.begin(100_000, "").await.id;
        let sending = tokio::spawn({
            let bench = Arc::clone(&bench);
            let chunk = Chunk { offset: 0, length: None, checksum: None };
            async move {
                let endless = body(&text(40_000)).chain(stream::pending());
                bench.uploads.append(authority(1), id, chunk, endless).await
            }
        });
        while bench.uploads.locks.try_hold(id).is_some() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(bench.send(id, 0, b"x").await, Err(UploadError::Locked)));
        let settled = bench.uploads.settle(authority(1), id).await.unwrap();
        let stopped = sending.await.unwrap();
        assert!(matches!(stopped, Err(UploadError::Broken { offset }) if offset == settled.received));
        // It may be asked before the first bytes were taken.
        assert!(matches!(settled.received, 0 | 40_000));
        let rest = text(100_000).split_off(usize::try_from(settled.received).unwrap());
        assert!(bench.send(id, settled.received, &rest).await.unwrap().document.is_some());
    })
    .await;
}

#[tokio::test]
async fn an_upload_whose_time_is_over_is_gone_with_its_bytes() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let (old, fed) = (bench.begin(1000, "").await.id, bench.begin(1000, "").await.id);
        bench.send(old, 0, &[b'x'; 300_000 / 1000]).await.unwrap();
        bench.clock.advance(SignedDuration::from_hours(23));
        bench.send(fed, 0, b"x").await.unwrap();
        bench.clock.advance(SignedDuration::from_hours(1));
        assert!(matches!(bench.uploads.find(authority(1), old).await, Err(UploadError::Expired)));
        assert!(matches!(bench.send(old, 300, b"x").await, Err(UploadError::Expired)));
        assert!(matches!(bench.uploads.settle(authority(1), old).await, Err(UploadError::Expired)));
        assert_eq!(bench.uploads.tidy().await.unwrap(), Tidied { removed: 1, finished: 0 });
        assert!(matches!(bench.uploads.find(authority(1), old).await, Err(UploadError::NotFound)));
        // Each byte that comes puts the end off.
        assert_eq!(bench.counts().await, [1, 1, 1, 1, 0]);
        bench.send(fed, 1, b"x").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_ended_upload_leaves_nothing_and_a_document_is_not_ended_this_way() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let id = bench.begin(1000, "").await.id;
        bench.send(id, 0, b"x").await.unwrap();
        bench.send(id, 1, b"x").await.unwrap();
        bench.uploads.end(authority(1), id).await.unwrap();
        assert_eq!(bench.counts().await, [0, 0, 0, 0, 0]);
        assert!(matches!(bench.uploads.end(authority(1), id).await, Err(UploadError::NotFound)));
        let id = bench.begin(1, "").await.id;
        let done = bench.send(id, 0, b"x").await.unwrap();
        assert!(matches!(bench.uploads.end(authority(1), id).await, Err(UploadError::Finished { .. })));
        assert!(bench.document(&done).await.1 == b"x");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_document_ends_the_upload_and_leaves_nothing() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let pdf = format!(
            "filetype {}",
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "application/pdf")
        );
        let id = bench.begin(9, &pdf).await.id;
        let refused = bench.send(id, 0, b"Guten Tag").await;
        assert!(matches!(refused, Err(UploadError::Receive(ReceiveError::Type(_)))), "{refused:?}");
        // What the first bytes show is refused before the last ones are sent.
        let id = bench.begin(1_000_000, &pdf).await.id;
        let refused = bench.send(id, 0, &text(100_000)).await;
        assert!(matches!(refused, Err(UploadError::Receive(ReceiveError::Type(_)))), "{refused:?}");
        let wrong = NewUpload { digests: vec![Sha256::of(b"other")], ..new(9, "") };
        let id = bench.uploads.begin(&sender("engine-1"), wrong, None).await.unwrap().id;
        let refused = bench.send(id, 0, b"Guten Tag").await;
        assert!(matches!(refused, Err(UploadError::Receive(ReceiveError::Digest { .. }))), "{refused:?}");
        assert_eq!(bench.counts().await, [0, 0, 0, 0, 0]);
        for (size, empty) in [(0, true), (LIMIT + 1, false)] {
            match bench.uploads.begin(&sender("engine-1"), new(size, ""), None).await {
                Err(UploadError::Receive(ReceiveError::Empty)) => assert!(empty),
                Err(UploadError::Receive(ReceiveError::TooLarge { max: LIMIT })) => assert!(!empty),
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn as_much_is_open_as_may_be_and_no_more() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let begin =
            async |client: &str, size: u64| bench.uploads.begin(&sender(client), new(size, ""), None).await;
        let refused = |outcome: Result<Upload, UploadError>, whose: &str, what: &str| match outcome {
            Err(UploadError::TooMuchOpen { whose: w, what: t }) => assert_eq!((w, t.as_str()), (whose, what)),
            other => panic!("{other:?}"),
        };
        begin("a", LIMIT).await.unwrap();
        begin("a", LIMIT - 1).await.unwrap();
        refused(begin("a", 2).await, "the client", &format!("uploads of {} bytes", 2 * LIMIT));
        let last = begin("a", 1).await.unwrap();
        refused(begin("a", 1).await, "the client", "3 uploads");
        refused(begin("b", LIMIT).await, "the authority", &format!("uploads of {} bytes", 3 * LIMIT - 1));
        begin("b", LIMIT - 1).await.unwrap();
        refused(begin("c", 1).await, "the authority", "4 uploads");
        // What has become a document is not open any more.
        bench.send(last.id, 0, b"x").await.unwrap();
        begin("a", 1).await.unwrap();
        refused(begin("c", 1).await, "the authority", "4 uploads");
    })
    .await;
}

#[tokio::test]
async fn the_same_creation_under_its_key_is_the_same_upload() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let key = || Some("k".to_owned());
        let begin = async |size, metadata: &str| {
            bench.uploads.begin(&sender("engine-1"), new(size, metadata), key()).await
        };
        let (title, other) = ("title QQ==,kind Qg==", "title Qg==,kind Qg==");
        let first = begin(5, title).await.unwrap();
        bench.send(first.id, 0, b"ab").await.unwrap();
        let again = begin(5, "kind Qg==,title QQ==").await.unwrap();
        assert_eq!((again.id, again.received), (first.id, 2));
        for outcome in [begin(6, title).await, begin(5, other).await] {
            assert!(matches!(outcome, Err(UploadError::Receive(ReceiveError::KeyReused))));
        }
        let done = bench.send(first.id, 2, b"cde").await.unwrap();
        assert_eq!(begin(5, title).await.unwrap().document, done.document);
        let ended = bench.uploads.begin(&sender("engine-1"), new(1, ""), Some("e".into())).await.unwrap();
        bench.uploads.end(authority(1), ended.id).await.unwrap();
        let spent = bench.uploads.begin(&sender("engine-1"), new(1, ""), Some("e".into())).await;
        assert!(matches!(spent, Err(UploadError::KeySpent)));
    })
    .await;
}

#[tokio::test]
async fn a_crash_around_the_document_is_finished_later_and_never_twice() {
    on_each_engine(async |db| {
        let mut bench = Bench::new(db).await;
        let bytes = text(100_000);
        // Behind the last piece, before the document.
        let id = bench.begin(100_000, "").await.id;
        complete_only(&bench, id, &bytes).await;
        bench.restart();
        assert_eq!(bench.uploads.tidy().await.unwrap(), Tidied { removed: 0, finished: 1 });
        let done = bench.uploads.find(authority(1), id).await.unwrap();
        assert!(bench.document(&done).await.1 == bytes);
        // Behind the document's transaction, before the upload's row says so.
        let id = bench.begin(100_000, "").await.id;
        let complete = complete_only(&bench, id, &bytes).await;
        let again = complete.clone();
        let finished = bench.uploads.finish(again).await.unwrap();
        unfinish(&bench, &complete).await;
        bench.restart();
        let settled = bench.uploads.settle(authority(1), id).await.unwrap();
        assert_eq!(settled.document, finished.document);
        assert_eq!(count(&bench.uploads.receiver.database, "documents").await, 2);
    })
    .await;
}

/// Brings an upload to the moment behind its last piece.
async fn complete_only(bench: &Bench, id: UploadId, bytes: &[u8]) -> Upload {
    let vault = &bench.uploads.receiver.vault;
    let sealed = vault.put(authority(1), bytes).await.unwrap();
    let before = bench.uploads.find(authority(1), id).await.unwrap();
    let (piece, until) = (uploads::Piece { object: sealed.at.object, size: sealed.size }, before.expires_at);
    let added: Result<bool, DatabaseError> = bench
        .uploads
        .receiver
        .database
        .write(move |tx| Box::pin(async move { uploads::add(tx, &before, &[piece], until).await }))
        .await;
    assert!(added.unwrap());
    bench.uploads.find(authority(1), id).await.unwrap()
}

/// Puts the row back to where it stood before it was noted that the upload is a document, with its bytes.
async fn unfinish(bench: &Bench, complete: &Upload) {
    let id = complete.id;
    let removed: Result<(), DatabaseError> =
        bench.uploads.receiver.database.write(move |tx| Box::pin(uploads::remove(tx, id))).await;
    removed.unwrap();
    let row = Upload { received: 0, piece_count: 0, ..complete.clone() };
    let inserted: Result<(), DatabaseError> = bench
        .uploads
        .receiver
        .database
        .write(move |tx| {
            Box::pin(async move {
                uploads::insert(tx, &row);
                Ok(())
            })
        })
        .await;
    inserted.unwrap();
    complete_only(bench, id, &text(100_000)).await;
}

#[test]
fn a_lie_ends_an_upload_and_a_fault_does_not() {
    assert!(!UploadError::from(ReceiveError::Empty).may_pass());
    assert!(!UploadError::from(ReceiveError::TooLarge { max: 1 }).may_pass());
    assert!(UploadError::from(ReceiveError::Database(DatabaseError::Closed)).may_pass());
    assert!(UploadError::from(ReceiveError::KeyInUse).may_pass());
}
