//! Randomness as a parameter: the wiring passes the system's generator, tests pass a counted one.

use std::sync::Mutex;

use sha2::{Digest, Sha256};

/// A source of random bytes fit for keys, salts and identifiers.
pub trait Random: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// Draws `N` bytes from `random`.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut drawn = [0; N];
    random.fill(&mut drawn);
    drawn
}

/// A repeatable source for tests and seeds: SHA-256 of seed and counter. Never for keys that matter.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededRandom {
    /// The sequence that belongs to `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut counter = self.counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in buffer.chunks_mut(32) {
            *counter += 1;
            let block = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(counter.to_be_bytes())
                .finalize();
            for (target, source) in chunk.iter_mut().zip(block) {
                *target = source;
            }
        }
    }
}
