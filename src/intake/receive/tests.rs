//! An upload becomes a document with everything that belongs to it, or leaves nothing at all.

mod aside;
mod kill;
mod machine;

use futures_util::stream;

use super::*;
use crate::database::documents;
use crate::database::testing::{authority, count, found, on_each_engine};
use crate::domain::clock::FixedClock;
use crate::domain::random::SeededRandom;
use crate::events::Outbox;
use crate::objects::{KeyRows, MasterKeys, MemoryKeyRows, MemoryStore, ObjectRef, ObjectStore};

const LIMIT: u64 = 200_000;

struct Bench {
    receiver: Receiver,
    store: MemoryStore,
    keys: Arc<MemoryKeyRows>,
}

/// What is there: objects, keys, documents, object rows, audit rows, jobs, idempotency keys.
type Counts = [usize; 7];

impl Bench {
    async fn new(database: Database) -> Self {
        found(&database, 1).await;
        found(&database, 2).await;
        let clock: Arc<FixedClock> =
            Arc::new(FixedClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
        let random = Arc::new(SeededRandom::new(1));
        let (store, keys) = (MemoryStore::new(clock.clone()), Arc::new(MemoryKeyRows::default()));
        let master = MasterKeys::single([1; 32]);
        let vault = Vault::new(Arc::new(store.clone()), keys.clone(), master, clock.clone(), random.clone());
        Self { receiver: Receiver::alone(vault, &database, clock, random, LIMIT), store, keys }
    }

    async fn upload(&self, bytes: &[u8], claims: Claims) -> Result<Uploaded, ReceiveError> {
        let pieces: Vec<Result<Bytes, ()>> =
            bytes.chunks(7_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        self.receiver.take_in(authority(1), claims, stream::iter(pieces)).await
    }

    async fn send(&self, bytes: &[u8], fields: &Fields, once: Option<Once>) -> Result<Kept, ReceiveError> {
        let uploaded = self.upload(bytes, Claims::default()).await?;
        self.receiver.keep(uploaded, fields, &sender(1), once).await
    }

    async fn counts(&self) -> Counts {
        let (objects, keys) = (self.store.list("").await.unwrap(), self.keys.list(None, 1000).await.unwrap());
        let mut counts = vec![objects.len(), keys.len()];
        for table in ["documents", "objects", "audit", "jobs", "idempotency"] {
            counts.push(count(&self.receiver.database, table).await);
        }
        counts.try_into().unwrap()
    }
}

fn sender(n: u8) -> Sender {
    Sender {
        authority: authority(n),
        client: "engine-1".into(),
        role: "engine",
        request_id: Some("r-1".into()),
    }
}

fn once(key: &str) -> Option<Once> {
    let scope = Scope {
        authority: authority(1),
        client: "engine-1".into(),
        route: "/v1/documents",
        key: key.to_owned(),
    };
    let answer = |outcome: Outcome<'_>| {
        let (status, text) = match outcome {
            Outcome::Kept(document) => (201, document.id.to_string()),
            Outcome::Held(document) => (202, document.id.to_string()),
            Outcome::Infected(signature) => (422, signature.to_string()),
        };
        let headers = vec![("Location".to_owned(), text.clone())];
        StoredAnswer { status, headers, body: text.into_bytes() }
    };
    Some(Once { scope, answer })
}

fn new(kept: Kept) -> Document {
    match kept {
        Kept::New(document) => *document,
        Kept::Held(_) | Kept::Before(_) | Kept::Known(_) => panic!("a new document was expected"),
    }
}

#[tokio::test]
async fn an_upload_becomes_a_document_with_all_that_belongs_to_it() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let fields = Fields::parse([("title", "Anzeige"), ("entry", "G/12345678/2024/815")]).unwrap();
        let document = new(bench.send(b"Guten Tag", &fields, None).await.unwrap());
        assert_eq!((document.size, document.media_type.as_str()), (9, "text/plain"));
        assert_eq!(document.sha256, Sha256::of(b"Guten Tag"));
        assert_eq!(bench.counts().await, [1, 1, 1, 1, 1, 1, 0]);
        let id = document.id;
        let read = bench.receiver.database.read(move |tx| Box::pin(documents::find(tx, authority(1), id)));
        assert_eq!(read.await.unwrap(), Some(document.clone()));
        let at = ObjectRef::own(authority(1), document.object);
        assert_eq!(bench.receiver.vault.read(at).await.unwrap(), b"Guten Tag");
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_rule_leaves_nothing() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let large = vec![b'x'; LIMIT as usize + 1];
        let wrong = Claims { digests: vec![Sha256::of(b"other")], ..Claims::default() };
        let lie = Claims { content_type: Some("application/pdf".into()), ..Claims::default() };
        let named = Claims { file_name: FileName::for_display("Scan.png"), ..Claims::default() };
        let longer = Claims { length: Some(4), ..Claims::default() };
        let announced = Claims { length: Some(LIMIT + 1), ..Claims::default() };
        assert!(matches!(bench.upload(b"", Claims::default()).await, Err(ReceiveError::Empty)));
        let over = bench.upload(&large, Claims::default()).await;
        assert!(matches!(over, Err(ReceiveError::TooLarge { max: LIMIT })));
        assert!(matches!(bench.upload(b"abc", announced).await, Err(ReceiveError::TooLarge { .. })));
        assert!(matches!(bench.upload(b"abc", wrong).await, Err(ReceiveError::Digest { .. })));
        assert!(matches!(bench.upload(b"abc", lie.clone()).await, Err(ReceiveError::Type(_))));
        assert!(matches!(bench.upload(&large[1..], lie).await, Err(ReceiveError::Type(_))));
        assert!(matches!(bench.upload(b"abc", named).await, Err(ReceiveError::Type(_))));
        assert!(matches!(bench.upload(b"abc", longer).await, Err(ReceiveError::Incomplete { got: 3 })));
        let broken = stream::iter([Ok(Bytes::from(large.clone()).slice(..150_000)), Err(())]);
        let broken = bench.receiver.take_in(authority(1), Claims::default(), broken).await;
        assert!(matches!(broken, Err(ReceiveError::Incomplete { got: 150_000 })));
        drop(bench.upload(&large[1..], Claims::default()).await.unwrap());
        assert_eq!(bench.counts().await, [0; 7]);
    })
    .await;
}

