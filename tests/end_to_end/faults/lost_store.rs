//! A store that is killed, or emptied, under load.

use std::time::Duration;

use super::{ROOM, SOON, is_inside};
use crate::support::{CROWD, Drill, Edge, Fan, Persistence, RedisServer};

/// A supervisor takes about as long to start a process again.
const AWAY: Duration = Duration::from_millis(700);

/// Breaks the store under the crowd, and judges. Returns how many numbers the store knew of after that.
fn survives(redis: &RedisServer, breaks: impl FnOnce(&RedisServer)) -> u64 {
    let drill = Drill::begin(ROOM, &vec![Edge::on(redis.url()); 3]);
    let (before, _) = drill.newcomer();
    breaks(redis);
    let (after, _) = drill.newcomer();
    assert!(after > before, "epoch {after} after {before}");
    let issued = drill.site[0].room()["issued"].as_u64().expect("a figure");
    drill.end();
    issued
}

fn kill_and_restart(redis: &RedisServer) {
    redis.kill();
    std::thread::sleep(AWAY);
    redis.restart();
}

#[test]
fn a_store_that_is_killed_and_replays_its_log_breaks_no_promise() {
    let redis = RedisServer::with(Persistence::EverySecond, &[]);
    let issued = survives(&redis, kill_and_restart);
    assert!(
        issued >= CROWD.waiting,
        "{issued} numbers: it came back with its log"
    );
}

#[test]
fn a_store_that_is_killed_and_comes_back_empty_breaks_no_promise() {
    survives(&RedisServer::start(), kill_and_restart);
}

#[test]
fn a_store_that_is_emptied_breaks_no_promise() {
    survives(&RedisServer::start(), |redis| redis.command::<()>(&["FLUSHALL"]));
}

/// An admission is in the fan's hand when the store loses it, and is spent `later` at the edge with this index.
fn enters(edge: usize, later: Duration) {
    let redis = RedisServer::start();
    let drill = Drill::quiet(ROOM, &vec![Edge::on(redis.url()); 3]);
    let mut fan = Fan::of(&drill.site[0].site);
    fan.get("/");
    let mut socket = fan.socket().expect("a socket");
    let admitted = socket.answer_until_admitted(SOON);
    redis.command::<()>(&["FLUSHALL"]);
    std::thread::sleep(later);
    fan.site.clone_from(&drill.site[edge].site);
    let answer = fan.enter(&admitted, "/");
    assert!(fan.has_visit(), "admitted, then turned away: {answer:?}");
    assert!(is_inside(&mut fan), "the visit opens the site");
}

#[test]
fn an_admission_that_the_store_lost_is_good_at_once() {
    enters(0, Duration::ZERO);
}

#[test]
fn an_admission_that_the_store_lost_is_good_at_another_edge() {
    enters(1, Duration::from_secs(2));
}
