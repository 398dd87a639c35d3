//! Fans on their way: straight through, and through the line by socket and without scripts.

mod operator;
mod origin;
mod programs;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Fan, Origin, Sent, Tidegate, claims, eventually, send};

const SOON: Duration = Duration::from_secs(20);
/// Two slots, and a rate that never binds.
const SMALL: &str = "mode = \"auto\"\nactive_max = 2\nadmit_per_min = 60000\nvisit_ttl = \"1m\"";

/// A proxy whose two slots are taken, and the two who took them.
fn full(origin: &Origin) -> (Tidegate, Vec<Fan>) {
    let tidegate = Tidegate::proxy(origin.address, SMALL);
    let mut inside = Vec::new();
    for _ in 0..2 {
        let mut fan = Fan::of(&tidegate.site);
        assert!(
            fan.get("/").text().contains("Welcome to the shop"),
            "straight through while there is room"
        );
        assert!(fan.has_visit());
        assert!(
            fan.get("/again").text().contains("Welcome"),
            "and back with the cookie"
        );
        inside.push(fan);
    }
    (tidegate, inside)
}

fn leave(fan: &mut Fan) {
    let answer = fan.send(Sent::new("DELETE", "/_tidegate/rooms/drop/visits/me"));
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(!fan.has_visit());
}

#[test]
fn a_full_room_shows_the_page_and_a_free_slot_calls_the_fan_over_the_socket() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin);
    let mut fan = Fan::of(&tidegate.site);
    let reached = origin.seen().len();
    let page = fan.get("/tickets/42?seat=7");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-robots-tag"), Some("noindex"));
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    assert!(page.text().contains("<!doctype html>") || page.text().contains("<!DOCTYPE html>"));
    assert!(!fan.has_visit() && fan.place().is_some());
    assert_eq!(origin.seen().len(), reached, "nothing reached the origin");

    let mut frames = fan.socket().expect("the socket opens");
    let place = frames.until("place", SOON);
    assert_eq!(
        Some(place["number"].as_u64().expect("a number")),
        fan.place().map(|(_, number)| number)
    );
    let position = frames.until("position", SOON);
    assert_eq!(
        (position["state"].as_str(), position["ahead"].as_u64()),
        (Some("waiting"), Some(0))
    );
    frames.until("called", SOON);
    frames.say("here");

    leave(&mut inside[0]);
    let admitted = frames.until("admitted", SOON);
    assert_eq!(admitted["enter"], "/_tidegate/rooms/drop/enter");
    let token = claims(admitted["admission_token"].as_str().expect("a token"));
    for name in ["room", "round", "epoch", "number", "visitor", "visit", "exp"] {
        assert!(!token[name].is_null(), "claim {name}");
    }
    let entered = fan.enter(&admitted, "%2Ftickets%2F42%3Fseat%3D7");
    assert_eq!(
        (entered.status, entered.header("location")),
        (303, Some("/tickets/42?seat=7"))
    );
    assert!(fan.get("/tickets/42?seat=7").text().contains("Welcome"));
    let again = fan.enter(&admitted, "/");
    assert_eq!(
        again.status,
        303,
        "the same visitor may repeat it: {}",
        again.text()
    );
    assert_eq!(tidegate.room()["active"], 2, "and gets the same visit");
}

#[test]
fn the_line_is_in_order_and_two_tabs_are_one_place() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin);
    let mut fans: Vec<Fan> = (0..5).map(|_| Fan::of(&inside[0].site)).collect();
    let mut sockets: Vec<_> = fans
        .iter_mut()
        .map(|fan| fan.socket().expect("a socket"))
        .collect();
    let mut tab = fans[0].socket().expect("a second tab");
    assert_eq!(
        tab.until("place", SOON)["number"],
        sockets[0].until("place", SOON)["number"]
    );
    for socket in &mut sockets {
        socket.until("called", SOON);
    }
    // They answer from the last to the first.
    for socket in sockets.iter_mut().rev() {
        socket.say("here");
    }
    eventually("everyone is ready", SOON, || {
        (tidegate.room()["ready"] == 5).then_some(())
    });
    leave(&mut inside[0]);
    let first = sockets[0].until("admitted", SOON);
    assert!(fans[0].enter(&first, "/").status == 303);
    let same = tab.until("admitted", SOON);
    let visit = |frame: &serde_json::Value| {
        claims(frame["admission_token"].as_str().expect("a token"))["visit"].clone()
    };
    assert_eq!(visit(&first), visit(&same), "two tabs, one visit");
    leave(&mut inside[1]);
    sockets[1].until("admitted", SOON);
    assert!(
        sockets[2]
            .next(Duration::from_millis(400))
            .is_none_or(|f| f.is_ok_and(|f| f["type"] != "admitted"))
    );
}

