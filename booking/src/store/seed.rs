//! Filling an empty catalogue, once.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use sqlx::{QueryBuilder, Sqlite, Transaction};

use super::{Store, StoreError};
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

/// Rows of one statement. SQLite takes 32,766 values in one, and the widest row here has 8.
const ROWS_AT_ONCE: usize = 1000;

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
        let version: i64 = sqlx::query_scalar("select catalogue_version from meta")
            .fetch_one(&mut *tx)
            .await?;
        if version > 0 {
            return Ok(Seeded::Before);
        }
        let starts = starts(venues, events, now)?;
        insert_venues(&mut tx, venues).await?;
        insert_events(&mut tx, events).await?;
        insert_showtimes(&mut tx, &starts).await?;
        sqlx::query("update meta set catalogue_version = 1")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Seeded::Now {
            events: events.len(),
            showtimes: starts.len(),
        })
    }

    /// Whether the catalogue was ever filled.
    pub async fn is_seeded(&self) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("select catalogue_version > 0 from meta");
        Ok(query.fetch_one(&self.readers).await?)
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

async fn insert_venues(tx: &mut Transaction<'_, Sqlite>, venues: &[SeedVenue]) -> Result<(), StoreError> {
    let numbered: Vec<(i64, &SeedVenue)> = (1..).zip(venues).collect();
    for chunk in numbered.chunks(ROWS_AT_ONCE) {
        let mut insert =
            QueryBuilder::new("insert into venue (id, name, city, country, time_zone, currency, capacity) ");
        insert.push_values(chunk, |mut row, (id, venue)| {
            row.push_bind(*id)
                .push_bind(&venue.name)
                .push_bind(&venue.city)
                .push_bind(&venue.country);
            row.push_bind(&venue.time_zone.0)
                .push_bind(venue.currency.as_str());
            row.push_bind(i64::from(venue.map.capacity()));
        });
        insert.build().execute(&mut **tx).await?;
    }
    let rows: Vec<_> = numbered
        .iter()
        .flat_map(|(id, venue)| {
            (0_i64..)
                .zip(&venue.map.rows)
                .map(move |(at, row)| (*id, at, row))
        })
        .collect();
    for chunk in rows.chunks(ROWS_AT_ONCE) {
        let mut insert =
            QueryBuilder::new("insert into seat_row (venue_id, position, section, level, label, seats) ");
        insert.push_values(chunk, |mut values, (venue, at, row)| {
            values.push_bind(*venue).push_bind(*at).push_bind(&row.section);
            values
                .push_bind(i64::from(row.level))
                .push_bind(&row.label)
                .push_bind(i64::from(row.seats));
        });
        insert.build().execute(&mut **tx).await?;
    }
    Ok(())
}

async fn insert_events(tx: &mut Transaction<'_, Sqlite>, events: &[SeedEvent]) -> Result<(), StoreError> {
    let numbered: Vec<(i64, &SeedEvent)> = (1..).zip(events).collect();
    for chunk in numbered.chunks(ROWS_AT_ONCE) {
        let mut insert =
            QueryBuilder::new("insert into event (id, venue_id, category, title, credit, description) ");
        insert.push_values(chunk, |mut row, (id, event)| {
            row.push_bind(*id)
                .push_bind(event.venue as i64 + 1)
                .push_bind(event.category.as_str());
            row.push_bind(&event.title)
                .push_bind(&event.credit)
                .push_bind(&event.description);
        });
        insert.build().execute(&mut **tx).await?;
    }
    let prices: Vec<(i64, i64, i64)> = numbered
        .iter()
        .flat_map(|(id, event)| {
            (1_i64..)
                .zip(&event.prices)
                .map(move |(level, amount)| (*id, level, *amount))
        })
        .collect();
    for chunk in prices.chunks(ROWS_AT_ONCE) {
        let mut insert = QueryBuilder::new("insert into price (event_id, level, amount) ");
        insert.push_values(chunk, |mut row, (event, level, amount)| {
            row.push_bind(*event).push_bind(*level).push_bind(*amount);
        });
        insert.build().execute(&mut **tx).await?;
    }
    Ok(())
}

async fn insert_showtimes(tx: &mut Transaction<'_, Sqlite>, starts: &[(i64, i64)]) -> Result<(), StoreError> {
    for chunk in starts.chunks(ROWS_AT_ONCE) {
        let mut insert = QueryBuilder::new("insert into showtime (event_id, starts_at) ");
        insert.push_values(chunk, |mut row, (event, start)| {
            row.push_bind(*event).push_bind(*start);
        });
        insert.build().execute(&mut **tx).await?;
    }
    Ok(())
}
