//! The room itself: how many visits were live at once, and how fast a slot that came free reached the next fan.

use std::collections::VecDeque;

use super::{Evidence, Verdict};
use crate::rehearse::observe::{Micros, Part, SECOND, Visit};

/// A visit that nobody has used is half-open and may end early; for this long after its cookie arrived it has not.
const HALF_OPEN_SURE_US: Micros = 5 * SECOND;

/// How long after its last honoured request a visit certainly lives on, if its cookie promises so much: a visitor asks
/// at least every ten seconds, and a shorter `visit_ttl` than that makes no sense for a rehearsal.
const IDLE_SURE_US: Micros = 10 * SECOND;

/// An allowance of less than one more than this share of its burst is low. It is reckoned from times of arrival, so it is
/// only nearly exact; and at less than two a second it cannot be told from the rate's own beat.
const LOW_SHARE: f64 = 0.1;

/// Live visits never exceed the limit.
pub(super) fn within_limit(evidence: &Evidence<'_>) -> Verdict {
    let Some(limit) = evidence.terms.limit else {
        return Verdict::unchecked("the limit is not known; give --limit, or --admin and --admin-token");
    };
    let visits = evidence.fans.iter().filter(|fan| fan.visit.is_some()).count() as u64;
    let (most, at_us) = live_visits_max(evidence);
    let example = format!(
        "{most} visits were live {:.2} s in; the limit is {limit}",
        at_us as f64 / 1e6
    );
    Verdict::counted(visits, most.saturating_sub(u64::from(limit)), Some(example))
}

/// Most visits live at one instant, and when. A visit counts from the arrival of its cookie to the sending of its
/// release, and only as long as it was certainly live, so the figure may be too low and is never too high.
pub(super) fn live_visits_max(evidence: &Evidence<'_>) -> (u64, Micros) {
    let mut changes: Vec<(Micros, i64)> = Vec::new();
    for visit in evidence.fans.iter().filter_map(|fan| fan.visit.as_ref()) {
        let until_us = certainly_until(visit, evidence.stopped_us);
        if until_us > visit.from_us {
            changes.extend([(visit.from_us, 1), (until_us, -1)]);
        }
    }
    changes.sort_unstable();
    let (mut live, mut most, mut at_us) = (0_i64, 0, 0);
    for (change_us, by) in changes {
        live += by;
        if live > most {
            (most, at_us) = (live, change_us);
        }
    }
    (most.unsigned_abs(), at_us)
}

/// Until when a visit was certainly live.
fn certainly_until(visit: &Visit, stopped_us: Micros) -> Micros {
    let proved_us = visit.honoured_us.unwrap_or(visit.from_us);
    if visit.found_ended {
        return proved_us;
    }
    let sure_us = match visit.honoured_us {
        None => visit.from_us + HALF_OPEN_SURE_US,
        Some(honoured_us) => {
            let promised_us = visit.valid_until_us.unwrap_or(Micros::MAX);
            promised_us.clamp(proved_us, honoured_us + IDLE_SURE_US)
        }
    };
    visit.released_us.unwrap_or(stopped_us).min(sure_us)
}

/// From each release to the token that used the slot, for the releases after which a willing fan was waiting for
/// exactly that slot: the room was full, more willing fans waited than slots were free, and the rate's allowance was not
/// used up from then until the token came.
///
/// The k-th slot to come free goes with the k-th admission after the room was full. A slot counts as free from when its
/// release was *sent*, so the time includes the release's own way and flatters nobody.
pub(super) fn slot_to_token(evidence: &Evidence<'_>) -> Vec<Micros> {
    let Some(limit) = evidence.terms.limit else {
        return Vec::new();
    };
    let mut free: VecDeque<Option<Micros>> = (0..limit).map(|_| None).collect();
    let mut allowance = Allowance::new(evidence.terms.rate_per_min);
    let mut waiting = 0_usize;
    let mut latencies = Vec::new();
    for (at_us, what) in timeline(evidence) {
        match what {
            What::Waits => waiting += 1,
            What::WaitsNoMore => waiting = waiting.saturating_sub(1),
            What::Released => {
                allowance.accrue(at_us);
                let wanted = waiting > free.len() && !allowance.is_low();
                free.push_back(wanted.then_some(at_us));
            }
            What::Admitted => {
                allowance.admit(at_us);
                if let Some(Some(freed_us)) = free.pop_front()
                    && allowance.low_at_us < freed_us
                {
                    latencies.push(at_us - freed_us);
                }
            }
        }
    }
    latencies
}

/// The room's allowance as the fans could reckon it: when it is low, the rate holds the line and not the limit.
struct Allowance {
    per_us: f64,
    burst: f64,
    level: f64,
    at_us: Micros,
    low_at_us: Micros,
}

impl Allowance {
    /// Full at the beginning; without a rate it never runs low.
    fn new(rate_per_min: Option<u32>) -> Self {
        let per_s = rate_per_min.map_or(f64::INFINITY, |rate| f64::from(rate) / 60.0);
        let burst = per_s.max(1.0);
        Self {
            per_us: per_s / SECOND as f64,
            burst,
            level: burst,
            at_us: 0,
            low_at_us: Micros::MIN,
        }
    }

    fn accrue(&mut self, at_us: Micros) {
        let passed_us = (at_us - self.at_us).max(0);
        if passed_us > 0 {
            self.level = (self.level + passed_us as f64 * self.per_us).min(self.burst);
            self.at_us = at_us;
        }
    }

