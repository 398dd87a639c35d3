//! What has changed among the seats of a showtime: read again and again by whoever shows them, never by who sells them.

use super::seat_of;
use crate::domain::{Claimed, Owner, Seat, ShowtimeId};
use crate::store::{Engine, Statement, Store, StoreError};

/// Everything before this is known to a reader: its next question begins here.
///
/// In SQLite it is the fence's value, which grows with every writing transaction. In PostgreSQL it is the oldest
/// transaction that was still running: one that began before others may commit after them, and nothing from it on counts
/// as read. So some rows come again, and a reader compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64);

/// A claim row as it stands, whether it still binds or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRow {
    /// On which seat.
    pub seat: Seat,
    /// How firmly.
    pub claimed: Claimed,
    /// Until when, where it is held; milliseconds since 1970 by the database's clock.
    pub expires_at: i64,
    /// When it changed, as a cursor counts.
    pub changed: Cursor,
}

/// What one question found; all of it at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatChanges {
    /// The database's clock, in milliseconds since 1970.
    pub now: i64,
    /// Where the next question begins.
    pub cursor: Cursor,
    /// The catalogue's own count of changes.
    pub catalogue: i64,
    /// The rows that changed, some of them perhaps known already. In no order, each seat at most once.
    pub rows: Vec<ClaimRow>,
}

/// One row for all of it, the claims as one text: a single statement sees a single instant, and tens of thousands of
/// rows would take longer to fetch than to use.
macro_rules! changes_since {
    ($cursor:literal) => {
        concat!(
            "select {now}, ",
            $cursor,
            ", (select catalogue_version from meta), \
             (select {list:seat || ':' || state || ':' || expires_at || ':' || changed} from claim \
             where showtime_id = $1 and changed >= $2)"
        )
    };
}

/// Also those that changed at the cursor itself: a writer that took no new fence must not be missed.
static CHANGES_IN_FILE: Statement = Statement::new(changes_since!("(select token from fence)"));

static CHANGES_ON_SERVER: Statement = Statement::new(changes_since!(
    "cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint)"
));

static SEATS_OF: Statement =
    Statement::new("select seat from claim where showtime_id = $1 and owner = $2 and {live}");

impl Store {
    /// The claims of a showtime that may have changed since the cursor; since the default one, all.
    pub async fn seat_changes(&self, showtime: ShowtimeId, since: Cursor) -> Result<SeatChanges, StoreError> {
        self.changes_within(&self.readers, showtime, since).await
    }

    /// The same as a transaction sees it.
    pub(super) async fn changes_within(
        &self,
        db: impl sqlx::Executor<'_, Database = sqlx::Any>,
        showtime: ShowtimeId,
        since: Cursor,
    ) -> Result<SeatChanges, StoreError> {
        let statement = match self.engine {
            Engine::Sqlite => &CHANGES_IN_FILE,
            Engine::Postgres => &CHANGES_ON_SERVER,
        };
        let query = sqlx::query_as(self.sql(statement)).bind(showtime.0).bind(since.0);
        let (now, cursor, catalogue, rows): (i64, i64, i64, Option<String>) = query.fetch_one(db).await?;
        let rows = rows.as_deref().unwrap_or_default();
        Ok(SeatChanges {
            now,
            cursor: Cursor(cursor),
            catalogue,
            rows: rows
                .split_ascii_whitespace()
                .map(row_of)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The seats that are somebody's, held, being paid or bought; in order.
    pub async fn seats_of(&self, showtime: ShowtimeId, owner: &Owner) -> Result<Vec<Seat>, StoreError> {
        let query = sqlx::query_scalar(self.sql(&SEATS_OF));
        let seats: Vec<String> = query
            .bind(showtime.0)
            .bind(owner.as_str())
            .fetch_all(&self.readers)
            .await?;
        let mut seats = seats
            .iter()
            .map(|text| seat_of(text))
            .collect::<Result<Vec<_>, _>>()?;
        seats.sort();
        Ok(seats)
    }
}

fn row_of(text: &str) -> Result<ClaimRow, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("a claim {text:?}"));
    let mut parts = text.split(':');
    let mut part = || parts.next().ok_or_else(corrupt);
    Ok(ClaimRow {
        seat: seat_of(part()?)?,
        claimed: match part()? {
            "held" => Claimed::Held,
            "paying" => Claimed::Paying,
            "sold" => Claimed::Sold,
            _ => return Err(corrupt()),
        },
        expires_at: part()?.parse().map_err(|_| corrupt())?,
        changed: Cursor(part()?.parse().map_err(|_| corrupt())?),
    })
}
