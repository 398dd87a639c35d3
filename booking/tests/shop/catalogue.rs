//! Lists, details, pages and the seat map over HTTP.

use std::collections::BTreeSet;

use hyper::Method;

use crate::support::Running;

#[tokio::test]
async fn a_feed_reads_every_event_once_and_skips_what_it_knows() {
    let running = Running::new().await;
    let (mut ids, mut titles, mut after) = (BTreeSet::new(), BTreeSet::new(), 0);
    let (mut tag, mut catalogue) = (String::new(), String::new());
    for page in 0.. {
        assert!(page < 20, "the cursor does not end");
        let answer = running.get(&format!("/events?after={after}&limit=200")).await;
        tag = answer.header("etag").unwrap().to_owned();
        catalogue = answer.header("tidegate-catalogue").unwrap().to_owned();
        let list = answer.json();
        for event in list["events"].as_array().unwrap() {
            let id = event["id"].as_i64().unwrap();
            assert!(id > after && ids.insert(id), "event {id} twice or out of order");
            assert!(titles.insert(event["title"].as_str().unwrap().to_lowercase()));
            for field in ["category", "description", "url"] {
                assert!(
                    event[field].as_str().is_some_and(|text| !text.is_empty()),
                    "{event}"
                );
            }
            for field in ["name", "city", "country"] {
                assert!(
                    event["venue"][field]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{event}"
                );
            }
            let now = jiff::Timestamp::now();
            for showtime in event["showtimes"].as_array().unwrap() {
                let starts_at: jiff::Timestamp = showtime["starts_at"].as_str().unwrap().parse().unwrap();
                assert!(starts_at > now, "{showtime} is past");
                assert!(showtime["seats_left"].as_u64().unwrap() > 0);
                assert!(showtime["price_from"]["amount"].as_i64().unwrap() > 0);
                assert_eq!(showtime["price_from"]["currency"].as_str().unwrap().len(), 3);
            }
            assert!(!event["showtimes"].as_array().unwrap().is_empty(), "{event}");
        }
        match list["next_after"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert!(ids.len() >= 600, "{} events", ids.len());
    let knows = async |path: &str, tag: &str| {
        let asked = [("if-none-match", tag)];
        running.send(Method::GET, path, &asked, "").await
    };
    let last = format!("/events?after={after}&limit=200");
    assert_eq!(knows(&last, &tag).await.status, 304);
    assert_eq!(knows("/events", &catalogue).await.status, 304);
    // A held seat is fewer left, which is another answer; the catalogue is the same.
    let list = running.get("/events?limit=200").await;
    let event = &list.json()["events"][0]["showtimes"][0];
    let first = list.header("etag").unwrap();
    assert_eq!(knows("/events?limit=200", first).await.status, 304);
    let showtime = event["id"].as_i64().unwrap();
    assert_eq!(running.hold(showtime, &["A-1"], &[]).await.status, 201);
    assert_eq!(knows("/events?limit=200", first).await.status, 200);
    assert_eq!(knows("/events?limit=200", &catalogue).await.status, 304);
    assert_eq!(
        running
            .send(Method::GET, "/events", &[("if-none-match", "W/\"0.0\"")], "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn filters_find_what_they_should() {
    let running = Running::new().await;
    let ghosts = running.get("/events?q=Ghost&city=chico&limit=200").await.json();
    let titles: Vec<_> = ghosts["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["title"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        titles.contains(&"Ghosts".to_owned()) && titles.len() >= 2,
        "{titles:?}"
    );
    assert!(
        ghosts["events"]
            .as_array()
            .unwrap()
            .iter()
            .all(|e| e["venue"]["city"] == "Chico")
    );
    let films = running.get("/events?category=film&limit=200").await.json();
    assert!(
        films["events"]
            .as_array()
            .unwrap()
            .iter()
            .all(|e| e["category"] == "film")
    );
    assert!(films["events"].as_array().unwrap().len() > 50);
    // Signs that mean something in SQL mean themselves.
    for q in ["%25", "_", "%27%20or%201=1%20--", "%5C", "100%25"] {
        let none = running.get(&format!("/events?q={q}")).await.json();
        assert_eq!(none["events"].as_array().unwrap().len(), 0, "{q}: {none}");
    }
}

#[tokio::test]
async fn the_same_address_is_a_page_for_a_browser_and_json_for_others() {
    let running = Running::new().await;
    for path in ["/events", "/events/1", "/showtimes/1"] {
        let (page, json) = (running.page(path).await, running.get(path).await);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
        assert!(page.text.starts_with("<!doctype html>"), "{path}");
        assert!(page.header("content-security-policy").is_some());
        assert_eq!(json.header("content-type"), Some("application/json"), "{path}");
        for answer in [&page, &json] {
            assert_eq!(
                (answer.status.as_u16(), answer.header("vary")),
                (200, Some("Accept")),
                "{path}"
            );
        }
        // Everything a page needs is in it.
        for outside in ["src=\"", "http://", "https://", "@import", "url("] {
            let found = page.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(outside), "{path} has {outside}");
        }
    }
    let event = running.get("/events/1").await.json();
    assert!(event["price_levels"].as_array().unwrap().len() >= 2, "{event}");
    let home = running.page("/").await;
    assert!(home.text.contains("Coming up") && home.text.contains("Chico"));
}

#[tokio::test]
async fn seats_are_listed_by_section_and_row_with_their_state() {
    let running = Running::new().await;
    let before = running.get("/showtimes/1").await;
    let seats = before.json();
    let listed: u64 = seats["sections"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|s| s["rows"].as_array().unwrap())
        .map(|row| row["seats"].as_array().unwrap().len() as u64)
        .sum();
    assert_eq!(Some(listed), seats["capacity"].as_u64());
    assert_eq!(
        before.header("tidegate-stock"),
        Some(format!("free={listed}, held=0").as_str())
    );
    let held = running.hold(1, &["A-2"], &[]).await;
    let row = |answer: &crate::support::Answer| answer.json()["sections"][0]["rows"][0]["seats"][1].clone();
    let others = running.get("/showtimes/1").await;
    assert_eq!(row(&others), serde_json::json!({"seat": "A-2", "state": "held"}));
    assert_eq!(
        others.header("tidegate-stock"),
        Some(format!("free={}, held=1", listed - 1).as_str())
    );
    let cookie = held.cookie();
    let mine = running
        .send(Method::GET, "/showtimes/1", &[("cookie", &cookie)], "")
        .await;
    assert_eq!(
        row(&mine),
        serde_json::json!({"seat": "A-2", "state": "held", "mine": true})
    );
    let event = running.get("/showtimes/1").await.json()["event"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let left = running.get(&event).await.json();
    let showtime = left["showtimes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["id"] == 1)
        .unwrap()
        .clone();
    assert_eq!(showtime["seats_left"].as_u64(), Some(listed - 1));
}

#[tokio::test]
async fn what_cannot_be_read_or_found_is_said_in_the_client_s_form() {
    let running = Running::new().await;
    running.get("/nowhere").await.is_problem(404, "not-found");
    running.get("/events/999999").await.is_problem(404, "not-found");
    running
        .get("/showtimes/999999")
        .await
        .is_problem(404, "not-found");
    running
        .get("/showtimes/999999/seats")
        .await
        .is_problem(404, "not-found");
    running
        .get("/showtimes/999999/holds/me")
        .await
        .is_problem(404, "not-found");
    for path in [
        "/events/x",
        "/events/0",
        "/showtimes/-1",
        "/events?limit=1000",
        "/events?after=x",
        "/events/%ff",
    ] {
        running.get(path).await.is_problem(400, "bad-request");
    }
    running
        .send(Method::PUT, "/events/1", &[], "")
        .await
        .is_problem(405, "wrong-method");
    let page = running.page("/events/999999").await;
    assert_eq!(page.status, 404);
    assert!(page.text.contains("There is no event 999999."), "{}", page.text);
    let echoed = running.page("/events?q=%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(
        !echoed.text.contains("<script>alert"),
        "markup from the query reached the page"
    );
}
