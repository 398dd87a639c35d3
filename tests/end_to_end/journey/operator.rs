//! What an operator does while fans wait: steers the room, and stops the edge.

use std::time::Duration;

use serde_json::json;

use super::{SOON, full};
use crate::support::{Fan, Origin, Sent, eventually, send};

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

#[test]
fn a_room_that_gives_no_places_says_why() {
    let origin = Origin::start();
    let (tidegate, inside) = full(&origin);
    let told = |sent: Sent| {
        let answer = send(&tidegate.site, &sent);
        let problem = answer.json();
        let kind = problem["type"]
            .as_str()
            .expect("a type")
            .rsplit(':')
            .next()
            .expect("a slug")
            .to_owned();
        assert!(problem["join"].is_null(), "there is nothing to join: {problem}");
        (
            answer.status,
            kind,
            answer.header("retry-after").map(str::to_owned),
        )
    };
    let join = || told(Sent::new("POST", "/_tidegate/rooms/drop/places").json(&json!({})));
    let guarded = || told(Sent::new("GET", "/seats").header("Accept", "application/json"));
    let steer = |how: &str| {
        let call = Sent::new("POST", &format!("/api/v1/rooms/drop/{how}"));
        assert_eq!(tidegate.ask(call).status, 200);
        tidegate.until_ticked(2);
    };
    let mut early = Fan::of(&tidegate.site);
    early.get("/");
    let place = early.place();
    let later = |status, kind: &str| (status, kind.to_owned(), Some("30".to_owned()));
    steer("drain");
    assert_eq!(join(), later(503, "draining"));
    assert_eq!(guarded(), later(503, "draining"));
    early.get("/");
    assert_eq!(early.place(), place, "whoever has a place keeps it");
    steer("close");
    assert_eq!(join(), (410, "closed".to_owned(), None));
    assert_eq!(guarded(), later(503, "closed"));
    drop(inside);
}