#[tokio::test]
async fn a_file_of_exactly_the_limit_with_true_claims_is_taken() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let bytes = vec![b'x'; LIMIT as usize];
        let claims = Claims {
            content_type: Some("text/plain; charset=utf-8".into()),
            file_name: FileName::for_display("x.txt"),
            length: Some(LIMIT),
            digests: vec![Sha256::of(&bytes), Sha256::of(&bytes)],
        };
        let uploaded = bench.upload(&bytes, claims).await.unwrap();
        let kept = bench.receiver.keep(uploaded, &Fields::default(), &sender(1), None).await.unwrap();
        assert_eq!(new(kept).size, LIMIT);
    })
    .await;
}

#[tokio::test]
async fn the_same_bytes_again_are_a_second_document_of_one_object() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let fields = Fields::default();
        let first = new(bench.send(b"twin", &fields, None).await.unwrap());
        let second = new(bench.send(b"twin", &fields, None).await.unwrap());
        assert_ne!(first.id, second.id);
        assert_eq!(first.object, second.object);
        assert_eq!(bench.counts().await, [1, 1, 2, 1, 2, 2, 0]);

        let pieces = stream::iter([Ok::<_, ()>(Bytes::from_static(b"twin"))]);
        let theirs = bench.receiver.take_in(authority(2), Claims::default(), pieces).await.unwrap();
        let theirs = new(bench.receiver.keep(theirs, &fields, &sender(2), None).await.unwrap());
        assert_ne!(theirs.object, first.object);
        assert_eq!(bench.counts().await[..2], [2, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_key_gives_the_same_answer_again_and_none_to_another_request() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let fields = Fields::parse([("title", "a")]).unwrap();
        let first = new(bench.send(b"once", &fields, once("k")).await.unwrap());
        let expected = first.id.to_string().into_bytes();
        for _ in 0..2 {
            let again = bench.send(b"once", &fields, once("k")).await.unwrap();
            assert!(matches!(again, Kept::Before(answer) if answer.body == expected));
        }
        let other_fields = Fields::parse([("title", "b")]).unwrap();
        let refused = bench.send(b"once", &other_fields, once("k")).await;
        assert!(matches!(refused, Err(ReceiveError::KeyReused)));
        let refused = bench.send(b"other bytes", &fields, once("k")).await;
        assert!(matches!(refused, Err(ReceiveError::KeyReused)));
        assert_eq!(bench.counts().await, [1, 1, 1, 1, 1, 1, 1]);
    })
    .await;
}

#[tokio::test]
async fn of_many_with_one_key_at_the_same_time_one_becomes_a_document() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let fields = Fields::default();
        let all =
            futures_util::future::join_all((0..12).map(|_| bench.send(b"once", &fields, once("k")))).await;
        let fresh = all.iter().filter(|kept| matches!(kept, Ok(Kept::New(_)))).count();
        let later = all.iter().filter(|kept| matches!(kept, Ok(Kept::Before(_)))).count();
        assert_eq!((fresh, later), (1, 11), "{all:?}");
        assert_eq!(bench.counts().await, [1, 1, 1, 1, 1, 1, 1]);
    })
    .await;
}

