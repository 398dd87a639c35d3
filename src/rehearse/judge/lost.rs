//! Who was lost in the line: willing, and never admitted, though it was their turn or there was time for everyone.
//!
//! Merely not reached yet is not lost, so a rehearsal that is cut short loses nobody by that. A fan counts as lost who was
//! to enter, held a place, was not admitted (nor told that it is closed), and
//!
//! - was *passed over*: there to the end, and after it was there a later place was called while this one never was, or a
//!   later place was admitted while this one had been called;
//! - or *gave up*: it met nothing but failures for a minute, at every edge it could turn to, and its place is void;
//! - or was *left*: it had answered, or was there, and the rehearsal lasted as long as limit and rate need for everyone,
//!   half as much again, and two minutes. Those minutes are more than an edge that dies or a store that is gone for half a
//!   minute takes. Who is told to the end that the line is paused waits and is not lost.

use std::collections::BTreeMap;

use super::{Evidence, Verdict};
use crate::rehearse::observe::{Connection, End, FanRecord, Micros, Part, Place, SECOND, Stop};

/// Whoever was called and comes back to another edge has been called again by then, or is ready.
const CALLED_AGAIN_WITHIN_US: Micros = 10 * SECOND;

/// A fan who was lost, and how.
pub(super) struct Lost {
    fan: usize,
    place: Place,
    how: How,
}

enum How {
    NeverCalled { later: Place },
    NeverAdmitted { later: Place },
    GaveUp,
    Left,
}

/// Nobody is lost in the line.
pub(super) fn nobody_lost(evidence: &Evidence<'_>) -> Verdict {
    if evidence.stop == Stop::Interrupted {
        return Verdict::unchecked("interrupted before the end");
    }
    let willing = |fan: &&FanRecord| fan.part == Part::Enters && fan.place().is_some();
    let checked = evidence.fans.iter().filter(willing).count() as u64;
    let (mut times, mut example) = (0, None);
    for lost in lost(evidence) {
        times += 1;
        example.get_or_insert_with(|| said(&lost));
    }
    Verdict::counted(checked, times, example)
}

fn said(lost: &Lost) -> String {
    let Lost { fan, place, how } = lost;
    let how = match how {
        How::NeverCalled { later } => {
            format!("was never called, though the line went on to place {later}")
        }
        How::NeverAdmitted { later } => {
            format!("answered and was never admitted, though the line went on to place {later}")
        }
        How::GaveUp => "was not taken back by any edge for a minute".to_owned(),
        How::Left => "was never admitted, though there was time for everyone".to_owned(),
    };
    format!("fan {fan} at place {place} {how}")
}

/// All who were lost.
pub(super) fn lost<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = Lost> + 'a {
    let before_us = evidence.stopped_us - evidence.noise.tolerance_at(evidence.stopped_us);
    let (called, admitted) = (
        Progress::of(evidence, before_us, called_us),
        Progress::of(evidence, before_us, |fan| Some(fan.admission.as_ref()?.at_us)),
    );
    let interrupted = evidence.stop == Stop::Interrupted;
    let fans = evidence.fans.iter().enumerate().filter(move |_| !interrupted);
    fans.filter_map(move |(index, fan)| {
        let place = fan.place()?;
        if fan.part != Part::Enters || fan.admission.is_some() {
            return None;
        }
        let how = match fan.end {
            End::GaveUp => Some(How::GaveUp),
            End::InLine => {
                let there = there(fan, before_us);
                let passed = there.and_then(|there| passed_over(evidence, fan, there, &called, &admitted));
                let was_left = || {
                    let stood = there.is_some() || fan.answered_us.is_some_and(|at_us| at_us < before_us);
                    (evidence.had_time && stood && !fan.is_paused()).then_some(How::Left)
                };
                passed.or_else(was_left)
            }
            _ => None,
        };
        how.map(|how| Lost {
            fan: index,
            place,
            how,
        })
    })
}

/// The stretch of waiting that lasted to the end, if the line must have known of it.
fn there(fan: &FanRecord, before_us: Micros) -> Option<&Connection> {
    let last = fan.connections.last()?;
    (last.until_us.is_none() && last.from_us < before_us).then_some(last)
}

fn passed_over(
    evidence: &Evidence<'_>,
    fan: &FanRecord,
    there: &Connection,
    called: &Progress<'_>,
    admitted: &Progress<'_>,
) -> Option<How> {
    let known_us = |at_us: Micros| at_us + evidence.noise.tolerance_at(at_us);
    let (round, place) = (fan.round(), fan.place()?);
    let beyond = |progress: &Progress<'_>, since_us| {
        progress
            .highest_after(round, known_us(since_us))
            .filter(|later| *later > place)
    };
    match (there.here_us, called_us(fan)) {
        (None, None) => beyond(called, there.from_us).map(|later| How::NeverCalled { later }),
        (None, Some(_)) if there.called_us.is_some() => None,
        // Called on an earlier socket: it is ready, or will be called again at once.
        (None, Some(_)) => {
            beyond(admitted, there.from_us + CALLED_AGAIN_WITHIN_US).map(|later| How::NeverAdmitted { later })
        }
        (Some(here_us), _) => beyond(admitted, here_us).map(|later| How::NeverAdmitted { later }),
    }
}

fn called_us(fan: &FanRecord) -> Option<Micros> {
    fan.connections.iter().find_map(|connection| connection.called_us)
}

/// How far the line of each round had come, counted back from the end: at these instants, newest first, some place got its
/// turn, and beside each the highest place that did then or later.
struct Progress<'a>(BTreeMap<Option<&'a str>, Vec<(Micros, Place)>>);

impl<'a> Progress<'a> {
    fn of(
        evidence: &Evidence<'a>,
        before_us: Micros,
        turn_us: impl Fn(&FanRecord) -> Option<Micros>,
    ) -> Self {
        let mut rounds: BTreeMap<Option<&str>, Vec<(Micros, Place)>> = BTreeMap::new();
        for fan in evidence.fans {
            if let (Some(at_us), Some(place)) = (turn_us(fan), fan.place())
                && at_us < before_us
            {
                // The turn came for certain after this.
                let after_us = at_us - evidence.noise.tolerance_at(at_us);
                rounds.entry(fan.round()).or_default().push((after_us, place));
            }
        }
        for turns in rounds.values_mut() {
            turns.sort_unstable_by_key(|(after_us, _)| std::cmp::Reverse(*after_us));
            let mut highest = None;
            for (_, place) in turns {
                *place = highest.map_or(*place, |known: Place| known.max(*place));
                highest = Some(*place);
            }
        }
        Self(rounds)
    }

    /// The highest place that got its turn after an instant.
    fn highest_after(&self, round: Option<&str>, at_us: Micros) -> Option<Place> {
        let turns = self.0.get(&round)?;
        let after = turns.partition_point(|(turn_us, _)| *turn_us > at_us);
        Some(turns.get(after.checked_sub(1)?)?.1)
    }
}
