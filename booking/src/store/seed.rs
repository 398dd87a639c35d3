//! Filling an empty catalogue, once.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::json;
use sqlx::{Any, Transaction};

use super::{Statement, Store, StoreError};
use crate::domain::{Category, Currency, SeatMap};

/// A venue to begin with.
#[derive(Clone, Debug)]
pub struct SeedVenue {
    /// What events refer to it by.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The city.
    pub city: String,
    /// The country.
    pub country: String,
    /// IANA name and rules of its clock.
    pub time_zone: (String, TimeZone),
    /// What its prices are in.
    pub currency: Currency,
    /// Its seats.
    pub map: SeatMap,
}

/// An event to begin with.
#[derive(Clone, Debug)]
pub struct SeedEvent {
    /// Its kind.
    pub category: Category,
    /// Its title.
    pub title: String,
    /// By whom and from when, or empty.
    pub credit: String,
    /// A sentence or two.
    pub description: String,
    /// Which of the venues given with it.
    pub venue: usize,
    /// Minor units by level, best first.
    pub prices: Vec<i64>,
    /// Days from the first start, and the time on the venue's clock.
    pub shows: Vec<(i32, Time)>,
}

/// Rows of one statement, which travel as one JSON text.
const ROWS_AT_ONCE: usize = 1000;

static VENUES: Statement = Statement::new(
    "insert into venue (id, name, city, country, time_zone, currency, capacity) \
     select cast(value ->> 'id' as bigint), value ->> 'name', value ->> 'city', value ->> 'country', \
     value ->> 'time_zone', value ->> 'currency', cast(value ->> 'capacity' as bigint) from {rows:$1}",
);

static SEAT_ROWS: Statement = Statement::new(
    "insert into seat_row (venue_id, position, section, level, label, seats, x, y, accessible) \
     select cast(value ->> 'venue' as bigint), cast(value ->> 'position' as bigint), value ->> 'section', \
     cast(value ->> 'level' as bigint), value ->> 'label', cast(value ->> 'seats' as bigint), \
     cast(value ->> 'x' as bigint), cast(value ->> 'y' as bigint), value ->> 'accessible' from {rows:$1}",
);

static OPEN_SECTIONS: Statement = Statement::new(
    "insert into open_section (venue_id, position, name, label, level, capacity) \
     select cast(value ->> 'venue' as bigint), cast(value ->> 'position' as bigint), value ->> 'name', \
     value ->> 'label', cast(value ->> 'level' as bigint), cast(value ->> 'capacity' as bigint) from {rows:$1}",
);

static EVENTS: Statement = Statement::new(
    "insert into event (id, venue_id, category, title, credit, description) \
     select cast(value ->> 'id' as bigint), cast(value ->> 'venue' as bigint), value ->> 'category', \
     value ->> 'title', value ->> 'credit', value ->> 'description' from {rows:$1}",
);

static PRICES: Statement = Statement::new(
    "insert into price (event_id, level, amount) select cast(value ->> 'event' as bigint), \
     cast(value ->> 'level' as bigint), cast(value ->> 'amount' as bigint) from {rows:$1}",
);

static SHOWTIMES: Statement = Statement::new(
    "insert into showtime (id, event_id, starts_at) select cast(value ->> 'id' as bigint), \
     cast(value ->> 'event' as bigint), cast(value ->> 'starts_at' as bigint) from {rows:$1}",
);

