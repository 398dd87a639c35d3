//! The real service beside a catalogue that comes, changes, breaks and goes.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::json;
use support::{FakeBooking, Running, config, event};
use tidegate_search::StartError;
use tokio::net::TcpListener;

#[tokio::test]
async fn several_pages_become_one_index() {
    let booking = FakeBooking::start(
        (1..=450)
            .map(|id| event(id * 3, &format!("Show {id}"), "Chico", 5))
            .collect(),
    )
    .await;
    let data = tempfile::tempdir().unwrap();
    let search = Running::ready(booking.address, data.path()).await;
    let (_, health) = search.json("/health").await;
    assert_eq!(health["documents"], 450);
    assert!(health["age_s"].as_i64().unwrap() < 30, "{health}");
    assert!(booking.look(|shelf| shelf.pages_served) >= 3);
    assert!(booking.look(|shelf| shelf.limits_seen.iter().all(|limit| *limit == 200)));

    let mut seen = Vec::new();
    for offset in (0..450).step_by(50) {
        seen.extend(search.ids(&format!("/search?limit=50&offset={offset}")).await);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=450).map(|id| id * 3).collect::<Vec<_>>());

    booking.change(|shelf| {
        shelf.next_name = Some("next_after");
        shelf.events.pop();
    });
    search
        .until("/health", |_, health| health["documents"] == 449)
        .await;
    search.stop().await;
}

#[tokio::test]
async fn changes_arrive_removals_vanish_and_an_unchanged_catalogue_is_not_read_again() {
    let booking = FakeBooking::start(vec![
        event(1, "Ghosts", "Chico", 5),
        event(2, "Opera", "Chico", 6),
    ])
    .await;
    let data = tempfile::tempdir().unwrap();
    let search = Running::ready(booking.address, data.path()).await;
    assert_eq!(search.ids("/search?q=ghost&city=CHICO").await, [1]);

    let began = Instant::now();
    while booking.look(|shelf| shelf.unchanged_served) < 3 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the version is never asked about"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(booking.look(|shelf| shelf.pages_served), 1);

    booking.change(|shelf| {
        shelf.events = vec![event(2, "Ghost Opera", "Reno", 6), event(3, "Song", "Chico", 7)]
    });
    search
        .until("/search", |_, found| found["events"][0]["title"] == "Ghost Opera")
        .await;
    assert_eq!(search.ids("/search").await, [2, 3]);
    assert_eq!(search.ids("/search?q=ghost&city=chico").await, Vec::<u64>::new());
    assert_eq!(search.ids("/search?q=ghost&city=reno").await, [2]);

    booking.change(|shelf| shelf.events.clear());
    search.until("/search", |_, found| found["total"] == 0).await;
    search.stop().await;
}

#[tokio::test]
async fn a_catalogue_that_is_down_at_the_start_is_waited_for() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let data = tempfile::tempdir().unwrap();
    let search = Running::start(address, data.path()).await;
    let (status, headers, body) = search.get("/search?q=ghost", "*/*").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["retry-after"], "1");
    assert!(body.contains("still being read"), "{body}");
    let (status, _, page) = search.get("/search?q=ghost", "text/html").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("The events are still being read"), "{page}");
    assert_eq!(search.json("/health").await.0, StatusCode::SERVICE_UNAVAILABLE);

    let booking = FakeBooking::start_at(address, vec![event(1, "Ghosts", "Chico", 5)]).await;
    search
        .until("/health", |status, health| {
            status == StatusCode::OK && health["documents"] == 1
        })
        .await;
    assert_eq!(search.ids("/search?q=ghost").await, [1]);
    drop(booking);
    search.stop().await;
}

