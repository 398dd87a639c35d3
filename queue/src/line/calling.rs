//! Calling ahead: how many fans to ask so that enough have answered by the time there is room.
//!
//! A call holds no slot and no allowance, so a silent fan costs nothing; calling too few would leave slots empty, so
//! this errs on the side of calling. The chance that an unanswered call will still be answered, by its age, comes from
//! a life table of past answers, and all of it is in integers so that every store computes the same.

use std::collections::VecDeque;

use super::place::Place;

/// Buckets of the life table; together they span `answer_within`.
const BUCKETS: usize = 16;
/// Once this many calls are in the table, halve it: old habits fade.
const CALLS_MAX: u64 = 4_096;
/// Pretended calls at the start, half of them answered at once: a first guess on the side of calling too many.
const PRIOR: u64 = 8;
/// Calls are kept together in so many batches for the time in which they may be answered, however often an edge ticks.
const BATCHES: u64 = 50;
/// Thousandths of a fan, the unit of expectations.
pub const MILLI: u64 = 1_000;

/// The calls of a short while.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    /// When the first of them went out, and when the last; they count as called then.
    since_ms: u64,
    called_at_ms: u64,
    /// Calls reach from the batch before to here.
    upto: Place,
    called: u64,
    answered: u64,
}

/// The open calls and what is known of how fans answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calling {
    batches: VecDeque<Batch>,
    /// Calls that were still unanswered at the age of each bucket.
    at_risk: [u64; BUCKETS],
    /// Of those, how many were answered later.
    answered: [u64; BUCKETS],
    /// Sum and number of answering delays, for how far ahead to call.
    delay_sum_ms: u64,
    delays: u64,
    /// Every place up to here was called long enough ago that the line has gone on.
    floor: Place,
}

/// The bucket of a delay.
fn bucket(delay_ms: u64, answer_within_ms: u64) -> usize {
    let bucket = delay_ms * BUCKETS as u64 / answer_within_ms.max(1);
    (bucket as usize).min(BUCKETS - 1)
}

impl Calling {
    /// Nobody called beyond `floor`, nothing learned.
    pub fn new(floor: Place) -> Self {
        Self {
            batches: VecDeque::new(),
            at_risk: [PRIOR; BUCKETS],
            answered: [PRIOR / 2; BUCKETS],
            delay_sum_ms: 0,
            delays: 0,
            floor,
        }
    }

    /// Places up to here have been passed: their fans may still answer, and the line does not wait for them.
    pub fn floor(&self) -> Place {
        self.floor
    }

    /// Calls that may still be answered.
    pub fn open(&self) -> u64 {
        self.batches.iter().map(|b| b.called - b.answered).sum()
    }

    /// Fans expected to answer open calls, in thousandths.
    pub fn hope_milli(&self, now_ms: u64, answer_within_ms: u64) -> u64 {
        self.batches
            .iter()
            .map(|batch| {
                let age = bucket(now_ms - batch.called_at_ms, answer_within_ms);
                (batch.called - batch.answered) * self.chance_milli(age)
            })
            .sum()
    }

    /// The chance that a call of this age is answered, in thousandths; never 0, so that one lucky guess never stops
    /// the calls from being counted at all.
    fn chance_milli(&self, age: usize) -> u64 {
        (self.answered[age] * MILLI / self.at_risk[age].max(1)).max(1)
    }

    /// What one more call adds to the hope.
    pub fn fresh_hope_milli(&self) -> u64 {
        self.chance_milli(0)
    }

    /// How long answers take on average; one second until the first is known.
    pub fn delay_ms(&self) -> u64 {
        self.delay_sum_ms.checked_div(self.delays).unwrap_or(1_000)
    }

    /// Notes the calls of this tick: `called` fans up to `upto`.
    pub fn called(&mut self, now_ms: u64, upto: Place, called: u64, answer_within_ms: u64) {
        match self.batches.back_mut() {
            _ if called == 0 => {}
            Some(batch) if now_ms - batch.since_ms < answer_within_ms / BATCHES => {
                batch.called_at_ms = now_ms;
                batch.upto = upto;
                batch.called += called;
            }
            _ => self.batches.push_back(Batch {
                since_ms: now_ms,
                called_at_ms: now_ms,
                upto,
                called,
                answered: 0,
            }),
        }
    }

    /// Notes that the fan at `place` has answered. The caller has seen that their call was open: each call is answered
    /// once, by whoever was called.
    pub fn answered(&mut self, now_ms: u64, place: Place, answer_within_ms: u64) {
        let first = self.batches.partition_point(|b| b.upto < place);
        let Some(batch) = self.batches.get_mut(first) else {
            return;
        };
        debug_assert!(place > self.floor && batch.answered < batch.called);
        batch.answered += 1;
        let delay_ms = now_ms - batch.called_at_ms;
        self.delay_sum_ms += delay_ms;
        self.delays += 1;
        for age in 0..=bucket(delay_ms, answer_within_ms) {
            self.at_risk[age] += 1;
            self.answered[age] += 1;
        }
        self.fade();
    }

    /// Passes over calls older than `answer_within_ms`: the floor rises, their silence is learned. Returns how many
    /// were silent, and whether the floor rose.
    pub fn retire(&mut self, now_ms: u64, answer_within_ms: u64) -> (u64, bool) {
        let (floor, mut silent_all) = (self.floor, 0);
        while let Some(batch) = self.batches.front() {
            if now_ms - batch.called_at_ms < answer_within_ms {
                break;
            }
            let silent = batch.called - batch.answered;
            silent_all += silent;
            self.floor = batch.upto;
            self.at_risk.iter_mut().for_each(|n| *n += silent);
            self.batches.pop_front();
            self.fade();
        }
        (silent_all, self.floor > floor)
    }

    /// Everyone up to `floor` was called in a life of the store that this one knows nothing of: open calls are over.
    pub fn pass_all(&mut self, floor: Place) {
        self.batches.clear();
        self.floor = floor;
    }

    fn fade(&mut self) {
        while self.at_risk[0] > CALLS_MAX {
            self.at_risk
                .iter_mut()
                .chain(self.answered.iter_mut())
                .for_each(|n| *n /= 2);
        }
        if self.delays > CALLS_MAX {
            self.delay_sum_ms /= 2;
            self.delays /= 2;
        }
    }
}
