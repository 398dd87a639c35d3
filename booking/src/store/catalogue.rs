//! Reading the catalogue: lists, events, showtimes and seat maps.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::{Statement, Store, StoreError};
use crate::domain::{
    Category, Event, EventDetail, EventFilter, EventId, MapRow, Money, OpenSection, PriceLevel, SeatMap,
    Showtime, ShowtimeDetail, ShowtimeId, ShowtimeSummary, Venue,
};

/// What makes an [`Event`], save its showtimes.
macro_rules! event {
    () => {
        "select event.id, event.category, event.title, event.credit, event.description, event.organiser, \
         cast(event.cancelled_at is not null as integer) as cancelled, \
         venue.name, venue.city, venue.country, venue.time_zone, venue.currency, \
         (select min(amount) from price where price.event_id = event.id) as price_from \
         from event join venue on venue.id = event.venue_id "
    };
}

/// What makes a [`ShowtimeSummary`], of the showtimes in a JSON array.
static SUMMARIES: Statement = Statement::new(
    "select showtime.id, showtime.starts_at, event.title, \
     venue.name, venue.city, venue.country, venue.time_zone, venue.currency \
     from showtime join event on event.id = showtime.event_id join venue on venue.id = event.venue_id \
     where showtime.id in (select cast(value as bigint) from {each:$1})",
);

static EVENT: Statement = Statement::new(concat!(event!(), "where event.id = $1"));

/// Those of a JSON array, called off or not.
static EVENTS_NAMED: Statement = Statement::new(concat!(
    event!(),
    "where event.id in (select cast(value as bigint) from {each:$1})"
));

/// Events to come, with every filter; an empty text filters nothing.
static EVENTS: Statement = Statement::new(concat!(
    event!(),
    "where event.id > $1 and event.cancelled_at is null and exists (select 1 from showtime \
     where event_id = event.id and cancelled_at is null and starts_at * 1000 > {now}) \
     and ($2 = '' or event.category = $2) and ($3 = '' or lower(venue.city) = lower($3)) \
     and not exists (select 1 from {each:$4} \
     where lower(event.title || ' ' || event.credit || ' ' || event.description) not like lower(value) escape '\\') \
     order by event.id limit $5",
));

/// Showtimes to come of the events in a JSON array, with the seats nobody has.
static SHOWTIMES: Statement = Statement::new(
    "select showtime.id, showtime.event_id, showtime.starts_at, venue.capacity - (select count(*) from claim \
     where claim.showtime_id = showtime.id and {live}) from showtime join event on event.id = showtime.event_id \
     join venue on venue.id = event.venue_id \
     where showtime.event_id in (select cast(value as bigint) from {each:$1}) \
     and showtime.cancelled_at is null and event.cancelled_at is null and showtime.starts_at * 1000 > {now} \
     order by showtime.starts_at, showtime.id",
);

static SHOWTIME: Statement = Statement::new(
    "select event_id, starts_at, cast(starts_at * 1000 <= {now} as integer), \
     cast(coalesce(showtime.cancelled_at, event.cancelled_at) is not null as integer), event.venue_id \
     from showtime join event on event.id = event_id where showtime.id = $1",
);

/// The catalogue's own count of changes, and how many showtimes have begun: lists show only those to come.
static VERSION: Statement = Statement::new(
    "select catalogue_version, (select count(*) from showtime where starts_at * 1000 <= {now}) from meta",
);

