//! Who has which seat. One row for each (showtime, seat) is the truth, and every change of hands is one statement on it.

mod batch;
mod best;
mod hold;
mod open;
mod verdict;
mod watch;

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Statement, Store, StoreError, millis};
use crate::domain::{Claimed, Hold, HoldId, Owner, Seat, SeatClaim, ShowtimeId};

pub(in crate::store) use batch::Gathering;
pub use watch::{ClaimRow, Cursor, SeatChanges};

/// Which of an owner's holds on a showtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(HoldId),
    /// All of them.
    All,
}

/// Ends live holds of the owner; `$3` empty means all. Only `held` rows: what is being paid or sold is past releasing.
/// The row stays, so that whoever watches the seats sees the change.
static RELEASE: Statement = Statement::new(
    "update claim set expires_at = 0, changed = {changed} \
     where showtime_id = $1 and owner = $2 and state = 'held' and {live} and ($3 = '' or hold_id = $3) returning seat",
);

/// The owner's live holds.
static HOLDS: Statement = Statement::new(
    "select showtime_id, seat, hold_id, token, (expires_at - {now}) / 1000 as seconds_left from claim \
     where showtime_id = $1 and owner = $2 and state = 'held' and {live}",
);

/// One of them, wherever it is.
static HOLD: Statement = Statement::new(
    "select showtime_id, seat, hold_id, token, (expires_at - {now}) / 1000 as seconds_left from claim \
     where hold_id = $1 and owner = $2 and state = 'held' and {live}",
);

/// All live claims of a showtime.
static CLAIMS: Statement =
    Statement::new("select seat, state, owner from claim where showtime_id = $1 and {live}");

/// Makes a hold longer that never was.
static EXTEND: Statement = Statement::new(
    "update claim set expires_at = expires_at + $3, extended = 1, changed = {changed} \
     where hold_id = $1 and owner = $2 and state = 'held' and extended = 0 and {live} returning seat",
);

impl Store {
    /// Gives the owner's seats back and says which; none if nothing live was held.
    pub async fn release(
        &self,
        showtime: ShowtimeId,
        owner: &Owner,
        which: &Which,
    ) -> Result<Vec<Seat>, StoreError> {
        let hold = match which {
            Which::One(id) => id.as_str(),
            Which::All => "",
        };
        let mut tx = self.writing().await?;
        self.next_token(&mut tx).await?;
        let freed: Vec<String> = sqlx::query_scalar(self.sql(&RELEASE))
            .bind(showtime.0)
            .bind(owner.as_str())
            .bind(hold)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut freed = freed
            .iter()
            .map(|text| seat_of(text))
            .collect::<Result<Vec<_>, _>>()?;
        freed.sort();
        Ok(freed)
    }

    /// Makes a live hold longer by that much, once; false where it was made longer before or is none.
    pub async fn extend(
        &self,
        id: &HoldId,
        owner: &Owner,
        by: std::time::Duration,
    ) -> Result<bool, StoreError> {
        let mut tx = self.writing().await?;
        self.next_token(&mut tx).await?;
        let seats = sqlx::query(self.sql(&EXTEND))
            .bind(id.as_str())
            .bind(owner.as_str())
            .bind(millis(by))
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(!seats.is_empty())
    }

    /// The owner's live holds on a showtime, newest last.
    pub async fn holds_of(&self, showtime: ShowtimeId, owner: &Owner) -> Result<Vec<Hold>, StoreError> {
        let query = sqlx::query(self.sql(&HOLDS))
            .bind(showtime.0)
            .bind(owner.as_str());
        holds_in(&query.fetch_all(&self.readers).await?)
    }

    /// The owner's live hold of this name.
    pub async fn hold_of(&self, id: &HoldId, owner: &Owner) -> Result<Option<Hold>, StoreError> {
        let query = sqlx::query(self.sql(&HOLD))
            .bind(id.as_str())
            .bind(owner.as_str());
        Ok(holds_in(&query.fetch_all(&self.readers).await?)?.pop())
    }

    /// Every live claim on a showtime.
    pub async fn claims(&self, showtime: ShowtimeId) -> Result<Vec<SeatClaim>, StoreError> {
        let rows = sqlx::query(self.sql(&CLAIMS))
            .bind(showtime.0)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(claim_of).collect()
    }
}

fn holds_in(rows: &[AnyRow]) -> Result<Vec<Hold>, StoreError> {
    let mut by_token: BTreeMap<i64, Hold> = BTreeMap::new();
    for row in rows {
        let (seat, id): (String, String) = (row.try_get("seat")?, row.try_get("hold_id")?);
        let (token, left): (i64, i64) = (row.try_get("token")?, row.try_get("seconds_left")?);
        let id = id
            .parse()
            .map_err(|_| StoreError::Corrupt("a claim's hold id".into()))?;
        let showtime = ShowtimeId(row.try_get("showtime_id")?);
        let hold = by_token.entry(token).or_insert_with(|| Hold {
            id,
            showtime,
            seats: Vec::new(),
            token,
            seconds_left: left,
        });
        hold.seats.push(seat_of(&seat)?);
        hold.seconds_left = hold.seconds_left.min(left);
    }
    let mut holds: Vec<Hold> = by_token.into_values().collect();
    holds.iter_mut().for_each(|hold| hold.seats.sort());
    Ok(holds)
}

fn claim_of(row: &AnyRow) -> Result<SeatClaim, StoreError> {
    let (seat, state): (String, String) = (row.try_get("seat")?, row.try_get("state")?);
    let claimed = match state.as_str() {
        "held" => Claimed::Held,
        "paying" => Claimed::Paying,
        "sold" => Claimed::Sold,
        other => return Err(StoreError::Corrupt(format!("a claim's state {other:?}"))),
    };
    Ok(SeatClaim {
        seat: seat_of(&seat)?,
        claimed,
        owner: Owner::from_store(row.try_get("owner")?),
    })
}

pub(in crate::store) fn seat_of(text: &str) -> Result<Seat, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("a claim's seat {text:?}")))
}

/// The seats as a JSON array, the form in which one statement takes many.
pub(in crate::store) fn json_of(seats: &[Seat]) -> String {
    let names: Vec<String> = seats.iter().map(|seat| format!("\"{seat}\"")).collect();
    format!("[{}]", names.join(","))
}
