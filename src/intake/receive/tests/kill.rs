//! kill -9 of a real process at each named place of an upload and of the disk store's durable step: what was acknowledged is there, what was
//! not is there whole or not at all, a retry makes it one, and the sweep leaves nothing over.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use jiff::SignedDuration;

use super::*;
use crate::database::keystore::Keystore;
use crate::database::testing::on_each_engine_by_url;
use crate::intake::sweep::sweep;
use crate::objects::{DiskStore, Point};

/// Tells the child what to do: place, folder and database.
const CHILD: &str = "STAMMBUCH_INTAKE_KILL";
const ACKNOWLEDGED: u64 = 3;

/// Ends this process after a step.
struct KillAfter(Option<Step>);

impl Steps for KillAfter {
    fn after(&self, step: Step) -> BoxFuture<'_, ()> {
        if Some(step) == self.0 {
            end_here();
        }
        Box::pin(std::future::ready(()))
    }
}

struct Opened {
    receiver: Receiver,
    keystore: Database,
}

async fn opened(folder: &Path, url: &str, seed: u64) -> Opened {
    opened_with(folder, url, seed, |_| {}).await
}

async fn opened_with(
    folder: &Path,
    url: &str,
    seed: u64,
    points: impl Fn(Point) + Send + Sync + 'static,
) -> Opened {
    let database = Database::open(url).await.unwrap();
    let keystore = format!("sqlite:{}", folder.join("keystore.sqlite").display());
    let keystore = Database::open_keystore(&keystore).await.unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
    let random = Arc::new(SeededRandom::new(seed));
    let store = Arc::new(DiskStore::open_with(&folder.join("objects"), Arc::new(points)).unwrap());
    let keys = Arc::new(Keystore::new(keystore.clone()));
    let vault = Vault::new(store, keys, MasterKeys::single([1; 32]), clock.clone(), random.clone());
    Opened { receiver: Receiver::alone(vault, &database, clock, random, 1 << 20), keystore }
}

/// Every other one is longer than what goes to the store's journal.
fn body(number: u64) -> Vec<u8> {
    format!("upload {number} ").repeat(1 + 40_000 * (number as usize % 2)).into_bytes()
}

/// Where a child is killed.
#[derive(Debug, Clone, Copy)]
enum Place {
    Between(Step),
    Inside(Point),
}

/// All places, each with the number that makes the last upload come by it: an odd one is a large file.
const PLACES: [(Place, u64); 11] = [
    (Place::Between(Step::TakenIn), 3),
    (Place::Between(Step::Durable), 13),
    (Place::Between(Step::Committed), 23),
    (Place::Inside(Point::Appended), 34),
    (Place::Inside(Point::Synced), 44),
    (Place::Inside(Point::Named), 54),
    (Place::Inside(Point::FileWritten), 63),
    (Place::Inside(Point::FileSynced), 73),
    (Place::Inside(Point::FileNamed), 83),
    // When the store is closed.
    (Place::Inside(Point::Settled), 94),
    (Place::Inside(Point::Emptied), 104),
];

fn end_here() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

impl Opened {
    async fn upload(&self, number: u64, steps: &dyn Steps) -> Kept {
        let pieces = stream::iter([Ok::<_, ()>(Bytes::from(body(number)))]);
        let uploaded = self.receiver.take_in(authority(1), Claims::default(), pieces).await.unwrap();
        let (fields, once) = (Fields::default(), once(&number.to_string()));
        self.receiver.keep_by_steps(uploaded, &fields, &sender(1), once, steps).await.unwrap()
    }

    async fn close(self) {
        self.receiver.database.close().await;
        self.keystore.close().await;
    }
}