impl Store {
    /// Fills the catalogue if it never was, in one transaction, so that a start cut short begins anew. Answers whether
    /// this was the first start. Ids follow the order of the events given.
    pub async fn seed(
        &self,
        venues: &[SeedVenue],
        events: &[SeedEvent],
        now: Timestamp,
    ) -> Result<Seeded, StoreError> {
        let mut tx = self.writing().await?;
        // Of several instances that start at once, the others wait here.
        let first: Option<i64> = sqlx::query_scalar(
            "update meta set catalogue_version = 1 where catalogue_version = 0 returning catalogue_version",
        )
        .fetch_optional(&mut *tx)
        .await?;
        if first.is_none() {
            return Ok(Seeded::Before);
        }
        let starts = starts(venues, events, now)?;
        self.insert(&mut tx, &VENUES, (1..).zip(venues).map(|(id, venue)| {
            json!({"id": id, "name": venue.name, "city": venue.city, "country": venue.country,
                "time_zone": venue.time_zone.0, "currency": venue.currency.as_str(), "capacity": venue.map.capacity()})
        }))
        .await?;
        let rows = (1..).zip(venues).flat_map(|(id, venue)| {
            (0..).zip(&venue.map.rows).map(move |(at, row)| {
                json!({"venue": id, "position": at, "section": row.section, "level": row.level, "label": row.label,
                    "seats": row.seats, "x": row.x, "y": row.y, "accessible": json!(row.accessible).to_string()})
            })
        });
        self.insert(&mut tx, &SEAT_ROWS, rows).await?;
        let rows = (1..).zip(venues).flat_map(|(id, venue)| {
            (0..).zip(&venue.map.open).map(move |(at, open)| {
                json!({"venue": id, "position": at, "name": open.name, "label": open.label, "level": open.level,
                    "capacity": open.capacity})
            })
        });
        self.insert(&mut tx, &OPEN_SECTIONS, rows).await?;
        let rows = (1..).zip(events).map(|(id, event)| {
            json!({"id": id, "venue": event.venue + 1, "category": event.category.as_str(), "title": event.title,
                "credit": event.credit, "description": event.description})
        });
        self.insert(&mut tx, &EVENTS, rows).await?;
        let rows = (1..).zip(events).flat_map(|(id, event)| {
            let prices = (1..).zip(&event.prices);
            prices.map(move |(level, amount)| json!({"event": id, "level": level, "amount": amount}))
        });
        self.insert(&mut tx, &PRICES, rows).await?;
        let rows = (1..)
            .zip(&starts)
            .map(|(id, (event, start))| json!({"id": id, "event": event, "starts_at": start}));
        self.insert(&mut tx, &SHOWTIMES, rows).await?;
        tx.commit().await?;
        Ok(Seeded::Now {
            events: events.len(),
            showtimes: starts.len(),
        })
    }

    /// Whether the catalogue was ever filled.
    pub async fn is_seeded(&self) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("select catalogue_version from meta");
        let version: i64 = query.fetch_one(&self.readers).await?;
        Ok(version > 0)
    }

    async fn insert(
        &self,
        tx: &mut Transaction<'_, Any>,
        statement: &'static Statement,
        rows: impl Iterator<Item = serde_json::Value>,
    ) -> Result<(), StoreError> {
        let rows: Vec<serde_json::Value> = rows.collect();
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            let text = serde_json::Value::from(chunk).to_string();
            sqlx::query(self.sql(statement))
                .bind(text)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}

/// What became of the sample catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeded {
    /// It was there already, or something else is.
    Before,
    /// It was put in.
    Now {
        /// How many events.
        events: usize,
        /// How many showtimes.
        showtimes: usize,
    },
}

/// `(event id, seconds since 1970)` of every showtime.
fn starts(venues: &[SeedVenue], events: &[SeedEvent], now: Timestamp) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut starts = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let bad = || StoreError::Corrupt(format!("the sample event {:?}", event.title));
        let zone = &venues.get(event.venue).ok_or_else(bad)?.time_zone.1;
        let today = now.to_zoned(zone.clone()).date();
        for &(days, time) in &event.shows {
            let date = today
                .checked_add(jiff::Span::new().days(days))
                .map_err(|_| bad())?;
            let start = date.to_datetime(time).to_zoned(zone.clone()).map_err(|_| bad())?;
            starts.push((at as i64 + 1, start.timestamp().as_second()));
        }
    }
    Ok(starts)
}