#[tokio::test]
async fn whatever_a_broken_catalogue_answers_the_last_good_index_stays() {
    let booking = FakeBooking::start(vec![event(1, "Ghosts", "Chico", 5)]).await;
    let data = tempfile::tempdir().unwrap();
    let search = Running::ready(booking.address, data.path()).await;
    for (status, body) in [
        (500, "broken".to_owned()),
        (404, String::new()),
        (200, "<html>".to_owned()),
        (200, json!({"events": [{"id": "one"}], "next": null}).to_string()),
        (200, json!({"events": [], "next": 0}).to_string()),
        (200, json!({"events": {}}).to_string()),
        (200, "[".repeat(100_000)),
        (200, "x".repeat((16 << 20) + 1)),
    ] {
        let seen = booking.look(|shelf| shelf.limits_seen.len());
        let status = StatusCode::from_u16(status).unwrap();
        booking.change(|shelf| shelf.instead = Some((status, body.clone())));
        let began = Instant::now();
        while booking.look(|shelf| shelf.limits_seen.len()) < seen + 2 {
            assert!(began.elapsed() < Duration::from_secs(30), "the feed gave up");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(search.ids("/search").await, [1], "after {status} {:.60}", body);
    }
    booking.change(|shelf| {
        shelf.instead = None;
        shelf.events = vec![json!({"id": "unreadable"}), event(2, "Opera", "Chico", 5)];
        shelf.events.remove(0);
    });
    search
        .until("/search", |_, found| found["events"][0]["id"] == 2)
        .await;
    search.stop().await;
}

#[tokio::test]
async fn a_restart_answers_at_once_from_the_saved_catalogue_while_booking_is_away() {
    let data = tempfile::tempdir().unwrap();
    let booking = FakeBooking::start(vec![event(1, "Ghosts", "Chico", 5)]).await;
    let address = booking.address;
    Running::ready(address, data.path()).await.stop().await;
    drop(booking);
    let search = Running::start(address, data.path()).await;
    assert_eq!(search.ids("/search?q=ghost").await, [1]);
    assert_eq!(search.json("/health").await.0, StatusCode::OK);
    search.stop().await;

    std::fs::write(data.path().join("search/catalogue.jsonl"), "not a catalogue").unwrap();
    let search = Running::start(address, data.path()).await;
    assert_eq!(search.json("/health").await.0, StatusCode::SERVICE_UNAVAILABLE);
    search.stop().await;
}

#[tokio::test]
async fn a_reader_never_sees_half_of_a_catalogue() {
    let generation = |name: &str| -> Vec<_> {
        (1..=600)
            .map(|id| event(id, &format!("{name} {id}"), "Chico", 5))
            .collect()
    };
    let booking = FakeBooking::start(generation("Ghost")).await;
    let data = tempfile::tempdir().unwrap();
    let search = Running::ready(booking.address, data.path()).await;
    let began = Instant::now();
    let mut swaps = 0;
    let mut last = String::new();
    while swaps < 4 {
        assert!(began.elapsed() < Duration::from_secs(60), "only {swaps} swaps");
        let (status, body) = search.json("/search?limit=50").await;
        assert_eq!((status, &body["total"]), (StatusCode::OK, &json!(600)));
        let name = |event: &serde_json::Value| {
            event["title"]
                .as_str()
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .to_owned()
        };
        let names: Vec<_> = body["events"].as_array().unwrap().iter().map(name).collect();
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
        if names[0] != last {
            swaps += 1;
            last.clone_from(&names[0]);
            let next = generation(if last == "Ghost" { "Opera" } else { "Ghost" });
            booking.change(|shelf| shelf.events = next);
        }
    }
    search.stop().await;
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_named_plainly() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut wanted = config(taken.local_addr().unwrap());
    wanted.listen = taken.local_addr().unwrap();
    let error = tidegate_search::start(&wanted, data.path()).await.err().unwrap();
    assert!(matches!(error, StartError::PortInUse { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("{}: the port is in use", wanted.listen)),
        "{error}"
    );

    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let fine = config(taken.local_addr().unwrap());
    let error = tidegate_search::start(&fine, &file).await.err().unwrap();
    assert!(matches!(error, StartError::Directory { .. }), "{error}");
    assert!(error.to_string().contains("cannot write to"), "{error}");

    wanted.catalogue_url = "https://booking".to_owned();
    let error = tidegate_search::start(&wanted, data.path()).await.err().unwrap();
    assert!(
        error.to_string().contains("catalogue_url = \"https://booking\""),
        "{error}"
    );
}
