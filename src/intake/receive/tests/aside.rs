//! Files that are not clean: what is kept of them, that it is kept once, and that a crash anywhere leaves nothing over.

use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use tokio::sync::Notify;

use super::*;
use crate::database::quarantine::{self, Quarantined};
use crate::database::{held, jobs as job_rows};
use crate::intake::sweep::{Swept, sweep};
use crate::jobs::{Claimed, Finished, Handler as _, JobError, Lease};
use crate::scan::{Finding, Scan, Scanner};

const BYTES: &[u8] = b"not to be trusted";

/// A scanner whose answers are set.
#[derive(Clone)]
struct Says(Arc<Mutex<Result<Finding, Unclear>>>);

struct Saying(Result<Finding, Unclear>);

#[async_trait]
impl Scanner for Says {
    async fn begin(&self) -> Result<Box<dyn Scan>, Unclear> {
        Ok(Box::new(Saying(self.0.lock().unwrap().clone())))
    }

    async fn ping(&self) -> Result<(), Unclear> {
        Ok(())
    }
}

#[async_trait]
impl Scan for Saying {
    async fn feed(&mut self, _piece: &[u8]) -> Result<(), Unclear> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Finding, Unclear> {
        self.0
    }
}

/// Ends the flow after a step.
struct Cut {
    after: Step,
    reached: Notify,
}

impl Steps for Cut {
    fn after(&self, step: Step) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.after == step {
                self.reached.notify_one();
                std::future::pending::<()>().await;
            }
        })
    }
}

fn signature() -> Signature {
    Signature::try_from("Test.A".to_owned()).unwrap()
}

fn infected() -> Result<Finding, Unclear> {
    Ok(Finding::Found(signature()))
}

impl Bench {
    /// With a scanner that says this, and holds what has no clear answer.
    async fn scanning(database: Database, says: Result<Finding, Unclear>) -> (Self, Says) {
        let mut bench = Self::new(database).await;
        let scanner = Says(Arc::new(Mutex::new(says)));
        bench.receiver.scanning = Scanning::by(Arc::new(scanner.clone()), 1 << 20).unwrap();
        bench.receiver.aside.unclear = WhenUnclear::Hold;
        (bench, scanner)
    }

    /// Rows of documents, held files, infected files, jobs and keys of requests.
    async fn rows(&self) -> [usize; 5] {
        let mut rows = [0; 5];
        for (place, table) in
            rows.iter_mut().zip(["documents", "held_files", "quarantine", "jobs", "idempotency"])
        {
            *place = count(&self.receiver.database, table).await;
        }
        rows
    }

    async fn listed(&self) -> Vec<Quarantined> {
        let listed = self.receiver.database.read(|tx| Box::pin(quarantine::list(tx, authority(1), 10)));
        listed.await.unwrap()
    }

    /// Sweeps without grace, and gives the objects and keys that are left.
    async fn swept(&self) -> (usize, usize) {
        let (vault, database) = (&self.receiver.vault, &self.receiver.database);
        let now = self.receiver.clock.now();
        sweep(vault, database, now, SignedDuration::ZERO).await.unwrap();
        assert_eq!(sweep(vault, database, now, SignedDuration::ZERO).await.unwrap(), Swept::default());
        (self.store.list("").await.unwrap().len(), self.keys.list(None, 1000).await.unwrap().len())
    }

    async fn cut_after(&self, step: Step) {
        let cut = Cut { after: step, reached: Notify::new() };
        let uploaded = self.upload(BYTES, Claims::default()).await.unwrap();
        let (fields, sender) = (Fields::default(), sender(1));
        tokio::select! {
            outcome = self.receiver.keep_by_steps(uploaded, &fields, &sender, once("k"), &cut) => panic!("{outcome:?}"),
            () = cut.reached.notified() => {}
        }
    }

    async fn again(&self) -> Result<Kept, ReceiveError> {
        self.send(BYTES, &Fields::default(), once("k")).await
    }

