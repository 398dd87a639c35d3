//! A store that fails over: a replica that lagged is promoted, an old primary still answers, and two take turns.

use std::time::Duration;

use super::ROOM;
use crate::support::{Drill, Edge, SentinelTrio, Way};

const FAILOVER_WITHIN: Duration = Duration::from_secs(20);

fn on(trio: &SentinelTrio) -> Drill {
    Drill::begin(ROOM, &vec![Edge::on(trio.url()); 3])
}

/// The replica misses all that happened in the last `lag` before the primary dies.
fn survives_a_lag_of(lag: Duration) {
    let trio = SentinelTrio::start(1);
    let drill = on(&trio);
    trio.stall_replication();
    let before = drill.newcomer();
    std::thread::sleep(lag);
    assert!(trio.links()[0].held_bytes(Way::Answered) > 0, "the replica lags");
    trio.kill_primary();
    trio.wait_for_failover(FAILOVER_WITHIN);
    let after = drill.newcomer();
    assert!(after.0 > before.0, "epoch {} after {}", after.0, before.0);
    drill.end();
}

#[test]
fn a_replica_that_lagged_a_fifth_of_a_second_issues_no_place_twice() {
    survives_a_lag_of(Duration::from_millis(200));
}

#[test]
fn a_replica_that_lagged_a_second_issues_no_place_twice() {
    survives_a_lag_of(Duration::from_secs(1));
}

#[test]
fn a_replica_that_lagged_two_seconds_issues_no_place_twice() {
    survives_a_lag_of(Duration::from_secs(2));
}

#[test]
fn an_old_primary_that_still_answers_breaks_no_promise() {
    let trio = SentinelTrio::start(1);
    let drill = on(&trio);
    let (before, _) = drill.newcomer();
    let old = trio.freeze_primary();
    trio.servers()[1].becomes("master", FAILOVER_WITHIN);
    // The sentinels have told nobody yet, and edges that come back may still be sent to the old one.
    old.thaw();
    trio.wait_for_failover(FAILOVER_WITHIN);
    old.becomes("slave", FAILOVER_WITHIN);
    let (after, _) = drill.newcomer();
    assert!(after > before, "epoch {after} after {before}");
    drill.end();
}

#[test]
fn a_failover_that_an_operator_asks_for_breaks_no_promise() {
    let trio = SentinelTrio::start(1);
    let drill = on(&trio);
    let (before, _) = drill.newcomer();
    // All the while the old primary answers, until it is told to follow.
    trio.sentinels()[0].command::<()>(&["SENTINEL", "FAILOVER", "line"]);
    trio.wait_for_failover(FAILOVER_WITHIN);
    trio.servers()[0].becomes("slave", FAILOVER_WITHIN);
    let (after, _) = drill.newcomer();
    assert!(after > before, "epoch {after} after {before}");
    drill.end();
}

#[test]
fn epochs_only_rise_when_two_servers_take_turns() {
    let trio = SentinelTrio::start(1);
    let drill = on(&trio);
    let mut epochs = vec![drill.newcomer().0];
    let first = trio.kill_primary();
    let second = trio.wait_for_failover(FAILOVER_WITHIN);
    epochs.push(drill.newcomer().0);
    first.restart();
    trio.wait_watched();
    assert_eq!(trio.kill_primary().address(), second.address());
    assert_eq!(trio.wait_for_failover(FAILOVER_WITHIN).address(), first.address());
    epochs.push(drill.newcomer().0);
    assert!(
        epochs.windows(2).all(|pair| pair[0] < pair[1]),
        "each above the last: {epochs:?}"
    );
    drill.end();
}
