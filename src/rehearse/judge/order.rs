//! Who went before whom: calls in place order, and admissions in place order among those who had answered.
//!
//! Both are one question. Somebody *stood* at a place for certain during an interval, waiting for what somebody *taken*
//! got; the taken one's turn came for certain inside that interval; and the one left standing had the lower place.
//! The intervals are already narrowed by the tolerance, so an overtaking found here is proved.

use std::collections::BTreeMap;

use super::{Evidence, Verdict, decided};
use crate::rehearse::observe::{Connection, FanRecord, Micros, Part, Place};

/// A fan who certainly stood waiting at a place between two instants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stood {
    pub(super) fan: usize,
    pub(super) place: Place,
    pub(super) from_us: Micros,
    pub(super) until_us: Micros,
}

/// A fan whose turn certainly came after one instant and by another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) fan: usize,
    pub(super) place: Place,
    pub(super) after_us: Micros,
    pub(super) by_us: Micros,
}

/// One fan taken past another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overtaking {
    pub(super) fan: usize,
    pub(super) past: usize,
}

/// One round follows another, and none goes on beside another: places of two rounds are in no order.
///
/// Two rounds went on at once for certain when each admitted somebody after the other had begun to.
pub(super) fn one_line(evidence: &Evidence<'_>) -> Verdict {
    let mut rounds: BTreeMap<&str, (Micros, Micros)> = BTreeMap::new();
    let mut checked = 0;
    for fan in evidence.fans {
        let admission = fan
            .admission
            .as_ref()
            .and_then(|admission| decided(admission, evidence.noise));
        if let (Some((after_us, by_us)), Some(round)) = (admission, fan.round()) {
            checked += 1;
            let (began_us, went_on_us) = rounds.entry(round).or_insert((by_us, after_us));
            *began_us = by_us.min(*began_us);
            *went_on_us = after_us.max(*went_on_us);
        }
    }
    let spans: Vec<(Micros, Micros)> = rounds.into_values().collect();
    let beside = |one: &(Micros, Micros), other: &(Micros, Micros)| one.1 > other.0 && other.1 > one.0;
    let times = spans
        .iter()
        .enumerate()
        .filter(|(nth, span)| spans[..*nth].iter().any(|earlier| beside(earlier, span)))
        .count() as u64;
    let example = format!(
        "{} rounds of the room admitted fans at the same time; do all edges share one store?",
        times + 1
    );
    Verdict::counted(checked, times, Some(example))
}

/// Calls go out in place order over the fans who are present.
pub(super) fn calls(evidence: &Evidence<'_>) -> Verdict {
    per_round(evidence, "called", |index, fan, place, stood, taken| {
        for (nth, connection) in fan.connections.iter().enumerate() {
            let called_before = fan.connections[..nth]
                .iter()
                .any(|earlier| earlier.called_us.is_some());
            if !called_before {
                let ends = [
                    connection.called_us,
                    connection.here_us,
                    connection.until_us,
                    admitted_us(fan),
                ];
                stood.extend(standing(evidence, index, place, connection.from_us, &ends));
            }
            // On a later stretch a call may be the first one told again, or have waited for the fan to come back.
            let called = connection.called_us.filter(|_| !called_before);
            let called = called.map(|called_us| Taken {
                fan: index,
                place,
                after_us: called_us - evidence.noise.tolerance_at(called_us),
                by_us: called_us,
            });
            taken.extend(called.filter(|turn| nth == 0 || turn.after_us > connection.from_us));
        }
    })
}

/// Among those who answered and are still there, the lowest place is admitted first.
pub(super) fn admissions(evidence: &Evidence<'_>) -> Verdict {
    per_round(evidence, "admitted", |index, fan, place, stood, taken| {
        for connection in &fan.connections {
            if let Some(here_us) = ready_us(fan, connection) {
                let ends = [connection.until_us, admitted_us(fan)];
                stood.extend(standing(evidence, index, place, here_us, &ends));
            }
        }
        let admission = fan
            .admission
            .as_ref()
            .and_then(|admission| decided(admission, evidence.noise));
        taken.extend(admission.map(|(after_us, by_us)| Taken {
            fan: index,
            place,
            after_us,
            by_us,
        }));
    })
}

/// Since when a fan was ready on a stretch of waiting: since it answered there. Who answered before, and was admitted there
/// without being called again, was ready from its beginning: the answer had reached the line from another edge. (Had it
/// been lost with that edge, a call would have come before the turn.)
fn ready_us(fan: &FanRecord, stretch: &Connection) -> Option<Micros> {
    let answered_before = || fan.answered_us.is_some_and(|at_us| at_us <= stretch.from_us);
    let admitted_here = || {
        let until_us = stretch.until_us.unwrap_or(Micros::MAX);
        admitted_us(fan).is_some_and(|at_us| (stretch.from_us..=until_us).contains(&at_us))
    };
    let uncalled = stretch.called_us.is_none() && answered_before() && admitted_here();
    stretch.here_us.or_else(|| uncalled.then_some(stretch.from_us))
}

