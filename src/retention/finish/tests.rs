//! An erasure comes to its end from wherever it was broken off; what others use stays; what was copied is dead.

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::database::documents::{self, Document, Extracted};
use crate::database::idempotency::StoredAnswer;
use crate::database::keystore::Keystore;
use crate::database::testing::{authority, count, found, on_each_engine};
use crate::database::{index_changes, jobs};
use crate::domain::clock::FixedClock;
use crate::domain::random::SeededRandom;
use crate::domain::retention::{ErasureReason, Provision};
use crate::events::Outbox;
use crate::intake::extract::PageText;
use crate::intake::fields::Fields;
use crate::intake::index::Indexer;
use crate::intake::receive::{Claims, EXTRACT_JOB, Kept, Receiver, Sender};
use crate::intake::texts;
use crate::objects::{DiskStore, KeyError, MasterKeys, ObjectRef, ObjectStore};
use crate::retention::{By, Grounds, Reason, Retention, RetentionError};
use crate::search::index::{Closeness, Question, Reader, Sight, TantivyBackend, TantivyLimits};
use crate::search::query::parse;

const STEPS: [Step; 4] = [Step::Keys, Step::Objects, Step::Index, Step::Pages];

struct Archive {
    folder: TempDir,
    receiver: Receiver,
    retention: Retention,
    eraser: Eraser,
    indexer: Indexer,
    store: Arc<DiskStore>,
}

impl Archive {
    async fn new(database: Database) -> Self {
        found(&database, 1).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/keystore.sqlite", folder.path().display());
        let keystore = Database::open_keystore(&url).await.unwrap();
        let clock: Arc<FixedClock> = Arc::new(FixedClock::new("2026-05-04T12:00:00Z".parse().unwrap()));
        let random = Arc::new(SeededRandom::new(1));
        let store = Arc::new(DiskStore::open(&folder.path().join("objects")).unwrap());
        let keys = Arc::new(Keystore::new(keystore.clone()));
        let vault =
            Vault::new(store.clone(), keys, MasterKeys::single([1; 32]), clock.clone(), random.clone());
        let index: Arc<dyn SearchBackend> =
            Arc::new(TantivyBackend::open(&folder.path().join("index"), TantivyLimits::default()).unwrap());
        let indexer = Indexer::new(database.clone(), vault.clone(), index.clone(), clock.clone());
        let receiver = Receiver::alone(vault.clone(), &database, clock.clone(), random.clone(), 1 << 20);
        let wake = Arc::new(Notify::new());
        let retention = Retention {
            database: database.clone(),
            clock: clock.clone(),
            random,
            index: indexer.wake(),
            erased: wake.clone(),
            outbox: Outbox::silent(),
        };
        let eraser = Eraser { database, keystore, vault, index, clock, wake };
        Self { folder, receiver, retention, eraser, indexer, store }
    }

    async fn upload(&self, bytes: &[u8], fields: &[(&str, &str)]) -> Document {
        let sender =
            Sender { authority: authority(1), client: "engine-1".into(), role: "engine", request_id: None };
        let body = stream::iter([Ok::<_, ()>(Bytes::copy_from_slice(bytes))]);
        let uploaded = self.receiver.take_in(authority(1), Claims::default(), body).await.unwrap();
        let fields = Fields::parse(fields.iter().copied()).unwrap();
        match self.receiver.keep(uploaded, &fields, &sender, None).await.unwrap() {
            Kept::New(document) => *document,
            Kept::Held(_) | Kept::Before(_) | Kept::Known(_) => panic!("a new document was expected"),
        }
    }

