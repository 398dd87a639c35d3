//! Edges whose wall clocks are wrong: time is the store's.

use super::Drill;
use crate::support::{Edge, RedisServer};

#[test]
fn edges_whose_clocks_are_minutes_off_keep_every_promise() {
    let redis = RedisServer::start();
    let edge = || Edge::on(redis.url());
    let drill = Drill::begin(&[edge(), edge().clock("+5m"), edge().clock("-5m")]);
    drill.end();
}

#[test]
fn a_loss_between_edges_whose_clocks_are_minutes_off_breaks_no_promise() {
    let redis = RedisServer::start();
    let edge = || Edge::on(redis.url());
    let drill = Drill::begin(&[edge().clock("-5m"), edge(), edge().clock("+5m")]);
    let (before, _) = drill.newcomer();
    redis.command::<()>(&["FLUSHALL"]);
    let (after, _) = drill.newcomer();
    assert!(after > before, "epoch {after} after {before}");
    drill.end();
}
