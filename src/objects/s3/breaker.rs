//! The circuit breaker: after some failures in a row nobody waits for the store any more, and one call at a time
//! tries whether it is back. Knows nothing of what is called.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Failures in a row after which the circuit opens.
const FAILURES_MAX: u32 = 8;

/// Shared by all calls to one store; clones are the same circuit.
#[derive(Clone)]
pub(super) struct Breaker {
    state: Arc<Mutex<State>>,
    /// How long the circuit stays open before one call tries again.
    rest: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls go through.
    Closed { failures: u32 },
    /// No call goes through.
    Open,
    /// The next call tries.
    Ready,
    /// A call is trying; the others wait for its outcome.
    Trying,
}

/// Leave to call once. Dropped without an outcome, it counts for nothing.
pub(super) struct Permit {
    breaker: Breaker,
    counted: bool,
}

impl Breaker {
    pub(super) fn new(rest: Duration) -> Self {
        Self { state: Arc::new(Mutex::new(State::Closed { failures: 0 })), rest }
    }

    /// Leave to call, or none while the circuit is open.
    pub(super) fn permit(&self) -> Option<Permit> {
        let mut state = self.lock();
        match *state {
            State::Open | State::Trying => return None,
            State::Ready => *state = State::Trying,
            State::Closed { .. } => {}
        }
        Some(Permit { breaker: self.clone(), counted: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) {
        *self.lock() = State::Open;
        tracing::warn!(rest = ?self.rest, "the object store does not answer; for a while nobody waits for it");
        let breaker = self.clone();
        tokio::spawn(async move {
            // sleeps: the store is left alone for this long
            tokio::time::sleep(breaker.rest).await;
            let mut state = breaker.lock();
            if *state == State::Open {
                *state = State::Ready;
            }
        });
    }
}

impl Permit {
    /// The store answered, whatever it said.
    pub(super) fn answered(mut self) {
        self.counted = true;
        *self.breaker.lock() = State::Closed { failures: 0 };
    }

    /// The store did not answer, or only that it cannot.
    pub(super) fn failed(mut self) {
        self.counted = true;
        let next = match *self.breaker.lock() {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => {
                Some(State::Closed { failures: failures + 1 })
            }
            State::Closed { .. } | State::Trying => None,
            state @ (State::Open | State::Ready) => Some(state),
        };
        match next {
            Some(state) => *self.breaker.lock() = state,
            None => self.breaker.open(),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if !self.counted && *state == State::Trying {
            *state = State::Ready;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.permit().unwrap().failed();
        }
    }

    async fn rested(breaker: &Breaker) -> Permit {
        loop {
            if let Some(permit) = breaker.permit() {
                return permit;
            }
            // sleeps: until the circuit has rested
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn after_failures_in_a_row_nobody_calls_until_one_call_has_tried() {
        let breaker = Breaker::new(Duration::from_millis(300));
        fail(&breaker, FAILURES_MAX - 1);
        breaker.permit().unwrap().answered();
        fail(&breaker, FAILURES_MAX - 1);
        assert!(breaker.permit().is_some(), "an answer began the count anew");
        fail(&breaker, 1);
        assert!(breaker.permit().is_none());
        let trying = rested(&breaker).await;
        assert!(breaker.permit().is_none(), "one call tries, not all");
        trying.failed();
        assert!(breaker.permit().is_none());
        drop(rested(&breaker).await);
        let trying = breaker.permit().expect("a call that was given up does not block the next one");
        trying.answered();
        assert!(breaker.permit().is_some() && breaker.permit().is_some());
    }
}
