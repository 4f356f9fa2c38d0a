//! What the runner promises, with the real table on both engines and a clock that the test moves.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{Mutex, Semaphore, mpsc};

use super::*;
use crate::database::testing::{authority, on_each_engine};
use crate::domain::clock::FixedClock;
use crate::domain::ids::JobId;
use crate::domain::random::SeededRandom;
use crate::jobs::NewJob;

const KIND: &str = "test";

/// Patience for tests: only a wake-up or the clock moves anything.
const PATIENCE: Patience = Patience {
    lease: Duration::from_secs(60),
    poll: Duration::from_secs(3600),
    attempts_max: 3,
    pause_first: Duration::from_secs(10),
    pause_max: Duration::from_secs(15),
};

/// Says what it is doing, and does as its payload says.
struct Scripted {
    started: mpsc::UnboundedSender<(u64, u32)>,
    /// Jobs with `"wait"` need one of these to go on.
    go: Semaphore,
    at_work: AtomicUsize,
    most_at_work: AtomicUsize,
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, job: &Claimed) -> Result<Finished, JobError> {
        let now = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_work.fetch_max(now, Ordering::SeqCst);
        self.started.send((job.payload["n"].as_u64().unwrap(), job.attempt)).unwrap();
        if job.payload["do"] == "wait" {
            self.go.acquire().await.unwrap().forget();
        }
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        match job.payload["do"].as_str() {
            Some("again") => Err(JobError::Again("busy".to_owned())),
            Some("never") => Err(JobError::Never("no PDF".to_owned())),
            Some("panic") => panic!("a test's own panic"),
            _ => Ok(Finished::Remove),
        }
    }
}

struct Stage {
    db: Database,
    clock: Arc<FixedClock>,
    handler: Arc<Scripted>,
    started: Mutex<mpsc::UnboundedReceiver<(u64, u32)>>,
}

impl Stage {
    fn new(db: Database) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let handler = Scripted {
            started: sender,
            go: Semaphore::new(0),
            at_work: AtomicUsize::new(0),
            most_at_work: AtomicUsize::new(0),
        };
        let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
        Self { db, clock, handler: Arc::new(handler), started: Mutex::new(receiver) }
    }

    fn start(&self, seed: u64) -> (Running, Wake) {
        let random = Arc::new(SeededRandom::new(seed));
        let runner = Runner::new(self.db.clone(), Arc::clone(&self.clock) as _, random, PATIENCE);
        let runner = runner.with(KIND, 2, Arc::clone(&self.handler) as _);
        let wake = runner.wake();
        (runner.start(), wake)
    }

    async fn put(&self, n: u8, what: &str) {
        let job = NewJob {
            id: JobId::from_bytes([n; 16]),
            authority: authority(1),
            kind: KIND,
            unique_key: None,
            payload: json!({ "n": n, "do": what }),
            due_at: self.clock.now(),
        };
        let now = self.clock.now();
        self.db.write(move |tx| Box::pin(async move { jobs::enqueue(tx, &job, now).await })).await.unwrap();
    }

    async fn next_start(&self) -> (u64, u32) {
        self.started.lock().await.recv().await.unwrap()
    }

    /// Waits until the row of the failed job says when it is due again.
    async fn due_after_failure(&self) -> i64 {
        loop {
            let failed = self.db.read(|tx| Box::pin(jobs::failed(tx, KIND))).await.unwrap();
            match failed.first() {
                Some(job) => return job.due_at.as_second(),
                None => tokio::task::yield_now().await,
            }
        }
    }

    async fn open_and_poisoned(&self) -> (u64, u64) {
        let counts = self.db.read(|tx| Box::pin(jobs::counts(tx))).await.unwrap();
        counts.first().map_or((0, 0), |count| (count.open, count.poisoned))
    }
}

