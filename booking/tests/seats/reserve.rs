//! Seats without names: the best available and general admission, among rivals, on both engines; and `POST /reserve`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tidegate_booking::domain::{
    AccountId, HoldId, HoldOutcome, MapRow, OpenSection, Owner, SeatLimit, SeatMap, ShowtimeId,
};
use tidegate_booking::live::{BestWish, Live};
use tidegate_booking::store::Store;

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::hall::hall;
use crate::support::{Answer, Running};

const TTL: Duration = Duration::from_secs(1000);
const SHOWTIME: ShowtimeId = ShowtimeId(1);
const LIMIT: SeatLimit = SeatLimit(6);
const JSON: (&str, &str) = ("content-type", "application/json");

/// A store with one showtime in a hall of 80 rows of 100 seats, ten of them accessible, before a floor of 100 places.
async fn large_house(on: &TestDatabase) -> (Store, SeatMap) {
    let mut rows: Vec<MapRow> = (1..=80)
        .map(|row| MapRow::centred("Stalls", 1, &format!("R{row}"), 100, row))
        .collect();
    rows[40].accessible = (1..=10).collect();
    let floor = OpenSection {
        name: "Floor".into(),
        label: "FLOOR".into(),
        level: 2,
        capacity: 100,
    };
    let map = SeatMap {
        rows,
        open: vec![floor],
    };
    let store = hall(on, &map, &[5000, 2000]).await;
    let stored = store.showtime(SHOWTIME).await.unwrap().unwrap().map;
    assert_eq!(stored, map, "the map comes back as it went in");
    (store, map)
}

fn owner(fan: u32) -> Owner {
    Owner::account(&AccountId::from_bits(u128::from(fan)))
}

async fn best(live: &Live, fan: u32, wish: BestWish<'_>) -> HoldOutcome {
    let (owner, id) = (owner(fan), HoldId::from_bits(u128::from(fan)));
    let held = live.hold_best(SHOWTIME, &wish, &owner, &id, TTL, LIMIT);
    held.await.unwrap()
}

const FOUR: BestWish<'static> = BestWish {
    quantity: 4,
    section: None,
    price_max: None,
    accessible: false,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_160_rivals_for_the_best_four_nobody_is_refused() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let (store, _) = large_house(&database).await;
        // Two instances, and rivals at both.
        let instances = [0, 1].map(|_| Live::start(store.clone(), None).unwrap());
        let rivals = (0..160).map(|fan| {
            let live = Arc::clone(&instances[fan as usize % 2]);
            tokio::spawn(async move { best(&live, fan, FOUR).await })
        });
        let mut given = BTreeSet::new();
        for rival in rivals.collect::<Vec<_>>() {
            let HoldOutcome::Held(hold) = rival.await.unwrap() else {
                panic!("refused on {engine:?}");
            };
            let (first, last) = (&hold.seats[0], &hold.seats[3]);
            assert_eq!(
                (&first.row, first.number + 3),
                (&last.row, last.number),
                "side by side"
            );
            given.extend(hold.seats);
        }
        assert_eq!(given.len(), 640, "no seat twice on {engine:?}");
        let farthest = given
            .iter()
            .map(|seat| seat.row[1..].parse::<u32>().unwrap())
            .max();
        assert!(
            farthest < Some(40),
            "640 seats in the middle of the front, and not in row {farthest:?}"
        );
    }
}

