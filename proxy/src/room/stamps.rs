//! Places that this edge gives by itself while the store does not answer.
//!
//! They are places of an epoch of the edge's own, one for each tenth of a second; see [`Epoch::stamp`]. Whoever has one
//! stands in line like everyone else as soon as the store answers again, in the order of arrival.

use std::sync::{Mutex, PoisonError};

use tidegate_queue::line::{Epoch, Place};

/// The places given so far.
#[derive(Debug)]
pub(super) struct Stamps {
    last: Mutex<Place>,
}

impl Default for Stamps {
    fn default() -> Self {
        Self {
            last: Mutex::new(Place::START),
        }
    }
}

impl Stamps {
    /// The next place, for the edge of `nonce` at `now_ms` of room time; `known` is the store's epoch.
    pub(super) fn next(&self, now_ms: u64, nonce: u32, known: Epoch) -> Place {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = Epoch::stamp(now_ms, nonce, known);
        // Room time may be set back a little when the store is heard of again; stamps go on.
        *last = if epoch > last.epoch {
            Place { epoch, number: 1 }
        } else {
            Place {
                number: last.number + 1,
                ..*last
            }
        };
        *last
    }

    /// The last place given; none is [`Place::START`].
    pub(super) fn last(&self) -> Place {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_once_and_they_rise_whatever_the_clock_does() {
        let stamps = Stamps::default();
        let known = Epoch::begin(1_700_000_000_000, 1, None);
        let times = [1_000, 1_020, 1_150, 1_090, 1_151, 9_000, 2_000];
        let given: Vec<Place> = times
            .iter()
            .map(|after_ms| stamps.next(1_700_000_000_000 + after_ms, 5, known))
            .collect();
        assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
        assert_eq!(stamps.last(), given[6]);
        assert!(given[0].epoch > known);
    }
}
