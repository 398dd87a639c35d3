//! How long to wait before the next attempt. Pure: the randomness is an argument.

use std::time::Duration;

/// The first pause: at a common start booking is up within a few hundred milliseconds.
const FIRST: Duration = Duration::from_millis(200);

/// The longest pause, which bounds how long the index lags behind a booking service that came back.
const LONGEST: Duration = Duration::from_secs(10);

/// Doubles from attempt to attempt up to a bound, with jitter so that several services do not knock at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses that never exceed the regular refresh.
    pub(crate) fn new(refresh_every: Duration) -> Self {
        let longest = LONGEST.min(refresh_every).max(FIRST);
        Self { longest, next: FIRST }
    }

    /// The pause before the next attempt: between half of the step and the whole of it, as `chance` in `0..1` says.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        step.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// After a success the pauses begin anew.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        let pauses: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(100));
    }

    #[test]
    fn no_pause_is_longer_than_the_refresh_nor_ever_nothing() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        assert!((0..10).all(|_| backoff.next(1.0) <= Duration::from_secs(1)));
        let mut hasty = Backoff::new(Duration::ZERO);
        assert!((0..10).all(|_| hasty.next(0.0) >= FIRST / 2));
    }
}
