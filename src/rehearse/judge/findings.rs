//! What the judge may say: the promises, a verdict on each, and the figures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fans::{Counts, WaitHeld};
use crate::rehearse::observe::{Micros, Stop, Terms};

/// What a waiting room promises its fans, as far as they can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Promise {
    /// All fans stand in one line.
    OneLine,
    /// No place is issued twice.
    PlaceOnce,
    /// A place, once given, is never changed.
    PlaceKept,
    /// Calls go out in place order.
    CalledInOrder,
    /// Among those who answered, the lowest place is admitted first.
    AdmittedInOrder,
    /// Live visits never exceed the limit.
    WithinLimit,
    /// Admissions never exceed the rate and a second's burst.
    WithinRate,
    /// The number of fans ahead never grows.
    AheadNeverGrows,
    /// Tokens are made out to the fan who receives them.
    OwnTokens,
    /// Whoever is admitted gets in.
    AdmittedGetIn,
    /// Nobody who is willing is lost: passed over, or never admitted though there was time for everyone.
    NobodyLost,
    /// Every fan gets an answer in the end.
    EveryoneAnswered,
}

impl Promise {
    /// All of them, most important first.
    pub(crate) const ALL: [Promise; 12] = [
        Promise::OneLine,
        Promise::PlaceOnce,
        Promise::PlaceKept,
        Promise::CalledInOrder,
        Promise::AdmittedInOrder,
        Promise::WithinLimit,
        Promise::WithinRate,
        Promise::AheadNeverGrows,
        Promise::OwnTokens,
        Promise::AdmittedGetIn,
        Promise::NobodyLost,
        Promise::EveryoneAnswered,
    ];

    /// The promise, and what is said when it was broken.
    pub(crate) fn says(self) -> (&'static str, &'static str) {
        match self {
            Promise::OneLine => ("all stand in one line", "two lines at once"),
            Promise::PlaceOnce => ("no place issued twice", "place issued twice"),
            Promise::PlaceKept => ("places never change", "place changed while waiting"),
            Promise::CalledInOrder => ("called in place order", "called out of turn"),
            Promise::AdmittedInOrder => (
                "no one who answered overtaken",
                "overtaken: a later place was admitted",
            ),
            Promise::WithinLimit => ("live visits within the limit", "over the limit"),
            Promise::WithinRate => ("admissions within the rate", "over the rate"),
            Promise::AheadNeverGrows => ("`ahead` never grows", "`ahead` grew"),
            Promise::OwnTokens => ("tokens are the fan's own", "token for someone else"),
            Promise::AdmittedGetIn => ("whoever is admitted gets in", "admitted, then turned away"),
            Promise::NobodyLost => ("no one lost in the line", "lost: willing, and never admitted"),
            Promise::EveryoneAnswered => ("everyone gets through", "gave up after repeated failures"),
        }
    }
}

/// What was found about one promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub(crate) enum Verdict {
    /// Held wherever it could be looked at.
    Kept {
        /// How often it was looked at.
        checked: u64,
    },
    /// Proved broken.
    Broken {
        /// How often (for limit and rate: by how many at worst).
        times: u64,
        /// One case.
        example: String,
    },
    /// Nothing to judge it by.
    Unchecked {
        /// Why, and what would change it.
        why: String,
    },
}

impl Verdict {
    /// Kept or broken by count; nothing looked at is not kept.
    pub(super) fn counted(checked: u64, times: u64, example: Option<String>) -> Self {
        match (checked, times, example) {
            (_, 1.., example) => Verdict::Broken {
                times,
                example: example.unwrap_or_default(),
            },
            (0, ..) => Verdict::unchecked("nobody came that far"),
            _ => Verdict::Kept { checked },
        }
    }

    pub(super) fn unchecked(why: &str) -> Self {
        Verdict::Unchecked { why: why.to_owned() }
    }
}

/// One promise and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Which.
    pub(crate) promise: Promise,
    /// What.
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
}

/// The middle and the tail of something measured in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Half were at most this, milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 were at most this, milliseconds.
    pub(crate) p99_ms: f64,
    /// The largest, milliseconds.
    pub(crate) max_ms: f64,
    /// How many were measured.
    pub(crate) samples: usize,
}

impl Percentiles {
    /// Of these times; none of nothing.
    pub(crate) fn of(times_us: &[Micros]) -> Option<Self> {
        let mut sorted = times_us.to_vec();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = |percent: usize| ms(sorted[(last * percent).div_ceil(100)]);
        Some(Self {
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
            samples: sorted.len(),
        })
    }
}

/// Everything the rehearsal found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Findings {
    /// One entry a promise.
    pub(crate) promises: Vec<Finding>,
    /// What became of the fans.
    pub(crate) fans: Counts,
    /// What was promised.
    pub(crate) terms: Terms,
    /// Most visits proved live at one instant.
    pub(crate) live_visits_max: u64,
    /// Admissions, straight ones included.
    pub(crate) admissions: u64,
    /// Those that went straight through.
    pub(crate) admissions_straight: u64,
    /// Admissions a second between the first and the last tenth of them.
    pub(crate) admissions_per_s: Option<f64>,
    /// From a slot coming free to the token's arrival, while the limit was what held the line.
    pub(crate) slot_to_token: Option<Percentiles>,
    /// How the first range told compares with what happened.
    pub(crate) wait: WaitHeld,
    /// Round trips of pings on waiting sockets.
    pub(crate) round_trip: Option<Percentiles>,
    /// The worst lateness of this process's own timers, milliseconds.
    pub(crate) own_lag_max_ms: f64,
    /// The doubt granted to the server whatever was measured, milliseconds.
    pub(crate) tolerance_floor_ms: f64,
    /// The largest doubt granted to the server, milliseconds.
    pub(crate) tolerance_max_ms: f64,
    /// Failures the fans met, by kind.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Why it ended.
    pub(crate) stop: Stop,
    /// How long it took, seconds.
    pub(crate) took_s: f64,
}

impl Findings {
    /// The promises proved broken.
    pub(crate) fn broken(&self) -> Vec<Promise> {
        let broken = |finding: &&Finding| matches!(finding.verdict, Verdict::Broken { .. });
        self.promises
            .iter()
            .filter(broken)
            .map(|finding| finding.promise)
            .collect()
    }

    /// Whether the rehearsal came to its end and saw somebody let in.
    pub(crate) fn complete(&self) -> bool {
        self.stop == Stop::Done && self.admissions > 0
    }
}

/// In milliseconds.
pub(super) fn ms(us: Micros) -> f64 {
    us as f64 / 1e3
}
