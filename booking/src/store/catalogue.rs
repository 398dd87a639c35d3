//! Reading the catalogue: lists, events, showtimes and seat maps.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::clock::{claim_live, now_ms};
use super::{Store, StoreError};
use crate::domain::{
    Category, Event, EventDetail, EventFilter, EventId, MapRow, Money, PriceLevel, SeatMap, Showtime,
    ShowtimeDetail, ShowtimeId, Venue,
};

const EVENT: &str = "select event.id, event.category, event.title, event.credit, event.description, \
     venue.name, venue.city, venue.country, venue.time_zone, venue.currency, \
     (select min(amount) from price where price.event_id = event.id) as price_from \
     from event join venue on venue.id = event.venue_id";

/// Showtimes to come of the events in a JSON array, with the seats nobody has.
const SHOWTIMES: &str = concat!(
    "select showtime.id, showtime.event_id, showtime.starts_at, venue.capacity - (select count(*) from claim ",
    "where claim.showtime_id = showtime.id and ",
    claim_live!(),
    ") as seats_left from showtime join event on event.id = showtime.event_id ",
    "join venue on venue.id = event.venue_id ",
    "where showtime.event_id in (select value from json_each(?1)) and showtime.starts_at > unixepoch() ",
    "order by showtime.starts_at, showtime.id",
);

/// The catalogue's own count of changes, and how many showtimes have begun: lists show only those to come.
const VERSION: &str =
    "select catalogue_version, (select count(*) from showtime where starts_at <= unixepoch()) from meta";

/// A page of a list.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events, by id.
    pub events: Vec<Event>,
    /// The cursor of the next page, if there is one.
    pub next_after: Option<EventId>,
    /// Changes whenever a list could, save for the seats left.
    pub catalogue_version: String,
}

impl Store {
    /// The catalogue's version alone; cheap.
    pub async fn catalogue_version(&self) -> Result<String, StoreError> {
        let (version, begun): (i64, i64) = sqlx::query_as(VERSION).fetch_one(&self.readers).await?;
        Ok(format!("{version}.{begun}"))
    }

    /// Events with a showtime to come that fit the filter.
    pub async fn events(&self, filter: &EventFilter) -> Result<EventPage, StoreError> {
        let mut tx = self.reading().await?;
        let (version, begun): (i64, i64) = sqlx::query_as(VERSION).fetch_one(&mut *tx).await?;
        let limit = filter.limit.clamp(1, EventFilter::LIMIT_MAX);
        // One more than asked for says whether there is a next page.
        let rows = list_query(filter, limit + 1).build().fetch_all(&mut *tx).await?;
        let more = rows.len() > limit as usize;
        let mut events = rows
            .iter()
            .take(limit as usize)
            .map(event_of)
            .collect::<Result<Vec<Event>, StoreError>>()?;
        add_showtimes(&mut tx, &mut events).await?;
        let next_after = events.last().filter(|_| more).map(|event| event.id);
        Ok(EventPage {
            events,
            next_after,
            catalogue_version: format!("{version}.{begun}"),
        })
    }

