//! Three edges on one Redis are one room: one line, one limit, one rate, wherever a fan comes in.

mod killed;
mod store_calls;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::support::{Edge, Fan, Frames, Origin, RedisServer, Sent, Tidegate, edges, eventually};

const SOON: Duration = Duration::from_secs(15);
const ROOM: &str =
    "mode = \"on\"\nactive_max = 4\nadmit_per_min = 6000\nvisit_ttl = \"1m\"\naway_after = \"5s\"";

/// A site of three edges, open for fans.
fn three(origin: &Origin, redis: &RedisServer, room: &str) -> Vec<Tidegate> {
    let site = edges(origin.address, room, &vec![Edge::on(redis.url()); 3]);
    open(&site);
    site
}

/// Waits until every edge says that the line is open.
pub fn open(site: &[Tidegate]) {
    for edge in site {
        eventually("the line is open", SOON, || {
            (edge.room()["status"] == "open").then_some(())
        });
    }
}

/// A fan with a place, and the socket they wait on.
pub fn waiting(site: &str) -> (Fan, Frames) {
    let mut fan = Fan::of(site);
    fan.get("/");
    let mut socket = fan.socket().expect("a socket");
    socket.until("place", SOON);
    (fan, socket)
}

/// Ends the fan's visit.
pub fn leave(fan: &mut Fan) {
    let ended = fan.send(Sent::new("DELETE", "/_tidegate/rooms/drop/visits/me"));
    assert_eq!(ended.status, 204);
}

#[test]
fn fans_of_three_edges_stand_in_one_line_and_share_one_limit() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = three(&origin, &redis, ROOM);
    let mut fans: Vec<(Fan, Frames)> = (0..12).map(|at| waiting(&site[at % 3].site)).collect();
    let places: Vec<_> = fans
        .iter()
        .map(|(fan, _)| fan.place().expect("a place"))
        .collect();
    assert!(
        places.is_sorted(),
        "one line, in the order of arrival: {places:?}"
    );
    assert_eq!(
        places.iter().collect::<BTreeSet<_>>().len(),
        12,
        "no place twice: {places:?}"
    );

    let mut order = Vec::new();
    for round in 0..3 {
        // Four are called and enter, whichever edge holds them; a fifth is not.
        let mut inside = Vec::new();
        for (mut fan, mut socket) in fans.drain(..4) {
            let admitted = socket.answer_until_admitted(SOON);
            order.push(fan.place().expect("a place"));
            assert_eq!(fan.enter(&admitted, "/").status, 303);
            inside.push(fan);
        }
        for edge in &site {
            eventually("every edge counts all visits", SOON, || {
                (edge.room()["active"] == 4).then_some(())
            });
        }
        if let Some((_, socket)) = fans.first_mut() {
            socket.until("called", SOON);
            socket.say("here");
            while let Some(Ok(frame)) = socket.next(Duration::from_millis(600)) {
                assert_ne!(frame["type"], "admitted", "round {round}: over the limit");
            }
        }
        // A visit is good at every edge, and ends at every edge.
        for (mut fan, other) in inside.into_iter().zip(1..) {
            fan.site.clone_from(&site[(round + other) % 3].site);
            assert!(fan.get("/").text().contains("Welcome"), "{:?}", fan.place());
            leave(&mut fan);
        }
        if let Some((mut fan, mut socket)) = (!fans.is_empty()).then(|| fans.remove(0)) {
            let admitted = socket.until("admitted", SOON);
            order.push(fan.place().expect("a place"));
            assert_eq!(fan.enter(&admitted, "/").status, 303);
            leave(&mut fan);
            if fans.len() < 4 {
                break;
            }
        }
    }
    assert!(order.is_sorted(), "admitted in place order: {order:?}");
}

#[test]
fn a_fan_whose_edge_died_between_grant_and_token_has_the_same_turn_elsewhere() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let mut site = three(&origin, &redis, ROOM);
    let (mut fan, mut socket) = waiting(&site[0].site);
    let (mut behind, mut behind_socket) = waiting(&site[1].site);
    socket.until("called", SOON);
    behind_socket.until("called", SOON);
    // The answer is on its way, and so perhaps is the grant, when the edge dies.
    socket.say("here");
    site[0].kill();
    let place = fan.place();
    fan.site.clone_from(&site[2].site);
    let mut socket = fan.socket().expect("a socket at another edge");
    let told = socket.until("place", SOON);
    assert_eq!(
        told["number"].as_u64(),
        place.map(|place| place.1),
        "the same place"
    );
    let admitted = loop {
        match socket.next(SOON).expect("a frame").expect("no close") {
            frame if frame["type"] == "called" => socket.say("here"),
            frame if frame["type"] == "admitted" => break frame,
            _ => {}
        }
    };
    assert_eq!(fan.enter(&admitted, "/").status, 303);
    behind_socket.say("here");
    let admitted = behind_socket.until("admitted", SOON);
    assert_eq!(behind.enter(&admitted, "/").status, 303);
    eventually("two visits", SOON, || {
        (site[1].room()["active"] == 2).then_some(())
    });
}

#[test]
fn two_tabs_on_two_edges_are_one_visit_and_one_edge_s_clock_sends_nobody_away() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = three(&origin, &redis, &ROOM.replace("active_max = 4", "active_max = 1"));
    let (mut first, mut first_socket) = waiting(&site[0].site);
    let admitted = first_socket.answer_until_admitted(SOON);
    assert_eq!(first.enter(&admitted, "/").status, 303);

    let (fan, socket) = waiting(&site[0].site);
    let mut other_tab = fan.clone();
    other_tab.site.clone_from(&site[1].site);
    let mut other_socket = other_tab.socket().expect("a second socket");
    other_socket.until("place", SOON);
    // The first tab goes. Its edge holds the fan no longer and says so; the other still does.
    let held = || site[0].room()["held"].as_u64();
    let before = held();
    drop(socket);
    let waiting = || site[2].room()["waiting"].as_u64();
    eventually("its edge lets the fan go", SOON, || {
        (held() < before).then_some(())
    });
    // The first says so with one of these ticks, and the other contradicts with one of those.
    site[0].until_ticked(2);
    site[1].until_ticked(3);
    eventually("the fan is counted", SOON, || {
        (waiting() == Some(1)).then_some(())
    });

    let mut tab = fan.clone();
    let mut socket = tab.socket().expect("the first tab comes back");
    socket.until("place", SOON);
    leave(&mut first);
    let admitted = other_socket.answer_until_admitted(SOON);
    let in_tab = socket.until("admitted", SOON);
    assert_eq!(other_tab.enter(&admitted, "/").status, 303);
    assert_eq!(
        tab.enter(&in_tab, "/").status,
        303,
        "the same visitor, the same visit"
    );
    eventually("one visit", SOON, || {
        (site[2].room()["active"] == 1).then_some(())
    });
}

#[test]
fn a_change_through_one_edge_is_in_force_at_all_and_keys_must_be_shared() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = three(&origin, &redis, ROOM);
    site[1].change(&json!({"active_max": 9, "notice": "Doors at eight"}));
    for edge in &site {
        eventually("the change", Duration::from_secs(3), || {
            let room = edge.room();
            (room["active_max"] == 9 && room["notice"] == "Doors at eight").then_some(())
        });
    }
}
