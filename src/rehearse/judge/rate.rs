//! Admissions against the rate: over any window at most what accrues in it and one second's burst.

use super::{Evidence, Verdict, decided};
use crate::rehearse::observe::{FanRecord, Micros, SECOND};

/// Fewest admissions from which a steady speed is worth stating.
const STEADY_MIN: usize = 20;

/// An admission decided for certain between two instants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) after_us: Micros,
    pub(super) by_us: Micros,
}

/// The window in which the rate was exceeded most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    /// Admissions beyond what the window and the burst allow.
    pub(super) beyond: f64,
    /// Admissions in it.
    pub(super) admitted: usize,
    /// Its length.
    pub(super) window_us: Micros,
}

/// The verdict on the whole rehearsal.
pub(super) fn within_rate(evidence: &Evidence<'_>) -> Verdict {
    let Some(per_min) = evidence.terms.rate_per_min else {
        return Verdict::unchecked("the rate is not known; give --rate, or --admin and --admin-token");
    };
    let admitted = evidence.fans.iter().filter_map(|fan| fan.admission.as_ref());
    let mut admissions: Vec<Decided> = admitted
        .filter_map(|admission| decided(admission, evidence.noise))
        .map(|(after_us, by_us)| Decided { after_us, by_us })
        .collect();
    // A grant that was lost on the way or not used gives its allowance back: as many more may follow.
    let given_back = evidence
        .fans
        .iter()
        .filter(|fan| answered_and_lost(fan) || not_used(fan))
        .count() as f64;
    match worst(&mut admissions, per_min) {
        Some(excess) if excess.beyond >= 1.0 + given_back => Verdict::Broken {
            times: excess.beyond as u64,
            example: format!(
                "{} admitted within {:.2} s, which allows {:.0} (rate {:.1}/s and one second's burst)",
                excess.admitted,
                excess.window_us as f64 / 1e6,
                (excess.admitted as f64 - excess.beyond).floor(),
                f64::from(per_min) / 60.0,
            ),
        },
        _ => Verdict::counted(admissions.len() as u64, 0, None),
    }
}

/// The most by which any window exceeded the rate. Each admission is counted only into windows that hold all the time
/// in which it may have been decided, so an excess is real.
pub(super) fn worst(admissions: &mut [Decided], per_min: u32) -> Option<Excess> {
    admissions.sort_unstable_by_key(|decided| decided.after_us);
    let per_us = f64::from(per_min) / 60.0 / SECOND as f64;
    let burst = (f64::from(per_min) / 60.0).max(1.0);
    let mut worst: Option<Excess> = None;
    let mut ends_us = Micros::MIN;
    // The best window start so far: the one with the least (index - allowance accrued by then).
    let mut start: Option<(f64, usize, Micros)> = None;
    for (nth, decided) in admissions.iter().enumerate() {
        ends_us = ends_us.max(decided.by_us);
        let here = (
            nth as f64 - decided.after_us as f64 * per_us,
            nth,
            decided.after_us,
        );
        let first = match start {
            Some(known) if known.0 <= here.0 => known,
            _ => here,
        };
        start = Some(first);
        let (_, from, from_us) = first;
        let admitted = nth + 1 - from;
        let window_us = ends_us - from_us;
        let beyond = admitted as f64 - window_us as f64 * per_us - burst;
        if worst.is_none_or(|known| beyond > known.beyond) {
            worst = Some(Excess {
                beyond,
                admitted,
                window_us,
            });
        }
    }
    worst
}

/// Admissions a second over the middle four fifths of them.
pub(super) fn steady_per_s(fans: &[FanRecord]) -> Option<f64> {
    let mut at_us: Vec<Micros> = fans
        .iter()
        .filter_map(|fan| fan.admission.as_ref())
        .map(|admission| admission.at_us)
        .collect();
    at_us.sort_unstable();
    let (from, upto) = (at_us.len() / 10, at_us.len().checked_sub(1 + at_us.len() / 10)?);
    let span_us = at_us[upto].checked_sub(at_us[from])?;
    (at_us.len() >= STEADY_MIN && span_us > 0).then(|| (upto - from) as f64 / span_us as f64 * SECOND as f64)
}

fn not_used(fan: &FanRecord) -> bool {
    let used = fan
        .visit
        .as_ref()
        .is_some_and(|visit| visit.honoured_us.is_some());
    fan.admission.is_some() && !used
}

fn answered_and_lost(fan: &FanRecord) -> bool {
    fan.connections.iter().any(|connection| {
        let lost_us = connection
            .until_us
            .filter(|_| connection.here_us.is_some() && !connection.paused);
        lost_us.is_some_and(|lost_us| {
            fan.admission
                .as_ref()
                .is_none_or(|admission| admission.at_us > lost_us)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(gap_us: Micros, count: i64, doubt_us: Micros) -> Vec<Decided> {
        (0..count)
            .map(|n| Decided {
                after_us: n * gap_us - doubt_us,
                by_us: n * gap_us,
            })
            .collect()
    }

    #[test]
    fn the_rate_itself_and_a_burst_are_allowed() {
        let mut steady = every(SECOND / 10, 600, 0);
        assert!(worst(&mut steady, 600).is_some_and(|excess| excess.beyond < 1.0));
        let mut bursting = every(0, 10, 0);
        bursting.extend(every(SECOND / 10, 600, 0));
        assert!(worst(&mut bursting, 600).is_some_and(|excess| excess.beyond < 1.0 + 1e-6));
    }

    #[test]
    fn a_rate_of_less_than_one_a_second_still_allows_one_at_once() {
        let mut slow = every(2 * SECOND, 30, 0);
        assert!(worst(&mut slow, 30).is_some_and(|excess| excess.beyond < 1e-6));
    }

    #[test]
    fn ten_percent_more_than_the_rate_shows_in_time_and_says_where() {
        let mut fast = every(SECOND / 11, 600, 300_000);
        let excess = worst(&mut fast, 600).expect("there were admissions");
        assert!(excess.beyond > 30.0, "{excess:?}");
        assert_eq!(excess.admitted, 600);
    }

    #[test]
    fn doubt_forgives_a_burst_it_may_have_made() {
        // Ten decided a tenth of a second apart, delivered together by a stall of a second.
        let mut held_up: Vec<Decided> = (0..10)
            .map(|_| Decided {
                after_us: 0,
                by_us: SECOND,
            })
            .chain(every(SECOND / 10, 0, 0))
            .collect();
        assert!(worst(&mut held_up, 600).is_some_and(|excess| excess.beyond < 1e-6));
    }
}
