//! Bad input: each kind gets a clear answer and leaves the line as it was.

mod clock;
mod connections;
mod floods;
mod frames;
mod headers;
mod malformed;
mod paths;
mod tokens;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Fan, Origin, Response, Sent, Tidegate, eventually};

const SOON: Duration = Duration::from_secs(5);
const LINE: &str = "/_tidegate/rooms/drop";
/// Everyone passes the line; two slots, and a rate that never binds.
const ROOM: &str = "mode = \"on\"\nactive_max = 2\nadmit_per_min = 60000\nvisit_ttl = \"1m\"";

fn proxy() -> (Origin, Tidegate) {
    let origin = Origin::start();
    let tidegate = Tidegate::proxy(origin.address, ROOM);
    (origin, tidegate)
}

/// The line as an operator sees it, without what moves by itself.
fn line(tidegate: &Tidegate) -> Value {
    let room = tidegate.room();
    let keep = [
        "status",
        "round",
        "settings_version",
        "ready",
        "active",
        "reserve",
        "issued",
        "admitted",
    ];
    keep.iter()
        .map(|key| ((*key).to_owned(), room[key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Runs `bad` and requires that the line is then as it was.
fn unmoved(tidegate: &Tidegate, what: &str, bad: impl FnOnce()) {
    // Whatever was asked of the line before has then reached it and is shown.
    let settle = || tidegate.until_ticked(2);
    settle();
    let before = line(tidegate);
    bad();
    settle();
    assert_eq!(line(tidegate), before, "{what} moved the line");
}

/// Requires a problem document of this status whose type ends in this slug.
fn refused(what: &str, answer: &Response, status: u16, slug: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{what}"
    );
    let problem = answer.json();
    let known = problem["type"].as_str().is_some_and(|kind| kind.ends_with(slug));
    assert!(
        known && problem["detail"].is_string() && problem["title"].is_string(),
        "{what}: {problem}"
    );
    assert!(answer.cookies().is_empty(), "{what}: a refusal sets no cookie");
}

/// A fan who has been admitted but has not entered, and the frame that says so.
fn admitted(site: &str) -> (Fan, Value) {
    let mut fan = Fan::of(site);
    let mut frames = fan.socket().expect("a socket");
    let frame = frames.answer_until_admitted(SOON);
    (fan, frame)
}

/// A fan with a live visit.
fn inside(site: &str) -> Fan {
    let (mut fan, frame) = admitted(site);
    assert_eq!(fan.enter(&frame, "/").status, 303);
    assert!(fan.get("/").text().contains("Welcome"), "inside");
    fan
}

/// A proxy with both slots taken by the two fans who are returned.
fn full() -> (Origin, Tidegate, [Fan; 2]) {
    let (origin, tidegate) = proxy();
    let fans = [inside(&tidegate.site), inside(&tidegate.site)];
    eventually("both are counted", SOON, || {
        (tidegate.room()["active"] == 2).then_some(())
    });
    (origin, tidegate, fans)
}

fn enter_json(fan: &mut Fan, token: &str) -> Response {
    fan.send(Sent::new("POST", &format!("{LINE}/enter")).json(&json!({ "token": token })))
}

fn token_of(frame: &Value) -> String {
    frame["admission_token"].as_str().expect("a token").to_owned()
}