#[test]
fn without_scripts_reloading_leads_to_the_shop() {
    let origin = Origin::start();
    let (_tidegate, mut inside) = full(&origin);
    let mut fan = Fan::of(&inside[0].site);
    let page = fan.get("/seats?row=3");
    assert!(page.text().contains("http-equiv=\"refresh\"") || page.text().contains("http-equiv=refresh"));
    let place = fan.place();
    fan.get("/seats?row=3");
    assert_eq!(fan.place(), place, "a reload keeps the place");
    leave(&mut inside[1]);
    let sent_on = eventually("a reload enters", SOON, || {
        let answer = fan.get("/seats?row=3");
        (answer.status == 303).then_some(answer)
    });
    assert_eq!(sent_on.header("location"), Some("/seats?row=3"));
    assert!(fan.get("/seats?row=3").text().contains("Welcome"));
}

#[test]
fn whoever_reloads_after_the_answer_while_the_room_is_full_does_not_wait_for_the_page() {
    let origin = Origin::start();
    let (tidegate, _inside) = full(&origin);
    let mut fan = Fan::of(&tidegate.site);
    eventually("a reload was the answer", SOON, || {
        assert!(fan.get("/").text().contains("reload"));
        (tidegate.room()["ready"] == 1).then_some(())
    });
    eventually("a reload does not wait for a turn that cannot come", SOON, || {
        let began = Instant::now();
        assert!(fan.get("/").text().contains("reload"), "there is no slot");
        (began.elapsed() < Duration::from_millis(200)).then_some(())
    });
}

#[test]
fn a_button_pressed_at_the_wrong_time_leads_back_to_the_page() {
    let origin = Origin::start();
    let (tidegate, _inside) = full(&origin);
    tidegate.change(&json!({"admit_per_min": 0}));
    let here = || Sent::new("POST", "/_tidegate/rooms/drop/places/me/here");
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/seats");
    let mut left = Fan::of(&tidegate.site);
    left.get("/seats");
    let cookies = left.cookie_line().expect("cookies");
    left.send(Sent::new("DELETE", "/_tidegate/rooms/drop/places/me"));
    let form = "return_to=%2Fseats%3Frow%3D3";
    let forms = [
        ("not called yet", fan.send(here().form(form))),
        (
            "gave the place up",
            send(&tidegate.site, &here().form(form).header("Cookie", cookies)),
        ),
        ("has no place", send(&tidegate.site, &here().form(form))),
    ];
    for (who, answer) in forms {
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/seats?row=3")),
            "{who}"
        );
    }
    // Programs are told what is the matter.
    assert_eq!(fan.send(here().json(&json!({}))).status, 409);
}

#[test]
fn a_fan_who_is_told_all_the_time_is_asked_all_the_same_whether_they_are_there() {
    let origin = Origin::start();
    let tidegate = Tidegate::proxy(origin.address, "mode = \"on\"\nactive_max = 1\nadmit_per_min = 1");
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let mut socket = fan.socket().expect("a socket");
    // A pong is all that is heard from a fan who only waits: without a ping their socket would be taken for gone.
    for news in 0..10 {
        tidegate.change(&json!({"notice": format!("Doors in {news}")}));
        while let Some(Ok(_)) = socket.next(Duration::from_millis(2_500)) {}
    }
    assert!(socket.past.len() > 10, "told all the time: {:?}", socket.past);
    assert!(socket.pings > 0, "and never asked");
}