    /// One event, with showtimes to come and prices.
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        let mut tx = self.reading().await?;
        event_detail(&mut tx, id).await
    }

    /// One showtime with its event and seat map.
    pub async fn showtime(&self, id: ShowtimeId) -> Result<Option<ShowtimeDetail>, StoreError> {
        let mut tx = self.reading().await?;
        let found: Option<(i64, i64, bool, i64)> = sqlx::query_as(
            "select event_id, starts_at, starts_at <= unixepoch(), event.venue_id \
             from showtime join event on event.id = event_id where showtime.id = ?1",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((event_id, starts_at, started, venue_id)) = found else {
            return Ok(None);
        };
        let map = seat_map(&mut tx, venue_id).await?;
        let event = event_detail(&mut tx, EventId(event_id)).await?;
        let event = event.ok_or_else(|| StoreError::Corrupt("a showtime without its event".into()))?;
        Ok(Some(ShowtimeDetail {
            id,
            starts_at: instant(starts_at)?,
            started,
            event,
            map,
        }))
    }

    /// The seat map that a showtime is played on, without the rest.
    pub async fn seat_map_of(&self, id: ShowtimeId) -> Result<Option<SeatMap>, StoreError> {
        let mut tx = self.reading().await?;
        let venue: Option<i64> = sqlx::query_scalar(
            "select venue_id from showtime join event on event.id = event_id where showtime.id = ?1",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        match venue {
            Some(venue) => Ok(Some(seat_map(&mut tx, venue).await?)),
            None => Ok(None),
        }
    }

    /// Cities with something to come, and how many events each has; most first.
    pub async fn cities(&self) -> Result<Vec<(String, u32)>, StoreError> {
        let query = sqlx::query_as(
            "select venue.city, count(*) from event join venue on venue.id = event.venue_id \
             where exists (select 1 from showtime where event_id = event.id and starts_at > unixepoch()) \
             group by venue.city order by count(*) desc, venue.city",
        );
        Ok(query.fetch_all(&self.readers).await?)
    }
}

fn list_query(filter: &EventFilter, limit: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(EVENT);
    query
        .push(" where event.id > ")
        .push_bind(filter.after.map_or(0, |id| id.0));
    query.push(" and exists (select 1 from showtime where event_id = event.id and starts_at > unixepoch())");
    if let Some(category) = filter.category {
        query.push(" and event.category = ").push_bind(category.as_str());
    }
    if let Some(city) = &filter.city {
        query
            .push(" and venue.city = ")
            .push_bind(city.clone())
            .push(" collate nocase");
    }
    for word in filter.words() {
        let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        query.push(" and event.title || ' ' || event.credit || ' ' || event.description like ");
        query.push_bind(format!("%{escaped}%")).push(" escape '\\'");
    }
    query.push(" order by event.id limit ").push_bind(limit);
    query
}

async fn event_detail(db: &mut SqliteConnection, id: EventId) -> Result<Option<EventDetail>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(EVENT);
    query.push(" where event.id = ").push_bind(id.0);
    let Some(row) = query.build().fetch_optional(&mut *db).await? else {
        return Ok(None);
    };
    let mut events = [event_of(&row)?];
    add_showtimes(db, &mut events).await?;
    let [event] = events;
    let rows: Vec<(u8, i64, String)> = sqlx::query_as(
        "select price.level, price.amount, seat_row.section from price \
         join event on event.id = price.event_id \
         join seat_row on seat_row.venue_id = event.venue_id and seat_row.level = price.level \
         where price.event_id = ?1 order by price.level, seat_row.position",
    )
    .bind(id.0)
    .fetch_all(db)
    .await?;
    let mut prices: Vec<PriceLevel> = Vec::new();
    for (level, amount, section) in rows {
        let price = Money {
            amount,
            currency: event.venue.currency,
        };
        match prices.last_mut().filter(|last| last.level == level) {
            Some(last) if last.sections.contains(&section) => {}
            Some(last) => last.sections.push(section),
            None => prices.push(PriceLevel {
                level,
                sections: vec![section],
                price,
            }),
        }
    }
    Ok(Some(EventDetail { event, prices }))
}

async fn add_showtimes(db: &mut SqliteConnection, events: &mut [Event]) -> Result<(), StoreError> {
    let ids: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
    let query = sqlx::query_as(SHOWTIMES).bind(format!("[{}]", ids.join(",")));
    let rows: Vec<(i64, i64, i64, i64)> = query.fetch_all(db).await?;
    let mut by_event: HashMap<EventId, Vec<Showtime>> = HashMap::new();
    for (id, event, starts_at, left) in rows {
        let starts_at = instant(starts_at)?;
        let seats_left = u32::try_from(left).unwrap_or(0);
        let showtime = Showtime {
            id: ShowtimeId(id),
            starts_at,
            seats_left,
        };
        by_event.entry(EventId(event)).or_default().push(showtime);
    }
    for event in events {
        event.showtimes = by_event.remove(&event.id).unwrap_or_default();
    }
    Ok(())
}

async fn seat_map(db: &mut SqliteConnection, venue: i64) -> Result<SeatMap, StoreError> {
    let rows: Vec<(String, u8, String, u16)> = sqlx::query_as(
        "select section, level, label, seats from seat_row where venue_id = ?1 order by position",
    )
    .bind(venue)
    .fetch_all(db)
    .await?;
    let row = |(section, level, label, seats)| MapRow {
        section,
        level,
        label,
        seats,
    };
    Ok(SeatMap {
        rows: rows.into_iter().map(row).collect(),
    })
}

fn event_of(row: &SqliteRow) -> Result<Event, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
    let currency = text("currency")?
        .parse()
        .map_err(|_| corrupt("a venue's currency"))?;
    let zone = TimeZone::get(&text("time_zone")?).map_err(|_| corrupt("a venue's time zone"))?;
    let category: Category = text("category")?
        .parse()
        .map_err(|_| corrupt("an event's category"))?;
    let amount: Option<i64> = row.try_get("price_from")?;
    Ok(Event {
        id: EventId(row.try_get("id")?),
        category,
        title: text("title")?,
        credit: text("credit")?,
        description: text("description")?,
        venue: Venue {
            name: text("name")?,
            city: text("city")?,
            country: text("country")?,
            time_zone: zone,
            currency,
        },
        price_from: Money {
            amount: amount.ok_or_else(|| corrupt("an event without a price"))?,
            currency,
        },
        showtimes: Vec::new(),
    })
}

fn instant(seconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_second(seconds).map_err(|_| StoreError::Corrupt("a showtime's start".into()))
}
