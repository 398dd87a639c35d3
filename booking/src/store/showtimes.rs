//! Showtimes of organisers' events: added, moved and called off.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use sqlx::{Any, Transaction};

use super::catalogue::instant;
use super::organise::{OrganiseError, begins};
use super::{Statement, Store, StoreError, rows};
use crate::domain::draft::{Mistakes, SHOWTIMES_MAX, Start};
use crate::domain::{EventId, Organiser, Refusal, ShowtimeId};

static OF_EVENT: Statement = Statement::new("select id, starts_at from showtime where event_id = $1");

static SHOWTIME: Statement = Statement::new(
    "select event_id, starts_at, cast(cancelled_at is not null as integer), \
     cast(starts_at * 1000 <= {now} as integer) from showtime where id = $1",
);

static MOVE: Statement = Statement::new("update showtime set starts_at = $2 where id = $1");

static CANCEL: Statement = Statement::new("update showtime set cancelled_at = {now} where id = $1");

impl Store {
    /// Adds a showtime to an event, and answers with when it begins.
    pub async fn add_showtime(
        &self,
        by: &Organiser,
        event: EventId,
        start: Start,
    ) -> Result<(ShowtimeId, Timestamp), OrganiseError> {
        let mut tx = self.changing().await?;
        let standing = self.standing(&mut tx, by, event).await?;
        if standing.cancelled {
            return Err(Refusal::Cancelled.into());
        }
        let now = self.now(&mut tx).await?;
        let starts_at = begins(start, &standing.zone, now, &BTreeSet::new())
            .map_err(|why| Mistakes::one("starts_at", why))?;
        let others = self.starts_of(&mut tx, event).await?;
        alone(&others, starts_at)?;
        if others.len() >= SHOWTIMES_MAX {
            let why = format!("would be one too many: an event has at most {SHOWTIMES_MAX} showtimes");
            return Err(Mistakes::one("starts_at", why).into());
        }
        let id = self.put_showtimes(&mut tx, &[(event, starts_at)]).await?;
        self.append(&mut tx, &[event]).await?;
        tx.commit().await?;
        Ok((id, instant(starts_at)?))
    }

    /// Moves a showtime that has not begun; what was held or sold of it stays so. Answers with its event and its start.
    pub async fn move_showtime(
        &self,
        by: &Organiser,
        id: ShowtimeId,
        start: Start,
    ) -> Result<(EventId, Timestamp), OrganiseError> {
        let mut tx = self.changing().await?;
        let found = self.showtime_standing(&mut tx, by, id).await?;
        if found.cancelled {
            return Err(Refusal::Cancelled.into());
        } else if found.begun {
            return Err(Refusal::Started.into());
        }
        let event = self.standing(&mut tx, by, found.event).await?;
        if event.cancelled {
            return Err(Refusal::Cancelled.into());
        }
        let now = self.now(&mut tx).await?;
        let starts_at = begins(start, &event.zone, now, &BTreeSet::new())
            .map_err(|why| Mistakes::one("starts_at", why))?;
        if starts_at == found.starts_at {
            return Ok((found.event, instant(starts_at)?));
        }
        alone(&self.starts_of(&mut tx, found.event).await?, starts_at)?;
        sqlx::query(self.sql(&MOVE))
            .bind(id.0)
            .bind(starts_at)
            .execute(&mut *tx)
            .await?;
        self.append(&mut tx, &[found.event]).await?;
        tx.commit().await?;
        Ok((found.event, instant(starts_at)?))
    }

    /// Calls a showtime off, also one that has begun; a second time changes nothing. Answers whether this call has.
    pub async fn cancel_showtime(&self, by: &Organiser, id: ShowtimeId) -> Result<bool, OrganiseError> {
        let mut tx = self.changing().await?;
        let found = self.showtime_standing(&mut tx, by, id).await?;
        if found.cancelled {
            return Ok(false);
        }
        sqlx::query(self.sql(&CANCEL))
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        self.called_off(&mut tx, found.event, &[id]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Puts showtimes in, each with its start in seconds since 1970, and answers with the first one's number.
    pub(super) async fn put_showtimes(
        &self,
        tx: &mut Transaction<'_, Any>,
        showtimes: &[(EventId, i64)],
    ) -> Result<ShowtimeId, StoreError> {
        let first: i64 = sqlx::query_scalar("select coalesce(max(id), 0) + 1 from showtime")
            .fetch_one(&mut **tx)
            .await?;
        let rows = (first..)
            .zip(showtimes)
            .map(|(id, (event, start))| json!({"id": id, "event": event, "starts_at": start}));
        self.insert(tx, &rows::SHOWTIMES, rows.collect()).await?;
        Ok(ShowtimeId(first))
    }

    /// Every showtime of an event and its start, past and cancelled ones too.
    async fn starts_of(
        &self,
        tx: &mut Transaction<'_, Any>,
        event: EventId,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let query = sqlx::query_as(self.sql(&OF_EVENT)).bind(event.0);
        Ok(query.fetch_all(&mut **tx).await?)
    }

    /// A showtime of an event that the organiser may change.
    async fn showtime_standing(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        id: ShowtimeId,
    ) -> Result<ShowtimeStanding, OrganiseError> {
        let query = sqlx::query_as(self.sql(&SHOWTIME)).bind(id.0);
        let found: Option<(i64, i64, i64, i64)> = query.fetch_optional(&mut **tx).await?;
        let (event, starts_at, cancelled, begun) = found.ok_or(Refusal::NoShowtime)?;
        self.standing(tx, by, EventId(event)).await?;
        Ok(ShowtimeStanding {
            event: EventId(event),
            starts_at,
            cancelled: cancelled != 0,
            begun: begun != 0,
        })
    }
}

/// A showtime as it stands while it is changed.
struct ShowtimeStanding {
    event: EventId,
    starts_at: i64,
    cancelled: bool,
    begun: bool,
}

/// Refuses a start that another showtime of the event has, called off or not: the two could not be told apart.
fn alone(others: &[(i64, i64)], starts_at: i64) -> Result<(), Mistakes> {
    match others.iter().find(|(_, start)| *start == starts_at) {
        Some((id, _)) => Err(Mistakes::one(
            "starts_at",
            format!("is when showtime {id} of this event begins"),
        )),
        None => Ok(()),
    }
}
