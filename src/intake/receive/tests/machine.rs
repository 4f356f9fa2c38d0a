//! Whatever is sent, repeated, cut off, reopened, swept and read, in whatever order: the intake does what a model of a
//! few lines does. `STAMMBUCH_INTAKE_SEED` repeats or varies a run; a failure prints the shortest way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::*;
use crate::database::authorities;
use crate::intake::sweep::{Swept, sweep};

/// Something that is done to the intake.
#[derive(Debug, Clone)]
enum Act {
    /// An upload, perhaps under a key, perhaps cut off after a step.
    Upload { body: u8, key: Option<u8>, client: u8, cut: Option<Step> },
    /// Reading a document that is known.
    Read(usize),
    /// A new start over the same store, keys and rows.
    Reopen,
    /// Removing what nothing refers to.
    Sweep,
    /// Forgetting keys whose time is over.
    Forget,
    /// Time goes by.
    Hours(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let steps = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Step::TakenIn)),
        1 => Just(Some(Step::Durable)),
        1 => Just(Some(Step::Committed)),
    ];
    prop_oneof![
        10 => (0..4u8, prop::option::weighted(0.7, 0..3u8), 0..2u8, steps)
            .prop_map(|(body, key, client, cut)| Act::Upload { body, key, client, cut }),
        4 => any::<usize>().prop_map(Act::Read),
        1 => Just(Act::Reopen),
        2 => Just(Act::Sweep),
        1 => Just(Act::Forget),
        2 => (1..100i64).prop_map(Act::Hours),
    ]
}

/// What was asked for under a key.
struct Asked {
    body: u8,
    document: usize,
    until: Timestamp,
}

/// What the intake should be like.
#[derive(Default)]
struct Model {
    /// The documents in their order: which bytes, and the id, if anybody was told.
    documents: Vec<(u8, Option<DocumentId>)>,
    keys: BTreeMap<(u8, u8), Asked>,
}

/// What the model says to an upload.
#[derive(Debug, PartialEq)]
enum Expected {
    New,
    Before(usize),
    Reused,
}

/// Ends the flow after a step.
struct Cut {
    after: Option<Step>,
    reached: Notify,
}

impl Steps for Cut {
    fn after(&self, step: Step) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.after == Some(step) {
                self.reached.notify_one();
                std::future::pending::<()>().await;
            }
        })
    }
}

struct Machine {
    model: Model,
    receiver: Receiver,
    store: MemoryStore,
    keys: Arc<MemoryKeyRows>,
    clock: Arc<FixedClock>,
    authority: AuthorityId,
    /// Documents, acts, jobs and keys of requests that were there before.
    before: [usize; 4],
}

fn bytes(body: u8) -> Vec<u8> {
    // One of them is longer than a segment.
    format!("body {body} ").repeat(if body == 3 { 10_000 } else { 5 }).into_bytes()
}

async fn counts(database: &Database) -> [usize; 4] {
    let mut counts = [0; 4];
    for (place, table) in counts.iter_mut().zip(["documents", "audit", "jobs", "idempotency"]) {
        *place = count(database, table).await;
    }
    counts
}

async fn forget(database: &Database, now: Timestamp) {
    database.write(move |tx| Box::pin(idempotency::expire(tx, now))).await.unwrap();
}

