//! How fast seats are held, on an engine of its own: `hold_rate sqlite|postgres [SECONDS]` prints figures as JSON.
//! `make bench` runs it and says what is asked of each.

#![allow(clippy::unwrap_used)]

#[path = "../tests/support/databases.rs"]
#[allow(dead_code)]
mod databases;
#[path = "../tests/support/hall.rs"]
mod hall;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use databases::TestDatabase;
use serde_json::json;
use tidegate_booking::domain::{
    AccountId, HoldId, HoldOutcome, MapRow, OpenSection, Owner, Seat, SeatLimit, SeatMap, ShowtimeId,
};
use tidegate_booking::live::{BestWish, Live};
use tidegate_booking::store::{Engine, Store};

/// As many clients as the figures are asked for.
const CLIENTS: u64 = 64;
const SHOWTIME: ShowtimeId = ShowtimeId(1);
const LIMIT: SeatLimit = SeatLimit(1000);
/// 200 rows of 100 seats.
const ROWS: u32 = 200;
const SEATS: u32 = 100;
const PLACES: u32 = 20_000;
/// Holds run out soon, so that seats are taken over again and again, as in the last minutes of a drop.
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

fn map() -> SeatMap {
    SeatMap {
        rows: (1..=ROWS)
            .map(|row| MapRow::centred("Stalls", 1, &format!("R{row}"), SEATS, row))
            .collect(),
        open: vec![OpenSection {
            name: "Floor".into(),
            label: "FLOOR".into(),
            level: 1,
            capacity: PLACES,
        }],
    }
}

fn someone() -> Owner {
    Owner::account(&AccountId::from_bits(rand::random()))
}

/// Calls of all clients for so long: done and refused, a second.
async fn rate<F>(within: Duration, call: impl Fn() -> F + Send + Sync + 'static) -> (f64, f64)
where
    F: Future<Output = bool> + Send,
{
    let (done, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let call = Arc::new(call);
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (done, refused, call) = (Arc::clone(&done), Arc::clone(&refused), Arc::clone(&call));
            tokio::spawn(async move {
                while began.elapsed() < within {
                    let counter = if call().await { &done } else { &refused };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    let a_second = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 / seconds;
    (a_second(&done), a_second(&refused))
}

/// Two seats side by side, anywhere in the house.
async fn pairs(store: &Store, within: Duration) -> (f64, f64) {
    let store = store.clone();
    rate(within, move || {
        let store = store.clone();
        async move {
            let row = format!("R{}", 1 + rand::random::<u32>() % ROWS);
            let first = 1 + rand::random::<u32>() % (SEATS - 1);
            let seats = [first, first + 1].map(|number| Seat {
                row: row.clone(),
                number,
            });
            let id = HoldId::from_bits(rand::random());
            let held = store.hold(SHOWTIME, &seats, &someone(), id, SHORT, LIMIT).await;
            matches!(held, Ok(HoldOutcome::Held(_)))
        }
    })
    .await
}

async fn places(store: &Store, map: &SeatMap, within: Duration) -> (f64, f64) {
    let (store, floor) = (store.clone(), map.open[0].clone());
    rate(within, move || {
        let (store, floor) = (store.clone(), floor.clone());
        async move {
            let (id, who) = (HoldId::from_bits(rand::random()), someone());
            let held = store.hold_open(SHOWTIME, &floor, 2, &who, id, SHORT, LIMIT);
            matches!(held.await, Ok(HoldOutcome::Held(_)))
        }
    })
    .await
}

async fn best_four(live: &Live) -> bool {
    let wish = BestWish {
        quantity: 4,
        section: None,
        price_max: None,
        accessible: false,
    };
    let (id, who) = (HoldId::from_bits(rand::random()), someone());
    let held = live.hold_best(SHOWTIME, &wish, &who, &id, LONG, LIMIT);
    matches!(held.await, Ok(HoldOutcome::Held(_)))
}

#[tokio::main]
async fn main() {
    let mut given = std::env::args().skip(1);
    let engine = match given.next().as_deref() {
        Some("sqlite") => Engine::Sqlite,
        Some("postgres") => Engine::Postgres,
        _ => {
            eprintln!("hold_rate sqlite|postgres [SECONDS]");
            std::process::exit(64);
        }
    };
    let seconds = given.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let within = Duration::from_secs(seconds);
    let on = TestDatabase::on(engine).await;
    let map = map();
    let store = hall::hall(&on, &map, &[5000]).await;
    // Once for warmth.
    pairs(&store, Duration::from_millis(500)).await;
    let (held, taken) = pairs(&store, within).await;
    let (admitted, missed) = places(&store, &map, within).await;
    tokio::time::sleep(SHORT).await;
    let live = Live::start(store, None).unwrap();
    let mut alone_ms = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        assert!(best_four(&live).await, "there are seats");
        alone_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    alone_ms.sort_by(f64::total_cmp);
    let began = Instant::now();
    let rivals: Vec<_> = (0..160)
        .map(|_| {
            let live = Arc::clone(&live);
            tokio::spawn(async move { best_four(&live).await })
        })
        .collect();
    let mut refused = 0;
    for rival in rivals {
        refused += u32::from(!rival.await.unwrap());
    }
    let figures = json!({
        "pairs_a_second": held, "pairs_refused_a_second": taken,
        "places_a_second": admitted, "places_refused_a_second": missed,
        "best_four_alone_ms": { "median": alone_ms[150], "p99": alone_ms[297], "largest": alone_ms[299] },
        "of_160_rivals_refused": refused, "rivals_took_ms": began.elapsed().as_secs_f64() * 1e3,
    });
    println!("{figures}");
}
