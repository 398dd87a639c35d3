//! What organisers send that cannot be taken: each bound from both sides, and a mistake told so that it can be mended.

use hyper::Method;
use serde_json::{Value, json};

use crate::organiser_support::{Shop, event, next_year, venue};
use crate::support::Answer;
use crate::support::databases::ENGINES;

/// `(place, why)` of every mistake.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.is_problem(422, "bad-field");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = problem["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{problem}"));
    errors
        .iter()
        .map(|error| (text(&error["place"]), text(&error["why"])))
        .collect()
}

/// A copy with one value replaced, by its JSON pointer.
fn with(mut document: Value, at: &str, value: Value) -> Value {
    *document.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = value;
    document
}

#[tokio::test]
async fn each_mistake_of_an_event_is_told_with_its_place() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let hall = shop.venue(&ada).await;
        let before = shop.version().await;
        let good = event(hall);
        let soon = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
        let far = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 366 * 6);
        let start = "/showtimes/0/starts_at";
        for (at, value, place, why) in [
            ("/venue", json!(987_654), "venue", "no such venue"),
            ("/venue", json!("no-key"), "venue", "no such venue"),
            ("/venue", json!(-1), "venue", "whole number"),
            ("/title", json!("x".repeat(201)), "title", "at most 200"),
            ("/title", json!(" \t "), "title", "empty"),
            ("/title", json!("a\u{0}b"), "title", "control"),
            ("/title", json!(7), "title", "text"),
            ("/credit", json!("x".repeat(301)), "credit", "at most 300"),
            (
                "/description",
                json!("x".repeat(5_001)),
                "description",
                "at most 5000",
            ),
            ("/category", json!("circus"), "category", "theatre, opera"),
            ("/prices", json!([]), "prices", "levels, which are 1, 2"),
            ("/prices/1/level", json!(3), "prices", "levels, which are 1, 2"),
            ("/prices/1/level", json!(1), "prices[1].level", "second price"),
            (
                "/prices/0/amount",
                json!(-1),
                "prices[0].amount",
                "from 1 to 99999999",
            ),
            (
                "/prices/0/amount",
                json!(0),
                "prices[0].amount",
                "from 1 to 99999999",
            ),
            (
                "/prices/0/amount",
                json!(100_000_000),
                "prices[0].amount",
                "from 1 to 99999999",
            ),
            (
                "/prices/0/amount",
                json!("45.00"),
                "prices[0].amount",
                "whole number",
            ),
            (
                start,
                json!(soon.to_string()[..19].to_owned() + "Z"),
                "showtimes[0].starts_at",
                "past",
            ),
            (start, json!("1999-12-31T20:00"), "showtimes[0].starts_at", "past"),
            (
                start,
                json!(far.to_string()[..19].to_owned() + "Z"),
                "showtimes[0].starts_at",
                "five years",
            ),
            (
                start,
                json!("tomorrow"),
                "showtimes[0].starts_at",
                "2030-05-01T20:00",
            ),
            (
                start,
                json!("9000-01-01T00:00:00Z"),
                "showtimes[0].starts_at",
                "five years",
            ),
            // The clocks of Chico go forward on the second Sunday of March.
            (
                start,
                json!(spring_gap()),
                "showtimes[0].starts_at",
                "does not exist",
            ),
        ] {
            let refused = shop
                .post("/events", &ada, &with(good.clone(), at, value.clone()))
                .await;
            let told = errors(&refused);
            let found = told.iter().any(|(p, w)| p == place && w.contains(why));
            assert!(found, "{engine:?}: {at} = {value}: {told:?}");
        }
        let twice =
            json!([{"starts_at": next_year("06-01T20:00")}, {"starts_at": next_year("06-02T03:00:00Z")}]);
        let refused = shop
            .post("/events", &ada, &with(good.clone(), "/showtimes", twice))
            .await;
        assert_eq!(
            errors(&refused),
            [("showtimes[1].starts_at".to_owned(), "is there twice".to_owned())]
        );
        let unknown = shop
            .post("/events", &ada, &json!({"venue": hall, "titel": "x"}))
            .await;
        let places: Vec<String> = errors(&unknown).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["titel", "category", "title", "description", "prices"]);
        assert_eq!(shop.version().await, before);

        let widest = json!({"venue": hall, "category": "Opera", "title": "ä".repeat(200), "credit": "ß".repeat(300),
            "description": "\u{1F3AD}".repeat(5_000), "prices": [{"level": 2, "amount": 1}, {"level": 1, "amount": 99_999_999}],
            "showtimes": (0..500).map(|day| json!({"starts_at": next_year(&format!("{:02}-{:02}T{:02}:30",
                day % 12 + 1, day / 12 % 28 + 1, 12 + day / 336))})).collect::<Vec<_>>()});
        let made = shop.post("/events", &ada, &widest).await;
        assert_eq!(made.status, 201, "{}", &made.text[..made.text.len().min(500)]);
        let made = made.json();
        assert_eq!(made["title"], "ä".repeat(200));
        assert_eq!(made["showtimes"].as_array().unwrap().len(), 500);
        let full = shop
            .post(
                &format!("/events/{}/showtimes", made["id"]),
                &ada,
                &json!({"starts_at": next_year("12-31T23:00")}),
            )
            .await;
        assert!(errors(&full)[0].1.contains("at most 500"), "{full:?}");
    }
}

