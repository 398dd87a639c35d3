//! What became of each fan: what it was shown, whether it got in, whether it was left behind.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Evidence, Verdict, lost};
use crate::rehearse::observe::{End, FanRecord, Part, SECOND};

/// What is told in whole seconds is held to within one.
const WAIT_ROUNDING_S: f64 = 1.0;

/// What became of the fans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Sent their first request.
    pub(crate) arrived: u64,
    /// Entered, stayed and left.
    pub(crate) left: u64,
    /// Disconnected while waiting, as planned.
    pub(crate) vanished: u64,
    /// Were called and stayed silent, as planned.
    pub(crate) silent: u64,
    /// Passed without the room: it is switched off, or the path is free.
    pub(crate) unguarded: u64,
    /// Were told that it is closed or sold out.
    pub(crate) told_closed: u64,
    /// Were admitted and not let in.
    pub(crate) turned_away: u64,
    /// Met too many failures in a row.
    pub(crate) gave_up: u64,
    /// Of those who were to enter: still in line at the end.
    pub(crate) in_line: u64,
    /// Of those who were to enter: on the site at the end.
    pub(crate) on_site: u64,
    /// Of those who were to enter: lost for good, as [`Promise::NobodyLost`](super::Promise::NobodyLost) says.
    pub(crate) lost: u64,
    /// Went on at the next edge because they lost their own, or the connection there.
    pub(crate) moved: u64,
    /// Went to another edge of their own accord, as planned.
    pub(crate) roamed: u64,
}

/// Counts the fans by how their stories ended.
pub(super) fn counts(evidence: &Evidence<'_>) -> Counts {
    let mut counts = Counts {
        lost: lost::lost(evidence).count() as u64,
        ..Counts::default()
    };
    for fan in evidence.fans.iter().filter(|fan| fan.end != End::NotYet) {
        counts.arrived += 1;
        counts.moved += u64::from(fan.moved > 0);
        counts.roamed += u64::from(fan.roamed);
        let called = fan
            .connections
            .iter()
            .any(|connection| connection.called_us.is_some());
        match fan.end {
            End::NotYet => {}
            End::Left => counts.left += 1,
            End::Vanished => counts.vanished += 1,
            End::Unguarded => counts.unguarded += 1,
            End::ToldClosed => counts.told_closed += 1,
            End::TurnedAway => counts.turned_away += 1,
            End::GaveUp => counts.gave_up += 1,
            End::InLine => {
                counts.silent += u64::from(fan.part == Part::Silent && called);
                counts.in_line += u64::from(fan.part == Part::Enters);
            }
            End::OnSite => counts.on_site += u64::from(fan.part == Part::Enters),
        }
    }
    counts
}

/// The failures of all fans together.
pub(super) fn errors(fans: &[FanRecord]) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::new();
    for (kind, times) in fans.iter().flat_map(|fan| &fan.errors) {
        *errors.entry(kind.clone()).or_default() += u64::from(*times);
    }
    errors
}

/// What a fan is shown never grows.
pub(super) fn ahead_never_grows(fans: &[FanRecord]) -> Verdict {
    let shown = fans.iter().map(|fan| u64::from(fan.ahead.shown)).sum();
    let grew = fans.iter().map(|fan| u64::from(fan.ahead.grew)).sum();
    let example = fans.iter().enumerate().find_map(|(index, fan)| {
        let (from, to) = fan.ahead.example?;
        Some(format!("fan {index} was shown {from} ahead, then {to}"))
    });
    Verdict::counted(shown, grew, example)
}

/// A fresh admission opens the door.
pub(super) fn admitted_get_in(fans: &[FanRecord]) -> Verdict {
    let checked = fans
        .iter()
        .filter(|fan| fan.got_in || fan.turned_away.is_some())
        .count() as u64;
    let turned_away = fans.iter().filter(|fan| fan.turned_away.is_some()).count() as u64;
    let example = fans.iter().enumerate().find_map(|(index, fan)| {
        let status = fan.turned_away?;
        Some(format!(
            "fan {index} was admitted and got status {status} instead of the site"
        ))
    });
    Verdict::counted(checked, turned_away, example)
}

/// Nobody met so many failures in a row that they gave up.
pub(super) fn everyone_answered(fans: &[FanRecord]) -> Verdict {
    let waits = |fan: &&FanRecord| fan.end == End::InLine && fan.places.is_empty();
    let answered = fans
        .iter()
        .filter(|fan| fan.end != End::NotYet && !waits(fan))
        .count() as u64;
    let gave_up = |fan: &&FanRecord| fan.end == End::GaveUp;
    let times = fans.iter().filter(gave_up).count() as u64;
    let example = fans
        .iter()
        .enumerate()
        .find(|(_, fan)| gave_up(fan))
        .map(|(index, fan)| {
            let kinds: Vec<&str> = fan.errors.keys().map(String::as_str).collect();
            format!("fan {index} met: {}", kinds.join(", "))
        });
    Verdict::counted(answered, times, example)
}

/// How the first range each admitted fan was told compares with their wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct WaitHeld {
    /// Fans who were told a range and admitted.
    pub(crate) told: u64,
    /// Admitted within it.
    pub(crate) held: u64,
    /// Admitted sooner than told.
    pub(crate) sooner: u64,
    /// Admitted later than told.
    pub(crate) later: u64,
}

/// Counts them.
pub(super) fn wait_held(fans: &[FanRecord]) -> WaitHeld {
    let mut wait = WaitHeld::default();
    for (told, admission) in fans.iter().filter_map(|fan| fan.told.zip(fan.admission.as_ref())) {
        let waited_s = (admission.at_us - told.at_us) as f64 / SECOND as f64;
        wait.told += 1;
        if waited_s < told.low_s - WAIT_ROUNDING_S {
            wait.sooner += 1;
        } else if waited_s > told.high_s + WAIT_ROUNDING_S {
            wait.later += 1;
        } else {
            wait.held += 1;
        }
    }
    wait
}
