//! How long a wait is likely to be, from the measured speed of the line: a range that should hold for nine fans in ten.
//!
//! Owns nothing but measurements. An edge feeds it the figures of every tick and asks it for a range when it writes a
//! fan's frame. It is a forecast for people, so it may use floating point, and nothing in the line depends on it.
//!
//! The line moves by admissions and by calls that nobody answers; both happen at its front. Fans who go away leave
//! from anywhere in it, so only their share before a fan helps that fan. Admissions are bounded by the rate, which is
//! known, and by how fast visits end, which is measured from visits however full the room is: a room that is about to
//! fill up is forecast to slow down before it does.

use std::collections::VecDeque;

use tidegate_config::Mode;

use crate::line::{Figures, Reply, Settings, Status};

/// Marks kept of each spacing.
const MARKS: usize = 64;
/// Spacing of the fine marks: a minute of them.
const FINE_MS: u64 = 1_000;
/// Spacing of the coarse marks: a quarter of an hour of them.
const COARSE_MS: u64 = 15_000;
/// Ticks further apart than this say nothing about the time between them.
const GAP_MAX_MS: u64 = 5_000;
/// The line still counts as limited by its capacity this long after somebody ready was last kept waiting.
const BUSY_MS: u64 = 3_000;
/// Speeds are measured over at least this much.
const SPAN_MIN_S: f64 = 20.0;
/// Calls run about this far ahead of admissions, beyond the time answers take.
const CALL_AHEAD_S: f64 = 2.0;
/// Fans the configured rate weighs as much as, against those counted.
const PRIOR: f64 = 5.0;
/// Fewer visits ended than this do not tell well how long visits last.
const ENDED_MIN: f64 = 20.0;
/// In a room of few slots so many tell it roughly, once there were as many as slots: before, only short ones have ended.
const ENDED_FEW: f64 = 5.0;
/// In a room of more slots than this, no wave of visits matters.
const ENDED_WAVE_MAX: f64 = 100.0;
/// A speed is never trusted better than this, however many fans it was measured on.
const DOUBT_MIN: f64 = 0.04;
/// Standard deviations to either side that hold nine cases in ten.
const NINE_IN_TEN: f64 = 1.65;

/// Sums since the beginning; the difference of two says what happened between them.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Time in which the line moved.
    ms: u64,
    /// Of that, the time in which somebody ready was kept waiting: only then is the speed the line's own.
    busy_ms: u64,
    /// Admissions, always and while busy.
    admitted: f64,
    admitted_busy: f64,
    /// Calls that were answered, and that nobody answered in time, while busy.
    answered: f64,
    silent: f64,
    /// Fans who went away from anywhere in the line, less those who came back, while busy.
    went: f64,
    /// Seconds fans spent in line, while busy.
    waited_s: f64,
    /// Visits ended, and the seconds all visits took.
    ended: f64,
    visited_s: f64,
}

impl Mark {
    fn since(self, then: Mark) -> Mark {
        Mark {
            ms: self.ms - then.ms,
            busy_ms: self.busy_ms - then.busy_ms,
            admitted: self.admitted - then.admitted,
            admitted_busy: self.admitted_busy - then.admitted_busy,
            answered: self.answered - then.answered,
            silent: self.silent - then.silent,
            went: self.went - then.went,
            waited_s: self.waited_s - then.waited_s,
            ended: self.ended - then.ended,
            visited_s: self.visited_s - then.visited_s,
        }
    }

    /// Fans by whom the front moved on. Those who come back late take their place there again.
    fn passed(&self) -> f64 {
        (self.answered + self.silent + self.went.min(0.0)).max(0.0)
    }

    /// Places passed for each fan who answers.
    fn per_answer(&self) -> f64 {
        ((self.passed() + PRIOR) / (self.answered.max(0.0) + PRIOR)).clamp(1.0, 1_000.0)
    }

    /// The share of the waiting who go away each second.
    fn leaving(&self) -> f64 {
        if self.waited_s > 0.0 {
            self.went.max(0.0) / self.waited_s
        } else {
            0.0
        }
    }
}

/// The measured speed of one room's line.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    last: Option<(u64, Figures)>,
    moves: bool,
    busy_until_ms: u64,
    sums: Mark,
    fine: VecDeque<Mark>,
    coarse: VecDeque<Mark>,
}