/// Not a test: what the test kills, or rather what kills itself.
#[test]
#[ignore = "the test below runs it as a child"]
fn child_that_is_killed_at_a_place() {
    #[expect(clippy::disallowed_methods, reason = "the parent says what to do")]
    let Ok(task) = std::env::var(CHILD) else { return };
    let mut words = task.splitn(3, ' ');
    let at: usize = words.next().unwrap().parse().unwrap();
    let (folder, url) = (words.next().unwrap(), words.next().unwrap());
    let (place, last) = PLACES[at];
    let (step, point) = match place {
        Place::Between(step) => (Some(step), None),
        Place::Inside(point) => (None, Some(point)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let armed = Arc::new(AtomicBool::new(false));
        let is_armed = Arc::clone(&armed);
        let points = move |reached| {
            if is_armed.load(Ordering::SeqCst) && Some(reached) == point {
                end_here();
            }
        };
        let opened = opened_with(Path::new(folder), url, last, points).await;
        for number in last - ACKNOWLEDGED..last {
            let id = new(opened.upload(number, &EveryStep).await).id;
            println!("acknowledged {number} {id}");
        }
        armed.store(true, Ordering::SeqCst);
        opened.upload(last, &KillAfter(step)).await;
        opened.close().await;
    });
}

/// The uploads that a child has acknowledged before it ended at a place.
fn killed_at(at: usize, folder: &Path, url: &str) -> Vec<(u64, DocumentId)> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "intake::receive::tests::kill::child_that_is_killed_at_a_place"])
        .args(["--ignored", "--nocapture"])
        .env(CHILD, format!("{at} {} {url}", folder.display()))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert_eq!(child.status.signal(), Some(9), "{:?}: {said}", PLACES[at]);
    let line = |line: &str| {
        let (number, id) = line.split_once("acknowledged ")?.1.split_once(' ')?;
        Some((number.parse().unwrap(), id.parse().unwrap()))
    };
    said.lines().filter_map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_place_nothing_is_lost_doubled_or_left_over() {
    on_each_engine_by_url(async |url| {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&url).await.unwrap();
        found(&database, 1).await;
        database.close().await;
        let mut ledger = Vec::new();
        for (at, (place, last)) in PLACES.into_iter().enumerate() {
            let said = killed_at(at, folder.path(), &url);
            assert_eq!(said.len() as u64, ACKNOWLEDGED);
            ledger.extend(said);
            let opened = opened(folder.path(), &url, 1000 + last).await;
            let documents = count(&opened.receiver.database, "documents").await;
            // Where nobody was told although it was done: the answer was on its way, or the store was being closed.
            let done = matches!(
                place,
                Place::Between(Step::Committed) | Place::Inside(Point::Settled | Point::Emptied)
            );
            assert_eq!(documents, ledger.len() + usize::from(done), "{place:?}");
            let id = match opened.upload(last, &EveryStep).await {
                Kept::New(document) | Kept::Held(document) => document.id,
                Kept::Before(answer) => String::from_utf8(answer.body).unwrap().parse().unwrap(),
                Kept::Known(_) => panic!("{place:?}: nothing was asked that knows it"),
            };
            ledger.push((last, id));
            is_whole(&opened, &ledger).await;
            opened.close().await;
        }
    })
    .await;
}

async fn is_whole(opened: &Opened, ledger: &[(u64, DocumentId)]) {
    let Receiver { database, vault, .. } = &opened.receiver;
    for (number, id) in ledger {
        let Kept::Before(answer) = opened.upload(*number, &EveryStep).await else {
            panic!("{number} is doubled")
        };
        assert_eq!(answer.body, id.to_string().into_bytes());
        let id = *id;
        let finding = database.read(move |tx| Box::pin(documents::find(tx, authority(1), id)));
        let object = finding.await.unwrap().expect("what was acknowledged is there").object;
        assert!(vault.read(ObjectRef::own(authority(1), object)).await.unwrap() == body(*number));
    }
    for table in ["documents", "objects", "audit", "jobs", "idempotency"] {
        assert_eq!(count(database, table).await, ledger.len(), "{table}");
    }
    // The store dates its files by the clock of the machine.
    let later: Timestamp = "2200-01-01T00:00:00Z".parse().unwrap();
    sweep(vault, database, later, SignedDuration::ZERO).await.unwrap();
    let mut objects = 0;
    for bucket in 0..=u8::MAX {
        objects += vault.stored(bucket).await.unwrap().len();
    }
    let keys = vault.keys_after(None, 1000).await.unwrap().len();
    assert_eq!((objects, keys), (ledger.len(), ledger.len()));
}