/// A local time that the second Sunday of next March does not have in California.
fn spring_gap() -> String {
    let year: i16 = next_year("").trim_end_matches('-').parse().unwrap();
    let sunday = jiff::civil::date(year, 3, 1)
        .nth_weekday_of_month(2, jiff::civil::Weekday::Sunday)
        .unwrap();
    format!("{sunday}T02:30")
}

#[tokio::test]
async fn each_mistake_of_a_venue_is_told_with_its_place() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let good = with(venue(), "/sections/1/capacity", json!(99_990));
        assert_eq!(
            shop.post("/venues", &ada, &good).await.json()["capacity"],
            100_000
        );
        let rows = |count: usize| -> Value {
            (0..count)
                .map(|at| json!({"label": format!("R{at}"), "seats": 40}))
                .collect()
        };
        let largest = with(venue(), "/sections/0/rows", rows(2_000));
        let made = shop.post("/venues", &ada, &largest).await;
        assert_eq!(made.json()["capacity"], 80_050, "{engine:?}");
        for (at, value, place, why) in [
            (
                "/sections/1/capacity",
                json!(99_991),
                "sections",
                "at most 100000 seats, and has 100001",
            ),
            (
                "/sections/0/rows",
                rows(2_001),
                "sections[0].rows",
                "at most 2000",
            ),
            (
                "/sections/0/rows/0/seats",
                json!(501),
                "sections[0].rows[0].seats",
                "from 1 to 500",
            ),
            (
                "/sections/0/rows/0/seats",
                json!(0),
                "sections[0].rows[0].seats",
                "from 1 to 500",
            ),
            (
                "/sections/0/rows/1/label",
                json!("A"),
                "sections[0].rows[1].label",
                "label of sections[0].rows[0]",
            ),
            (
                "/sections/1/label",
                json!("B"),
                "sections[1].label",
                "label of sections[0].rows[1]",
            ),
            (
                "/sections/1/label",
                json!("<b>"),
                "sections[1].label",
                "capital letters",
            ),
            (
                "/sections/1/name",
                json!("Stalls"),
                "sections[1].name",
                "another section",
            ),
            (
                "/sections/1/level",
                json!(21),
                "sections[1].level",
                "from 1 to 20",
            ),
            (
                "/sections/0/rows/0/accessible",
                json!([5]),
                "sections[0].rows[0].accessible[0]",
                "from 1 to 4",
            ),
            ("/sections", json!([]), "sections", "must have a section"),
            ("/sections", json!(vec![0; 201]), "sections", "at most 200"),
            ("/time_zone", json!("Mars/Olympus"), "time_zone", "Europe/Berlin"),
            (
                "/time_zone",
                json!("'; drop table venue; --"),
                "time_zone",
                "Europe/Berlin",
            ),
            ("/currency", json!("dollars"), "currency", "EUR"),
            ("/name", json!("x".repeat(101)), "name", "at most 100"),
            ("/city", json!("x".repeat(101)), "city", "at most 100"),
            ("/country", json!(""), "country", "empty"),
        ] {
            let refused = shop
                .post("/venues", &ada, &with(venue(), at, value.clone()))
                .await;
            let told = errors(&refused);
            let found = told.iter().any(|(p, w)| p == place && w.contains(why));
            assert!(found, "{engine:?}: {at} = {value}: {told:?}");
        }
        let keyed = with(json!({"key": null}), "/key", json!("hall"));
        let mut hall = venue();
        hall["key"] = keyed["key"].clone();
        assert_eq!(shop.post("/venues", &ada, &hall).await.status, 201);
        let again = shop.post("/venues", &ada, &hall).await;
        assert_eq!(errors(&again)[0].0, "key");
        // Another's keys are another's.
        assert_eq!(
            shop.post("/venues", &shop.organiser().await, &hall).await.status,
            201
        );
        let mut keyed = event("hall");
        keyed["key"] = json!("quartet");
        assert_eq!(shop.post("/events", &ada, &keyed).await.status, 201);
        assert_eq!(errors(&shop.post("/events", &ada, &keyed).await)[0].0, "key");
    }
}