static CITIES: Statement = Statement::new(
    "select venue.city, count(*) from event join venue on venue.id = event.venue_id \
     where event.cancelled_at is null and exists (select 1 from showtime \
     where event_id = event.id and cancelled_at is null and starts_at * 1000 > {now}) \
     group by venue.city order by count(*) desc, venue.city",
);

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
        let query = sqlx::query_as(self.sql(&VERSION));
        let (version, begun): (i64, i64) = query.fetch_one(&self.readers).await?;
        Ok(format!("{version}.{begun}"))
    }

    /// Events with a showtime to come that fit the filter.
    pub async fn events(&self, filter: &EventFilter) -> Result<EventPage, StoreError> {
        let mut tx = self.reading().await?;
        let (version, begun): (i64, i64) = sqlx::query_as(self.sql(&VERSION)).fetch_one(&mut *tx).await?;
        let limit = filter.limit.clamp(1, EventFilter::LIMIT_MAX);
        // One more than asked for says whether there is a next page.
        let rows = sqlx::query(self.sql(&EVENTS))
            .bind(filter.after.map_or(0, |id| id.0))
            .bind(filter.category.map_or("", Category::as_str))
            .bind(filter.city.as_deref().unwrap_or_default())
            .bind(patterns(filter))
            .bind(i64::from(limit) + 1)
            .fetch_all(&mut *tx)
            .await?;
        let more = rows.len() > limit as usize;
        let mut events = rows
            .iter()
            .take(limit as usize)
            .map(event_of)
            .collect::<Result<Vec<Event>, StoreError>>()?;
        self.add_showtimes(&mut tx, &mut events).await?;
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
        self.event_detail(&mut tx, id).await
    }

    /// One showtime with its event and seat map.
    pub async fn showtime(&self, id: ShowtimeId) -> Result<Option<ShowtimeDetail>, StoreError> {
        let mut tx = self.reading().await?;
        let query = sqlx::query_as(self.sql(&SHOWTIME)).bind(id.0);
        let found: Option<(i64, i64, i64, i64, i64)> = query.fetch_optional(&mut *tx).await?;
        let Some((event_id, starts_at, started, cancelled, venue_id)) = found else {
            return Ok(None);
        };
        let map = seat_map(&mut tx, venue_id).await?;
        let event = self.event_detail(&mut tx, EventId(event_id)).await?;
        let event = event.ok_or_else(|| StoreError::Corrupt("a showtime without its event".into()))?;
        Ok(Some(ShowtimeDetail {
            id,
            starts_at: instant(starts_at)?,
            started: started != 0,
            cancelled: cancelled != 0,
            event,
            map,
        }))
    }

    /// Showtimes in a few words each, all of them in one query.
    pub async fn showtimes_named(
        &self,
        ids: impl IntoIterator<Item = ShowtimeId>,
    ) -> Result<HashMap<ShowtimeId, ShowtimeSummary>, StoreError> {
        let ids: BTreeSet<ShowtimeId> = ids.into_iter().collect();
        let query = sqlx::query(self.sql(&SUMMARIES)).bind(json_list(&Vec::from_iter(ids)));
        let rows = query.fetch_all(&self.readers).await?;
        let summary = |row: &AnyRow| {
            let id = ShowtimeId(row.try_get("id")?);
            let summary = ShowtimeSummary {
                id,
                starts_at: instant(row.try_get("starts_at")?)?,
                title: row.try_get("title")?,
                venue: venue_of(row)?,
            };
            Ok((id, summary))
        };
        rows.iter().map(summary).collect()
    }

    /// Cities with something to come, and how many events each has; most first.
    pub async fn cities(&self) -> Result<Vec<(String, u32)>, StoreError> {
        let query = sqlx::query_as(self.sql(&CITIES));
        let rows: Vec<(String, i64)> = query.fetch_all(&self.readers).await?;
        Ok(rows
            .into_iter()
            .map(|(city, events)| (city, u32::try_from(events).unwrap_or(u32::MAX)))
            .collect())
    }

    /// Events by their ids, in any order, and whether each was called off; then it has no showtimes to come.
    pub(super) async fn events_named(
        &self,
        db: &mut AnyConnection,
        ids: &[EventId],
    ) -> Result<Vec<(Event, bool)>, StoreError> {
        let query = sqlx::query(self.sql(&EVENTS_NAMED)).bind(json_list(ids));
        let rows = query.fetch_all(&mut *db).await?;
        let mut events = rows
            .iter()
            .map(event_of)
            .collect::<Result<Vec<Event>, StoreError>>()?;
        self.add_showtimes(db, &mut events).await?;
        let cancelled = rows
            .iter()
            .map(|row| Ok(row.try_get::<i64, _>("cancelled")? != 0));
        let cancelled = cancelled.collect::<Result<Vec<bool>, StoreError>>()?;
        Ok(events.into_iter().zip(cancelled).collect())
    }

    async fn event_detail(
        &self,
        db: &mut AnyConnection,
        id: EventId,
    ) -> Result<Option<EventDetail>, StoreError> {
        let query = sqlx::query(self.sql(&EVENT)).bind(id.0);
        let Some(row) = query.fetch_optional(&mut *db).await? else {
            return Ok(None);
        };
        let mut events = [event_of(&row)?];
        self.add_showtimes(db, &mut events).await?;
        let [event] = events;
        let organiser = row.try_get("organiser")?;
        let cancelled: i64 = row.try_get("cancelled")?;
        let prices = prices_of(db, &event).await?;
        Ok(Some(EventDetail {
            event,
            prices,
            organiser,
            cancelled: cancelled != 0,
        }))
    }

    async fn add_showtimes(&self, db: &mut AnyConnection, events: &mut [Event]) -> Result<(), StoreError> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let query = sqlx::query_as(self.sql(&SHOWTIMES)).bind(json_list(&ids));
        let rows: Vec<(i64, i64, i64, i64)> = query.fetch_all(db).await?;
        let mut by_event: HashMap<EventId, Vec<Showtime>> = HashMap::new();
        for (id, event, starts_at, left) in rows {
            let showtime = Showtime {
                id: ShowtimeId(id),
                starts_at: instant(starts_at)?,
                seats_left: u32::try_from(left).unwrap_or(0),
            };
            by_event.entry(EventId(event)).or_default().push(showtime);
        }
        for event in events {
            event.showtimes = by_event.remove(&event.id).unwrap_or_default();
        }
        Ok(())
    }
}