impl Pace {
    /// Takes in what a tick said, under the settings it was said with.
    ///
    /// Where the figures begin anew (another round, a store that lost its own), what was measured stays.
    pub fn observe(&mut self, reply: &Reply, settings: &Settings) {
        let (now_ms, figures) = (reply.now_ms, &reply.figures);
        let moves = matches!(reply.status, Status::Open | Status::Draining) && !stands(settings);
        let moved = std::mem::replace(&mut self.moves, moves) && moves;
        let Some((then_ms, then)) = self.last.replace((now_ms, *figures)) else {
            return;
        };
        let elapsed_ms = now_ms.saturating_sub(then_ms);
        // Undone grants lower `admitted` a little, and nothing else that happens in one round does.
        let anew = figures.issued < then.issued
            || figures.no_shows < then.no_shows
            || figures.admitted + u64::from(then.active) < then.admitted;
        if !moved || anew || elapsed_ms > GAP_MAX_MS {
            return;
        }
        if figures.ready > 0 {
            self.busy_until_ms = now_ms + BUSY_MS;
        }
        let elapsed_s = elapsed_ms as f64 / 1_000.0;
        let admitted = figures.admitted as f64 - then.admitted as f64;
        let freed = f64::from(then.active) - f64::from(figures.active);
        let busy = figures.waiting > 0 && self.is_busy();
        let sums = &mut self.sums;
        sums.ms += elapsed_ms;
        sums.admitted += admitted;
        sums.ended += (admitted + freed).max(0.0);
        sums.visited_s += f64::from(figures.active) * elapsed_s;
        if busy {
            let silent = (figures.no_shows - then.no_shows) as f64;
            sums.busy_ms += elapsed_ms;
            sums.admitted_busy += admitted;
            sums.answered += admitted + figures.ready as f64 - then.ready as f64;
            sums.silent += silent;
            sums.went += (figures.departed - then.departed) as f64 - admitted - silent;
            sums.waited_s += figures.waiting as f64 * elapsed_s;
        }
        let sums = self.sums;
        for (marks, every_ms) in [(&mut self.fine, FINE_MS), (&mut self.coarse, COARSE_MS)] {
            if marks.back().is_none_or(|mark| sums.ms - mark.ms >= every_ms) {
                if marks.len() == MARKS {
                    marks.pop_front();
                }
                marks.push_back(sums);
            }
        }
    }

    /// Seconds until a fan with `ahead` before them is admitted, as a range that should hold for nine in ten of those
    /// who answer when they are called; nothing while the line stands still.
    pub fn range_s(&self, ahead: u64, settings: &Settings) -> Option<(u32, u32)> {
        let (_, figures) = self.last.filter(|_| self.moves && !stands(settings))?;
        let ahead = ahead as f64;
        let rate = f64::from(settings.admit_per_min) / 60.0;
        let span = self.with_visits(self.over((ahead / rate).max(SPAN_MIN_S)), settings);
        let (moves, leaving) = (span.per_answer(), span.leaving());
        // Those who have answered already are admitted one by one; of the others, silent ones are passed over.
        let ready = ahead.min(figures.ready as f64);
        let before = ready + (ahead - ready) / moves;
        // The fan takes a slot too.
        let (slow, fast) = self.admissions_s(before + 1.0, &span, &figures, settings);
        let silent = 1.0 - 1.0 / moves;
        // The rate is kept to the fan; who answers is chance, and so is when visits end.
        let unknown = PRIOR / (span.passed() + PRIOR);
        let chance = silent.max(unknown) + if fast < rate { 1.0 } else { 0.0 };
        let doubt =
            DOUBT_MIN + NINE_IN_TEN * (chance / (span.passed() + PRIOR) + chance / (ahead + 1.0)).sqrt();
        let answer_s = settings.answer_within_ms as f64 / 1_000.0;
        // Calls under way count as fans ahead until their time to answer is over; the line goes on past them before.
        let called_s = if self.is_busy() {
            answer_s * silent
        } else {
            answer_s + CALL_AHEAD_S
        };
        let low = passing_s(before, fast * (1.0 + doubt), leaving) - called_s;
        let high = passing_s(before + 1.0, slow / (1.0 + doubt), leaving) + answer_s;
        let (low, high) = (low.max(0.0).floor(), high.ceil() + 1.0);
        // As casts saturate, a wait beyond the type is its largest.
        Some((low as u32, (high as u32).max(low as u32)))
    }

