//! What an operator does while fans wait: steers the room, and stops the edge.

use std::time::Duration;

use serde_json::json;

use super::{SOON, full};
use crate::support::{Fan, Origin, Sent, eventually};

#[test]
fn a_room_is_steered_live() {
    let origin = Origin::start();
    let (tidegate, _inside) = full(&origin);
    let mut fan = Fan::of(&tidegate.site);
    let mut frames = fan.socket().expect("a socket");
    frames.until("called", SOON);
    frames.say("here");
    tidegate.change(&json!({"notice": "Doors at eight"}));
    eventually("the notice arrives", SOON, || {
        (frames.until("position", SOON)["notice"] == "Doors at eight").then_some(())
    });
    assert_eq!(
        tidegate.ask(Sent::new("POST", "/api/v1/rooms/drop/pause")).status,
        200
    );
    eventually("paused", SOON, || {
        (frames.until("position", SOON)["state"] == "paused").then_some(())
    });
    tidegate.change(&json!({"active_max": 3}));
    assert!(
        frames
            .next(Duration::from_millis(500))
            .is_none_or(|f| f.is_ok_and(|f| f["type"] != "admitted"))
    );
    assert_eq!(
        tidegate
            .ask(Sent::new("POST", "/api/v1/rooms/drop/resume"))
            .status,
        200
    );
    frames.until("admitted", SOON);
    let mut last = Fan::of(&tidegate.site);
    let mut frames = last.socket().expect("a socket");
    frames.until("position", SOON);
    tidegate.change(&json!({"mode": "off"}));
    frames.until("open", SOON);
    assert!(Fan::of(&tidegate.site).get("/").text().contains("Welcome"));
}

#[test]
fn a_stop_says_goodbye_to_sockets_and_exits_clean() {
    let origin = Origin::start();
    let (mut tidegate, _inside) = full(&origin);
    let mut fan = Fan::of(&tidegate.site);
    let mut frames = fan.socket().expect("a socket");
    frames.until("position", SOON);
    let closed = std::thread::spawn(move || frames.until_closed(SOON));
    let status = tidegate.stop();
    assert_eq!(closed.join().expect("the reader ends"), 1012);
    assert!(status.success(), "{status}");
}