/// Narrows a wait seen here to what the server must have seen too: it may have learned of the beginning late, and what
/// ended it may have been decided early. `ends` are the things that may have ended it; the rehearsal's end always did.
fn standing(
    evidence: &Evidence<'_>,
    fan: usize,
    place: Place,
    from_us: Micros,
    ends: &[Option<Micros>],
) -> Option<Stood> {
    let end_us = ends
        .iter()
        .flatten()
        .copied()
        .fold(evidence.stopped_us, Micros::min);
    let from_us = from_us + evidence.noise.tolerance_at(from_us);
    let until_us = end_us - evidence.noise.tolerance_at(end_us);
    (from_us < until_us).then_some(Stood {
        fan,
        place,
        from_us,
        until_us,
    })
}

fn admitted_us(fan: &FanRecord) -> Option<Micros> {
    fan.admission.as_ref().map(|admission| admission.at_us)
}

/// Collects who stood and who was taken in each round, and judges each round by itself.
fn per_round(
    evidence: &Evidence<'_>,
    what: &str,
    collect: impl Fn(usize, &FanRecord, Place, &mut Vec<Stood>, &mut Vec<Taken>),
) -> Verdict {
    let mut rounds: BTreeMap<Option<&str>, (Vec<Stood>, Vec<Taken>)> = BTreeMap::new();
    for (index, fan) in evidence.fans.iter().enumerate() {
        let Some(place) = fan.place() else { continue };
        let (stood, taken) = rounds.entry(fan.round()).or_default();
        collect(index, fan, place, stood, taken);
    }
    let (mut checked, mut times, mut example) = (0, 0, None);
    for (stood, taken) in rounds.into_values() {
        checked += taken.len() as u64;
        let found = overtakings(stood, taken);
        times += found.len() as u64;
        if let Some(first) = found.first() {
            example.get_or_insert_with(|| said(evidence.fans, *first, what));
        }
    }
    Verdict::counted(checked, times, example)
}

fn said(fans: &[FanRecord], found: Overtaking, what: &str) -> String {
    let of = |index: usize| {
        let place = fans[index].place().map(|place| format!(" at place {place}"));
        format!("fan {index}{}", place.unwrap_or_default())
    };
    let waited = if fans[found.past].part == Part::Enters {
        "waited"
    } else {
        "stood there"
    };
    format!("{} was {what} while {} {waited}", of(found.fan), of(found.past))
}

/// Everyone taken past somebody with a lower place who stood there the whole time, with one whom they passed; in the
/// order they were taken. O(n log n): those who stood enter a prefix-maximum tree over places as time passes.
pub(super) fn overtakings(mut stood: Vec<Stood>, mut taken: Vec<Taken>) -> Vec<Overtaking> {
    stood.sort_unstable_by_key(|wait| wait.from_us);
    taken.sort_unstable_by_key(|turn| turn.after_us);
    let mut places: Vec<Place> = stood.iter().map(|wait| wait.place).collect();
    places.sort_unstable();
    let mut longest = PrefixMax::new(places.len());
    let mut entering = stood.iter().peekable();
    let mut found = Vec::new();
    for turn in taken {
        while let Some(wait) = entering.next_if(|wait| wait.from_us < turn.after_us) {
            let rank = places.partition_point(|place| *place < wait.place);
            longest.put(rank, (wait.until_us, wait.fan));
        }
        let lower = places.partition_point(|place| *place < turn.place);
        if let Some((until_us, past)) = longest.before(lower)
            && until_us > turn.by_us
        {
            found.push(Overtaking { fan: turn.fan, past });
        }
    }
    found
}

/// A Fenwick tree that answers: of those put at ranks below r, who stands longest?
struct PrefixMax(Vec<Option<(Micros, usize)>>);

impl PrefixMax {
    fn new(len: usize) -> Self {
        Self(vec![None; len + 1])
    }

    fn put(&mut self, rank: usize, value: (Micros, usize)) {
        let mut at = rank + 1;
        while at < self.0.len() {
            self.0[at] = self.0[at].max(Some(value));
            at += at & at.wrapping_neg();
        }
    }

    fn before(&self, rank: usize) -> Option<(Micros, usize)> {
        let (mut at, mut best) = (rank, None);
        while at > 0 {
            best = best.max(self.0[at]);
            at &= at - 1;
        }
        best
    }
}