    async fn claimed(&self) -> Option<Claimed> {
        let now = self.receiver.clock.now();
        let until = now + SignedDuration::from_mins(1);
        let lease = Lease(crate::domain::random::bytes(&*self.receiver.random));
        let claiming = self
            .receiver
            .database
            .write(move |tx| Box::pin(job_rows::claim(tx, SCAN_JOB, lease, now, until, u32::MAX)));
        claiming.await.unwrap()
    }

    async fn rescan(&self, job: &Claimed) -> Result<Finished, JobError> {
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        crate::intake::rescan::Rescanner::new(self.receiver.clone(), stopped).handle(job).await
    }
}

#[tokio::test]
async fn an_infected_file_leaves_a_row_and_its_sealed_bytes_and_no_document() {
    on_each_engine(async |db| {
        let (bench, _) = Bench::scanning(db, infected()).await;
        let refused = bench.again().await;
        assert!(matches!(refused, Err(ReceiveError::Infected { signature: found }) if found == signature()));
        for _ in 0..2 {
            let again = bench.again().await.unwrap();
            assert!(
                matches!(again, Kept::Before(answer) if answer.status == 422 && answer.body == b"Test.A")
            );
        }
        assert_eq!(bench.rows().await, [0, 0, 1, 0, 1]);
        assert_eq!(bench.swept().await, (1, 1));
        let listed = bench.listed().await.remove(0);
        assert_eq!((listed.signature.as_str(), listed.client.as_str()), ("Test.A", "engine-1"));
        assert_eq!((listed.sha256, listed.request_id.as_deref()), (Sha256::of(BYTES), Some("r-1")));
        let at = ObjectRef::own(authority(1), listed.object.unwrap());
        assert_eq!(bench.receiver.vault.read(at).await.unwrap(), BYTES);
    })
    .await;
}

#[tokio::test]
async fn the_same_again_without_a_key_is_noted_but_its_bytes_are_kept_once_and_all_of_them_are_bounded() {
    on_each_engine(async |db| {
        let (mut bench, _) = Bench::scanning(db, infected()).await;
        bench.receiver.aside.bytes_max = 2 * BYTES.len() as u64;
        for bytes in [BYTES, BYTES, b"other", b"one more that is longer"] {
            bench.send(bytes, &Fields::default(), None).await.unwrap_err();
        }
        assert_eq!((bench.rows().await, bench.swept().await), ([0, 0, 4, 0, 0], (2, 2)));
        let kept = bench.listed().await.iter().filter(|file| file.object.is_some()).count();
        assert_eq!(kept, 2);
    })
    .await;
}

#[tokio::test]
async fn an_infected_file_goes_at_its_time_with_key_and_bytes() {
    on_each_engine(async |db| {
        let (mut bench, _) = Bench::scanning(db, infected()).await;
        bench.send(BYTES, &Fields::default(), None).await.unwrap_err();
        bench.receiver.aside.kept = SignedDuration::from_hours(48);
        bench.send(b"later", &Fields::default(), None).await.unwrap_err();
        let (vault, database) = (&bench.receiver.vault, &bench.receiver.database);
        for (hours, removed, left) in [(47, 0, 2), (48, 1, 1), (30 * 24 - 1, 0, 1), (30 * 24, 1, 0)] {
            let now = bench.receiver.clock.now() + SignedDuration::from_hours(hours);
            assert_eq!(crate::intake::quarantine::sweep(vault, database, now).await.unwrap(), removed);
            assert_eq!((bench.rows().await[2], bench.swept().await), (left, (left, left)), "{hours}");
        }
    })
    .await;
}

