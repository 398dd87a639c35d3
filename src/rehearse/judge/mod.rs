//! The judge: from what the fans saw to which promises were kept. Pure; it opens no socket and reads no clock.
//!
//! It accuses only on proof. Where its own times leave a doubt ([`super::noise`]) the server has the benefit of it, so
//! a correct server passes whatever the load, and a fault shows once it is larger than the doubt.

mod fans;
mod findings;
mod lost;
mod order;
mod rate;
mod room;
mod tokens;

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod several_edges;

use super::noise::Noise;
use super::observe::{Admission, FanRecord, Micros, Stop, Terms};

use findings::ms;
pub(crate) use findings::{Finding, Findings, Percentiles, Promise, Verdict};

/// What the judge is given.
pub(crate) struct Evidence<'a> {
    /// One record a fan; its index is the fan's number.
    pub(crate) fans: &'a [FanRecord],
    /// The delays measured meanwhile.
    pub(crate) noise: &'a Noise,
    /// What the room promises.
    pub(crate) terms: Terms,
    /// Why the rehearsal ended.
    pub(crate) stop: Stop,
    /// When it ended.
    pub(crate) stopped_us: Micros,
    /// By its terms there was time for everyone.
    pub(crate) had_time: bool,
}

/// Judges a rehearsal.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Findings {
    let verdict = |promise| match promise {
        Promise::OneLine => order::one_line(evidence),
        Promise::PlaceOnce => tokens::place_once(evidence.fans),
        Promise::PlaceKept => tokens::place_kept(evidence.fans),
        Promise::OwnTokens => tokens::own_tokens(evidence.fans),
        Promise::CalledInOrder => order::calls(evidence),
        Promise::AdmittedInOrder => order::admissions(evidence),
        Promise::WithinLimit => room::within_limit(evidence),
        Promise::WithinRate => rate::within_rate(evidence),
        Promise::AheadNeverGrows => fans::ahead_never_grows(evidence.fans),
        Promise::AdmittedGetIn => fans::admitted_get_in(evidence.fans),
        Promise::NobodyLost => lost::nobody_lost(evidence),
        Promise::EveryoneAnswered => fans::everyone_answered(evidence.fans),
    };
    let admitted = || evidence.fans.iter().filter_map(|fan| fan.admission.as_ref());
    Findings {
        promises: Promise::ALL
            .map(|promise| Finding {
                promise,
                verdict: verdict(promise),
            })
            .into(),
        fans: fans::counts(evidence),
        terms: evidence.terms,
        live_visits_max: room::live_visits_max(evidence).0,
        admissions: admitted().count() as u64,
        admissions_straight: admitted().filter(|admission| admission.straight).count() as u64,
        admissions_per_s: rate::steady_per_s(evidence.fans),
        slot_to_token: Percentiles::of(&room::slot_to_token(evidence)),
        wait: fans::wait_held(evidence.fans),
        round_trip: Percentiles::of(evidence.noise.round_trips()),
        own_lag_max_ms: ms(evidence.noise.worst_lag()),
        tolerance_floor_ms: ms(evidence.noise.floor()),
        tolerance_max_ms: ms(evidence.noise.tolerance_max()),
        errors: fans::errors(evidence.fans),
        stop: evidence.stop,
        took_s: evidence.stopped_us as f64 / 1e6,
    }
}

/// Between which instants an admission was certainly decided: not before it could be, nor longer before its token
/// arrived than the tolerance allows.
fn decided(admission: &Admission, noise: &Noise) -> Option<(Micros, Micros)> {
    let since_us = admission.since_us?;
    Some((
        since_us.max(admission.at_us - noise.tolerance_at(admission.at_us)),
        admission.at_us,
    ))
}