impl Machine {
    async fn new(database: Database) -> Self {
        static CASES: AtomicU64 = AtomicU64::new(1);
        // Each case has an authority of its own, so that all of them go through one database.
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let authority = AuthorityId::from_bytes(u128::from(case).to_be_bytes());
        let found = database
            .write(move |tx| Box::pin(authorities::found(tx, authority, true, Timestamp::UNIX_EPOCH)));
        found.await.unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
        let (store, keys) = (MemoryStore::new(clock.clone()), Arc::new(MemoryKeyRows::default()));
        // Keys are forgotten of all authorities at once: none of the cases before may be among them.
        forget(&database, Timestamp::MAX).await;
        let before = counts(&database).await;
        let receiver = open(&database, &store, &keys, &clock);
        Self { model: Model::default(), receiver, store, keys, clock, authority, before }
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::Upload { body, key, client, cut } => self.upload(body, key, client, cut).await,
            Act::Read(which) => self.read(which).await,
            Act::Reopen => {
                self.receiver = open(&self.receiver.database, &self.store, &self.keys, &self.clock);
            }
            Act::Sweep => self.sweep().await,
            Act::Forget => {
                let now = self.clock.now();
                forget(&self.receiver.database, now).await;
                self.model.keys.retain(|_, asked| asked.until > now);
            }
            Act::Hours(hours) => self.clock.advance(SignedDuration::from_hours(hours)),
        }
        let now = counts(&self.receiver.database).await;
        let there: Vec<usize> = now.iter().zip(self.before).map(|(now, before)| now - before).collect();
        let documents = self.model.documents.len();
        assert_eq!(there, [documents, documents, documents, self.model.keys.len()], "after {act:?}");
    }

    fn expected(&self, body: u8, key: Option<u8>, client: u8) -> Expected {
        let asked = key.and_then(|key| self.model.keys.get(&(client, key)));
        match asked.filter(|asked| asked.until > self.clock.now()) {
            None => Expected::New,
            Some(asked) if asked.body == body => Expected::Before(asked.document),
            Some(_) => Expected::Reused,
        }
    }

    async fn upload(&mut self, body: u8, key: Option<u8>, client: u8, cut: Option<Step>) {
        let expected = self.expected(body, key, client);
        let sender = Sender { authority: self.authority, client: format!("c{client}"), ..sender(1) };
        let once = key.map(|key| {
            let Once { scope, answer } = once(&format!("k{key}")).unwrap();
            Once {
                scope: Scope { authority: self.authority, client: sender.client.clone(), ..scope },
                answer,
            }
        });
        let pieces = stream::iter([Ok::<_, ()>(Bytes::from(bytes(body)))]);
        let uploaded = self.receiver.take_in(self.authority, Claims::default(), pieces).await.unwrap();
        let steps = Cut { after: cut, reached: Notify::new() };
        let fields = Fields::default();
        let outcome = tokio::select! {
            outcome = self.receiver.keep_by_steps(uploaded, &fields, &sender, once, &steps) => Some(outcome),
            () = steps.reached.notified() => None,
        };
        if outcome.is_none() && cut != Some(Step::Committed) {
            return;
        }
        let id = match (&expected, outcome) {
            (Expected::New, None) => None,
            (Expected::New, Some(Ok(Kept::New(document)))) => Some(document.id),
            (Expected::Before(_), None) => return,
            (Expected::Before(which), Some(Ok(Kept::Before(answer)))) => {
                let told: DocumentId = String::from_utf8(answer.body).unwrap().parse().unwrap();
                let known = self.model.documents[*which].1.get_or_insert(told);
                assert_eq!(*known, told, "the answer of before");
                return;
            }
            (Expected::Reused, Some(Err(ReceiveError::KeyReused))) => return,
            (expected, outcome) => panic!("expected {expected:?}, got {outcome:?}"),
        };
        self.model.documents.push((body, id));
        if let Some(key) = key {
            let (document, until) = (self.model.documents.len() - 1, self.clock.now() + idempotency::KEPT);
            self.model.keys.insert((client, key), Asked { body, document, until });
        }
    }

    async fn read(&self, which: usize) {
        let known: Vec<_> =
            self.model.documents.iter().filter_map(|(body, id)| id.map(|id| (*body, id))).collect();
        let Some((body, id)) = known.get(which % known.len().max(1)) else { return };
        let (authority, id) = (self.authority, *id);
        let finding = self.receiver.database.read(move |tx| Box::pin(documents::find(tx, authority, id)));
        let document = finding.await.unwrap().expect("what was acknowledged is there");
        let at = ObjectRef::own(authority, document.object);
        assert!(
            self.receiver.vault.read(at).await.unwrap() == bytes(*body),
            "it has the bytes that were sent"
        );
    }

    /// Afterwards there is one object with one key for each of the different bytes, and none at all besides.
    async fn sweep(&self) {
        let (vault, database) = (&self.receiver.vault, &self.receiver.database);
        sweep(vault, database, self.clock.now(), SignedDuration::ZERO).await.unwrap();
        let again = sweep(vault, database, self.clock.now(), SignedDuration::ZERO).await.unwrap();
        assert_eq!(again, Swept::default());
        let bodies: BTreeSet<u8> = self.model.documents.iter().map(|(body, _)| *body).collect();
        let (objects, keys) = (self.store.list("").await.unwrap(), self.keys.list(None, 1000).await.unwrap());
        assert_eq!((objects.len(), keys.len()), (bodies.len(), bodies.len()));
    }
}

/// A start: nothing is left of the one before but store, keys and rows.
fn open(
    database: &Database,
    store: &MemoryStore,
    keys: &Arc<MemoryKeyRows>,
    clock: &Arc<FixedClock>,
) -> Receiver {
    static STARTS: AtomicU64 = AtomicU64::new(1);
    let random = Arc::new(SeededRandom::new(STARTS.fetch_add(1, Ordering::Relaxed)));
    let (store, keys, master) = (Arc::new(store.clone()), keys.clone(), MasterKeys::single([1; 32]));
    let vault = Vault::new(store, keys, master, clock.clone(), random.clone());
    let (database, clock) = (database.clone(), clock.clone());
    let (turns, keeper) = (Turns::default(), Keeper::new(&database, Outbox::silent(), None));
    let scanning = Scanning::off();
    Receiver { vault, database, clock, random, bytes_max: LIMIT, jobs: None, turns, keeper, scanning }
}

#[expect(clippy::disallowed_methods, reason = "variables repeat a run or make it longer")]
fn seed_and_cases() -> (u64, u32) {
    let seed = std::env::var("STAMMBUCH_INTAKE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    (seed, if std::env::var("STAMMBUCH_LONG").is_ok() { 400 } else { 20 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_in_whatever_order_the_intake_does_what_the_model_does() {
    let (seed, cases) = seed_and_cases();
    on_each_engine(async |database| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let acts = prop::collection::vec(act(), 1..25);
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&acts, |acts| {
                Handle::current().block_on(async {
                    let mut machine = Machine::new(database.clone()).await;
                    for act in acts.iter().chain([&Act::Sweep]) {
                        machine.act(act).await;
                    }
                });
                Ok(())
            })
        });
        assert!(outcome.is_ok(), "seed {seed}: {}", outcome.unwrap_err());
    })
    .await;
}
