//! Whatever is sent, repeated, cut off, reopened, erased, swept and read, while keys are rotated and the power is cut, in
//! whatever order: the intake does what a model of a few lines does, on a store in memory and on the disk.
//! `STAMMBUCH_INTAKE_SEED` repeats or varies a run; a failure prints the shortest way to it.

mod bed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::*;
use crate::database::{authorities, erasures};
use crate::domain::retention::{ErasureReason, Provision};
use crate::intake::sweep::{Swept, sweep};
use crate::objects::{Asked, Point};
use crate::retention::{By, Eraser, Grounds, Retention};
use crate::search::index::{Reader, Sight};
use bed::{Bed, Disk, NoIndex};

/// What an upload's key answers once its document is erased.
const GONE: &[u8] = b"gone";

/// Something that is done to the intake.
#[derive(Debug, Clone)]
enum Act {
    /// An upload, perhaps under a key, perhaps cut off after a step or in the middle of one.
    Upload { body: u8, key: Option<u8>, client: u8, cut: Option<End> },
    /// Reading a document that is known.
    Read(usize),
    /// A new start over the same store, keys and rows.
    Reopen,
    /// A power cut and a new start. The number says what it tears.
    PowerCut(u64),
    /// A document that is known is erased; what follows the decision is done later.
    Erase(usize),
    /// A step of what follows erasures.
    Finish(erasures::Step),
    /// The authority gets a new key.
    Rotate,
    /// Some data keys are wrapped anew, and old keys go.
    GoOn,
    /// Removing what nothing refers to.
    Sweep,
    /// Forgetting keys whose time is over.
    Forget,
    /// Time goes by.
    Hours(i64),
}

/// Where an upload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// After a step; the process goes on.
    After(Step),
    /// At a place of the store's durable step, with the power. The number says what is torn.
    At(Point, u64),
}

fn act() -> impl Strategy<Value = Act> {
    let points = prop::sample::select(vec![
        Point::Appended,
        Point::Synced,
        Point::Named,
        Point::FileWritten,
        Point::FileSynced,
        Point::FileNamed,
    ]);
    let steps = prop_oneof![
        4 => Just(None),
        1 => Just(Some(End::After(Step::TakenIn))),
        1 => Just(Some(End::After(Step::Durable))),
        1 => Just(Some(End::After(Step::Committed))),
        2 => (points, any::<u64>()).prop_map(|(point, seed)| Some(End::At(point, seed))),
    ];
    prop_oneof![
        10 => (0..5u8, prop::option::weighted(0.7, 0..3u8), 0..2u8, steps)
            .prop_map(|(body, key, client, cut)| Act::Upload { body, key, client, cut }),
        4 => any::<usize>().prop_map(Act::Read),
        1 => Just(Act::Reopen),
        2 => any::<u64>().prop_map(Act::PowerCut),
        2 => any::<usize>().prop_map(Act::Erase),
        1 => prop_oneof![Just(erasures::Step::Keys), Just(erasures::Step::Objects)].prop_map(Act::Finish),
        1 => Just(Act::Rotate),
        1 => Just(Act::GoOn),
        2 => Just(Act::Sweep),
        1 => Just(Act::Forget),
        2 => (1..100i64).prop_map(Act::Hours),
    ]
}

/// What was asked for under a key.
struct Order {
    body: u8,
    document: usize,
    until: Timestamp,
}

/// What the intake should be like.
#[derive(Default)]
struct Model {
    /// The documents in their order.
    documents: Vec<Known>,
    keys: BTreeMap<(u8, u8), Order>,
}

/// A document.
struct Known {
    body: u8,
    /// If anybody was told.
    id: Option<DocumentId>,
    erased: bool,
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
    bed: Bed,
    keys: Arc<MemoryKeyRows>,
    /// Erasing empties its pages; the keys of the machine are in memory.
    no_keys: Database,
    clock: Arc<FixedClock>,
    authority: AuthorityId,
    /// Documents, acts, jobs and keys of requests that were there before.
    before: [usize; 4],
}

