//! What the real service answers to programs, browsers and troublemakers.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use support::{FakeBooking, Running, days_from_now, event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn sample() -> (FakeBooking, tempfile::TempDir, Running) {
    let mut both = event(4, "Ghost Light", "São Paulo", 3);
    both["showtimes"] = json!([
        {"id": 1, "starts_at": days_from_now(9), "seats_left": 1},
        {"id": 2, "starts_at": days_from_now(-1), "seats_left": 7},
        {"id": 3, "starts_at": days_from_now(3), "seats_left": 2},
    ]);
    let events = vec![
        event(1, "Ghosts", "Chico", 5),
        event(2, "Old Ghost", "Chico", -1),
        event(3, "<b>Ghost</b> & \"Co\"", "Chico", 2),
        both,
    ];
    let booking = FakeBooking::start(events).await;
    let data = tempfile::tempdir().unwrap();
    let search = Running::ready(booking.address, data.path()).await;
    (booking, data, search)
}

#[tokio::test]
async fn a_program_gets_events_as_booking_publishes_them_without_what_is_past() {
    let (_booking, _data, search) = sample().await;
    let (status, headers, body) = search.get("/search?q=Ghost&city=Chico", "*/*").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["vary"], "accept");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["total"], 2);
    let first = &body["events"][1];
    assert_eq!(first["id"], 1);
    assert_eq!(first["url"], "/events/1");
    assert_eq!(
        first["venue"],
        json!({"name": "Bell Hall", "city": "Chico", "country": "US"})
    );
    assert_eq!(
        first["showtimes"][0]["price_from"],
        json!({"amount": 2500, "currency": "USD"})
    );
    assert_eq!(first["showtimes"][0]["seats_left"], 12);

    let (_, body) = search
        .json(&format!("/search?city={}", encoded("SAO paulo")))
        .await;
    let showtimes: Vec<_> = body["events"][0]["showtimes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(showtimes, [3, 1]);
    assert_eq!(search.ids("/search?category=THEATRE").await, [4]);
    assert_eq!(search.ids("/search").await, [3, 4, 1]);
    let day = &days_from_now(5)[..10];
    assert_eq!(search.ids(&format!("/search?from={day}&to={day}")).await, [1]);
    search.stop().await;
}

#[tokio::test]
async fn a_browser_gets_a_page_that_escapes_everything_and_loads_nothing() {
    let (_booking, _data, search) = sample().await;
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let (status, headers, page) = search.get("/search?q=Ghost&city=CHICO", accept).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    for part in [
        "href=\"/events/1\"",
        "Ghosts",
        "2 events in Chico for",
        "from $25",
        "value=\"Ghost\"",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(
        !page.contains("<b>Ghost") && page.contains("&#60;b&#62;Ghost"),
        "{page}"
    );
    for part in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(part), "{part} in {page}");
    }
    let (_, _, page) = search.get("/search?limit=1&offset=1", accept).await;
    for part in [
        "href=\"/search?limit=1\"",
        "href=\"/search?limit=1&#38;offset=2\"",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let (status, _, page) = search.get("/search?q=%3Ci%3E&limit=many", accept).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        page.contains("Limit must be a whole number between 1 and 50."),
        "{page}"
    );
    assert!(page.contains("value=\"&#60;i&#62;\""), "{page}");
    search.stop().await;
}

#[tokio::test]
async fn bad_parameters_are_answered_with_what_to_do() {
    let (_booking, _data, search) = sample().await;
    for (path, status, parameter, remedy) in [
        ("/search?limit=51", 400, json!("limit"), "between 1 and 50"),
        ("/search?from=soon", 400, json!("from"), "2030-05-01"),
        (
            &format!("/search?q={}", "a".repeat(201)),
            400,
            json!("q"),
            "shorten",
        ),
        (
            &format!("/search?city={}", "a".repeat(101)),
            400,
            json!("city"),
            "shorten",
        ),
        ("/nowhere", 404, json!(null), "/search"),
    ] {
        let (answered, headers, body) = search.get(path, "*/*").await;
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (answered.as_u16(), &problem["status"]),
            (status, &json!(status)),
            "{path}"
        );
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(problem["parameter"], parameter);
        assert!(problem["detail"].as_str().unwrap().contains(remedy), "{body}");
    }
    search.stop().await;
}