#[tokio::test]
async fn what_is_there_is_done_and_what_comes_later_is_done_when_woken() {
    on_each_engine(async |db| {
        let stage = Stage::new(db);
        stage.put(1, "").await;
        let (running, wake) = stage.start(1);
        assert_eq!(stage.next_start().await, (1, 1));
        stage.put(2, "").await;
        wake.wake();
        assert_eq!(stage.next_start().await, (2, 1));
        running.stop().await;
        assert_eq!(stage.open_and_poisoned().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_failed_job_comes_again_after_growing_pauses_and_is_set_aside_at_last() {
    on_each_engine(async |db| {
        let stage = Stage::new(db);
        stage.put(1, "again").await;
        let (running, wake) = stage.start(1);
        for (attempt, pause) in [(1, 10), (2, 15)] {
            assert_eq!(stage.next_start().await, (1, attempt));
            let due = stage.due_after_failure().await;
            assert_eq!(due - stage.clock.now().as_second(), pause);
            stage.clock.advance(SignedDuration::from_secs(pause));
            wake.wake();
        }
        assert_eq!(stage.next_start().await, (1, 3));
        running.stop().await;
        assert_eq!(stage.open_and_poisoned().await, (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_never_works_is_set_aside_at_once_and_one_that_panics_takes_nobody_down() {
    on_each_engine(async |db| {
        let stage = Stage::new(db);
        for (n, what) in [(1, "never"), (2, "panic"), (3, "")] {
            stage.put(n, what).await;
        }
        let (running, _wake) = stage.start(1);
        for n in 1..=3 {
            assert_eq!(stage.next_start().await, (n, 1));
        }
        running.stop().await;
        assert_eq!(stage.open_and_poisoned().await, (1, 1));
    })
    .await;
}

#[tokio::test]
async fn no_more_run_at_the_same_time_than_there_are_places() {
    on_each_engine(async |db| {
        let stage = Stage::new(db);
        for n in 0..10 {
            stage.put(n, "wait").await;
        }
        let (running, _wake) = stage.start(1);
        stage.next_start().await;
        stage.next_start().await;
        stage.handler.go.add_permits(10);
        for _ in 2..10 {
            stage.next_start().await;
        }
        running.stop().await;
        assert_eq!(stage.handler.most_at_work.load(Ordering::SeqCst), 2);
        assert_eq!(stage.open_and_poisoned().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn stopping_waits_for_what_runs_and_starts_nothing_more() {
    on_each_engine(async |db| {
        let stage = Stage::new(db);
        for n in 0..5 {
            stage.put(n, "wait").await;
        }
        let (running, _wake) = stage.start(1);
        stage.next_start().await;
        stage.next_start().await;
        let mut stopping = Box::pin(running.stop());
        assert!((&mut stopping).now_or_never().is_none());
        stage.handler.go.add_permits(5);
        stopping.await;
        assert_eq!(stage.open_and_poisoned().await, (3, 0));
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_holder_hangs_is_taken_over_and_done_once() {
    on_each_engine(async |db| {
        let stage = Stage::new(db);
        stage.put(1, "wait").await;
        let (hanging, _) = stage.start(1);
        assert_eq!(stage.next_start().await, (1, 1));
        stage.clock.advance(SignedDuration::from_secs(60));
        let (second, _) = stage.start(2);
        assert_eq!(stage.next_start().await, (1, 2));
        stage.handler.go.add_permits(2);
        hanging.stop().await;
        second.stop().await;
        assert_eq!(stage.open_and_poisoned().await, (0, 0));
    })
    .await;
}

#[test]
fn pauses_double_up_to_the_longest() {
    let patience =
        Patience { pause_first: Duration::from_secs(2), pause_max: Duration::from_secs(600), ..PATIENCE };
    let pauses = [1, 2, 3, 9, 10, 40, u32::MAX].map(|attempt| pause(&patience, attempt).as_secs());
    assert_eq!(pauses, [2, 4, 8, 512, 600, 600, 600]);
}