fn bytes(body: u8) -> Vec<u8> {
    // One of them is longer than a segment, one than what goes to the disk store's journal.
    let times = match body {
        3 => 10_000,
        4 => 40_000,
        _ => 5,
    };
    format!("body {body} ").repeat(times).into_bytes()
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
    async fn new(database: Database, no_keys: Database, on_disk: bool) -> Self {
        static CASES: AtomicU64 = AtomicU64::new(1);
        // Each case has an authority of its own, so that all of them go through one database.
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let authority = AuthorityId::from_bytes(u128::from(case).to_be_bytes());
        let found = database
            .write(move |tx| Box::pin(authorities::found(tx, authority, true, Timestamp::UNIX_EPOCH)));
        found.await.unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
        let keys = Arc::new(MemoryKeyRows::default());
        let memory = || Bed::Memory(MemoryStore::new(clock.clone()));
        let mut bed = if on_disk { Bed::Disk(Disk::new()) } else { memory() };
        // Keys are forgotten of all authorities at once: none of the cases before may be among them.
        forget(&database, Timestamp::MAX).await;
        let before = counts(&database).await;
        let receiver = open(&database, bed.open(), &keys, &clock);
        Self { model: Model::default(), receiver, bed, keys, no_keys, clock, authority, before }
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::Upload { body, key, client, cut } => self.upload(body, key, client, cut).await,
            Act::Read(which) => self.read(which).await,
            Act::Reopen => self.reopen(),
            Act::PowerCut(seed) => self.lose_power(seed),
            Act::Erase(which) => self.erase(which).await,
            Act::Finish(step) => _ = self.eraser().step(step).await.unwrap(),
            Act::Rotate => {
                let asked =
                    Asked { asked_at: self.clock.now(), authority: Some(self.authority), master: false };
                self.receiver.vault.keyring().begin(&asked).await.unwrap();
            }
            Act::GoOn => _ = self.receiver.vault.keyring().go_on().await.unwrap(),
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
        let made = self.model.documents.len();
        let erased = self.model.documents.iter().filter(|known| known.erased).count();
        let expected = [made - erased, made + erased, made - erased, self.model.keys.len()];
        assert_eq!(there, expected, "after {act:?}");
    }

    fn reopen(&mut self) {
        let database = self.receiver.database.clone();
        // The one before has to be closed: nobody but this machine has it.
        self.receiver =
            open(&database, Arc::new(MemoryStore::new(self.clock.clone())), &self.keys, &self.clock);
        self.receiver = open(&database, self.bed.open(), &self.keys, &self.clock);
    }

    fn lose_power(&mut self, seed: u64) {
        if let Bed::Disk(disk) = &mut self.bed {
            disk.lose_power(seed);
        }
        self.reopen();
        if let Bed::Disk(disk) = &self.bed {
            disk.forget_past();
        }
    }

    /// The documents that were told, and are not erased: their places.
    fn alive(&self) -> Vec<usize> {
        let known = self.model.documents.iter().enumerate();
        known.filter(|(_, known)| known.id.is_some() && !known.erased).map(|(place, _)| place).collect()
    }

    async fn erase(&mut self, which: usize) {
        let alive = self.alive();
        let Some(place) = alive.get(which % alive.len().max(1)) else { return };
        let id = self.model.documents[*place].id.unwrap();
        let retention = Retention {
            database: self.receiver.database.clone(),
            clock: self.clock.clone(),
            random: self.receiver.random.clone(),
            index: Arc::new(Notify::new()),
            erased: Arc::new(Notify::new()),
            outbox: Outbox::silent(),
        };
        let reader = Reader { authority: self.authority, sight: Sight::All };
        let by = By { reader, name: "R".into(), role: "registrar", request_id: None };
        let provision = Provision::parse("§ 7 Abs. 3 PStG").unwrap();
        let grounds = Grounds { reason: ErasureReason::Unlawful, provision };
        let gone = StoredAnswer { status: 410, headers: Vec::new(), body: GONE.to_vec() };
        retention.erase(&by, id, grounds, gone).await.unwrap();
        self.model.documents[*place].erased = true;
    }

    fn eraser(&self) -> Eraser {
        Eraser {
            database: self.receiver.database.clone(),
            keystore: self.no_keys.clone(),
            vault: self.receiver.vault.clone(),
            index: Arc::new(NoIndex),
            clock: self.clock.clone(),
            wake: Arc::new(Notify::new()),
        }
    }

    fn expected(&self, body: u8, key: Option<u8>, client: u8) -> Expected {
        let asked = key.and_then(|key| self.model.keys.get(&(client, key)));
        match asked.filter(|asked| asked.until > self.clock.now()) {
            None => Expected::New,
            Some(asked) if asked.body == body => Expected::Before(asked.document),
            Some(_) => Expected::Reused,
        }
    }

    async fn upload(&mut self, body: u8, key: Option<u8>, client: u8, cut: Option<End>) {
        let expected = self.expected(body, key, client);
        let outcome = self.send(body, key, client, cut).await;
        if outcome.is_none() && cut != Some(End::After(Step::Committed)) {
            return;
        }
        let id = match (&expected, outcome) {
            (Expected::New, None) => None,
            (Expected::New, Some(Ok(Kept::New(document)))) => Some(document.id),
            (Expected::Before(_), None) => return,
            (Expected::Before(which), Some(Ok(Kept::Before(answer)))) => {
                let known = &mut self.model.documents[*which];
                if known.erased {
                    assert_eq!(answer.body, GONE, "what was erased is answered as gone");
                    return;
                }
                let told: DocumentId = String::from_utf8(answer.body).unwrap().parse().unwrap();
                assert_eq!(*known.id.get_or_insert(told), told, "the answer of before");
                return;
            }
            (Expected::Reused, Some(Err(ReceiveError::KeyReused))) => return,
            (expected, outcome) => panic!("expected {expected:?}, got {outcome:?}"),
        };
        self.model.documents.push(Known { body, id, erased: false });
        if let Some(key) = key {
            let (document, until) = (self.model.documents.len() - 1, self.clock.now() + idempotency::KEPT);
            self.model.keys.insert((client, key), Order { body, document, until });
        }
    }

    /// What comes of an upload; nothing where it was cut off.
    async fn send(
        &mut self,
        body: u8,
        key: Option<u8>,
        client: u8,
        cut: Option<End>,
    ) -> Option<Result<Kept, ReceiveError>> {
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
        let after = match cut {
            Some(End::After(step)) => Some(step),
            _ => None,
        };
        let (trap, trapped) = match (&self.bed, cut) {
            (Bed::Disk(disk), Some(End::At(point, seed))) => {
                (Some(disk.trap()), Some((disk.wait_at(point), seed)))
            }
            _ => (None, None),
        };
        let steps = Cut { after, reached: Notify::new() };
        let fields = Fields::default();
        let sprung = async {
            match &trap {
                Some(trap) => trap.sprung().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = self.receiver.keep_by_steps(uploaded, &fields, &sender, once, &steps) => Some(outcome),
            () = steps.reached.notified() => None,
            () = sprung => None,
        };
        if let Some((release, seed)) = trapped {
            // Only now does the store go on, without anybody who waits for it.
            drop(release);
            match (&outcome, &self.bed) {
                (None, _) => self.lose_power(seed),
                (Some(_), Bed::Disk(disk)) => disk.disarm(),
                (Some(_), Bed::Memory(_)) => {}
            }
        }
        outcome
    }

    async fn read(&self, which: usize) {
        let alive = self.alive();
        for (place, known) in self.model.documents.iter().enumerate() {
            let (authority, Some(id)) = (self.authority, known.id) else { continue };
            let finding = self.receiver.database.read(move |tx| Box::pin(documents::find(tx, authority, id)));
            let document = finding.await.unwrap();
            assert_eq!(
                document.is_some(),
                !known.erased,
                "what was acknowledged is there until it is erased"
            );
            let Some(document) = document else { continue };
            if alive.get(which % alive.len().max(1)) == Some(&place) {
                let at = ObjectRef::own(authority, document.object);
                let read = self.receiver.vault.read(at).await.unwrap();
                assert!(read == bytes(known.body), "it has the bytes that were sent");
            }
        }
    }

    /// Afterwards there is one object with one key for each of the different bytes that are not erased, and none at all
    /// besides.
    async fn sweep(&self) {
        for step in [erasures::Step::Keys, erasures::Step::Objects, erasures::Step::Index] {
            self.eraser().step(step).await.unwrap();
        }
        let (vault, database) = (&self.receiver.vault, &self.receiver.database);
        // The disk store dates its files by the clock of the machine.
        let now = match self.bed {
            Bed::Memory(_) => self.clock.now(),
            Bed::Disk(_) => "2200-01-01T00:00:00Z".parse().unwrap(),
        };
        sweep(vault, database, now, SignedDuration::ZERO).await.unwrap();
        let again = sweep(vault, database, now, SignedDuration::ZERO).await.unwrap();
        assert_eq!(again, Swept::default());
        let kept = self.model.documents.iter().filter(|known| !known.erased);
        let bodies: BTreeSet<u8> = kept.map(|known| known.body).collect();
        let mut objects = 0;
        for bucket in 0..=u8::MAX {
            objects += vault.stored(bucket).await.unwrap().len();
        }
        let keys = self.keys.list(None, 1000).await.unwrap();
        assert_eq!((objects, keys.len()), (bodies.len(), bodies.len()));
    }
}

/// A start: nothing is left of the one before but store, keys and rows.
fn open(
    database: &Database,
    store: Arc<dyn ObjectStore>,
    keys: &Arc<MemoryKeyRows>,
    clock: &Arc<FixedClock>,
) -> Receiver {
    static STARTS: AtomicU64 = AtomicU64::new(1);
    let random = Arc::new(SeededRandom::new(STARTS.fetch_add(1, Ordering::Relaxed)));
    let (keys, master) = (keys.clone(), MasterKeys::single([1; 32]));
    let vault = Vault::new(store, keys, master, clock.clone(), random.clone());
    Receiver::alone(vault, database, clock.clone(), random, 1 << 20)
}

#[expect(clippy::disallowed_methods, reason = "variables repeat a run or make it longer")]
fn seed_and_cases() -> (u64, u32) {
    let seed = std::env::var("STAMMBUCH_INTAKE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    (seed, if std::env::var("STAMMBUCH_LONG").is_ok() { 400 } else { 20 })
}

async fn goes_as_the_model_goes(database: Database, on_disk: bool) {
    let (seed, cases) = seed_and_cases();
    eprintln!("STAMMBUCH_INTAKE_SEED={seed}, {}", if on_disk { "on the disk" } else { "in memory" });
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/keystore.sqlite", folder.path().display());
    let no_keys = Database::open_keystore(&url).await.unwrap();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let acts = prop::collection::vec(act(), 1..25);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&acts, |acts| {
            Handle::current().block_on(async {
                let mut machine = Machine::new(database.clone(), no_keys.clone(), on_disk).await;
                for act in acts.iter().chain([&Act::Sweep, &Act::Read(0)]) {
                    machine.act(act).await;
                }
            });
            Ok(())
        })
    });
    assert!(outcome.is_ok(), "seed {seed}: {}", outcome.unwrap_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_in_whatever_order_the_intake_does_what_the_model_does() {
    on_each_engine(async |database| goes_as_the_model_goes(database, false).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_disk_too_with_power_cuts_inside_its_durable_step() {
    on_each_engine(async |database| goes_as_the_model_goes(database, true).await).await;
    assert!(bed::SPRUNG.load(Ordering::Relaxed) > 10, "the store was cut off where it was to be");
}
