//! How a piece of background work is doing: it says so itself after each round, and whoever asks hears the last word.
//! Knows no kind of work.

use std::sync::{Arc, Mutex, PoisonError};

/// What a piece of work said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Beat {
    /// Nothing yet: it is about to begin.
    #[default]
    Starting,
    /// Its last round went well.
    Working,
    /// Another node does it.
    Elsewhere,
    /// Its last round failed; it will try again. For the log: no personal data, but of the inside.
    Failing(String),
    /// It has ended, by being told to or by breaking down.
    Ended,
}

/// Shared by the work and those who ask. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Mutex<Beat>>);

impl Pulse {
    /// Says how it is going.
    pub fn say(&self, beat: Beat) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = beat;
    }

    /// The last word.
    pub fn last(&self) -> Beat {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be held by the work while it runs: when it is dropped, however that comes about, the work has ended.
    #[must_use]
    pub fn while_running(&self) -> Running {
        Running(self.clone())
    }
}

/// See [`Pulse::while_running`].
#[derive(Debug)]
pub struct Running(Pulse);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.say(Beat::Ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_breaks_down_has_ended() {
        let pulse = Pulse::default();
        assert_eq!(pulse.last(), Beat::Starting);
        let of_work = pulse.clone();
        let work = tokio::spawn(async move {
            let _running = of_work.while_running();
            of_work.say(Beat::Working);
            panic!("as if by a mistake");
        });
        assert!(work.await.is_err());
        assert_eq!(pulse.last(), Beat::Ended);
    }
}