/// Ids as the JSON array that statements take.
pub(super) fn json_list(ids: &[impl serde::Serialize]) -> String {
    serde_json::json!(ids).to_string()
}

/// What each word of the filter must look like in the text, as a JSON array.
fn patterns(filter: &EventFilter) -> String {
    let pattern = |word: &str| {
        let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        serde_json::Value::String(format!("%{escaped}%"))
    };
    serde_json::Value::Array(filter.words().into_iter().map(pattern).collect()).to_string()
}

async fn prices_of(db: &mut AnyConnection, event: &Event) -> Result<Vec<PriceLevel>, StoreError> {
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "select price.level, price.amount, part.section from price \
         join event on event.id = price.event_id \
         join (select venue_id, position, level, section from seat_row \
               union all select venue_id, position, level, name from open_section) as part \
         on part.venue_id = event.venue_id and part.level = price.level \
         where price.event_id = $1 order by price.level, part.position",
    )
    .bind(event.id.0)
    .fetch_all(db)
    .await?;
    let mut prices: Vec<PriceLevel> = Vec::new();
    for (level, amount, section) in rows {
        let level = level_of(level)?;
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
    Ok(prices)
}

pub(super) async fn seat_map(db: &mut AnyConnection, venue: i64) -> Result<SeatMap, StoreError> {
    let rows = sqlx::query(
        "select section, level, label, seats, x, y, accessible from seat_row where venue_id = $1 order by position",
    )
    .bind(venue)
    .fetch_all(&mut *db)
    .await?;
    let corrupt = || StoreError::Corrupt("a row of seats".into());
    let number = |row: &AnyRow, column: &str| -> Result<i64, StoreError> { Ok(row.try_get(column)?) };
    let row = |row: &AnyRow| {
        let accessible: String = row.try_get("accessible")?;
        Ok(MapRow {
            section: row.try_get("section")?,
            level: level_of(number(row, "level")?)?,
            label: row.try_get("label")?,
            seats: u32::try_from(number(row, "seats")?).map_err(|_| corrupt())?,
            x: i32::try_from(number(row, "x")?).map_err(|_| corrupt())?,
            y: i32::try_from(number(row, "y")?).map_err(|_| corrupt())?,
            accessible: serde_json::from_str(&accessible).map_err(|_| corrupt())?,
        })
    };
    let rows = rows.iter().map(row).collect::<Result<_, StoreError>>()?;
    let sections: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "select name, label, level, capacity from open_section where venue_id = $1 order by position",
    )
    .bind(venue)
    .fetch_all(db)
    .await?;
    let open = |(name, label, level, capacity)| {
        Ok(OpenSection {
            name,
            label,
            level: level_of(level)?,
            capacity: u32::try_from(capacity).map_err(|_| corrupt())?,
        })
    };
    let open = sections
        .into_iter()
        .map(open)
        .collect::<Result<_, StoreError>>()?;
    Ok(SeatMap { rows, open })
}

pub(super) fn level_of(number: i64) -> Result<u8, StoreError> {
    u8::try_from(number).map_err(|_| StoreError::Corrupt("a price level".into()))
}

fn event_of(row: &AnyRow) -> Result<Event, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
    let venue = venue_of(row)?;
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
        price_from: Money {
            amount: amount.ok_or_else(|| corrupt("an event without a price"))?,
            currency: venue.currency,
        },
        venue,
        showtimes: Vec::new(),
    })
}

fn venue_of(row: &AnyRow) -> Result<Venue, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
    let currency = text("currency")?.parse();
    Ok(Venue {
        name: text("name")?,
        city: text("city")?,
        country: text("country")?,
        time_zone: TimeZone::get(&text("time_zone")?).map_err(|_| corrupt("a venue's time zone"))?,
        currency: currency.map_err(|_| corrupt("a venue's currency"))?,
    })
}

pub(super) fn instant(seconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_second(seconds).map_err(|_| StoreError::Corrupt("a showtime's start".into()))
}
