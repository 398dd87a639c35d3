//! Importing venues and events in one document: all or nothing, and a second time nothing is doubled.

use std::time::Instant;

use hyper::Method;
use serde_json::{Value, json};

use crate::organiser_support::{SHARP, Shop, event, next_year, venue};
use crate::support::databases::ENGINES;

/// `"events[3].prices: ..."`.
fn told(problem: &Value) -> Vec<String> {
    let errors = problem["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{problem}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|error| format!("{}: {}", text(&error["place"]), text(&error["why"])))
        .collect()
}

fn keyed(mut body: Value, key: &str) -> Value {
    body["key"] = json!(key);
    body
}

/// Two halls and three events, one of them without a key.
fn season() -> Value {
    let mut other = keyed(venue(), "annex");
    other["name"] = json!("The Annex");
    json!({
        "venues": [keyed(venue(), "hall"), other],
        "events": [keyed(event("hall"), "first"), keyed(event("annex"), "second"), event("hall")],
    })
}

#[tokio::test]
async fn a_season_is_imported_whole_and_a_second_time_only_what_is_new() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let before = shop.version().await;
        let mut document = season();
        document["events"].as_array_mut().unwrap().pop();
        document["events"][0]["title"] = json!(SHARP);
        let imported = shop.post("/import", &ada, &document).await;
        assert_eq!(imported.status, 200, "{imported:?}");
        let imported = imported.json();
        let became = |imported: &Value, list: &str| -> Vec<Value> {
            imported[list]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["became"].clone())
                .collect()
        };
        assert_eq!(became(&imported, "venues"), ["created", "created"]);
        assert_eq!(became(&imported, "events"), ["created", "created"]);
        assert_eq!(shop.version().await, before + 2);
        let first = imported["events"][0]["id"].clone();
        let shown = shop.running.get(&format!("/events/{first}")).await.json();
        assert_eq!(
            (&shown["title"], &shown["venue"]["name"]),
            (&json!(SHARP), &json!("Bell Hall"))
        );

        let again = shop.post("/import", &ada, &document).await.json();
        assert_eq!(became(&again, "events"), ["unchanged", "unchanged"]);
        assert_eq!(again["venues"][1]["id"], imported["venues"][1]["id"]);
        assert_eq!(shop.version().await, before + 2, "{engine:?}: nothing changed");

        document["events"][0]["title"] = json!("Renamed");
        let more = json!([{"starts_at": next_year("06-01T20:00")}, {"starts_at": next_year("06-02T20:00")}]);
        document["events"][1]["showtimes"] = more;
        document["events"]
            .as_array_mut()
            .unwrap()
            .insert(0, keyed(event("annex"), "third"));
        let changed = shop.post("/import", &ada, &document).await.json();
        assert_eq!(became(&changed, "events"), ["created", "changed", "changed"]);
        assert_eq!(changed["events"][1]["id"], first);
        let title = shop.running.get(&format!("/events/{first}")).await.json()["title"].clone();
        assert_eq!(title, "Renamed");
        let second = shop
            .running
            .get(&format!("/events/{}", changed["events"][2]["id"]))
            .await
            .json();
        assert_eq!(
            second["showtimes"].as_array().unwrap().len(),
            2,
            "{engine:?}: added, not doubled"
        );

        // Another organiser's keys are other keys.
        let bob = shop.organiser().await;
        let his = shop.post("/import", &bob, &season()).await.json();
        assert_eq!(became(&his, "events"), ["created", "created", "created"]);
        assert_ne!(his["venues"][0]["id"], imported["venues"][0]["id"]);
    }
}