#[test]
fn no_text_whatsoever_makes_it_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_booking, _data, search) = runtime.block_on(sample());
    let spice = prop_oneof![
        Just("ghost".to_owned()),
        "[\\PC]{0,30}",
        any::<String>(),
        "[\"'+~^:*()\\[\\]{}\\\\/!&|<> -]{0,20}",
        "[a-zé]{1,60}",
        "(AND|OR|NOT|IN|TO|\\*|\\?| |ghost~9|title:){1,8}",
        "\\p{M}{1,20}",
    ];
    let texts = (proptest::collection::vec(spice, 0..6), any::<[bool; 3]>());
    let mut runner = TestRunner::new(Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&texts, |(parts, [city, category, page])| {
        let text = encoded(&parts.join(" "));
        let mut path = format!("/search?q={text}");
        for (name, wanted) in [("city", city), ("category", category)] {
            if wanted {
                path.push_str(&format!("&{name}={text}"));
            }
        }
        let (status, _, body) = runtime.block_on(search.get(&path, if page { "text/html" } else { "*/*" }));
        prop_assert!(!status.is_server_error(), "{} answers {}: {}", path, status, body);
        prop_assert!(
            status == StatusCode::OK || parts.join(" ").chars().count() > 100,
            "{} answers {}",
            path,
            status
        );
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(search.stop());
}

#[tokio::test]
async fn raw_bytes_in_the_address_do_no_harm() {
    let (_booking, _data, search) = sample().await;
    for query in [
        "q=%",
        "q=%zz",
        "q=%ff%fe",
        "q=%00",
        "q=%F0%9F%91%BB",
        "&&&=&=",
        "q",
        "q=a=b&",
        "=",
        "q=+%2B+",
    ] {
        let (status, _, body) = search.get(&format!("/search?{query}"), "*/*").await;
        assert!(!status.is_server_error(), "{query}: {body}");
    }
    search.stop().await;
}

#[tokio::test]
async fn twenty_thousand_events_are_loaded_and_searched_quickly() {
    const WORDS: &[&str] = &[
        "ghost", "opera", "night", "river", "golden", "symphony", "laughter", "winter", "garden", "electric",
        "silent", "harbour", "midnight", "circus", "letters", "mountain", "jazz", "paper", "thunder",
        "orchard",
    ];
    let cities: Vec<String> = (0..200)
        .map(|at| format!("Town {}{}", WORDS[at % 20], at / 20))
        .collect();
    let word = |number: u64, step: u64| WORDS[(number / step % WORDS.len() as u64) as usize];
    let events = (1..=20_000).map(|id| {
        let title = format!("{} {} {} {id}", word(id, 1), word(id, 20), word(id, 400));
        let mut event = event(id, &title, &cities[(id % 200) as usize], 1 + (id % 300) as i64);
        event["description"] = json!(format!("{title}. ").repeat(8));
        event
    });
    let booking = FakeBooking::start(events.collect()).await;
    let data = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let search = Running::ready(booking.address, data.path()).await;
    println!("20,000 events read and indexed in {:?}", began.elapsed());
    for (kind, path) in [
        ("word and city", "/search?q=ghost&city=Town%20ghost3"),
        ("two words", "/search?q=golden%20symphony"),
        ("one letter", "/search?q=g"),
        ("typo", "/search?q=symphnoy"),
        (
            "twelve words",
            "/search?q=ghost+opera+night+river+golden+symphony+laughter+winter+garden+electric+silent+jazz",
        ),
        ("by date", "/search?offset=1000"),
        ("city by date", "/search?city=town%20OPERA1"),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        let mut total = json!(null);
        for _ in 0..100 {
            let began = Instant::now();
            let (status, body) = search.json(path).await;
            times.push(began.elapsed());
            assert_eq!(status, StatusCode::OK);
            total = body["total"].clone();
        }
        times.sort_unstable();
        println!(
            "{kind}: {total} found, median {:?}, p99 {:?}",
            times[50], times[98]
        );
        assert!(times[50] < Duration::from_millis(250), "{kind}: {:?}", times[50]);
    }
    search.stop().await;
}

#[tokio::test]
async fn who_never_ends_a_head_is_hung_up_on() {
    let (_booking, _data, search) = sample().await;
    let mut slow = TcpStream::connect(search.address).await.unwrap();
    slow.write_all(b"GET /search?q=Ghost HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut said));
    // Closed or reset: either way nobody waits for the rest.
    let _ = read.await.expect("hung up on in time");
    assert!(!String::from_utf8_lossy(&said).contains("200 OK"));
}
