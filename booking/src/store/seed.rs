//! Filling an empty catalogue, once.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{Store, StoreError, rows};
use crate::domain::{Category, Currency, EventId, SeatMap};

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
        let rows = (1..).zip(venues).map(|(id, venue)| {
            json!({"id": id, "name": venue.name, "city": venue.city, "country": venue.country,
                "time_zone": venue.time_zone.0, "currency": venue.currency.as_str(), "capacity": venue.map.capacity()})
        });
        self.insert(&mut tx, &rows::VENUES, rows.collect()).await?;
        let maps = || (1..).zip(venues).map(|(id, venue)| (id, &venue.map));
        let rows = maps().flat_map(|(id, map)| rows::seat_rows(id, map));
        self.insert(&mut tx, &rows::SEAT_ROWS, rows.collect()).await?;
        let rows = maps().flat_map(|(id, map)| rows::open_sections(id, map));
        self.insert(&mut tx, &rows::OPEN_SECTIONS, rows.collect()).await?;
        let rows = (1..).zip(events).map(|(id, event)| {
            json!({"id": id, "venue": event.venue + 1, "category": event.category.as_str(), "title": event.title,
                "credit": event.credit, "description": event.description})
        });
        self.insert(&mut tx, &rows::EVENTS, rows.collect()).await?;
        let rows = (1..).zip(events).flat_map(|(id, event)| {
            let prices = (1..).zip(&event.prices);
            prices.map(move |(level, amount)| json!({"event": id, "level": level, "amount": amount}))
        });
        self.insert(&mut tx, &rows::PRICES, rows.collect()).await?;
        let rows = (1..)
            .zip(&starts)
            .map(|(id, (event, start))| json!({"id": id, "event": event, "starts_at": start}));
        self.insert(&mut tx, &rows::SHOWTIMES, rows.collect()).await?;
        let ids: Vec<EventId> = (1..).map(EventId).take(events.len()).collect();
        self.append(&mut tx, &ids).await?;
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
