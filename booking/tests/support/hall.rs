//! A database with one showtime, number 1, in a hall of one's own.

#![allow(dead_code, clippy::unwrap_used)]

use tidegate_booking::domain::{Category, SeatMap};
use tidegate_booking::store::{SeedEvent, SeedVenue, Store};

use super::databases::TestDatabase;

/// A store with that hall; `prices` are those of its levels.
pub async fn hall(on: &TestDatabase, map: &SeatMap, prices: &[i64]) -> Store {
    let venue = SeedVenue {
        key: "v".into(),
        name: "V".into(),
        city: "C".into(),
        country: "L".into(),
        time_zone: ("UTC".into(), jiff::tz::TimeZone::UTC),
        currency: "USD".parse().unwrap(),
        map: map.clone(),
    };
    let event = SeedEvent {
        category: Category::Theatre,
        title: "T".into(),
        credit: String::new(),
        description: "D".into(),
        venue: 0,
        prices: prices.to_vec(),
        shows: vec![(3, jiff::civil::time(20, 0, 0, 0))],
    };
    let store = on.open().await;
    let now = jiff::Timestamp::now();
    store.seed(&[venue], &[event], now).await.unwrap();
    store
}