#[tokio::test]
async fn when_the_database_refuses_the_bytes_stay_for_the_sweep() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let pieces = stream::iter([Ok::<_, ()>(Bytes::from_static(b"x"))]);
        let uploaded = bench.receiver.take_in(authority(3), Claims::default(), pieces).await.unwrap();
        let refused = bench.receiver.keep(uploaded, &Fields::default(), &sender(3), None).await;
        assert!(matches!(refused, Err(ReceiveError::Database(DatabaseError::Rule { .. }))), "{refused:?}");
        assert_eq!(bench.counts().await, [1, 1, 0, 0, 0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_turn_that_does_not_end_is_waited_for_only_so_long_and_leaves_nothing() {
    on_each_engine(async |db| {
        let mut bench = Bench::new(db).await;
        bench.receiver.turns = Turns::with_patience(std::time::Duration::ZERO);
        let fields = Fields::default();
        let uploaded = bench.upload(b"once", Claims::default()).await.unwrap();
        let (scope, print) = (once("k").unwrap().scope, fingerprint(&uploaded, &fields));
        let slow = bench.receiver.turns.take(&scope, print).await.ok().unwrap();
        let refused = bench.receiver.keep(uploaded, &fields, &sender(1), once("k")).await;
        assert!(matches!(refused, Err(ReceiveError::KeyInUse)), "{refused:?}");
        let refused = bench.send(b"another", &fields, once("k")).await;
        assert!(matches!(refused, Err(ReceiveError::KeyReused)), "{refused:?}");
        assert_eq!(bench.counts().await, [0; 7]);
        // It goes away without having done anything: the next one does it.
        drop(slow);
        new(bench.send(b"once", &fields, once("k")).await.unwrap());
        assert_eq!(bench.counts().await, [1, 1, 1, 1, 1, 1, 1]);
    })
    .await;
}

#[tokio::test]
async fn of_many_that_come_at_once_those_are_kept_that_break_no_rule() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let fields = Fields::parse([("title", "a"), ("entry", "G/12345678/2024/815")]).unwrap();
        let sending = (0..40_u8).map(|number| {
            let (bench, fields) = (&bench, &fields);
            async move {
                // Every fourth is of an authority that is not there; every fifth has the bytes of all others such.
                let whose = authority(if number % 4 == 3 { 3 } else { 1 });
                let body = if number % 5 == 0 { b"twin".to_vec() } else { format!("a{number}").into_bytes() };
                let pieces = stream::iter([Ok::<_, ()>(Bytes::from(body))]);
                let uploaded = bench.receiver.take_in(whose, Claims::default(), pieces).await.unwrap();
                let sender = Sender { authority: whose, ..sender(1) };
                let once = once(&format!("k{number}")).unwrap();
                let scope = Scope { authority: whose, ..once.scope };
                let once = (number % 2 == 0).then_some(Once { scope, ..once });
                bench.receiver.keep(uploaded, fields, &sender, once).await
            }
        });
        let outcomes = futures_util::future::join_all(sending).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Ok(Kept::New(_)) => assert_ne!(number % 4, 3),
                Err(ReceiveError::Database(DatabaseError::Rule { .. })) => assert_eq!(number % 4, 3),
                other => panic!("{number}: {other:?}"),
            }
        }
        // 30 documents, of which six have the same bytes; ten objects wait for the sweep.
        assert_eq!(bench.counts().await, [35, 35, 30, 25, 30, 30, 20]);
    })
    .await;
}

#[tokio::test]
async fn a_document_of_a_type_nobody_can_read_waits_for_no_job() {
    on_each_engine(async |db| {
        let bench = Bench::new(db).await;
        let kept = new(bench.send(b"\x89PNG\r\n\x1a\n0000", &Fields::default(), None).await.unwrap());
        assert_eq!((kept.media_type.as_str(), &kept.extracted, &kept.flag), ("image/png", &None, &None));
        assert_eq!(bench.counts().await, [1, 1, 1, 1, 1, 0, 0]);
        let id = kept.id;
        let read = bench.receiver.database.read(move |tx| Box::pin(documents::find(tx, authority(1), id)));
        let row = read.await.unwrap().unwrap();
        assert_eq!(row.flag, Some(("no-text".to_owned(), kept.stored_at)));
        assert_eq!(
            row.extracted.map(|read| (read.at, read.pages, read.text)),
            Some((kept.stored_at, 0, None))
        );
        assert_eq!(count(&bench.receiver.database, "index_changes").await, 1);
    })
    .await;
}