    /// Admissions a minute, measured over the last minute in which the line moved.
    pub fn per_min(&self) -> Option<u32> {
        let span = self.sums.since(*self.fine.front()?);
        if span.ms < FINE_MS {
            return None;
        }
        Some((span.admitted.max(0.0) * 60_000.0 / span.ms as f64).round() as u32)
    }

    /// What happened in the last `span_s` seconds, or a little more, or since the beginning.
    fn over(&self, span_s: f64) -> Mark {
        let since_ms = self.sums.ms.saturating_sub((span_s * 1_000.0) as u64);
        let newest_before = |marks: &VecDeque<Mark>| {
            let after = marks.partition_point(|mark| mark.ms <= since_ms);
            marks.get(after.checked_sub(1)?).copied()
        };
        let start = newest_before(&self.fine).or_else(|| newest_before(&self.coarse));
        let start = start.or_else(|| self.coarse.front().copied()).unwrap_or_default();
        self.sums.since(start)
    }

    /// `span`, or a longer one where too few visits ended in it: in a room of few slots as many as slots, for they fill
    /// and empty in waves.
    fn with_visits(&self, span: Mark, settings: &Settings) -> Mark {
        let needed = f64::from(settings.active_max).clamp(ENDED_MIN, ENDED_WAVE_MAX);
        if span.ended >= needed {
            return span;
        }
        let enough = |mark: &&Mark| self.sums.ended - mark.ended >= needed;
        let start = self.fine.iter().rev().find(enough);
        let start = start
            .or_else(|| self.coarse.iter().rev().find(enough))
            .or(self.coarse.front());
        self.sums.since(start.copied().unwrap_or_default())
    }

    /// Whether somebody ready was kept waiting just now.
    fn is_busy(&self) -> bool {
        self.last.is_some_and(|(now_ms, _)| now_ms < self.busy_until_ms)
    }

    /// Admissions a second while `passing` fans are admitted, slowest and fastest that should be reckoned with.
    fn admissions_s(&self, passing: f64, span: &Mark, figures: &Figures, settings: &Settings) -> (f64, f64) {
        let rate = f64::from(settings.admit_per_min) / 60.0;
        let slots = f64::from(settings.active_max.saturating_sub(figures.reserve).max(1));
        let free = (slots - f64::from(figures.active)).max(0.0);
        let (ends_slow, ends_fast) = if span.ended >= ENDED_MIN.min(slots).max(ENDED_FEW) {
            let each_s = span.ended / span.visited_s.max(1.0);
            let rough = if span.ended < ENDED_MIN {
                1.0 + NINE_IN_TEN / span.ended.sqrt()
            } else {
                1.0
            };
            (slots * each_s / rough, slots * each_s * rough)
        } else {
            // Nobody stays longer than they may, and nobody knows yet whether they stay at all: only the rate bounds
            // how soon it may be.
            let max_s = settings.visit_max_ms.max(1) as f64 / 1_000.0;
            (slots / max_s, f64::INFINITY)
        };
        // What the answers allowed, while slots were free: the rate, unless too few answer.
        let busy_s = span.busy_ms as f64 / 1_000.0;
        let answered = ((span.admitted_busy.max(0.0) + PRIOR) / (busy_s + PRIOR / rate)).min(rate);
        let mean = |to_the_full: f64, ends: f64| {
            if passing <= free || ends >= to_the_full {
                return to_the_full;
            }
            // The free slots fill at the rate, the rest goes as visits end.
            passing / (free / to_the_full + (passing - free) / ends)
        };
        let unhindered = if free > 0.0 { answered } else { rate };
        (mean(unhindered, ends_slow), mean(rate, ends_fast))
    }
}

/// Whether the settings let nobody in.
fn stands(settings: &Settings) -> bool {
    settings.paused || settings.mode == Mode::Off || settings.admit_per_min == 0 || settings.active_max == 0
}

/// How long it takes until `ahead` fans have gone, `speed` a second at the front and the share `leaving` of them a
/// second from anywhere.
fn passing_s(ahead: f64, speed: f64, leaving: f64) -> f64 {
    let alone = ahead / speed.max(1e-6);
    let bend = leaving * alone;
    if bend < 1e-6 {
        alone
    } else {
        alone * bend.ln_1p() / bend
    }
}