#[tokio::test]
async fn wishes_are_kept_to() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let live = Live::start(large_house(&database).await.0, None).unwrap();
        let accessible = BestWish {
            quantity: 2,
            accessible: true,
            ..FOUR
        };
        for fan in 0..5 {
            let HoldOutcome::Held(hold) = best(&live, fan, accessible).await else {
                panic!("there are ten");
            };
            assert!(
                hold.seats
                    .iter()
                    .all(|seat| seat.row == "R41" && seat.number <= 10)
            );
        }
        assert_eq!(
            best(&live, 9, accessible).await,
            HoldOutcome::NotEnough { left: 0 }
        );
        let cheap = BestWish {
            price_max: Some(4999),
            ..FOUR
        };
        assert_eq!(best(&live, 9, cheap).await, HoldOutcome::NotEnough { left: 0 });
        let elsewhere = BestWish {
            section: Some("Balcony"),
            ..FOUR
        };
        assert_eq!(
            best(&live, 9, elsewhere).await,
            HoldOutcome::NotEnough { left: 0 }
        );
        let greedy = BestWish { quantity: 7, ..FOUR };
        assert!(matches!(
            best(&live, 9, greedy).await,
            HoldOutcome::OverLimit { has: 0, asked: 7 }
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn general_admission_gives_every_place_once_and_the_last_ones_too() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let (store, map) = large_house(&database).await;
        let rivals = (0..64_u32).map(|fan| {
            let (store, floor) = (store.clone(), map.open[0].clone());
            tokio::spawn(async move {
                let (owner, id) = (owner(fan), HoldId::from_bits(u128::from(fan)));
                let held = store.hold_open(SHOWTIME, &floor, 2, &owner, id, TTL, LIMIT);
                held.await.unwrap()
            })
        });
        let mut given = BTreeSet::new();
        let (mut winners, mut losers) = (0, 0);
        for rival in rivals.collect::<Vec<_>>() {
            match rival.await.unwrap() {
                HoldOutcome::Held(hold) => {
                    winners += 1;
                    given.extend(hold.seats);
                }
                HoldOutcome::NotEnough { left } => {
                    losers += 1;
                    assert!(left < 2);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((winners, losers, given.len()), (50, 14, 100), "on {engine:?}");
        assert!(
            given
                .iter()
                .all(|seat| seat.row == "FLOOR" && (1..=100).contains(&seat.number))
        );
    }
}

async fn reserve(running: &Running, cookie: &str, body: Value) -> Answer {
    let headers = [JSON, ("cookie", cookie)];
    running
        .send(Method::POST, "/reserve", &headers, &body.to_string())
        .await
}

#[tokio::test]
async fn a_hold_is_reserved_looked_at_made_longer_and_released() {
    let running = Running::new().await;
    let (ann, bob) = (running.fan().await, running.fan().await);
    let named = reserve(&running, &ann, json!({"showtime": 7, "seats": ["A-1", "A-2"]})).await;
    assert_eq!(named.status, 201, "{named:?}");
    let path = named.header("location").unwrap().to_owned();
    assert!(path.starts_with("/holds/"), "{path}");
    let best = reserve(
        &running,
        &ann,
        json!({"showtime": 7, "best_available": {"quantity": 2}}),
    )
    .await;
    assert_eq!(best.json()["seats"].as_array().unwrap().len(), 2);
    let by = async |who: &str, method: Method, path: &str| {
        running.send(method, path, &[("cookie", who)], "").await
    };
    assert_eq!(
        by(&ann, Method::GET, &path).await.json()["seats"],
        json!(["A-1", "A-2"])
    );
    for method in [Method::GET, Method::DELETE] {
        by(&bob, method, &path).await.is_problem(404, "not-found");
    }
    let longer = format!("{path}/extend");
    by(&bob, Method::POST, &longer).await.is_problem(404, "not-found");
    let extended = by(&ann, Method::POST, &longer).await.json();
    assert!(
        (950..=960).contains(&extended["seconds_left"].as_i64().unwrap()),
        "{extended}"
    );
    by(&ann, Method::POST, &longer)
        .await
        .is_problem(409, "extended-before");
    let released = by(&ann, Method::DELETE, &path).await;
    assert_eq!(released.header("tidegate-command"), Some("release"));
    by(&ann, Method::GET, &path).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_with_its_reason() {
    let running = Running::new().await;
    let fan = running.fan().await;
    for (body, status, kind) in [
        (json!({"seats": ["A-1"]}), 422, "bad-field"),
        (json!({"showtime": 7}), 422, "bad-field"),
        (json!({"showtime": "7", "seats": ["A-1"]}), 422, "bad-field"),
        (json!({"showtime": -7, "seats": ["A-1"]}), 422, "bad-field"),
        (json!({"showtime": 999_999, "seats": ["A-1"]}), 404, "not-found"),
        (json!({"showtime": 7, "seats": []}), 422, "bad-seats"),
        (
            json!({"showtime": 7, "seats": vec!["A-1"; 10_000]}),
            413,
            "body-too-large",
        ),
        (
            json!({"showtime": 7, "seats": ["A-1"], "price": 1}),
            422,
            "bad-field",
        ),
        (
            json!({"showtime": 7, "seats": ["A-1"], "quantity": 1}),
            422,
            "bad-field",
        ),
        (
            json!({"showtime": 7, "best_available": {"quantity": 0}}),
            422,
            "bad-field",
        ),
        (
            json!({"showtime": 7, "best_available": {"quantity": -1}}),
            422,
            "bad-field",
        ),
        (
            json!({"showtime": 7, "best_available": {"quantity": 7}}),
            422,
            "too-many-seats",
        ),
        (
            json!({"showtime": 7, "best_available": {"quantity": 1, "max_price": -1}}),
            422,
            "bad-field",
        ),
        (
            json!({"showtime": 7, "best_available": {"quantity": 1, "max_price": 0}}),
            409,
            "not-enough",
        ),
        (
            json!({"showtime": 7, "best_available": {"quantity": 1, "section": "Nowhere"}}),
            422,
            "bad-field",
        ),
        (json!([7, ["A-1"]]), 422, "bad-field"),
        (json!({"showtime": 7, "best_available": [2]}), 422, "bad-field"),
        (
            json!({"showtime": 7, "section": "'; drop table claim; --", "quantity": 1}),
            422,
            "bad-field",
        ),
    ] {
        let problem = reserve(&running, &fan, body).await.is_problem(status, kind);
        let detail = problem["detail"].as_str().unwrap();
        for word in ["i64", "u32", "struct", "sequence", "Reserve", "expected"] {
            assert!(!detail.contains(word), "{detail}");
        }
    }
    let nowhere = json!({"showtime": 7, "best_available": {"quantity": 1, "section": "Nowhere"}});
    let told = reserve(&running, &fan, nowhere).await;
    assert!(told.text.contains("Nowhere"), "{told:?}");
    reserve(&running, "", json!({"showtime": 7, "seats": ["A-1"]}))
        .await
        .is_problem(401, "login-needed");
    assert_eq!(
        running.get("/showtimes/7/seats").await.json()["stock"]["held"],
        0,
        "nothing was held by any of these"
    );
}