#[tokio::test]
async fn what_is_no_document_is_refused_as_such() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let hall = shop.venue(&ada).await;
        let made = shop.event(&ada, hall).await;
        let (id, showtime) = (&made["id"], &made["showtimes"][0]["id"]);
        let cookie = ("cookie", ada.as_str());
        let json_kind = ("content-type", "application/json");
        for (method, path, bytes_max) in [
            (Method::POST, "/venues".to_owned(), 1024 * 1024),
            (Method::POST, "/events".to_owned(), 128 * 1024),
            (Method::PATCH, format!("/events/{id}"), 128 * 1024),
            (Method::POST, format!("/events/{id}/showtimes"), 128 * 1024),
            (Method::PATCH, format!("/showtimes/{showtime}"), 128 * 1024),
            (Method::POST, "/import".to_owned(), 4 * 1024 * 1024),
        ] {
            let send = |headers: Vec<(&'static str, String)>, body: String| {
                let (method, path, running) = (method.clone(), path.clone(), &shop.running);
                async move {
                    let headers: Vec<(&str, &str)> = headers
                        .iter()
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    running.send(method, &path, &headers, &body).await
                }
            };
            let own = |(name, value): (&'static str, &str)| (name, value.to_owned());
            let headers = vec![own(cookie), own(json_kind)];
            send(vec![own(cookie)], "{}".into())
                .await
                .is_problem(415, "unsupported-body");
            send(headers.clone(), "{\"a\":".into())
                .await
                .is_problem(400, "bad-request");
            send(headers.clone(), "[".repeat(10_000))
                .await
                .is_problem(400, "bad-request");
            for body in ["[]", "7", "null", "{}"] {
                send(headers.clone(), body.into())
                    .await
                    .is_problem(422, "bad-field");
            }
            let fits = format!("{}{{}}", " ".repeat(bytes_max - 2));
            send(headers.clone(), fits).await.is_problem(422, "bad-field");
            let larger = format!("{}{{}}", " ".repeat(bytes_max - 1));
            send(headers.clone(), larger)
                .await
                .is_problem(413, "body-too-large");
        }
        for (path, status, kind) in [
            ("/events/999999/cancel", 404, "not-found"),
            ("/showtimes/999999/cancel", 404, "not-found"),
            ("/events/x/cancel", 400, "bad-request"),
            ("/showtimes/0/cancel", 400, "bad-request"),
        ] {
            shop.post(path, &ada, &json!({})).await.is_problem(status, kind);
        }
        shop.running
            .get("/venues/999999")
            .await
            .is_problem(404, "not-found");
        shop.running
            .get("/changes?after=x")
            .await
            .is_problem(400, "bad-request");
        shop.patch("/events/999999", &ada, &json!({"title": "T"}))
            .await
            .is_problem(404, "not-found");
        shop.patch(
            "/showtimes/999999",
            &ada,
            &json!({"starts_at": next_year("06-01T20:00")}),
        )
        .await
        .is_problem(404, "not-found");
    }
}
