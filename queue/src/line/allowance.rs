//! How many admissions the rate allows by now, in integers.
//!
//! The allowance gains `elapsed ms * admissions a minute`; an admission costs [`COST`]. It holds at most one second's
//! worth, and never less than one admission: a cap of one second's worth alone would never reach one at 30 a minute.

/// What one admission costs: the milliseconds of a minute.
pub const COST: u64 = 60_000;

/// The accrued right to admit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance(u64);

impl Allowance {
    /// The most that accrues at this rate.
    pub fn cap(admit_per_min: u32) -> u64 {
        COST.max(1_000 * u64::from(admit_per_min))
    }

    /// A full allowance, for a line that has never admitted anyone.
    pub fn full(admit_per_min: u32) -> Self {
        if admit_per_min == 0 {
            Self(0)
        } else {
            Self(Self::cap(admit_per_min))
        }
    }

    /// What `elapsed_ms` adds.
    pub fn accrue(&mut self, elapsed_ms: u64, admit_per_min: u32) {
        let gained = elapsed_ms.saturating_mul(u64::from(admit_per_min));
        self.0 = self.0.saturating_add(gained).min(Self::cap(admit_per_min));
    }

    /// How many admissions it covers.
    pub fn admissions(self) -> u64 {
        self.0 / COST
    }

    /// Pays for one admission; false when it does not cover one.
    pub fn spend(&mut self) -> bool {
        let covered = self.0 >= COST;
        if covered {
            self.0 -= COST;
        }
        covered
    }

    /// Takes back the cost of an admission that did not happen.
    pub fn refund(&mut self, admit_per_min: u32) {
        self.0 = (self.0 + COST).min(Self::cap(admit_per_min));
    }
}
