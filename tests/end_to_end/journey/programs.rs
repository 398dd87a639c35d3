//! Without the page: programs that join, poll and enter, and clients of the event stream.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{SOON, full, leave};
use crate::support::{Fan, Origin, Sent, eventually, send};

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
    let seen = origin.seen_last();
    assert!(
        seen.contains("tidegate-assertion: ") && !seen.contains("tidegate-visit-token"),
        "{seen}"
    );
}

#[test]
fn a_crowd_that_comes_at_once_is_told_who_is_before_whom() {
    const CROWD: usize = 300;
    let origin = Origin::start();
    let (tidegate, _inside) = full(&origin);
    let site = &tidegate.site;
    let join = || {
        let joined = send(
            site,
            &Sent::new("POST", "/_tidegate/rooms/drop/places").json(&json!({})),
        );
        assert_eq!(joined.status, 201, "{}", joined.text());
        joined.json()
    };
    let mut told: Vec<Value> = std::thread::scope(|scope| {
        let fans: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| (0..CROWD / 30).map(|_| join()).collect::<Vec<_>>()))
            .collect();
        let joined = fans.into_iter().map(|fan| fan.join().expect("they all join"));
        joined.flatten().collect()
    });
    told.sort_by_key(|joined| joined["number"].as_u64());
    let ahead = |frame: &Value| frame["ahead"].as_u64().expect("a number");
    for (before, joined) in told.iter().enumerate() {
        assert_eq!(ahead(joined), before as u64, "{joined}");
    }
    // And the line itself says the same, once it has been read.
    let last = told.last().expect("a crowd");
    let bearer = format!("Bearer {}", last["place_token"].as_str().expect("a token"));
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(150));
        let me = Sent::new("GET", "/_tidegate/rooms/drop/places/me").header("Authorization", &*bearer);
        assert_eq!(ahead(&send(site, &me).json()), CROWD as u64 - 1);
    }
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