    /// Notes a text as the job that reads documents out does.
    async fn read_out(&self, document: &Document, text: &str) {
        let page = [PageText { number: 1, text: text.to_owned() }];
        let mut bytes = texts::encode(&page);
        bytes.extend(document.object.as_bytes());
        let sealed = self.eraser.vault.put_beside(authority(1), document.object, &bytes).await.unwrap();
        let (id, now, fresh) = (document.id, Timestamp::UNIX_EPOCH, sealed.at);
        let written = self.eraser.database.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                let text = documents::keep_object(tx, &sealed, now).await?;
                let extracted = Extracted { at: now, pages: 1, words: 2, text: Some(text) };
                documents::set_extracted(tx, authority(1), id, &extracted).await?;
                index_changes::append(tx, id, authority(1), now).await?;
                Ok(text)
            })
        });
        if written.await.unwrap() != fresh.object {
            self.eraser.vault.delete(fresh).await.unwrap();
        }
        self.indexer.catch_up(&|_| {}).await.unwrap();
    }

    async fn erase(&self, document: &Document, reason: ErasureReason) -> Result<(), RetentionError> {
        let grounds = Grounds { reason, provision: Provision::parse("§ 7 Abs. 3 PStG").unwrap() };
        let gone = StoredAnswer { status: 410, headers: Vec::new(), body: Vec::new() };
        self.retention.erase(&registrar(), document.id, grounds, gone).await.map(drop)
    }

    async fn finish(&self) {
        self.indexer.catch_up(&|_| {}).await.unwrap();
        let eraser = self.eraser.clone();
        while eraser.all_steps().await.unwrap() != Progress::Nothing {}
    }

    fn finds(&self, text: &str) -> Vec<DocumentId> {
        let (query, reader) = (parse(text).unwrap(), registrar().reader);
        let closeness = Closeness::AsAsked;
        let (query, reader, hidden) = (&query, &reader, &[][..]);
        let question = Question { query, reader, hidden, closeness, after: None, limit: 10 };
        let found = self.eraser.index.search(question).unwrap();
        found.hits.iter().map(|hit| hit.place.document).collect()
    }

    async fn present(&self, id: DocumentId) -> Option<Document> {
        let read = self.eraser.database.read(move |tx| Box::pin(documents::find(tx, authority(1), id)));
        read.await.unwrap()
    }

    /// The folder of the index's files: below that of its version, whichever it is.
    fn bucket(&self) -> std::path::PathBuf {
        let versions = std::fs::read_dir(self.folder.path().join("index")).unwrap();
        let folders = versions.map(|entry| entry.unwrap().path().join("b00"));
        folders.into_iter().find(|folder| folder.is_dir()).unwrap()
    }

    /// Whether the word is a part of any term in any segment, deleted documents included.
    fn has_term(&self, word: &str) -> bool {
        let index = tantivy::Index::open_in_dir(self.bucket()).unwrap();
        let reader = index.reader().unwrap();
        let mut found = false;
        for segment in reader.searcher().segment_readers() {
            for (field, _) in index.schema().fields().filter(|(_, entry)| entry.is_indexed()) {
                let inverted = segment.inverted_index(field).unwrap();
                let mut terms = inverted.terms().stream().unwrap();
                while terms.advance() {
                    found |= String::from_utf8_lossy(terms.key()).contains(word);
                }
            }
        }
        found
    }
}

fn registrar() -> By {
    let reader = Reader { authority: authority(1), sight: Sight::All };
    By { reader, name: "Erika Beispiel".into(), role: "registrar", request_id: None }
}

