//! How far this process's times may be trusted.
//!
//! The judge sees when frames were sent and received here, never when the server decided. What lies between is at most
//! what was measured at that moment: the round trip of pings on waiting line sockets, and how late this process's own
//! timers ran. [`Noise::tolerance_at`] turns the two into the doubt that is allowed around an instant; everything the
//! judge calls proof holds for every server whose frames were delayed by no more than that.

use super::observe::{Micros, SECOND};

/// Doubt that is always allowed, unless the rehearsal was told another. An edge talks to its store in ticks at most 100 ms apart, and a grant may wait for one
/// tick of the edge that issues it and one of the edge that holds the fan.
pub(crate) const TOLERANCE_FLOOR_US: Micros = 250_000;

/// How far around an instant measurements count for it: a ping is sent once a second.
const NEIGHBOURHOOD_S: usize = 3;

/// Most round trips kept for the report's percentiles.
const ROUND_TRIPS_MAX: usize = 100_000;

/// The delays measured while the rehearsal ran.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    floor_us: Micros,
    worst_per_second: Vec<Micros>,
    round_trips: Vec<Micros>,
    worst_lag_us: Micros,
}

impl Default for Noise {
    fn default() -> Self {
        Self::above(TOLERANCE_FLOOR_US)
    }
}

impl Noise {
    /// Nothing measured yet; so much doubt is always allowed.
    pub(crate) fn above(floor_us: Micros) -> Self {
        Self {
            floor_us,
            worst_per_second: Vec::new(),
            round_trips: Vec::new(),
            worst_lag_us: 0,
        }
    }

    /// A ping was sent at `from_us` and its pong arrived at `until_us`.
    pub(crate) fn round_trip(&mut self, from_us: Micros, until_us: Micros) {
        if self.round_trips.len() < ROUND_TRIPS_MAX {
            self.round_trips.push(until_us - from_us);
        }
        self.delayed(from_us, until_us, until_us - from_us);
    }

    /// A timer of this process that was due at `due_us` fired at `fired_us`.
    pub(crate) fn lag(&mut self, due_us: Micros, fired_us: Micros) {
        self.worst_lag_us = self.worst_lag_us.max(fired_us - due_us);
        self.delayed(due_us, fired_us, fired_us - due_us);
    }

    fn delayed(&mut self, from_us: Micros, until_us: Micros, delay_us: Micros) {
        let (first, last) = (second(from_us), second(until_us));
        if self.worst_per_second.len() <= last {
            self.worst_per_second.resize(last + 1, 0);
        }
        for worst in &mut self.worst_per_second[first..=last] {
            *worst = (*worst).max(delay_us);
        }
    }

    /// How far the server's instant may lie from one seen here at `at_us`: the floor and the worst delay measured
    /// within three seconds of it, or in the whole rehearsal where nothing was measured near.
    pub(crate) fn tolerance_at(&self, at_us: Micros) -> Micros {
        let middle = second(at_us);
        let upto = (middle + NEIGHBOURHOOD_S + 1).min(self.worst_per_second.len());
        let from = middle.saturating_sub(NEIGHBOURHOOD_S).min(upto);
        let near = self.worst_per_second[from..upto]
            .iter()
            .copied()
            .max()
            .unwrap_or(0);
        let worst = if near > 0 { near } else { self.worst() };
        self.floor_us + worst
    }

    /// The largest tolerance granted anywhere.
    pub(crate) fn tolerance_max(&self) -> Micros {
        self.floor_us + self.worst()
    }

    /// The doubt that is always allowed.
    pub(crate) fn floor(&self) -> Micros {
        self.floor_us
    }

    /// The worst lag of this process's own timers.
    pub(crate) fn worst_lag(&self) -> Micros {
        self.worst_lag_us
    }

    /// The round trips measured, in no order.
    pub(crate) fn round_trips(&self) -> &[Micros] {
        &self.round_trips
    }

    fn worst(&self) -> Micros {
        self.worst_per_second.iter().copied().max().unwrap_or(0)
    }
}

fn second(at_us: Micros) -> usize {
    usize::try_from(at_us.max(0) / SECOND).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_widens_the_doubt_around_itself_only() {
        let mut noise = Noise::default();
        for s in 0..60 {
            noise.round_trip(s * SECOND, s * SECOND + 2_000);
        }
        noise.round_trip(30 * SECOND, 34 * SECOND);
        assert_eq!(noise.tolerance_at(10 * SECOND), TOLERANCE_FLOOR_US + 2_000);
        assert_eq!(noise.tolerance_at(32 * SECOND), TOLERANCE_FLOOR_US + 4 * SECOND);
        assert_eq!(noise.tolerance_at(36 * SECOND), TOLERANCE_FLOOR_US + 4 * SECOND);
        assert_eq!(noise.tolerance_at(50 * SECOND), TOLERANCE_FLOOR_US + 2_000);
        assert_eq!(noise.tolerance_max(), TOLERANCE_FLOOR_US + 4 * SECOND);
    }

    #[test]
    fn where_nothing_was_measured_the_worst_of_all_counts() {
        let mut noise = Noise::default();
        assert_eq!(noise.tolerance_at(5 * SECOND), TOLERANCE_FLOOR_US);
        noise.lag(SECOND, SECOND + 70_000);
        assert_eq!(noise.tolerance_at(500 * SECOND), TOLERANCE_FLOOR_US + 70_000);
        assert_eq!(noise.worst_lag(), 70_000);
        let told = Noise::above(3 * SECOND);
        assert_eq!(told.tolerance_at(5 * SECOND), 3 * SECOND);
    }
}
