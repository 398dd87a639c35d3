//! Whole rehearsals, on real sockets, against the double: without a fault every promise is kept, and each seeded fault is
//! found and named, alone.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use super::crowd::rehearse;
use super::double::{Double, Fault, Rules};
use super::judge::{Findings, Promise};
use super::observe::{Stop, Terms};
use super::plan::Plan;
use super::sites::{Site, are_one};
use super::{Outcome, outcome, report};

/// By its limit the line takes about 3 s.
const LIMIT_BINDS: (usize, f64) = (15, 60.0);
/// By its rate the line takes about 4 s.
const RATE_BINDS: (usize, f64) = (500, 20.0);

async fn held(terms: (usize, f64), fault: Fault, timeout_s: u64) -> (Findings, String) {
    held_at(&["key"], terms, fault, timeout_s).await
}

/// At edges with these keys, and with a fifth of the fans roaming where there are several.
async fn held_at(
    keys: &[&'static str],
    (limit, rate_per_s): (usize, f64),
    fault: Fault,
    timeout_s: u64,
) -> (Findings, String) {
    let double = started(keys, (limit, rate_per_s), fault).await;
    let plan = plan(&double, (limit, rate_per_s), timeout_s);
    let (findings, room) = rehearse(&plan, std::future::pending())
        .await
        .expect("no fan panics");
    let text = report::text(&plan, room.as_deref(), &findings);
    report::json(&plan, room.as_deref(), &findings).expect("the report is JSON");
    (findings, text)
}

fn plan(double: &Double, (limit, rate_per_s): (usize, f64), timeout_s: u64) -> Plan {
    let site = |addr: &SocketAddr| Site {
        url: format!("http://{addr}"),
        addr: *addr,
        authority: addr.to_string(),
    };
    Plan {
        sites: double.addrs.iter().map(site).collect(),
        path: "/".into(),
        prefix: "/_tidegate/".into(),
        fans: 120,
        over: Duration::from_secs(1),
        stay: Duration::from_millis(400),
        vanish: 10,
        silent: 10,
        roam: if double.addrs.len() > 1 { 24 } else { 0 },
        room: None,
        terms: Terms {
            limit: u32::try_from(limit).ok(),
            rate_per_min: Some((rate_per_s * 60.0) as u32),
        },
        admin: None,
        timeout: Duration::from_secs(timeout_s),
        tolerance: Duration::from_millis(250),
        seed: 11,
        quiet: true,
    }
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

#[tokio::test]
async fn two_edges_of_one_line_pass_with_fans_who_roam() {
    let (findings, text) = held_at(&["key"; 2], LIMIT_BINDS, Fault::None, 30).await;
    assert_eq!(outcome(&findings), Outcome::Kept, "{text}");
    assert!(findings.fans.roamed > 10 && findings.fans.moved == 0, "{text}");
    assert!(findings.errors.is_empty() && findings.fans.left >= 100, "{text}");
}

#[tokio::test]
async fn two_edges_that_each_admit_up_to_the_limit_are_over_it() {
    let (findings, text) = held_at(&["key"; 2], LIMIT_BINDS, Fault::LimitByEdge, 30).await;
    assert_eq!(findings.broken(), [Promise::WithinLimit], "{text}");
    assert!((20..=30).contains(&findings.live_visits_max), "{text}");
}

#[tokio::test]
async fn fans_of_an_edge_that_is_not_there_go_on_at_the_next() {
    let double = started(&["key"], LIMIT_BINDS, Fault::None).await;
    let mut plan = plan(&double, LIMIT_BINDS, 60);
    let nobody = plan.sites[0].clone();
    plan.sites.push(Site {
        // Nothing listens on the port for multiplexing of TCP ports.
        addr: SocketAddr::from(([127, 0, 0, 1], 1)),
        ..nobody
    });
    let (findings, room) = rehearse(&plan, std::future::pending())
        .await
        .expect("no fan panics");
    let text = report::text(&plan, room.as_deref(), &findings);
    assert_eq!(outcome(&findings), Outcome::Kept, "{text}");
    assert_eq!((findings.fans.moved, findings.fans.lost), (60, 0), "{text}");
    let refused = findings.errors.get("connect: connection refused");
    assert_eq!(refused, Some(&60), "{text}");
}

#[tokio::test]
async fn edges_that_are_not_one_site_are_refused_in_one_line() {
    let refused = async |double: &Double, also: Option<u16>| {
        let mut plan = plan(double, LIMIT_BINDS, 30);
        let other = plan.sites[0].clone();
        plan.sites.extend(also.map(|port| Site {
            url: "http://gone".to_owned(),
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            ..other
        }));
        are_one(&plan).await.map_err(|error| format!("{error:#}"))
    };
    let one = started(&["key", "key"], LIMIT_BINDS, Fault::None).await;
    assert_eq!(refused(&one, None).await, Ok(()));
    let two = started(&["key", "another"], LIMIT_BINDS, Fault::None).await;
    for (answer, says) in [
        (refused(&two, None).await, "signs with other keys"),
        (
            refused(&one, Some(1)).await,
            "http://gone does not answer (connect: connection refused)",
        ),
    ] {
        let line = answer.expect_err("it is refused");
        assert!(line.contains(says) && !line.contains('\n'), "{line}");
    }
}

async fn started(keys: &[&'static str], (limit, rate_per_s): (usize, f64), fault: Fault) -> Double {
    let rules = Rules {
        limit,
        rate_per_s,
        fault,
    };
    Double::start(rules, keys).await
}
