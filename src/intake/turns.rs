//! Requests under one idempotency key at the same time take turns: the first one works, the others wait for it and
//! then find its answer. A turn ends with whoever has it, also when that one is dropped in the middle.
//!
//! Knows only this process. Between nodes, and over a crash, the claim in the transaction decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::database::idempotency::Scope;
use crate::domain::digest::Sha256;

/// How long one waits for its turn: the body is in, so what is waited for is a sync and a commit. Below the time-outs
/// of clients and proxies, which are mostly a minute.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who has which turn. Clones share it.
#[derive(Clone)]
pub struct Turns {
    patience: Duration,
    keys: Arc<Mutex<HashMap<Scope, Key>>>,
}

struct Key {
    fingerprint: Sha256,
    turn: Arc<tokio::sync::Mutex<()>>,
    callers: usize,
}

/// The right to do the work of a key, until it is dropped.
pub(super) struct Turn {
    _mine: OwnedMutexGuard<()>,
    _place: Place,
    /// Somebody had it before: there may be an answer by now.
    pub(super) waited: bool,
}

/// Why it is nobody's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// A request that came before, and is not done, is another one.
    AnotherRequest,
    /// The one before is not done yet.
    StillRunning,
}

/// A caller, counted: the key is forgotten with the last one.
struct Place {
    turns: Turns,
    scope: Scope,
}

impl Default for Turns {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl Turns {
    /// Turns for which one waits so long.
    pub fn with_patience(patience: Duration) -> Self {
        Self { patience, keys: Arc::default() }
    }

    /// Waits for the turn of the request with this fingerprint under this key.
    pub(super) async fn take(&self, scope: &Scope, fingerprint: Sha256) -> Result<Turn, NoTurn> {
        let (place, turn) = self.enter(scope, fingerprint)?;
        if let Ok(mine) = Arc::clone(&turn).try_lock_owned() {
            return Ok(Turn { _mine: mine, _place: place, waited: false });
        }
        let mine = timeout(self.patience, turn.lock_owned()).await.map_err(|_| NoTurn::StillRunning)?;
        Ok(Turn { _mine: mine, _place: place, waited: true })
    }

    fn enter(
        &self,
        scope: &Scope,
        fingerprint: Sha256,
    ) -> Result<(Place, Arc<tokio::sync::Mutex<()>>), NoTurn> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let key = keys.entry(scope.clone()).or_insert_with(|| Key {
            fingerprint,
            turn: Arc::default(),
            callers: 0,
        });
        if key.fingerprint != fingerprint {
            return Err(NoTurn::AnotherRequest);
        }
        key.callers += 1;
        Ok((Place { turns: self.clone(), scope: scope.clone() }, Arc::clone(&key.turn)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut keys = self.turns.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get_mut(&self.scope) {
            key.callers -= 1;
            if key.callers == 0 {
                keys.remove(&self.scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::AuthorityId;

    fn scope(client: &str) -> Scope {
        Scope {
            authority: AuthorityId::from_bytes([1; 16]),
            client: client.into(),
            route: "/v1/documents",
            key: "k".into(),
        }
    }

    #[tokio::test]
    async fn one_after_the_other_has_the_turn_and_nothing_is_left_behind() {
        let turns = Turns::with_patience(Duration::ZERO);
        let (print, other) = (Sha256::of(b"a"), Sha256::of(b"b"));
        let first = turns.take(&scope("engine"), print).await.ok().unwrap();
        assert!(!first.waited);
        assert_eq!(turns.take(&scope("engine"), print).await.err(), Some(NoTurn::StillRunning));
        assert_eq!(turns.take(&scope("engine"), other).await.err(), Some(NoTurn::AnotherRequest));
        assert!(turns.take(&scope("clerk"), other).await.is_ok());
        drop(first);
        assert!(turns.keys.lock().unwrap().is_empty());
        assert!(turns.take(&scope("engine"), other).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_turn_when_the_one_before_is_dropped() {
        let turns = Turns::default();
        let first = turns.take(&scope("engine"), Sha256::of(b"a")).await.ok().unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(&scope("engine"), Sha256::of(b"a")).await.is_ok_and(|turn| turn.waited) }
        });
        while turns.keys.lock().unwrap().values().all(|key| key.callers < 2) {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(turns.keys.lock().unwrap().is_empty());
    }
}