#[tokio::test]
async fn one_mistake_and_nothing_is_imported_and_every_mistake_is_told() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let taken = shop
            .post(
                "/import",
                &ada,
                &json!({"venues": [keyed(venue(), "hall")],
            "events": [keyed(event("hall"), "off"), keyed(event("hall"), "fixed")]}),
            )
            .await
            .json();
        let off = &taken["events"][0]["id"];
        assert_eq!(
            shop.post(&format!("/events/{off}/cancel"), &ada, &json!({}))
                .await
                .status,
            200
        );
        let before = shop.version().await;
        let count = async |table: &'static str| -> i64 {
            let mut raw = shop.database.raw().await;
            let query = match table {
                "venue" => "select count(*) from venue",
                _ => "select count(*) from event",
            };
            sqlx::query_scalar(query).fetch_one(&mut raw).await.unwrap()
        };
        let (venues, events) = (count("venue").await, count("event").await);

        let mut grown = keyed(venue(), "hall");
        grown["sections"][0]["rows"][0]["seats"] = json!(5);
        let mut bad_hall = keyed(venue(), "bad");
        bad_hall["currency"] = json!("$");
        let mut dear = keyed(event("hall"), "fixed");
        dear["prices"][0]["amount"] = json!(4_600);
        let mut negative = event("fresh");
        negative["prices"][1]["amount"] = json!(-1);
        let mut past = event("fresh");
        past["showtimes"][0]["starts_at"] = json!("2001-01-01T20:00");
        let mut short = event("fresh");
        short["prices"].as_array_mut().unwrap().pop();
        let document = json!({
            "venues": [grown, bad_hall, keyed(venue(), "fresh"), keyed(venue(), "fresh")],
            "events": [event("fresh"), negative, past, short, event("nowhere"), keyed(event("hall"), "off"), dear,
                event("bad"), event(987_654)],
        });
        let refused = shop.post("/import", &ada, &document).await;
        let told = told(&refused.is_problem(422, "bad-field"));
        for (place, why) in [
            ("venues[0].sections", "stays as it was made"),
            ("venues[1].currency", "three capital letters"),
            ("venues[3].key", "is the key of venues[2] already"),
            ("events[1].prices[1].amount", "from 1 to 99999999"),
            ("events[2].showtimes[0].starts_at", "lies in the past"),
            ("events[3].prices", "which are 1, 2"),
            ("events[4].venue", "no such venue"),
            ("events[5]", "called off"),
            ("events[6].prices", "has other prices"),
            ("events[8].venue", "no such venue"),
        ] {
            let found = told
                .iter()
                .any(|told| told.starts_with(&format!("{place}: ")) && told.contains(why));
            assert!(found, "{engine:?}: {place}: {why} is not in {told:#?}");
        }
        assert_eq!(told.len(), 10, "{engine:?}: {told:#?}");
        assert_eq!((count("venue").await, count("event").await), (venues, events));
        assert_eq!(shop.version().await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_document_twice_at_once_doubles_nothing() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let mut document = season();
        document["events"].as_array_mut().unwrap().pop();
        let (one, other) = tokio::join!(
            shop.post("/import", &ada, &document),
            shop.post("/import", &ada, &document)
        );
        let (one, other) = (one.json(), other.json());
        for list in ["venues", "events"] {
            for at in 0..2 {
                assert_eq!(one[list][at]["id"], other[list][at]["id"], "{engine:?}");
                let became = [&one[list][at]["became"], &other[list][at]["became"]];
                assert!(
                    became.contains(&&json!("created")) && became.contains(&&json!("unchanged")),
                    "{became:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn five_thousand_events_are_one_document() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let events: Vec<Value> = (0..5_000)
            .map(|at| {
                let mut one = keyed(event("hall"), &format!("e{at}"));
                one["title"] = json!(format!("Show {at}"));
                one
            })
            .collect();
        let document = json!({"venues": [keyed(venue(), "hall")], "events": events}).to_string();
        let headers = [("content-type", "application/json"), ("cookie", ada.as_str())];
        for what in ["new", "known"] {
            let began = Instant::now();
            let imported = shop
                .running
                .send(Method::POST, "/import", &headers, &document)
                .await;
            assert_eq!(
                imported.status,
                200,
                "{engine:?}: {}",
                &imported.text[..imported.text.len().min(300)]
            );
            println!(
                "{engine:?}: 5,000 {what} events of {} kB in {:?}",
                document.len() / 1000,
                began.elapsed()
            );
        }
        let mut crowded: Value = serde_json::from_str(&document).unwrap();
        crowded["events"].as_array_mut().unwrap().push(event("hall"));
        let refused = shop.post("/import", &ada, &crowded).await;
        let told = told(&refused.is_problem(422, "bad-field"));
        assert_eq!(told, ["events: must have at most 5000 items, and has 5001"]);
    }
}
