//! How long to wait before a request is sent again: as long as the service says, else longer each time, spread so that
//! many who were turned away together do not come back together.

use std::time::Duration;

use crate::domain::random::{self, Random};

/// The first pause where the service says nothing.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause where the service says nothing.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that the service may ask for.
const ASKED_LONGEST: Duration = Duration::from_secs(300);

/// The pauses between the tries of one request.
#[derive(Debug, Clone)]
pub struct Pauses {
    next: Duration,
    left: Duration,
}

impl Pauses {
    /// Pauses that are at most `patience` together.
    pub const fn within(patience: Duration) -> Self {
        Self { next: FIRST, left: patience }
    }

    /// The next pause, of which the service may have said how long it is to be; none when patience is at its end.
    pub fn next(&mut self, asked: Option<Duration>, random: &dyn Random) -> Option<Duration> {
        let pause = match asked {
            // Never earlier than asked, and not all of them at the same instant.
            Some(asked) => asked.min(ASKED_LONGEST) + spread(FIRST, random),
            None => self.next / 2 + spread(self.next / 2, random),
        };
        self.next = (self.next * 2).min(LONGEST);
        if self.left.is_zero() {
            return None;
        }
        self.left = self.left.saturating_sub(pause);
        Some(pause)
    }
}

/// Evenly between nothing and `most`.
fn spread(most: Duration, random: &dyn Random) -> Duration {
    let share = u16::from_le_bytes(random::bytes(random));
    most * u32::from(share) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SeededRandom;

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_patience() {
        let (mut pauses, random) = (Pauses::within(Duration::from_secs(120)), SeededRandom::new(1));
        let mut all = Vec::new();
        while let Some(pause) = pauses.next(None, &random) {
            all.push(pause);
            assert!(all.len() < 100);
        }
        assert!(all[0] >= FIRST / 2 && all[0] <= FIRST);
        assert!(all.iter().all(|pause| *pause <= LONGEST) && all.iter().any(|pause| *pause > LONGEST / 2));
        assert!(all.iter().sum::<Duration>() >= Duration::from_secs(120));
    }

    #[test]
    fn the_service_is_not_asked_again_before_it_said() {
        let (mut pauses, random) = (Pauses::within(Duration::from_secs(3600)), SeededRandom::new(1));
        let pause = pauses.next(Some(Duration::from_secs(7)), &random).unwrap();
        assert!(pause >= Duration::from_secs(7) && pause <= Duration::from_secs(8));
        let bounded = pauses.next(Some(Duration::from_secs(86_400)), &random).unwrap();
        assert!(bounded <= ASKED_LONGEST + FIRST);
    }
}
