//! A house of a test's own instead of the sample catalogue: one showtime, number 1.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tidegate_booking::domain::{
    AccountId, HoldId, HoldOutcome, MapRow, OpenSection, Owner, Seat, SeatLimit, SeatMap, ShowtimeId,
};
use tidegate_booking::store::{Store, Which};

use super::databases::TestDatabase;
use super::hall::hall;
use super::{Running, config};

pub const SHOWTIME: ShowtimeId = ShowtimeId(1);

/// So many rows of so many seats, R1-1 and so on, before a floor of 50 places.
pub fn map_of(rows: u32, seats: u32) -> SeatMap {
    let floor = OpenSection {
        name: "Floor".into(),
        label: "FLOOR".into(),
        level: 2,
        capacity: 50,
    };
    SeatMap {
        rows: (1..=rows)
            .map(|row| MapRow::centred("Stalls", 1, &format!("R{row}"), seats, row))
            .collect(),
        open: vec![floor],
    }
}

/// A store with that house.
pub async fn house(on: &TestDatabase, map: &SeatMap) -> Store {
    hall(on, map, &[5000, 2000]).await
}

/// A service on that database.
pub async fn instance(on: &TestDatabase) -> Running {
    let mut config = config();
    config.database = on.database.clone();
    Running::with(&config).await
}

pub fn owner(fan: u32) -> Owner {
    Owner::account(&AccountId::from_bits(u128::from(fan)))
}

/// Holds seats past every instance, as another one would; false where somebody was quicker.
pub async fn hold(store: &Store, map: &SeatMap, fan: u32, seats: &[&str], ttl: Duration) -> bool {
    let mut asked: Vec<Seat> = seats.iter().map(|seat| seat.parse().unwrap()).collect();
    asked.sort();
    asked.dedup();
    assert!(asked.iter().all(|seat| map.has(seat)), "{seats:?}");
    let (id, fan) = (HoldId::from_bits(rand::random()), owner(fan));
    let held = store.hold(SHOWTIME, &asked, &fan, id, ttl, SeatLimit(50));
    match held.await.unwrap() {
        HoldOutcome::Held(_) => true,
        HoldOutcome::JustTaken(_) => false,
        other => panic!("{other:?}"),
    }
}

/// Gives back all that a fan holds.
pub async fn release(store: &Store, fan: u32) {
    store.release(SHOWTIME, &owner(fan), &Which::All).await.unwrap();
}

/// Claims of some 6 in 10 seats, held and sold in no order, written past the store.
pub async fn fill_at_random(on: &TestDatabase, map: &SeatMap) -> usize {
    let mut raw = on.raw().await;
    let mut rows = Vec::new();
    for row in &map.rows {
        for number in 1..=row.seats {
            let state = match rand::random_range(0..10) {
                0..4 => continue,
                4..7 => "held",
                _ => "sold",
            };
            let (label, free_in_a_year) = (&row.label, Timestamp::now().as_millisecond() + 31_536_000_000);
            rows.push(format!(
                "(1, '{label}-{number}', '{state}', 'account:x', 'h', 1, {free_in_a_year})"
            ));
        }
    }
    for rows in rows.chunks(1000) {
        let into = "insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at) values ";
        let insert = format!("{into}{}", rows.join(","));
        sqlx::raw_sql(AssertSqlSafe(insert))
            .execute(&mut raw)
            .await
            .unwrap();
    }
    rows.len()
}

/// The seats that are not free, by name, as the compact document says.
pub fn claimed(document: &Value) -> BTreeMap<String, &'static str> {
    let mut seats = BTreeMap::new();
    for (row, signs) in document["claimed"].as_object().unwrap() {
        for (at, sign) in signs.as_str().unwrap().chars().enumerate() {
            let state = match sign {
                '.' => continue,
                'h' => "held",
                't' => "taken",
                other => panic!("{other:?} is no state"),
            };
            seats.insert(format!("{row}-{}", at + 1), state);
        }
    }
    seats
}
