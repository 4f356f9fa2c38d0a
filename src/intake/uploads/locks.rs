//! One request at a time works on an upload. Who has to know how it stands asks the one that works on it to stop:
//! a client that comes back after its connection broke need not wait until the server has noticed that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedMutexGuard};

use crate::domain::ids::UploadId;

/// Which uploads are worked on. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Locks(Arc<Mutex<HashMap<UploadId, Arc<Gate>>>>);

#[derive(Default)]
struct Gate {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// Whom to ask to stop: another one with each hold, so that no request is stopped for one before it.
    stop: Mutex<Arc<Notify>>,
}

/// The right to work on an upload, until it is dropped.
pub(super) struct Hold {
    locks: Locks,
    id: UploadId,
    gate: Arc<Gate>,
    guard: Option<OwnedMutexGuard<()>>,
    stop: Arc<Notify>,
}

impl Locks {
    /// The right to work on `id`, if nobody has it.
    pub(super) fn try_hold(&self, id: UploadId) -> Option<Hold> {
        let gate = self.gate(id);
        match Arc::clone(&gate.lock).try_lock_owned() {
            Ok(guard) => Some(self.held(id, gate, guard)),
            Err(_) => {
                self.forget(id, &gate);
                None
            }
        }
    }

    /// Asks whoever works on `id` to stop, and waits until they have; `None` if that takes longer than `patience`.
    pub(super) async fn hold(&self, id: UploadId, patience: Duration) -> Option<Hold> {
        let gate = self.gate(id);
        locked(&gate.stop).notify_one();
        match tokio::time::timeout(patience, Arc::clone(&gate.lock).lock_owned()).await {
            Ok(guard) => Some(self.held(id, gate, guard)),
            Err(_) => {
                self.forget(id, &gate);
                None
            }
        }
    }

    fn gate(&self, id: UploadId) -> Arc<Gate> {
        Arc::clone(locked(&self.0).entry(id).or_default())
    }

    fn held(&self, id: UploadId, gate: Arc<Gate>, guard: OwnedMutexGuard<()>) -> Hold {
        let stop = Arc::new(Notify::new());
        *locked(&gate.stop) = Arc::clone(&stop);
        Hold { locks: self.clone(), id, gate, guard: Some(guard), stop }
    }

    /// Removes the gate if nobody else is at it.
    fn forget(&self, id: UploadId, gate: &Arc<Gate>) {
        let mut gates = locked(&self.0);
        // The map's own and the caller's; others are only made under the lock of the map.
        if Arc::strong_count(gate) == 2 {
            gates.remove(&id);
        }
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        locked(&self.0).len()
    }
}

impl Hold {
    /// Ends when somebody asks to stop.
    pub(super) async fn asked_to_stop(&self) {
        self.stop.notified().await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.guard = None;
        self.locks.forget(self.id, &self.gate);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: UploadId = UploadId::from_bytes([1; 16]);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn one_works_at_a_time_and_stops_when_it_is_asked_to() {
        let locks = Locks::default();
        let first = locks.try_hold(ID).unwrap();
        assert!(locks.try_hold(ID).is_none());
        assert!(locks.try_hold(UploadId::from_bytes([2; 16])).is_some());
        let worker = tokio::spawn(async move {
            first.asked_to_stop().await;
            drop(first);
        });
        let second = locks.hold(ID, LONG).await.unwrap();
        worker.await.unwrap();
        // What was asked of the first is not asked of the second.
        assert!(tokio::time::timeout(Duration::from_millis(1), second.asked_to_stop()).await.is_err());
        drop(second);
        assert_eq!(locks.count(), 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let locks = Locks::default();
        let _first = locks.try_hold(ID).unwrap();
        assert!(locks.hold(ID, Duration::from_millis(1)).await.is_none());
        assert_eq!(locks.count(), 1);
    }
}
