//! Events of organisers' own: made, changed and called off, each call in one transaction that also appends to the feed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::venues::{House, zone};
use super::{Statement, Store, StoreError, rows};
use crate::domain::draft::{EventChange, EventDraft, Mistakes, Start};
use crate::domain::{EventId, Organiser, Refusal, ShowtimeId};

/// Why an organiser's change was not made.
#[derive(Debug, thiserror::Error)]
pub enum OrganiseError {
    /// It may not be made.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Mistakes> for OrganiseError {
    fn from(mistakes: Mistakes) -> Self {
        Self::Refused(Refusal::Mistakes(mistakes))
    }
}

impl From<sqlx::Error> for OrganiseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

static NOW: Statement = Statement::new("select {now}");

/// What makes a [`Standing`], and the numbers that name it.
macro_rules! standing {
    () => {
        "select event.id, event.venue_id, event.organiser, event.import_key, \
         cast(event.cancelled_at is not null as integer) as cancelled, \
         event.category, event.title, event.credit, event.description, venue.time_zone \
         from event join venue on venue.id = event.venue_id "
    };
}

static STANDING: Statement = Statement::new(concat!(standing!(), "where event.id = $1"));

/// By the keys of one account.
pub(super) static KEYED: Statement = Statement::new(concat!(
    standing!(),
    "where event.organiser = $1 and event.import_key in (select value from {each:$2})"
));

static CHANGE: Statement =
    Statement::new("update event set category = $2, title = $3, credit = $4, description = $5 where id = $1");

static CANCEL: Statement = Statement::new("update event set cancelled_at = {now} where id = $1");

/// What is still to come of an event and not called off yet.
static TO_COME: Statement = Statement::new(
    "select id from showtime where event_id = $1 and cancelled_at is null and starts_at * 1000 > {now} order by id",
);

/// An event as it stands while it is changed.
pub(super) struct Standing {
    pub(super) cancelled: bool,
    pub(super) zone: TimeZone,
    category: String,
    title: String,
    credit: String,
    description: String,
}

impl Standing {
    pub(super) fn of(row: &AnyRow) -> Result<Self, StoreError> {
        let text = |column: &str| row.try_get::<String, _>(column);
        Ok(Self {
            cancelled: row.try_get::<i64, _>("cancelled")? != 0,
            zone: zone(&text("time_zone")?)?,
            category: text("category")?,
            title: text("title")?,
            credit: text("credit")?,
            description: text("description")?,
        })
    }
}

/// An event on its way in.
pub(super) struct NewEvent<'a> {
    pub(super) draft: &'a EventDraft,
    pub(super) venue: i64,
    /// In seconds since 1970, in order.
    pub(super) starts: BTreeSet<i64>,
}

impl Store {
    /// Makes an event that is the organiser's own.
    pub async fn create_event(&self, by: &Organiser, draft: &EventDraft) -> Result<EventId, OrganiseError> {
        let mut tx = self.changing().await?;
        let mut mistakes = Mistakes::default();
        if let Some(key) = &draft.key {
            let found = sqlx::query(self.sql(&KEYED))
                .bind(by.account().as_str())
                .bind(json!([key]).to_string())
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = found {
                let id: i64 = row.try_get("id")?;
                let why =
                    format!("is the key of your event {id} already; change that one, or import it again");
                mistakes.add("key", why);
            }
        }
        let houses = self.houses(&mut tx, by, &[&draft.venue]).await?;
        let now = self.now(&mut tx).await?;
        let house = house_for(by, houses.of(&draft.venue), "", &mut mistakes);
        let new = house.and_then(|house| fitted(draft, house, &BTreeSet::new(), now, "", &mut mistakes));
        let Some(new) = new.filter(|_| mistakes.is_empty()) else {
            return Err(mistakes.into());
        };
        let first = self.put_events(&mut tx, by, &[new]).await?;
        self.append(&mut tx, &[first]).await?;
        tx.commit().await?;
        Ok(first)
    }

