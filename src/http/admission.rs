//! Bodies that anybody may send, while they arrive: bounded in number and in memory. Where there is no room left, the
//! one that has been on its way longest gives way, so that those who send slowly keep out nobody who does not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How long a body may arrive without having to give way.
const GRACE: Duration = Duration::from_secs(5);

/// There is no room, and nobody who could give way: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// The bodies on their way. Clones are the same.
#[derive(Clone)]
pub(super) struct Admission(Arc<Mutex<State>>);

struct State {
    bodies_max: usize,
    bytes_max: usize,
    /// Of all places, also of bodies that have arrived and are worked on.
    bytes: usize,
    next: u64,
    /// The oldest first.
    arriving: VecDeque<Arriving>,
}

struct Arriving {
    id: u64,
    since: Instant,
    bytes: usize,
    leave: oneshot::Sender<()>,
}

impl State {
    /// Lets the oldest go, unless it is `but` or still in its time of grace.
    fn make_room(&mut self, but: Option<u64>, now: Instant) -> Result<(), Full> {
        let may_go = |body: &Arriving| Some(body.id) != but && now >= body.since + GRACE;
        let oldest = self.arriving.iter().position(may_go).ok_or(Full)?;
        if let Some(gone) = self.arriving.remove(oldest) {
            self.bytes = self.bytes.saturating_sub(gone.bytes);
            // Its task may have ended just now.
            let _ = gone.leave.send(());
        }
        Ok(())
    }
}

impl Admission {
    /// Room for so many bodies on their way, and for so many bytes of them and of those that are worked on.
    pub(super) fn new(bodies_max: usize, bytes_max: usize) -> Self {
        let arriving = VecDeque::new();
        Self(Arc::new(Mutex::new(State { bodies_max, bytes_max, bytes: 0, next: 0, arriving })))
    }

    /// A place for a body that is about to arrive.
    pub(super) fn enter(&self, now: Instant) -> Result<Place, Full> {
        let mut state = self.state();
        if state.arriving.len() >= state.bodies_max {
            state.make_room(None, now)?;
        }
        let id = state.next;
        state.next += 1;
        let (leave, told) = oneshot::channel();
        state.arriving.push_back(Arriving { id, since: now, bytes: 0, leave });
        drop(state);
        Ok(Place { admission: self.clone(), id, told, arrived: None })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body's place; given back when it is dropped.
pub(super) struct Place {
    admission: Admission,
    id: u64,
    told: oneshot::Receiver<()>,
    /// Bytes of a body that is complete.
    arrived: Option<usize>,
}

impl Place {
    /// So many more bytes have come.
    pub(super) fn grow(&mut self, bytes: usize, now: Instant) -> Result<(), Full> {
        let mut state = self.admission.state();
        while state.bytes + bytes > state.bytes_max {
            state.make_room(Some(self.id), now)?;
        }
        let own = state.arriving.iter_mut().find(|body| body.id == self.id).ok_or(Full)?;
        own.bytes += bytes;
        state.bytes += bytes;
        Ok(())
    }

    /// Comes back when the body has to give way.
    pub(super) async fn told_to_leave(&mut self) {
        let _ = (&mut self.told).await;
    }

    /// The body is complete: it need not give way any more, its bytes still count.
    pub(super) fn arrived(&mut self) {
        let mut state = self.admission.state();
        if let Some(at) = state.arriving.iter().position(|body| body.id == self.id) {
            self.arrived = state.arriving.remove(at).map(|body| body.bytes);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.arrived();
        let mut state = self.admission.state();
        state.bytes = state.bytes.saturating_sub(self.arrived.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_to_a_newcomer_after_its_time_of_grace() {
        let (admission, start) = (Admission::new(2, 100), Instant::now());
        let mut first = admission.enter(start).unwrap();
        first.grow(60, start).unwrap();
        let _second = admission.enter(start + GRACE / 2).unwrap();
        assert_eq!(admission.enter(start + GRACE / 2).err(), Some(Full));
        let mut third = admission.enter(start + GRACE).unwrap();
        first.told_to_leave().await;
        assert_eq!(first.grow(1, start + GRACE), Err(Full), "who has to leave takes nothing more");
        third.grow(100, start + GRACE).unwrap();
        drop(first);
        assert_eq!(
            third.grow(1, start + GRACE),
            Err(Full),
            "bytes that were given up are not given back twice"
        );
        assert_eq!(admission.enter(start + GRACE).err(), Some(Full), "the second is not due yet");
    }

    #[tokio::test]
    async fn memory_is_bounded_and_taken_from_the_oldest_but_not_from_what_has_arrived() {
        let (admission, start) = (Admission::new(10, 100), Instant::now());
        let later = start + GRACE;
        let mut complete = admission.enter(start).unwrap();
        complete.grow(50, start).unwrap();
        complete.arrived();
        let mut slow = admission.enter(start).unwrap();
        slow.grow(50, start).unwrap();
        let mut quick = admission.enter(later).unwrap();
        assert_eq!(quick.grow(60, later), Err(Full), "more than can be given up");
        slow.told_to_leave().await;
        quick.grow(50, later).unwrap();
        drop(complete);
        quick.grow(50, later).unwrap();
        drop(quick);
        admission.enter(later).unwrap().grow(100, later).unwrap();
    }
}
