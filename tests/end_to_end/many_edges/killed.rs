//! An edge that is killed under thousands of sockets: everyone stands where they stood, at another edge.

use std::time::Duration;

use serde_json::json;

use crate::support::{Crowd, Drill, Edge, RedisServer, eventually};

/// Nobody's turn comes before the edge is gone and everyone is back.
const ROOM: &str = "mode = \"on\"\nactive_max = 5000\nadmit_per_min = 0\nvisit_ttl = \"20s\"";
const FANS: u64 = 7_500;
/// Four in six of the fans are at the edge that is killed, and one in six at each other.
const CROWD: Crowd = Crowd {
    args: "--fans 7500 --over 6s --stay 100ms --no-shows 80% --limit 5000 --rate 60000 --timeout 150s --quiet --json",
    fans: FANS,
    enter: 1_500,
    waiting: FANS,
    roam: "0%",
    tolerance: "",
    to: &[0, 0, 1, 0, 0, 2],
};
const KILLED: u64 = 5_000;
const BACK_WITHIN: Duration = Duration::from_secs(40);

#[test]
fn thousands_at_an_edge_that_is_killed_keep_place_and_order_at_the_others() {
    let redis = RedisServer::start();
    let mut drill = Drill::quiet(ROOM, &vec![Edge::on(redis.url()); 3]);
    drill.send(CROWD);
    let sockets = |drill: &Drill, edge: usize| drill.site[edge].metric("tidegate_sockets");
    eventually("everyone has a socket", BACK_WITHIN, || {
        let open: u64 = (0..3).map(|edge| sockets(&drill, edge)).sum();
        (open == FANS).then_some(())
    });
    assert_eq!(sockets(&drill, 0), KILLED);
    drill.site[0].kill();
    eventually("everyone has a socket elsewhere", BACK_WITHIN, || {
        (sockets(&drill, 1) + sockets(&drill, 2) == FANS).then_some(())
    });
    // Nobody is an arrival, and nobody is counted twice.
    eventually("everyone is in line", BACK_WITHIN, || {
        (drill.site[1].room()["waiting"] == FANS).then_some(())
    });
    assert_eq!(drill.site[1].room()["issued"], FANS);
    drill.site[1].change(&json!({"admit_per_min": 60_000}));
    let findings = drill.end();
    assert_eq!(findings["fans"]["moved"], KILLED, "{findings}");
}
