//! How often edges ask their store: by the second while nobody comes, by the batch while many do, and never for what a
//! visitor asks for.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::open;
use crate::support::{Edge, Exchange, Fan, Origin, RedisServer, Sent, edges};

/// Commands by which an edge asks; all others are the script's.
const ASKING: [&str; 4] = ["evalsha", "eval", "hget", "hscan"];
/// Longer than a visit lives that is not renewed.
const PERIOD: Duration = Duration::from_secs(5);
const ROOM: &str = "mode = \"auto\"\nactive_max = 4\nadmit_per_min = 6000\nvisit_ttl = \"4s\"";
/// A visit is renewed after half of its life.
const RENEWALS_MAX: u64 = 3;
/// Many times what ticks and renewals together come to, even on a busy machine.
const PAGES_MIN: usize = 100;

/// How often edges have asked so far.
fn calls(redis: &RedisServer) -> u64 {
    let stats = redis.info("commandstats");
    let calls = ASKING.iter().filter_map(|name| {
        let figures = stats.get(&format!("cmdstat_{name}"))?;
        figures
            .strip_prefix("calls=")?
            .split(',')
            .next()?
            .parse::<u64>()
            .ok()
    });
    calls.sum()
}

/// How often edges ask while `doing` goes on, and what comes of it.
fn calls_during<T>(redis: &RedisServer, doing: impl FnOnce() -> T) -> (u64, T) {
    let before = calls(redis);
    let done = doing();
    (calls(redis) - before, done)
}

#[test]
fn an_idle_edge_asks_once_a_second_and_a_visitor_s_pages_add_the_renewals() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = edges(origin.address, ROOM, &[Edge::on(redis.url())]);
    open(&site);
    let (idle, ()) = calls_during(&redis, || std::thread::sleep(PERIOD));
    assert!(
        (4..=6).contains(&idle),
        "{idle} calls in {PERIOD:?} of nobody waiting"
    );

    let mut visitor = Fan::of(&site[0].site);
    let mut passes = || visitor.get("/").text().contains("Welcome");
    assert!(passes() && passes(), "straight through, and back with the cookie");
    let (busy, pages) = calls_during(&redis, || {
        let (began, mut pages) = (Instant::now(), 0);
        while began.elapsed() < PERIOD {
            assert!(passes(), "a visit is renewed as long as its visitor comes");
            pages += 1;
        }
        pages
    });
    assert!(pages >= PAGES_MIN, "{pages} pages");
    assert!(
        busy <= idle + 1 + RENEWALS_MAX,
        "{busy} calls for {pages} pages, {idle} for none"
    );
}

/// Fans who come at the same moment, some in each thread's hands.
const THREADS: usize = 20;
const FANS_EACH: usize = 250;
const FANS: usize = THREADS * FANS_EACH;
const CALLS_PER_THOUSAND_MAX: u64 = 10;

/// Lets this process have as many sockets as it may.
fn allow_sockets() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("a limit that may be raised");
}

/// So many fans join at one edge at once, and wait for their places together.
fn join_at_once(site: &str, all_there: &Barrier) {
    let mut fans: Vec<Exchange> = (0..FANS_EACH)
        .map(|_| Exchange::open(site).expect("a connection"))
        .collect();
    all_there.wait();
    let join = Sent::new("POST", "/_tidegate/rooms/drop/places").json(&json!({}));
    for fan in &mut fans {
        fan.send(&join).expect("the edge listens");
    }
    for fan in fans {
        assert_eq!(fan.answer().status, 201);
    }
}

#[test]
fn a_surge_over_two_edges_asks_by_the_batch() {
    allow_sockets();
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let room = "mode = \"on\"\nactive_max = 1\nadmit_per_min = 0";
    let site = edges(origin.address, room, &vec![Edge::on(redis.url()); 2]);
    open(&site);
    let all_there = Barrier::new(THREADS);
    let (calls, ()) = calls_during(&redis, || {
        std::thread::scope(|scope| {
            for at in 0..THREADS {
                let (site, all_there) = (&site[at % 2].site, &all_there);
                scope.spawn(move || join_at_once(site, all_there));
            }
        });
    });
    for edge in &site {
        edge.until_ticked(2);
        assert_eq!(edge.room()["issued"], FANS);
    }
    assert!(
        calls * 1_000 < CALLS_PER_THOUSAND_MAX * FANS as u64,
        "{calls} calls for {FANS} joins"
    );
}
