//! Load: the same thing again and again by many threads for a time, and how long each took.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::UploadError;

/// What all clients did within the time.
pub(super) struct Done {
    /// How long each took, the shortest first.
    pub(super) each: Vec<Duration>,
    wall: Duration,
}

/// Does the same thing again and again.
pub(super) trait Work: Send {
    fn once(&mut self) -> Result<(), UploadError>;
}

/// Lets all of them work for `time`, each on a thread of its own.
pub(super) fn together<W: Work>(
    count: usize,
    time: Duration,
    make: impl Fn(usize) -> Result<W, UploadError>,
) -> Result<Done, UploadError> {
    let workers: Vec<W> = (0..count).map(make).collect::<Result<_, _>>()?;
    let (stop, begin) = (AtomicBool::new(false), Barrier::new(count + 1));
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                let (stop, begin) = (&stop, &begin);
                scope.spawn(move || {
                    let mut each = Vec::new();
                    begin.wait();
                    while !stop.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        worker.once()?;
                        each.push(began.elapsed());
                    }
                    Ok::<_, UploadError>(each)
                })
            })
            .collect();
        begin.wait();
        let began = Instant::now();
        // sleeps: the time that is measured
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let mut each = Vec::new();
        for thread in threads {
            each.extend(thread.join().map_err(|_| UploadError::Client)??);
        }
        let wall = began.elapsed();
        each.sort_unstable();
        Ok(Done { each, wall })
    })
}

impl Done {
    /// As they are printed.
    pub(super) fn figures(&self) -> Value {
        let micros = |percent| super::micros(self.at(percent));
        json!({
            "perSecond": self.per_second().round(),
            "p50Us": micros(50),
            "p99Us": micros(99),
        })
    }

    pub(super) fn per_second(&self) -> f64 {
        self.each.len() as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    pub(super) fn at(&self, percent: usize) -> Duration {
        let last = self.each.len().saturating_sub(1);
        self.each.get(last * percent / 100).copied().unwrap_or_default()
    }
}
