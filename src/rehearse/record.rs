//! The rehearsal's notebook: one record a fan, the delays measured, and the clock they are written by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::noise::Noise;
use super::observe::{FanRecord, Micros, Part};

/// Shared by all fans of a rehearsal. Each record has its own lock, held for a few instructions by its fan and now and
/// then by the progress line.
pub(crate) struct Notebook {
    began: Instant,
    fans: Vec<Mutex<FanRecord>>,
    noise: Mutex<Noise>,
}

impl Notebook {
    /// For fans with these parts; the rehearsal begins now. `noise` has nothing measured yet.
    pub(crate) fn new(parts: &[Part], noise: Noise) -> Self {
        let record = |part: &Part| {
            Mutex::new(FanRecord {
                part: *part,
                ..FanRecord::default()
            })
        };
        Self {
            began: Instant::now(),
            fans: parts.iter().map(record).collect(),
            noise: Mutex::new(noise),
        }
    }

    /// Now, on the rehearsal's clock.
    pub(crate) fn now_us(&self) -> Micros {
        self.at_us(Instant::now())
    }

    /// An instant on the rehearsal's clock.
    pub(crate) fn at_us(&self, at: Instant) -> Micros {
        Micros::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(Micros::MAX)
    }

    /// One fan's record.
    pub(crate) fn fan(&self, fan: usize) -> MutexGuard<'_, FanRecord> {
        unpoisoned(&self.fans[fan])
    }

    /// The delays.
    pub(crate) fn noise(&self) -> MutexGuard<'_, Noise> {
        unpoisoned(&self.noise)
    }

    /// Everything as it stands.
    pub(crate) fn copy(&self) -> (Vec<FanRecord>, Noise) {
        let fans = self.fans.iter().map(|fan| unpoisoned(fan).clone()).collect();
        (fans, self.noise().clone())
    }

    /// Folds over all records without copying them.
    pub(crate) fn fold<T>(&self, start: T, mut with: impl FnMut(T, &FanRecord) -> T) -> T {
        self.fans
            .iter()
            .fold(start, |so_far, fan| with(so_far, &unpoisoned(fan)))
    }
}

/// A fan that panicked leaves its record as it was; the rest of the rehearsal is still worth reading.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
