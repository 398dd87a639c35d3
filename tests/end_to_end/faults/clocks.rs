//! Clocks that are wrong. Those of edges do not matter: time is the store's. The store's own may be set while it runs: room
//! time then goes on from where it was, back never, and forward by two seconds at most.

use std::time::{Duration, Instant};

use super::{ROOM, inside, is_inside};
use crate::support::{CROWD, Drill, Edge, RedisServer, ShiftedClock};

/// Visits that live longer than the crowd takes to come, and end within a jump that counts in full.
const LONG_VISITS: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 1200\nvisit_ttl = \"1m\"";
const JUMP: i64 = 300;
/// The two seconds by which a jump moves room time on are worth a second of the rate, the most that is ever saved up.
const BURST: u64 = 20;
/// A jump does its harm in the first ticks after it: what expires, is called or is admitted by it shows in no time.
const BETWEEN_JUMPS: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_millis(250);

#[test]
fn edges_whose_clocks_are_minutes_off_keep_every_promise() {
    let redis = RedisServer::start();
    let edge = || Edge::on(redis.url());
    let drill = Drill::begin(ROOM, &[edge(), edge().clock("+5m"), edge().clock("-5m")]);
    drill.end();
}

#[test]
fn a_loss_between_edges_whose_clocks_are_minutes_off_breaks_no_promise() {
    let redis = RedisServer::start();
    let edge = || Edge::on(redis.url());
    let drill = Drill::begin(ROOM, &[edge().clock("-5m"), edge(), edge().clock("+5m")]);
    let (before, _) = drill.newcomer();
    redis.command::<()>(&["FLUSHALL"]);
    let (after, _) = drill.newcomer();
    assert!(after > before, "epoch {after} after {before}");
    drill.end();
}

/// Seconds since 1970, as the server tells its edges.
fn seconds_of(redis: &RedisServer) -> i64 {
    let (seconds, _) = redis.command::<(i64, i64)>(&["TIME"]);
    seconds
}

#[test]
fn a_store_whose_clock_jumps_minutes_forward_and_back_breaks_no_promise() {
    let clock = ShiftedClock::right();
    let redis = RedisServer::on_clock(&clock);
    let mut drill = Drill::quiet(LONG_VISITS, &vec![Edge::on(redis.url()); 3]);
    let mut visitors: Vec<_> = drill.site.iter().map(|edge| inside(&edge.site)).collect();
    drill.send(CROWD);
    let mut places = vec![drill.newcomer()];
    let right = seconds_of(&redis);
    for (shift, what) in [(JUMP, "forward"), (0, "back")] {
        clock.set(shift);
        let jumped = Instant::now();
        while jumped.elapsed() < BETWEEN_JUMPS {
            for visitor in &mut visitors {
                assert!(is_inside(visitor), "a visit goes on after the jump {what}");
            }
            std::thread::sleep(ASK_EVERY);
        }
        let apart = seconds_of(&redis) - right;
        assert!(
            (shift..shift + 60).contains(&apart),
            "the clock jumped {what}: {apart} s"
        );
        places.push(drill.newcomer());
    }
    assert!(places.is_sorted(), "places only rise: {places:?}");
    assert!(
        places.iter().all(|(epoch, _)| *epoch == places[0].0),
        "a clock that is set is no loss: {places:?}"
    );
    for visitor in &mut visitors {
        crate::many_edges::leave(visitor);
    }
    let findings = drill.end_but_for(&["within_rate"]);
    let promises = findings["promises"].as_array().expect("promises");
    let rate = promises
        .iter()
        .find(|finding| finding["promise"] == "within_rate");
    let beyond = rate.and_then(|finding| finding["times"].as_u64()).unwrap_or(0);
    assert!(beyond <= BURST, "{beyond} more than the rate allows: {findings}");
}
