//! Gathering: what many callers bring is handed on together, in one work, as soon as the one before has ended. So a
//! commit, and each statement in it, serves all who came meanwhile; whoever comes alone waits for nobody.
//!
//! Knows no statements. A caller that goes away does not take the others' work along.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Database, Engine};

/// What one work takes along at most: bounds the values of a statement and how long the first waits for the last.
const TOGETHER_MAX: usize = 64;

/// Where callers bring a `T` and get an `R` for it. Clones share it.
pub struct Gather<T, R>(Arc<Parts<T, R>>);

struct Parts<T, R> {
    runtime: Handle,
    /// Works at the same time.
    lanes: usize,
    work: Work<T, R>,
    state: Mutex<State<T, R>>,
}

type Work<T, R> = Box<dyn Fn(Vec<T>) -> BoxFuture<'static, Vec<R>> + Send + Sync>;

struct State<T, R> {
    waiting: Vec<(T, oneshot::Sender<R>)>,
    running: usize,
}

impl<T, R> Clone for Gather<T, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static, R: Send + 'static> Gather<T, R> {
    /// Hands on to `work`, which answers each of what it is given, in their order; it writes to `database`. There a
    /// second work would wait for the first (SQLite) or go on beside it (PostgreSQL).
    pub fn new<F>(database: &Database, work: impl Fn(Vec<T>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<R>> + Send + 'static,
    {
        let lanes = match &*database.engine {
            Engine::Sqlite(_) => 1,
            Engine::Postgres(_) => 2,
        };
        let state = Mutex::new(State { waiting: Vec::new(), running: 0 });
        let work: Work<T, R> = Box::new(move |together| Box::pin(work(together)));
        Self(Arc::new(Parts { runtime: database.runtime.clone(), lanes, work, state }))
    }

    /// The answer to `one`; none if its work broke down.
    pub async fn bring(&self, one: T) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        let begin = {
            let mut state = self.0.lock();
            state.waiting.push((one, answer));
            let free = state.running < self.0.lanes;
            state.running += usize::from(free);
            free
        };
        if begin {
            let lane = Lane { parts: Arc::clone(&self.0), ended: false };
            self.0.runtime.spawn(lane.work_until_nobody_waits());
        }
        answered.await.ok()
    }
}

impl<T, R> Parts<T, R> {
    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in which one work after the other runs. Dropped by a panic, it is free again too.
struct Lane<T, R> {
    parts: Arc<Parts<T, R>>,
    ended: bool,
}

impl<T: Send + 'static, R: Send + 'static> Lane<T, R> {
    async fn work_until_nobody_waits(mut self) {
        while let Some((together, callers)) = self.next() {
            let answers = (self.parts.work)(together).await;
            for (caller, answer) in callers.into_iter().zip(answers) {
                // A caller that has gone away does not wait for the answer.
                let _ = caller.send(answer);
            }
        }
    }

    /// What waits; if nothing does, the place is free from the same moment on.
    fn next(&mut self) -> Option<(Vec<T>, Vec<oneshot::Sender<R>>)> {
        let mut state = self.parts.lock();
        let count = state.waiting.len().min(TOGETHER_MAX);
        if count == 0 {
            state.running -= 1;
            self.ended = true;
            return None;
        }
        Some(state.waiting.drain(..count).unzip())
    }
}

impl<T, R> Drop for Lane<T, R> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.parts.lock();
        state.running -= 1;
        if state.running == 0 {
            // Nobody would hand them on: they are told that it broke down.
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::testing::on_each_engine;
    use super::*;

    #[tokio::test]
    async fn everybody_gets_the_answer_to_what_was_brought_and_a_work_takes_many_along() {
        on_each_engine(async |db| {
            let works = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&works);
            let doubling = Gather::new(&db, move |numbers: Vec<u64>| {
                seen.lock().unwrap().push(numbers.len());
                async move {
                    tokio::task::yield_now().await;
                    numbers.into_iter().map(|number| number * 2).collect()
                }
            });
            let answers = join_all((0..500).map(|number| doubling.bring(number))).await;
            assert_eq!(answers, (0..500).map(|number| Some(number * 2)).collect::<Vec<_>>());
            let works = works.lock().unwrap();
            assert!(works.iter().all(|count| *count <= TOGETHER_MAX) && works.contains(&TOGETHER_MAX));
            assert_eq!(works.iter().sum::<usize>(), 500);
        })
        .await;
    }

    #[tokio::test]
    async fn a_work_that_breaks_down_is_told_to_its_callers_and_the_next_ones_are_served() {
        on_each_engine(async |db| {
            let checking = Gather::new(&db, |numbers: Vec<u8>| async move {
                assert!(!numbers.contains(&0), "as if by a mistake");
                numbers
            });
            assert_eq!(checking.bring(0).await, None);
            assert_eq!(checking.bring(1).await, Some(1));
            assert!(join_all((0..9).map(|number| checking.bring(number))).await.contains(&None));
            assert_eq!(checking.bring(2).await, Some(2));
        })
        .await;
    }
}
