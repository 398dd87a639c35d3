//! When to try again to reach a server that many edges have lost at the same moment.

use std::time::{Duration, Instant};

/// The longest wait before the first attempt after a connection broke. Edges lose a server together; a thousand of
/// them spread over this come back at 20 a millisecond.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait between two attempts: a server that returns is found within a second.
const LAST: Duration = Duration::from_secs(1);

/// Waits that double with each failure, up to a bound, each cut short at random.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// A connection is there.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A connection broke, or could not be made. `dice` is from 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, dice: f64) {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
        // At least half, except for the first: a single edge whose connection broke should return at once.
        let shortest = if self.failures == 0 {
            Duration::ZERO
        } else {
            longest / 2
        };
        let wait = shortest + (longest - shortest).mul_f64(dice.clamp(0.0, 1.0));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait);
    }

    /// Whether the next attempt may be made.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|moment| moment <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second_and_differ() {
        let start = Instant::now();
        let waits = |dice: f64| {
            let mut backoff = Backoff::default();
            assert!(backoff.is_over(start));
            let mut waits = Vec::new();
            for _ in 0..40 {
                backoff.failed(start, dice);
                let moment = backoff.not_before.expect("a wait");
                assert!(backoff.is_over(moment) && (dice == 0.0 || !backoff.is_over(start)));
                waits.push((moment - start).as_millis());
            }
            waits
        };
        assert_eq!(waits(1.0)[..7], [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waits(0.0)[..7], [0, 50, 100, 200, 400, 500, 500]);
        assert_eq!(waits(1.0).last(), Some(&1000));
    }

    #[test]
    fn success_forgets() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.failed(start, 1.0);
        }
        backoff.succeeded();
        assert!(backoff.is_over(start));
        backoff.failed(start, 1.0);
        assert!(backoff.is_over(start + FIRST));
    }
}
