//! The store is gone for half a minute under a crowd: long enough for every wait between two attempts to have grown to
//! its longest, and for a visit to outlive half of its life.

use std::time::{Duration, Instant};

use super::until_state;
use crate::many_edges::waiting;
use crate::support::{CROWD, Crowd, Drill, Edge, Fan, FaultLink, Frames, RedisServer, Sent, eventually};

const OUTAGE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(20);
/// A visit is good for half of its life at least, and a little more than the outage.
const ROOM: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 1200\nvisit_ttl = \"70s\"";
/// A page that waits for the store would take longer.
const PAGE_WITHIN: Duration = Duration::from_millis(300);
const EDGES: usize = 3;
/// The crowd that comes elsewhere too, with the time that the outage takes of it.
const PATIENT: Crowd = Crowd {
    args: "--fans 240 --over 4s --stay 500ms --no-shows 15% --limit 20 --rate 1200 --timeout 100s --quiet --json",
    ..CROWD
};
/// Every edge comes back with one connection; another each is for a machine on which an answer takes too long.
const CONNECTIONS_MAX: u64 = 2 * EDGES as u64;
/// An edge with fans asks ten times a second. It is found again within one, and looked at for another; what its fans have
/// gathered comes on top, in batches.
const CALLS_MAX: u64 = 40 * EDGES as u64;

/// Connections that the server took so far, this one included, and how often its script was called.
fn connections_and_calls(redis: &RedisServer) -> (u64, u64) {
    let info = redis.info("everything");
    let count = |name: &str| {
        let said = info.get(name)?;
        let count = said.strip_prefix("calls=").unwrap_or(said).split(',').next()?;
        count.parse::<u64>().ok()
    };
    (
        count("total_connections_received").expect("a count"),
        count("cmdstat_evalsha").expect("a count") + count("cmdstat_eval").unwrap_or(0),
    )
}

/// Reads what has come without waiting for more. The socket must be open.
fn listen(socket: &mut Frames) {
    while let Some(frame) = socket.next(Duration::from_millis(1)) {
        frame.expect("a waiting fan stays connected");
    }
}

#[test]
fn a_store_that_is_gone_for_half_a_minute_costs_nobody_anything_but_time() {
    let redis = RedisServer::start();
    let link = FaultLink::to(redis.address());
    let mut drill = Drill::quiet(ROOM, &vec![Edge::on(link.redis_url()); EDGES]);
    let sites: Vec<String> = drill.site.iter().map(|edge| edge.site.clone()).collect();
    let mut visitors: Vec<Fan> = sites.iter().map(|site| crate::faults::inside(site)).collect();
    drill.send(PATIENT);
    let mut waiters: Vec<(Fan, Frames)> = sites.iter().map(|site| waiting(site)).collect();

    link.cut();
    let cut = Instant::now();
    for (_, socket) in &mut waiters {
        until_state(socket, "paused");
    }
    let mut late: Vec<Fan> = Vec::new();
    while cut.elapsed() < OUTAGE {
        for visitor in &mut visitors {
            let asked = Instant::now();
            let page = visitor.try_send(Sent::page("/")).expect("the edge answers");
            assert!(page.text().contains("Welcome"), "who is inside is served");
            assert!(asked.elapsed() < PAGE_WITHIN, "a page in {:?}", asked.elapsed());
        }
        waiters.iter_mut().for_each(|(_, socket)| listen(socket));
        let mut fan = Fan::of(&sites[late.len() % EDGES]);
        fan.get("/");
        late.push(fan);
        std::thread::sleep(Duration::from_millis(500));
    }

    let before = connections_and_calls(&redis);
    link.mend();
    for edge in &drill.site {
        eventually("the store is back", SOON, || {
            (edge.room()["store_up"] == true).then_some(())
        });
    }
    std::thread::sleep(Duration::from_secs(1));
    let after = connections_and_calls(&redis);
    // The last connection is the one that asked.
    let (connections, calls) = (after.0 - before.0 - 1, after.1 - before.1);
    assert!(connections <= CONNECTIONS_MAX, "{connections} connections");
    assert!(calls <= CALLS_MAX, "{calls} calls");

    let mut order: Vec<_> = waiters
        .iter()
        .map(|(fan, _)| fan.place().expect("a place"))
        .collect();
    order.extend(late.iter().map(|fan| fan.place().expect("a place")));
    assert!(order.is_sorted(), "in the order of arrival: {order:?}");
    order.dedup();
    assert_eq!(
        order.len(),
        waiters.len() + late.len(),
        "no place twice: {order:?}"
    );
    for (fan, socket) in &mut waiters {
        until_state(socket, "waiting");
        fan.send(Sent::new("DELETE", "/_tidegate/rooms/drop/places/me"));
    }
    visitors.iter_mut().for_each(crate::many_edges::leave);
    let findings = drill.end();
    let errors = findings["errors"].as_object().expect("kinds of failures");
    assert!(
        !errors.keys().any(|kind| kind.starts_with("line socket")),
        "everyone who waits stays connected: {findings}"
    );
}
