//! Whole rehearsals, on real sockets, against the double: without a fault every promise is kept, and each seeded fault is
//! found and named, alone.

use std::time::Duration;

use tokio::task::JoinSet;

use super::crowd::rehearse;
use super::double::{Double, Fault, Rules};
use super::judge::{Findings, Promise};
use super::observe::{Stop, Terms};
use super::plan::Plan;
use super::{Outcome, outcome, report};

/// By its limit the line takes about 3 s.
const LIMIT_BINDS: (usize, f64) = (15, 60.0);
/// By its rate the line takes about 4 s.
const RATE_BINDS: (usize, f64) = (500, 20.0);

async fn held((limit, rate_per_s): (usize, f64), fault: Fault, timeout_s: u64) -> (Findings, String) {
    let double = Double::start(Rules {
        limit,
        rate_per_s,
        fault,
    })
    .await;
    let plan = Plan {
        url: format!("http://{}", double.addr),
        addr: double.addr,
        authority: double.addr.to_string(),
        path: "/".into(),
        prefix: "/_tidegate/".into(),
        fans: 120,
        over: Duration::from_secs(1),
        stay: Duration::from_millis(400),
        vanish: 10,
        silent: 10,
        room: None,
        terms: Terms {
            limit: u32::try_from(limit).ok(),
            rate_per_min: Some((rate_per_s * 60.0) as u32),
        },
        admin: None,
        timeout: Duration::from_secs(timeout_s),
        seed: 11,
        quiet: true,
    };
    let (findings, room) = rehearse(&plan, std::future::pending())
        .await
        .expect("no fan panics");
    let text = report::text(&plan, room.as_deref(), &findings);
    report::json(&plan, room.as_deref(), &findings).expect("the report is JSON");
    (findings, text)
}

/// A fault, the room it shows in, how long the rehearsal may take, and exactly the promises it breaks.
type Seeded = (Fault, (usize, f64), u64, &'static [Promise]);

const SEEDED: [Seeded; 11] = [
    (Fault::PlaceTwice, LIMIT_BINDS, 30, &[Promise::PlaceOnce]),
    (Fault::PlaceChanged, LIMIT_BINDS, 30, &[Promise::PlaceKept]),
    (Fault::CalledOutOfTurn, LIMIT_BINDS, 30, &[Promise::CalledInOrder]),
    (
        Fault::NeverCalled,
        LIMIT_BINDS,
        7,
        &[Promise::CalledInOrder, Promise::NobodyLost],
    ),
    (Fault::Overtaken, LIMIT_BINDS, 30, &[Promise::AdmittedInOrder]),
    (
        Fault::NeverAdmitted,
        LIMIT_BINDS,
        7,
        &[Promise::AdmittedInOrder, Promise::NobodyLost],
    ),
    (Fault::OverTheLimit, LIMIT_BINDS, 30, &[Promise::WithinLimit]),
    (Fault::OverTheRate, RATE_BINDS, 30, &[Promise::WithinRate]),
    (Fault::AheadGrows, LIMIT_BINDS, 30, &[Promise::AheadNeverGrows]),
    (Fault::TokenForSomeoneElse, LIMIT_BINDS, 30, &[Promise::OwnTokens]),
    (Fault::TurnedAway, LIMIT_BINDS, 30, &[Promise::AdmittedGetIn]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_seeded_fault_is_found_and_named_alone() {
    let mut rehearsals = JoinSet::new();
    for (fault, terms, timeout_s, promises) in SEEDED {
        rehearsals.spawn(async move { (fault, promises, held(terms, fault, timeout_s).await) });
    }
    while let Some(ended) = rehearsals.join_next().await {
        let (fault, promises, (findings, text)) = ended.expect("no rehearsal panics");
        assert_eq!(findings.broken(), promises, "{fault:?}\n{text}");
        assert_eq!(outcome(&findings), Outcome::Broken);
        for promise in promises {
            assert!(
                text.contains(&format!("BROKEN     {}", promise.says().1)),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_correct_server_passes_where_the_limit_binds() {
    let (findings, text) = held(LIMIT_BINDS, Fault::None, 30).await;
    assert_eq!(outcome(&findings), Outcome::Kept, "{text}");
    assert_eq!(
        (findings.fans.arrived, findings.stop),
        (120, Stop::Done),
        "{text}"
    );
    assert!(findings.errors.is_empty(), "{text}");
    assert!(findings.fans.left >= 100, "everyone who was to enter did\n{text}");
    assert!(
        findings.fans.vanished > 0 && findings.admissions_straight > 0,
        "{text}"
    );
    assert!((12..=15).contains(&findings.live_visits_max), "{text}");
    let slot = findings.slot_to_token.expect("the limit binds");
    assert!(slot.samples > 30 && slot.p50_ms < 250.0, "{text}");
    assert!(findings.wait.held * 10 > findings.wait.told * 8, "{text}");
    assert!(findings.round_trip.is_some(), "{text}");
    assert!(
        text.contains("Every promise that could be checked was kept."),
        "{text}"
    );
}

#[tokio::test]
async fn a_correct_server_passes_where_the_rate_binds() {
    let (findings, text) = held(RATE_BINDS, Fault::None, 30).await;
    assert_eq!(outcome(&findings), Outcome::Kept, "{text}");
    let speed = findings.admissions_per_s.expect("enough were admitted");
    assert!((16.0..=26.0).contains(&speed), "{text}");
    assert_eq!(findings.slot_to_token, None, "the limit never binds\n{text}");
}

#[tokio::test]
async fn a_rehearsal_that_runs_out_of_time_is_not_a_success() {
    let (findings, text) = held(LIMIT_BINDS, Fault::None, 2).await;
    assert_eq!(
        (outcome(&findings), findings.stop),
        (Outcome::Incomplete, Stop::Timeout),
        "{text}"
    );
    assert!(text.contains("had not finished"), "{text}");
}

#[tokio::test]
async fn failures_are_counted_by_kind() {
    let (findings, text) = held(LIMIT_BINDS, Fault::Errors, 4).await;
    assert!(
        findings
            .errors
            .get("page: status 502")
            .is_some_and(|times| *times > 50),
        "{text}"
    );
    assert_ne!(outcome(&findings), Outcome::Kept, "{text}");
}