#[tokio::test]
async fn documents_that_came_with_the_same_bytes_before_are_flagged_and_stay() {
    on_each_engine(async |db| {
        let (bench, scanner) = Bench::scanning(db, Ok(Finding::Nothing)).await;
        let before = new(bench.send(BYTES, &Fields::default(), None).await.unwrap());
        let other = new(bench.send(b"other", &Fields::default(), None).await.unwrap());
        assert_eq!(before.scanned_at, Some(before.received_at));
        *scanner.0.lock().unwrap() = infected();
        bench.send(BYTES, &Fields::default(), None).await.unwrap_err();
        // Reading it out makes good what was wrong before, but not that.
        let read_out = bench.receiver.database.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                let extracted =
                    documents::Extracted { at: Timestamp::UNIX_EPOCH, pages: 1, words: 1, text: None };
                documents::set_extracted(tx, authority(1), before.id, &extracted).await?;
                documents::set_flag(tx, authority(1), before.id, "no-text", Timestamp::UNIX_EPOCH).await
            })
        });
        read_out.await.unwrap();
        for (document, flag) in [(before.id, Some("infected")), (other.id, None)] {
            let read =
                bench.receiver.database.read(move |tx| Box::pin(documents::find(tx, authority(1), document)));
            let read: Result<_, DatabaseError> = read.await;
            assert_eq!(read.unwrap().unwrap().flag.map(|(flag, _)| flag).as_deref(), flag);
        }
    })
    .await;
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_no_orphan_and_the_retry_makes_it_one() {
    for says in [infected(), Err(Unclear::Cut)] {
        on_each_engine(async |db| {
            let (bench, _) = Bench::scanning(db, says.clone()).await;
            for step in [Step::TakenIn, Step::Durable] {
                bench.cut_after(step).await;
                assert_eq!((bench.rows().await, bench.swept().await), ([0; 5], (0, 0)), "{step:?}");
            }
            bench.cut_after(Step::Committed).await;
            let rows = bench.rows().await;
            assert_eq!((rows[0], rows[1] + rows[2], rows[4]), (0, 1, 1));
            assert!(matches!(bench.again().await, Ok(Kept::Before(_))));
            assert_eq!((bench.rows().await, bench.swept().await), (rows, (1, 1)));
        })
        .await;
    }
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_is_set_aside_and_all_get_its_answer() {
    for (says, status) in [(infected(), 422), (Err(Unclear::Cut), 202)] {
        on_each_engine(async |db| {
            let (bench, _) = Bench::scanning(db, says.clone()).await;
            let all = futures_util::future::join_all((0..12).map(|_| bench.again())).await;
            let before =
                all.iter().filter(|kept| matches!(kept, Ok(Kept::Before(answer)) if answer.status == status));
            assert_eq!(before.count(), 11, "{all:?}");
            let rows = bench.rows().await;
            assert_eq!((rows[1] + rows[2], bench.swept().await), (1, (1, 1)));
        })
        .await;
    }
}

#[tokio::test]
async fn where_unscanned_files_are_refused_nothing_is_kept_but_who_was_answered_is_answered() {
    on_each_engine(async |db| {
        let (mut bench, scanner) = Bench::scanning(db, Ok(Finding::Nothing)).await;
        bench.receiver.aside.unclear = WhenUnclear::Refuse;
        let first = new(bench.again().await.unwrap());
        *scanner.0.lock().unwrap() = Err(Unclear::Failed);
        let (rows, left) = (bench.rows().await, bench.swept().await);
        let refused = bench.send(BYTES, &Fields::default(), once("other")).await;
        assert!(matches!(refused, Err(ReceiveError::Unscanned(Unclear::Failed))));
        let again = bench.again().await.unwrap();
        assert!(matches!(again, Kept::Before(answer) if answer.body == first.id.to_string().into_bytes()));
        assert_eq!((bench.rows().await, bench.swept().await), (rows, left));
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_a_document_only_once_it_was_found_clean() {
    on_each_engine(async |db| {
        let (bench, scanner) = Bench::scanning(db, Err(Unclear::Cut)).await;
        let fields = Fields::parse([("title", "Anzeige"), ("entry", "G/12345678/2024/815")]).unwrap();
        let Kept::Held(waiting) = bench.send(BYTES, &fields, None).await.unwrap() else { panic!() };
        let id = waiting.id;
        let held = bench.receiver.database.read(move |tx| Box::pin(held::find(tx, authority(1), id)));
        let held: Result<_, DatabaseError> = held.await;
        assert_eq!(held.unwrap().unwrap().document, *waiting);
        let theirs = bench.receiver.database.read(move |tx| Box::pin(held::find(tx, authority(2), id)));
        let theirs: Result<_, DatabaseError> = theirs.await;
        assert_eq!(theirs.unwrap(), None);

        let job = bench.claimed().await.unwrap();
        for unclear in [Unclear::Cut, Unclear::TooLarge, Unclear::Garbage] {
            *scanner.0.lock().unwrap() = Err(unclear);
            assert!(matches!(bench.rescan(&job).await, Err(JobError::Again(_))));
        }
        assert_eq!((bench.rows().await, bench.swept().await), ([0, 1, 0, 1, 0], (1, 1)));
        *scanner.0.lock().unwrap() = Ok(Finding::Nothing);
        let lost = Claimed { lease: Lease([9; 16]), ..job.clone() };
        assert!(matches!(bench.rescan(&lost).await, Err(JobError::Again(_))), "somebody else has the job");
        assert_eq!(bench.rows().await, [0, 1, 0, 1, 0]);

        assert_eq!(bench.rescan(&job).await, Ok(Finished::Removed));
        assert_eq!(bench.rescan(&job).await, Ok(Finished::Remove), "done twice, it changes nothing");
        assert_eq!((bench.rows().await, bench.swept().await), ([1, 0, 0, 1, 0], (1, 1)));
        let found = bench.receiver.database.read(move |tx| Box::pin(documents::find(tx, authority(1), id)));
        let found: Result<_, DatabaseError> = found.await;
        let scanned_at = Some(bench.receiver.clock.now());
        assert_eq!(found.unwrap().unwrap(), Document { scanned_at, ..*waiting });
    })
    .await;
}

#[tokio::test]
async fn what_waits_and_is_infected_goes_to_the_quarantine_with_the_document_it_was_to_be() {
    on_each_engine(async |db| {
        let (bench, scanner) = Bench::scanning(db, Err(Unclear::Cut)).await;
        let Kept::Held(waiting) = bench.send(BYTES, &Fields::default(), None).await.unwrap() else {
            panic!()
        };
        *scanner.0.lock().unwrap() = infected();
        let job = bench.claimed().await.unwrap();
        assert_eq!(bench.rescan(&job).await, Ok(Finished::Removed));
        assert_eq!((bench.rows().await, bench.swept().await), ([0, 0, 1, 0, 0], (1, 1)));
        let listed = bench.listed().await.remove(0);
        assert_eq!((listed.document, listed.object), (Some(waiting.id), Some(waiting.object)));
    })
    .await;
}

#[tokio::test]
async fn what_waits_with_the_bytes_of_a_document_shares_its_object_in_the_end() {
    on_each_engine(async |db| {
        let (bench, scanner) = Bench::scanning(db, Err(Unclear::Cut)).await;
        for _ in 0..2 {
            bench.send(BYTES, &Fields::default(), None).await.unwrap();
        }
        assert_eq!(bench.swept().await, (2, 2));
        *scanner.0.lock().unwrap() = Ok(Finding::Nothing);
        for _ in 0..2 {
            let job = bench.claimed().await.unwrap();
            bench.rescan(&job).await.unwrap();
        }
        assert_eq!(bench.rows().await[..4], [2, 0, 0, 2]);
        let left = (bench.store.list("").await.unwrap().len(), bench.keys.list(None, 9).await.unwrap().len());
        assert_eq!(left, (1, 1), "without a sweep");
    })
    .await;
}

#[tokio::test]
async fn without_a_scanner_what_waits_goes_on_waiting() {
    on_each_engine(async |db| {
        let (mut bench, _) = Bench::scanning(db, Err(Unclear::Cut)).await;
        bench.send(BYTES, &Fields::default(), None).await.unwrap();
        bench.receiver.scanning = Scanning::off();
        let job = bench.claimed().await.unwrap();
        assert!(matches!(bench.rescan(&job).await, Err(JobError::Again(_))));
        assert_eq!(bench.rows().await, [0, 1, 0, 1, 0]);
    })
    .await;
}
