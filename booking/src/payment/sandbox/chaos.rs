//! Faults on purpose: what a network and a tired provider do to calls and webhooks. The same seed and the same sequence
//! of calls bring the same faults.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How much goes wrong. Probabilities are from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// From which all faults follow.
    pub seed: u64,
    /// A webhook is never sent.
    pub drop_webhook: f64,
    /// A webhook is sent twice.
    pub double_webhook: f64,
    /// A webhook is sent late, by anything up to `delay_max`. Late ones pass those that came after them: they arrive out
    /// of order.
    pub delay_webhook: f64,
    /// The longest such delay.
    pub delay_max: Duration,
    /// A call is answered with 500 and not carried out.
    pub fail_call: f64,
    /// A call is carried out and answered with 500.
    pub lose_answer: f64,
    /// A call is carried out and answered only after `late_by`.
    pub late_answer: f64,
    /// Longer than the caller's deadline.
    pub late_by: Duration,
}

impl Chaos {
    /// A bad day: some of everything, answers later than the adapter's ordinary deadline.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            drop_webhook: 0.2,
            double_webhook: 0.2,
            delay_webhook: 0.4,
            delay_max: Duration::from_secs(5),
            fail_call: 0.05,
            lose_answer: 0.05,
            late_answer: 0.02,
            late_by: Duration::from_secs(12),
        }
    }

    /// The first probability that is none, by name.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        let all = [
            ("drop_webhook", self.drop_webhook),
            ("double_webhook", self.double_webhook),
            ("delay_webhook", self.delay_webhook),
            ("fail_call", self.fail_call),
            ("lose_answer", self.lose_answer),
            ("late_answer", self.late_answer),
        ];
        let wrong = all.into_iter().find(|(_, chance)| !(0.0..=1.0).contains(chance));
        wrong.map(|(name, _)| name)
    }
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallFate {
    Well,
    /// 500, nothing done.
    Fails,
    /// Done, and 500.
    AnswerLost,
    /// Done, and answered after this long.
    Late(Duration),
}

/// Where the faults come from.
pub(super) struct Faults {
    source: Option<(Chaos, Mutex<StdRng>)>,
}

impl Faults {
    pub(super) fn new(chaos: Option<Chaos>) -> Self {
        let source = chaos.map(|chaos| {
            let random = StdRng::seed_from_u64(chaos.seed);
            (chaos, Mutex::new(random))
        });
        Self { source }
    }

    pub(super) fn call(&self) -> CallFate {
        let Some((chaos, random)) = &self.source else {
            return CallFate::Well;
        };
        // One draw for each question, whatever the answers, so that the sequence stays the same.
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        let draws: [f64; 3] = random.random();
        if draws[0] < chaos.fail_call {
            CallFate::Fails
        } else if draws[1] < chaos.lose_answer {
            CallFate::AnswerLost
        } else if draws[2] < chaos.late_answer {
            CallFate::Late(chaos.late_by)
        } else {
            CallFate::Well
        }
    }

    /// After how long each copy of a webhook is sent; no copy, no webhook.
    pub(super) fn webhook(&self) -> Vec<Duration> {
        let Some((chaos, random)) = &self.source else {
            return vec![Duration::ZERO];
        };
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        let (dropped, doubled): (f64, f64) = random.random();
        let delays: [(f64, f64); 2] = random.random();
        let copies = match () {
            () if dropped < chaos.drop_webhook => 0,
            () if doubled < chaos.double_webhook => 2,
            () => 1,
        };
        let delay = |(late, part): &(f64, f64)| {
            let by = if *late < chaos.delay_webhook { *part } else { 0.0 };
            chaos.delay_max.mul_f64(by)
        };
        delays.iter().take(copies).map(delay).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence_and_every_fault_happens() {
        let (first, again) = (Faults::new(Some(Chaos::new(7))), Faults::new(Some(Chaos::new(7))));
        let calls: Vec<_> = (0..500).map(|_| first.call()).collect();
        assert_eq!(calls, (0..500).map(|_| again.call()).collect::<Vec<_>>());
        let late = CallFate::Late(Chaos::new(7).late_by);
        for fate in [CallFate::Well, CallFate::Fails, CallFate::AnswerLost, late] {
            assert!(calls.contains(&fate), "{fate:?}");
        }
        let hooks: Vec<_> = (0..500).map(|_| first.webhook()).collect();
        assert_eq!(hooks, (0..500).map(|_| again.webhook()).collect::<Vec<_>>());
        for copies in 0..3 {
            assert!(hooks.iter().any(|hook| hook.len() == copies), "{copies} copies");
        }
        assert!(
            hooks
                .iter()
                .flatten()
                .any(|delay| *delay > Duration::from_secs(1))
        );
    }

    #[test]
    fn a_quiet_day_has_no_faults() {
        let faults = Faults::new(None);
        assert_eq!(
            (faults.call(), faults.webhook()),
            (CallFate::Well, vec![Duration::ZERO])
        );
    }
}
