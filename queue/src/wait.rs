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

use crate::line::{Figures, Settings};

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
/// Fans the configured rate weighs as much as, against those counted.
const PRIOR: f64 = 5.0;
/// Fewer visits ended than this do not tell how long visits last.
const ENDED_MIN: f64 = 20.0;
/// A speed is never trusted better than this, however many fans it was measured on.
const DOUBT_MIN: f64 = 0.06;
/// Standard deviations to either side that hold nine cases in ten.
const NINE_IN_TEN: f64 = 1.65;

/// Sums since the beginning; the difference of two says what happened between them.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Time in which the line moved.
    ms: u64,
    /// Of that, the time in which somebody ready was kept waiting: only then is the speed the line's own.
    busy_ms: u64,
    /// Of that, the time in which all slots were taken.
    full_ms: u64,
    /// Admissions, always and while busy.
    admitted: f64,
    admitted_busy: f64,
    /// Calls that nobody answered, while busy.
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
            full_ms: self.full_ms - then.full_ms,
            admitted: self.admitted - then.admitted,
            admitted_busy: self.admitted_busy - then.admitted_busy,
            silent: self.silent - then.silent,
            went: self.went - then.went,
            waited_s: self.waited_s - then.waited_s,
            ended: self.ended - then.ended,
            visited_s: self.visited_s - then.visited_s,
        }
    }

    /// Fans by whom the front moved on. Those who come back late take their place there again.
    fn passed(&self) -> f64 {
        (self.admitted_busy + self.silent + self.went.min(0.0)).max(0.0)
    }

    /// Places passed for each admission.
    fn per_admission(&self) -> f64 {
        ((self.passed() + PRIOR) / (self.admitted_busy.max(0.0) + PRIOR)).clamp(0.5, 1_000.0)
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
    /// Takes in the figures of a tick at room time `now_ms`. `status_moves` is whether the line calls and admits: its
    /// status is open or draining.
    ///
    /// Where the figures begin anew (another round, a store that lost its own), what was measured stays.
    pub fn observe(&mut self, now_ms: u64, figures: &Figures, status_moves: bool) {
        let moved = std::mem::replace(&mut self.moves, status_moves) && status_moves;
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
        let sums = &mut self.sums;
        sums.ms += elapsed_ms;
        sums.admitted += admitted;
        sums.ended += (admitted + freed).max(0.0);
        sums.visited_s += f64::from(figures.active) * elapsed_s;
        if figures.waiting > 0 && now_ms < self.busy_until_ms {
            let silent = (figures.no_shows - then.no_shows) as f64;
            sums.busy_ms += elapsed_ms;
            sums.admitted_busy += admitted;
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
        let stands = settings.paused || settings.mode == Mode::Off;
        if !self.moves || stands || settings.admit_per_min == 0 || settings.active_max == 0 {
            return None;
        }
        let ahead = ahead as f64;
        let rate = f64::from(settings.admit_per_min) / 60.0;
        let guess_s = ahead / rate;
        let span = self.over(guess_s.max(SPAN_MIN_S));
        let (slow, fast) = self.admissions_s(ahead, &span, settings);
        let (moves, leaving) = (span.per_admission(), span.leaving());
        let doubt = DOUBT_MIN + NINE_IN_TEN * (1.0 / (span.passed() + PRIOR) + 1.0 / (ahead + 1.0)).sqrt();
        let answer_s = settings.answer_within_ms as f64 / 1_000.0;
        // Silent fans before them count until their time to answer is over; the line goes on past them before that.
        let silent_s = answer_s * (1.0 - 1.0 / moves).max(0.0);
        let low = passing_s(ahead, fast * moves * (1.0 + doubt), leaving) - silent_s;
        let high = passing_s(ahead + 1.0, slow * moves / (1.0 + doubt), leaving) + answer_s;
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

    /// Admissions a second while `ahead` fans pass, slowest and fastest that should be reckoned with.
    fn admissions_s(&self, ahead: f64, span: &Mark, settings: &Settings) -> (f64, f64) {
        let rate = f64::from(settings.admit_per_min) / 60.0;
        let figures = self.last.map(|(_, figures)| figures);
        let (active, reserve) = figures.map_or((0, 0), |f| (f.active, f.reserve));
        let slots = f64::from(settings.active_max.saturating_sub(reserve).max(1));
        let free = (slots - f64::from(active)).max(0.0);
        let passing = ahead / span.per_admission();
        let (ends_slow, ends_fast) = if span.ended >= ENDED_MIN {
            let each_s = span.ended / span.visited_s.max(1.0);
            (slots * each_s, slots * each_s)
        } else {
            // Nobody stays longer than they may; most stay about as long as an idle visit lasts.
            let (ttl_s, max_s) = (settings.visit_ttl_ms as f64, settings.visit_max_ms as f64);
            let (ttl_s, max_s) = (ttl_s.max(1.0) / 1_000.0, max_s.max(1.0) / 1_000.0);
            (slots / max_s, 2.0 * slots / ttl_s.min(max_s))
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
