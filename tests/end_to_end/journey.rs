//! Fans on their way: straight through, through the line by socket, events, polling and without scripts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

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
    let (_tidegate, mut inside) = full(&origin);
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
        (_tidegate.room()["ready"] == 5).then_some(())
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
fn json_clients_join_poll_enter_and_send_the_visit_token() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin);
    let site = &tidegate.site;
    let refused = send(
        site,
        &Sent::new("GET", "/api/seats").header("Accept", "application/json"),
    );
    assert_eq!(
        (refused.status, refused.header("content-type")),
        (503, Some("application/problem+json"))
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.json()["join"], "/_tidegate/rooms/drop/places");
    let posted = send(site, &Sent::new("POST", "/api/holds").json(&json!({"seat": 1})));
    assert_eq!(posted.status, 503, "any other method is told to join");

    let joined = send(
        site,
        &Sent::new("POST", "/_tidegate/rooms/drop/places").json(&json!({})),
    );
    assert_eq!(joined.status, 201, "{}", joined.text());
    let joined = joined.json();
    let bearer = format!("Bearer {}", joined["place_token"].as_str().expect("a token"));
    assert!(joined["ahead"].as_u64().is_some() && joined["poll_after_s"].as_u64().is_some_and(|s| s <= 2));
    let poll = || {
        send(
            site,
            &Sent::new("GET", "/_tidegate/rooms/drop/places/me").header("Authorization", &*bearer),
        )
    };
    eventually("the call is answered by polling", SOON, || {
        (tidegate.room()["ready"] == 1).then_some(()).or_else(|| {
            assert_eq!(poll().status, 200);
            None
        })
    });
    leave(&mut inside[0]);
    let admitted = eventually("a poll brings the token", SOON, || {
        let polled = poll().json();
        (polled["type"] == "admitted").then_some(polled)
    });
    let token = admitted["admission_token"].clone();
    let entered = send(
        site,
        &Sent::new("POST", "/_tidegate/rooms/drop/enter")
            .header("Authorization", &*bearer)
            .json(&json!({"token": token})),
    );
    assert_eq!(entered.status, 200, "{}", entered.text());
    let visit_token = entered.json()["visit_token"]
        .as_str()
        .expect("a visit token")
        .to_owned();
    let inside_now = send(
        site,
        &Sent::new("POST", "/api/holds")
            .header("Tidegate-Visit-Token", &*visit_token)
            .json(&json!({})),
    );
    assert!(inside_now.text().contains("Welcome"));
    let seen = origin
        .seen()
        .pop()
        .expect("a request")
        .join("\n")
        .to_ascii_lowercase();
    assert!(
        seen.contains("tidegate-assertion: ") && !seen.contains("tidegate-visit-token"),
        "{seen}"
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
fn the_same_stream_comes_as_server_sent_events() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin);
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let mut stream = TcpStream::connect(&tidegate.site).expect("a connection");
    let cookie = fan.cookie_line().expect("cookies");
    let request = format!(
        "GET /_tidegate/rooms/drop/events HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n",
        tidegate.site
    );
    stream.write_all(request.as_bytes()).expect("a request");
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a timeout");
    let mut text = String::new();
    let mut read_until = |what: &str| {
        eventually(what, SOON, || {
            let mut bytes = [0; 4_096];
            let count = stream.read(&mut bytes).unwrap_or(0);
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            text.contains(what).then(|| text.clone())
        })
    };
    let head = read_until("\"type\":\"place\"");
    assert!(head.contains("text/event-stream"), "{head}");
    read_until("\"type\":\"called\"");
    let answered = fan.send(Sent::new("POST", "/_tidegate/rooms/drop/places/me/here").json(&json!({})));
    assert_eq!(answered.status, 200, "{}", answered.text());
    leave(&mut inside[0]);
    read_until("\"type\":\"admitted\"");
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
fn the_origin_ends_visits_tells_the_stock_and_never_sees_our_tokens() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin);
    let seen = origin.seen().pop().expect("a request").join("\n");
    assert!(
        !seen.contains("tidegate_visit") && seen.to_ascii_lowercase().contains("x-request-id"),
        "{seen}"
    );
    let mut fan = Fan::of(&tidegate.site);
    let mut frames = fan.socket().expect("a socket");
    frames.until("called", SOON);
    frames.say("here");
    origin.answer_with("Tidegate-Command: release\r\nTidegate-Stock: free=3, held=2\r\n");
    let released = inside[0].get("/order/done");
    assert_eq!(
        released.header("tidegate-command"),
        None,
        "commands are for the edge"
    );
    assert!(!inside[0].has_visit());
    frames.until("admitted", SOON);
    let mut next = Fan::of(&tidegate.site);
    let mut frames = next.socket().expect("a socket");
    let position = frames.until("position", SOON);
    assert_eq!(position["stock"], json!({"free": 3, "held": 2}));
}

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

/// An origin that upgrades whoever asks and then sends back every byte.
fn echo() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("one connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request head");
            head.push(byte[0]);
        }
        let upgraded =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(upgraded).expect("an answer");
        let mut bytes = [0; 1_024];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            stream.write_all(&bytes[..count]).expect("an echo");
        }
    });
    address
}

#[test]
fn a_websocket_of_the_site_itself_passes_through() {
    let tidegate = Tidegate::proxy(echo(), "mode = \"off\"\nactive_max = 2\nadmit_per_min = 60");
    let mut stream = TcpStream::connect(&tidegate.site).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        tidegate.site
    );
    stream.write_all(request.as_bytes()).expect("an upgrade");
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(head, b"HTTP/1.1 101");
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the rest of the head");
        head.push(byte[0]);
    }
    // Each message is answered before the next is sent: nothing may be kept back for company.
    for message in ["one", "and another", "x"] {
        stream.write_all(message.as_bytes()).expect("a message");
        let mut answer = vec![0; message.len()];
        stream.read_exact(&mut answer).expect("its echo");
        assert_eq!(answer, message.as_bytes());
    }
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