    /// Changes what an event says of itself.
    pub async fn change_event(
        &self,
        by: &Organiser,
        id: EventId,
        change: &EventChange,
    ) -> Result<(), OrganiseError> {
        let mut tx = self.changing().await?;
        let event = self.standing(&mut tx, by, id).await?;
        if event.cancelled {
            return Err(Refusal::Cancelled.into());
        }
        if self.change_texts(&mut tx, id, &event, change).await? {
            self.append(&mut tx, &[id]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Calls an event off, and with it every showtime; a second time changes nothing. Answers with the showtimes that this
    /// call has called off.
    pub async fn cancel_event(&self, by: &Organiser, id: EventId) -> Result<Vec<ShowtimeId>, OrganiseError> {
        let mut tx = self.changing().await?;
        if self.standing(&mut tx, by, id).await?.cancelled {
            return Ok(Vec::new());
        }
        let showtimes: Vec<i64> = sqlx::query_scalar(self.sql(&TO_COME))
            .bind(id.0)
            .fetch_all(&mut *tx)
            .await?;
        let showtimes: Vec<ShowtimeId> = showtimes.into_iter().map(ShowtimeId).collect();
        sqlx::query(self.sql(&CANCEL))
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        self.called_off(&mut tx, id, &showtimes).await?;
        tx.commit().await?;
        Ok(showtimes)
    }

    /// What follows, in the same transaction, from showtimes of an event being called off: the feed hears of it. Nobody
    /// can hold their seats from the commit on.
    ///
    /// Refunds begin here: the batch that pays back the orders of `showtimes` belongs into this transaction.
    pub(super) async fn called_off(
        &self,
        tx: &mut Transaction<'_, Any>,
        event: EventId,
        showtimes: &[ShowtimeId],
    ) -> Result<(), StoreError> {
        tracing::info!(%event, showtimes = showtimes.len(), "called off");
        self.append(tx, &[event]).await
    }

    /// An event that the organiser may change.
    pub(super) async fn standing(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        id: EventId,
    ) -> Result<Standing, OrganiseError> {
        let query = sqlx::query(self.sql(&STANDING)).bind(id.0);
        let row = query.fetch_optional(&mut **tx).await?.ok_or(Refusal::NoEvent)?;
        let organiser: Option<String> = row.try_get("organiser")?;
        if !by.may_change(organiser.as_deref()) {
            return Err(Refusal::NotYours.into());
        }
        Ok(Standing::of(&row)?)
    }

    /// Writes what differs; false where nothing does.
    pub(super) async fn change_texts(
        &self,
        tx: &mut Transaction<'_, Any>,
        id: EventId,
        event: &Standing,
        change: &EventChange,
    ) -> Result<bool, StoreError> {
        let category = change
            .category
            .map_or_else(|| event.category.clone(), |category| category.as_str().to_owned());
        let title = change.title.as_ref().unwrap_or(&event.title);
        let credit = change.credit.as_ref().unwrap_or(&event.credit);
        let description = change.description.as_ref().unwrap_or(&event.description);
        let same = category == event.category
            && *title == event.title
            && *credit == event.credit
            && *description == event.description;
        if !same {
            sqlx::query(self.sql(&CHANGE))
                .bind(id.0)
                .bind(&category)
                .bind(title)
                .bind(credit)
                .bind(description)
                .execute(&mut **tx)
                .await?;
        }
        Ok(!same)
    }

    /// Puts events in, numbered on from the one that is given back.
    pub(super) async fn put_events(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        events: &[NewEvent<'_>],
    ) -> Result<EventId, StoreError> {
        let first: i64 = sqlx::query_scalar("select coalesce(max(id), 0) + 1 from event")
            .fetch_one(&mut **tx)
            .await?;
        let numbered = || (first..).zip(events);
        let texts = numbered().map(|(id, NewEvent { draft, venue, .. })| {
            json!({"id": id, "venue": venue, "organiser": by.account(), "key": draft.key,
                "category": draft.category, "title": draft.title, "credit": draft.credit,
                "description": draft.description})
        });
        self.insert(tx, &rows::EVENTS, texts.collect()).await?;
        let prices = numbered().flat_map(|(id, new)| {
            let prices = new.draft.prices.iter();
            prices.map(move |(level, amount)| json!({"event": id, "level": level, "amount": amount}))
        });
        self.insert(tx, &rows::PRICES, prices.collect()).await?;
        let showtimes =
            numbered().flat_map(|(id, new)| new.starts.iter().map(move |start| (EventId(id), *start)));
        let showtimes: Vec<(EventId, i64)> = showtimes.collect();
        self.put_showtimes(tx, &showtimes).await?;
        Ok(EventId(first))
    }

    /// Now, by the database's clock.
    pub(super) async fn now(&self, tx: &mut Transaction<'_, Any>) -> Result<Timestamp, StoreError> {
        let now_ms: i64 = sqlx::query_scalar(self.sql(&NOW)).fetch_one(&mut **tx).await?;
        Timestamp::from_millisecond(now_ms).map_err(|_| StoreError::Corrupt("the time".into()))
    }
}

/// The house, if the organiser may put something on there; `place` is the event's.
pub(super) fn house_for<'a>(
    by: &Organiser,
    house: Option<&'a House>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<&'a House> {
    let why = match house {
        Some(house) if by.may_play_at(house.organiser.as_deref()) => return Some(house),
        Some(_) => "is somebody else's venue; make one of your own",
        None => "there is no such venue; make it first",
    };
    mistakes.add(in_place(place, "venue"), why);
    None
}

/// The event as it goes in at this house, if everything fits: each price a level, each start ahead and there once. What
/// starts are in `had` already needs no looking at.
pub(super) fn fitted<'a>(
    draft: &'a EventDraft,
    house: &House,
    had: &BTreeSet<i64>,
    now: Timestamp,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<NewEvent<'a>> {
    let mut fits = true;
    if let Some(why) = draft.prices_misfit(&house.levels) {
        mistakes.add(in_place(place, "prices"), why);
        fits = false;
    }
    let mut starts = BTreeSet::new();
    for (at, start) in draft.showtimes.iter().enumerate() {
        let why = match begins(*start, &house.zone, now, had) {
            Ok(start) if starts.insert(start) => continue,
            Ok(_) => "is there twice",
            Err(why) => why,
        };
        mistakes.add(in_place(place, &format!("showtimes[{at}].starts_at")), why);
        fits = false;
    }
    fits.then_some(NewEvent {
        draft,
        venue: house.id,
        starts,
    })
}

/// When a showtime begins, in seconds since 1970, or why it may not begin then. Those in `had` may.
pub(super) fn begins(
    start: Start,
    zone: &TimeZone,
    now: Timestamp,
    had: &BTreeSet<i64>,
) -> Result<i64, &'static str> {
    let at_s = start.at_venue(zone)?;
    match Start::refused(at_s, now) {
        Some(why) if !had.contains(&at_s) => Err(why),
        _ => Ok(at_s),
    }
}

pub(super) fn in_place(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
    }
}