    /// Uses one, and remembers when there was hardly one left to use.
    fn admit(&mut self, at_us: Micros) {
        self.accrue(at_us);
        if self.is_low() {
            self.low_at_us = at_us;
        }
        self.level = (self.level - 1.0).max(0.0);
    }

    fn is_low(&self) -> bool {
        self.level < 1.0 + self.burst * LOW_SHARE
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Waits,
    Released,
    Admitted,
    WaitsNoMore,
}

/// What changed in the room and before its door, in time; at one instant a release comes before an admission.
fn timeline(evidence: &Evidence<'_>) -> Vec<(Micros, What)> {
    let mut events = Vec::new();
    for fan in evidence.fans {
        let admitted_us = fan.admission.as_ref().map(|admission| admission.at_us);
        if fan.part == Part::Enters {
            for wait in &fan.connections {
                let ends = [wait.until_us, admitted_us, Some(evidence.stopped_us)];
                let until_us = ends.into_iter().flatten().min().unwrap_or(wait.from_us);
                if until_us > wait.from_us {
                    events.extend([(wait.from_us, What::Waits), (until_us, What::WaitsNoMore)]);
                }
            }
        }
        events.extend(admitted_us.map(|at_us| (at_us, What::Admitted)));
        let released_us = fan.visit.as_ref().and_then(|visit| visit.released_us);
        events.extend(released_us.map(|at_us| (at_us, What::Released)));
    }
    events.sort_unstable();
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::noise::Noise;
    use crate::rehearse::observe::{Admission, Connection, FanRecord, Stop, Terms};

    fn visit(from_us: Micros, released_us: Option<Micros>) -> Visit {
        Visit {
            from_us,
            honoured_us: Some(from_us),
            valid_until_us: None,
            released_us,
            found_ended: false,
        }
    }

    fn judged<T>(fans: &[FanRecord], terms: Terms, of: impl Fn(&Evidence<'_>) -> T) -> T {
        of(&Evidence {
            fans,
            noise: &Noise::default(),
            terms,
            stop: Stop::Done,
            stopped_us: 100 * SECOND,
            had_time: false,
        })
    }

    #[test]
    fn a_visit_counts_only_while_it_is_certainly_live() {
        let mut seen = visit(10 * SECOND, Some(90 * SECOND));
        let until_s = |seen: &Visit| certainly_until(seen, 100 * SECOND) / SECOND;
        assert_eq!(until_s(&seen), 20, "a while after its last request");
        seen.valid_until_us = Some(14 * SECOND);
        assert_eq!(until_s(&seen), 14, "the cookie's own expiry");
        seen.honoured_us = Some(16 * SECOND);
        assert_eq!(
            until_s(&seen),
            16,
            "a request that was honoured proves more than a cookie"
        );
        seen.valid_until_us = Some(200 * SECOND);
        seen.honoured_us = Some(85 * SECOND);
        assert_eq!(until_s(&seen), 90, "its release");
        seen.released_us = None;
        assert_eq!(until_s(&seen), 95, "a while after its last request again");
        seen.found_ended = true;
        assert_eq!(until_s(&seen), 85, "the last request it was good for");
        (seen.found_ended, seen.honoured_us) = (false, None);
        assert_eq!(until_s(&seen), 15, "half-open");
    }

    #[test]
    fn one_leaving_as_another_comes_is_not_two() {
        let fan = |from, until| FanRecord {
            visit: Some(visit(from, Some(until))),
            ..FanRecord::default()
        };
        let terms = Terms {
            limit: Some(1),
            rate_per_min: None,
        };
        let fans = [fan(0, SECOND), fan(SECOND, 2 * SECOND)];
        assert_eq!(judged(&fans, terms, within_limit), Verdict::Kept { checked: 2 });
        let fans = [fan(0, SECOND + 1), fan(SECOND, 2 * SECOND)];
        assert!(matches!(
            judged(&fans, terms, within_limit),
            Verdict::Broken { times: 1, .. }
        ));
    }

    /// One after the other through a room of one, each admitted 40 ms after the release before.
    fn relay(count: i64) -> Vec<FanRecord> {
        let gap_us = SECOND + 40_000;
        let runner = |n: i64| FanRecord {
            connections: vec![Connection {
                from_us: 0,
                here_us: Some(1),
                ..Connection::default()
            }],
            admission: Some(Admission {
                since_us: Some(0),
                at_us: n * gap_us + 1,
                straight: false,
            }),
            visit: Some(visit(n * gap_us + 1, Some(n * gap_us + 1 + SECOND))),
            ..FanRecord::default()
        };
        (0..count).map(runner).collect()
    }

    #[test]
    fn a_slot_is_timed_from_its_release_to_the_next_token_where_the_limit_binds() {
        let limit = |limit, rate| Terms {
            limit: Some(limit),
            rate_per_min: rate,
        };
        assert_eq!(
            judged(&relay(20), limit(1, None), slot_to_token),
            vec![40_000; 19]
        );
        assert_eq!(
            judged(&relay(20), limit(1, Some(600)), slot_to_token),
            vec![40_000; 19]
        );
        let nothing: Vec<Micros> = Vec::new();
        assert_eq!(
            judged(&relay(20), limit(30, None), slot_to_token),
            nothing,
            "never full"
        );
        assert_eq!(
            judged(&relay(20), limit(1, Some(57)), slot_to_token),
            nothing,
            "the rate holds the line"
        );
    }
}