#[tokio::test]
async fn an_erasure_broken_off_anywhere_is_finished_by_the_next_process() {
    for (cut, noted) in (0..STEPS.len()).flat_map(|cut| [(cut, false), (cut, true)]) {
        on_each_engine(async |db| {
            let archive = Archive::new(db.clone()).await;
            let document = archive.upload(b"Kanarienwort", &[("title", "Kanarienwort")]).await;
            archive.read_out(&document, "Kanarienwort im Text").await;
            let other = archive.upload(b"anderes", &[]).await;
            archive.read_out(&other, "anderes Wort").await;
            assert!(archive.has_term("kanarienwort") && archive.finds("Kanarienwort") == [document.id]);
            assert_eq!(archive.store.list("o").await.unwrap().len(), 4);

            archive.erase(&document, ErasureReason::Mistaken).await.unwrap();
            assert_eq!(archive.present(document.id).await, None);
            assert_eq!(archive.eraser.step(Step::Index).await.unwrap(), Progress::Nothing);
            archive.indexer.catch_up(&|_| {}).await.unwrap();
            for step in STEPS.into_iter().take(cut) {
                assert_eq!(archive.eraser.step(step).await.unwrap(), Progress::Finished, "{step:?}");
            }
            let open = db.read(|tx| Box::pin(erasures::open(tx, 9))).await.unwrap();
            match STEPS[cut] {
                step if noted => _ = archive.eraser.step(step).await.unwrap(),
                Step::Keys => archive.eraser.erase_keys(&open).await.unwrap(),
                Step::Objects => archive.eraser.remove_objects(&open).await.unwrap(),
                Step::Index => assert!(archive.eraser.purge(&open).await.unwrap()),
                Step::Pages => archive.eraser.database.scrub().await.unwrap(),
            }
            archive.finish().await;

            assert!(!archive.has_term("kanarienwort"), "{cut} {noted}");
            assert_eq!(archive.finds("Kanarienwort"), []);
            assert_eq!(archive.finds("anderes"), [other.id]);
            assert_eq!(archive.store.list("o").await.unwrap().len(), 2);
            let keys = archive.eraser.vault.keys_after(None, 9).await.unwrap();
            assert_eq!(keys.iter().map(|(object, _)| *object).collect::<Vec<_>>(), [other.object]);
            let erasure =
                db.read(move |tx| Box::pin(erasures::find(tx, authority(1), document.id))).await.unwrap();
            assert!(erasure.unwrap().done_at.is_some());
            archive.eraser.keystore.close().await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_copy_of_the_sealed_bytes_does_not_open_any_more() {
    on_each_engine(async |db| {
        let archive = Archive::new(db).await;
        let document = archive.upload(b"Kanarienwort", &[]).await;
        archive.read_out(&document, "Kanarienwort").await;
        let text = archive.present(document.id).await.unwrap().extracted.unwrap().text.unwrap();
        let mut copies = Vec::new();
        for line in archive.store.list("o").await.unwrap() {
            copies.push((line.path.clone(), archive.store.read(&line.path, None).await.unwrap()));
        }
        archive.erase(&document, ErasureReason::Mistaken).await.unwrap();
        archive.finish().await;
        for (path, bytes) in copies {
            archive.store.create(&path, bytes).await.unwrap();
        }
        let bytes = ObjectRef::own(authority(1), document.object);
        for at in [bytes, ObjectRef::beside(authority(1), text, document.object)] {
            let opened = archive.eraser.vault.read(at).await;
            assert!(matches!(opened, Err(VaultError::Key(KeyError::Erased { .. }))), "{opened:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_twin_stays_with_bytes_and_text_until_it_is_erased_itself() {
    on_each_engine(async |db| {
        let archive = Archive::new(db).await;
        let one = archive.upload(b"gleich", &[("title", "Erster")]).await;
        let two = archive.upload(b"gleich", &[("title", "Zweiter")]).await;
        assert_eq!(one.object, two.object);
        for document in [&one, &two] {
            archive.read_out(document, "gleicher Text").await;
        }
        let why = Reason::parse("Rechtsstreit").unwrap();
        let hold = archive.retention.hold(&registrar(), two.id, &why).await.unwrap();
        archive.erase(&one, ErasureReason::Mistaken).await.unwrap();
        archive.finish().await;

        assert!(!archive.has_term("erster") && archive.has_term("zweiter"));
        assert_eq!(archive.finds("gleicher"), [two.id]);
        let bytes = ObjectRef::own(authority(1), two.object);
        assert_eq!(archive.eraser.vault.read(bytes).await.unwrap(), b"gleich");
        let text = archive.present(two.id).await.unwrap().extracted.unwrap().text.unwrap();
        let text = ObjectRef::beside(authority(1), text, two.object);
        assert_eq!(texts::read_all(&archive.eraser.vault, text).await.unwrap()[0].text, "gleicher Text");

        let held = archive.erase(&two, ErasureReason::Mistaken).await;
        assert!(matches!(held, Err(RetentionError::Held { holds: 1 })));
        archive.retention.lift(&registrar(), two.id, hold.id, &why).await.unwrap();
        archive.erase(&two, ErasureReason::Mistaken).await.unwrap();
        archive.finish().await;
        assert_eq!(archive.store.list("o").await.unwrap(), []);
        assert!(!archive.has_term("gleich"));
        for table in ["documents", "objects", "document_holds", "audit_personal", "jobs"] {
            assert_eq!(count(&archive.eraser.database, table).await, 0, "{table}");
        }
        let again = archive.upload(b"gleich", &[]).await;
        assert_ne!(again.object, two.object);
        let bytes = ObjectRef::own(authority(1), again.object);
        assert_eq!(archive.eraser.vault.read(bytes).await.unwrap(), b"gleich");
    })
    .await;
}

#[tokio::test]
async fn what_is_being_read_out_while_it_is_erased_leaves_no_text() {
    on_each_engine(async |db| {
        let archive = Archive::new(db.clone()).await;
        let document = archive.upload(b"Kanarienwort", &[]).await;
        let (lease, now) = (jobs::Lease([1; 16]), "2026-05-04T13:00:00Z".parse().unwrap());
        let claim = db.write(move |tx| Box::pin(jobs::claim(tx, EXTRACT_JOB, lease, now, now, 5)));
        let job = claim.await.unwrap().unwrap();
        archive.erase(&document, ErasureReason::Mistaken).await.unwrap();
        let done = db.write(move |tx| Box::pin(jobs::complete(tx, job.id, lease))).await;
        assert_eq!(done, Ok(false));
    })
    .await;
}

#[tokio::test]
async fn the_same_bytes_uploaded_while_their_twin_is_erased_are_always_readable() {
    on_each_engine(async |db| {
        let archive = Archive::new(db).await;
        for round in 0..10_u8 {
            let first = archive.upload(&[b'a', round], &[]).await;
            let bytes = [b'a', round];
            let (erased, uploads) = tokio::join!(
                archive.erase(&first, ErasureReason::Mistaken),
                join_all((0..3).map(|_| archive.upload(&bytes, &[]))),
            );
            erased.unwrap();
            archive.finish().await;
            for document in uploads {
                let present = archive.present(document.id).await.unwrap();
                let at = ObjectRef::own(authority(1), present.object);
                assert_eq!(archive.eraser.vault.read(at).await.unwrap(), bytes, "round {round}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_term_is_a_ground_only_when_it_has_come() {
    on_each_engine(async |db| {
        let archive = Archive::new(db).await;
        let young = archive.upload(b"1", &[("entry", "G/06499001/2024/815")]).await;
        let early = archive.erase(&young, ErasureReason::TermEnded).await;
        let until = "2135-01-01".parse().unwrap();
        assert!(
            matches!(early, Err(RetentionError::TermNotEnded { until: day }) if day == until),
            "{early:?}"
        );
        assert!(archive.present(young.id).await.is_some());
        let old = archive.upload(b"2", &[("entry", "S/06499001/1995/7")]).await;
        archive.erase(&old, ErasureReason::TermEnded).await.unwrap();
        archive.erase(&young, ErasureReason::Mistaken).await.unwrap();
        archive.erase(&young, ErasureReason::Mistaken).await.unwrap();
        assert_eq!(count(&archive.eraser.database, "erasures").await, 2);
        let stranger = By { reader: Reader { authority: authority(2), sight: Sight::All }, ..registrar() };
        let grounds =
            Grounds { reason: ErasureReason::Mistaken, provision: Provision::parse("§ 7 PStG").unwrap() };
        let gone = StoredAnswer { status: 410, headers: Vec::new(), body: Vec::new() };
        let theirs = archive.retention.erase(&stranger, young.id, grounds, gone).await;
        assert!(matches!(theirs, Err(RetentionError::NotFound)));
    })
    .await;
}
