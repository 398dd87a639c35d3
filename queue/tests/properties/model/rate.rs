//! The rate: what may be admitted by now, and what was.

use tidegate_queue::line::{Settings, VisitId};

use super::{COST, Model};

impl Model {
    /// One second's worth may be saved up, and one admission at least.
    pub(super) fn gain(&mut self, gained: u64, settings: &Settings) {
        let most = COST.max(1_000 * u64::from(settings.admit_per_min));
        self.allowance = (self.allowance + gained).min(most);
    }

    pub(super) fn pay(&mut self, id: VisitId) {
        assert!(
            self.allowance >= COST,
            "{id} was admitted before the rate allowed it"
        );
        self.allowance -= COST;
    }

    /// In no window may there be more admissions than the rate of the time allowed, and a second's burst.
    pub(super) fn check_rate(&self, now: u64) {
        let fresh = self.admissions.iter().filter(|(at, _)| *at == now).count();
        if fresh == 0 {
            return;
        }
        for window_ms in [0, 500, 1_000, 3_000, 10_000, 60_000, u64::MAX] {
            let from = now.saturating_sub(window_ms);
            let admitted = self.admissions.iter().filter(|(at, _)| *at >= from).count() as u64;
            let refunded = self.refunds.iter().filter(|at| **at >= from).count() as u64;
            let (mut accrued, mut highest) = (0, 0);
            let first = self.rates.partition_point(|(at, _)| *at < from).saturating_sub(1);
            for pair in self.rates[first..].windows(2) {
                let ((before, old), (after, new)) = (pair[0], pair[1]);
                accrued += (after - before) * u64::from(old.max(new));
                highest = highest.max(old).max(new);
            }
            highest = highest.max(self.rates.last().map_or(0, |(_, rate)| *rate));
            let burst = 60_000u64.max(1_000 * u64::from(highest));
            let allowed = (accrued + burst) / 60_000 + refunded;
            assert!(
                admitted <= allowed,
                "{admitted} admissions in {window_ms} ms, {allowed} allowed"
            );
        }
    }
}
