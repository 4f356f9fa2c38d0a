//! The machine's clock, random generator and environment: the only place where they are read.

use jiff::Timestamp;
use ring::rand::SecureRandom as _;

use crate::domain::clock::Clock;
use crate::domain::random::Random;

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// In whole microseconds, as they are stored: what is answered now is what is read back later.
    #[expect(clippy::disallowed_methods, reason = "the one place that takes the time from the machine")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The generator of the operating system.
#[derive(Debug, Clone)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// Opens it.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    /// Ends the process if the system has no randomness: no key and no salt may be made without it.
    fn fill(&self, buffer: &mut [u8]) {
        if self.0.fill(buffer).is_err() {
            tracing::error!("the operating system gives no random bytes");
            std::process::abort();
        }
    }
}

/// A variable of the environment; none if it is empty or no text.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
