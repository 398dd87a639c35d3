//! Who has which seat. One row for each (showtime, seat) is the truth, and every change of hands is one statement on it.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::clock::{claim_live, now_ms};
use super::{Store, StoreError};
use crate::domain::{
    Claimed, Hold, HoldId, HoldOutcome, HoldRequest, Owner, Seat, SeatClaim, SeatLimit, ShowtimeId,
};

/// Which of an owner's holds on a showtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(HoldId),
    /// All of them.
    All,
}

/// Inserts a claim for each seat, or takes the row over where its hold has expired or is the asker's own. A row that
/// belongs to somebody else is left alone and not returned. The asker's own live hold keeps its deadline: asking again
/// never makes a hold last longer.
const CLAIM: &str = concat!(
    "insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at) ",
    "select ?1, asked.value, 'held', ?2, ?3, ?4, ",
    now_ms!(),
    " + ?5 from json_each(?6) as asked where true order by asked.key ",
    "on conflict (showtime_id, seat) do update set ",
    "owner = excluded.owner, hold_id = excluded.hold_id, token = excluded.token, ",
    "expires_at = iif(claim.expires_at > ",
    now_ms!(),
    ", claim.expires_at, excluded.expires_at) ",
    "where claim.state = 'held' and (claim.expires_at <= ",
    now_ms!(),
    " or claim.owner = excluded.owner) ",
    "returning seat, (expires_at - ",
    now_ms!(),
    ") / 1000 as seconds_left",
);

/// Seats of this showtime that the owner has besides the ones asked for.
const HAS_BESIDES: &str = concat!(
    "select count(*) from claim where showtime_id = ?1 and owner = ?2 and ",
    claim_live!(),
    " and seat not in (select value from json_each(?3))",
);

/// Ends live holds of the owner; `?3` null means all. Only `held` rows: what is being paid or sold is past releasing.
const RELEASE: &str = concat!(
    "delete from claim where showtime_id = ?1 and owner = ?2 and state = 'held' and ",
    claim_live!(),
    " and (?3 is null or hold_id = ?3) returning seat",
);

/// The owner's live holds.
const HOLDS: &str = concat!(
    "select seat, hold_id, token, (expires_at - ",
    now_ms!(),
    ") / 1000 as seconds_left from claim where showtime_id = ?1 and owner = ?2 and state = 'held' and ",
    claim_live!(),
);

/// All live claims of a showtime.
const CLAIMS: &str = concat!(
    "select seat, state, owner from claim where showtime_id = ?1 and ",
    claim_live!()
);

impl Store {
    /// Claims all the seats for the owner, or none: one transaction, which no other writer can enter.
    pub async fn hold(
        &self,
        showtime: ShowtimeId,
        request: &HoldRequest,
        owner: &Owner,
        id: HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<HoldOutcome, StoreError> {
        let asked = json_of(request.seats());
        let mut tx = self.writing().await?;
        let started: Option<bool> =
            sqlx::query_scalar("select starts_at <= unixepoch() from showtime where id = ?1")
                .bind(showtime.0)
                .fetch_optional(&mut *tx)
                .await?;
        match started {
            None => return Ok(HoldOutcome::NoShowtime),
            Some(true) => return Ok(HoldOutcome::Started),
            Some(false) => {}
        }
        let has: u32 = sqlx::query_scalar(HAS_BESIDES)
            .bind(showtime.0)
            .bind(owner.as_str())
            .bind(&asked)
            .fetch_one(&mut *tx)
            .await?;
        let asked_count = request.seats().len() as u32;
        if has.saturating_add(asked_count) > limit.0 {
            return Ok(HoldOutcome::OverLimit {
                has,
                asked: asked_count,
            });
        }
        let token: i64 = sqlx::query_scalar("update fence set token = token + 1 returning token")
            .fetch_one(&mut *tx)
            .await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(CLAIM)
            .bind(showtime.0)
            .bind(owner.as_str())
            .bind(id.as_str())
            .bind(token)
            .bind(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 4))
            .bind(&asked)
            .fetch_all(&mut *tx)
            .await?;
        let missing: Vec<Seat> = request
            .seats()
            .iter()
            .filter(|seat| {
                let name = seat.to_string();
                !rows.iter().any(|(got, _)| *got == name)
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            tx.rollback().await?;
            return Ok(HoldOutcome::JustTaken(missing));
        }
        let seconds_left = rows.iter().map(|(_, left)| *left).min().unwrap_or(0);
        tx.commit().await?;
        Ok(HoldOutcome::Held(Hold {
            id,
            showtime,
            seats: request.seats().to_vec(),
            token,
            seconds_left,
        }))
    }

    /// Gives the owner's seats back and says which; none if nothing live was held.
    pub async fn release(
        &self,
        showtime: ShowtimeId,
        owner: &Owner,
        which: &Which,
    ) -> Result<Vec<Seat>, StoreError> {
        let hold = match which {
            Which::One(id) => Some(id.as_str()),
            Which::All => None,
        };
        let mut tx = self.writing().await?;
        let freed: Vec<String> = sqlx::query_scalar(RELEASE)
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

    /// The owner's live holds on a showtime, newest last.
    pub async fn holds_of(&self, showtime: ShowtimeId, owner: &Owner) -> Result<Vec<Hold>, StoreError> {
        let mut by_token: BTreeMap<i64, Hold> = BTreeMap::new();
        let query = sqlx::query(HOLDS).bind(showtime.0).bind(owner.as_str());
        for row in query.fetch_all(&self.readers).await? {
            let (seat, id): (String, String) = (row.try_get("seat")?, row.try_get("hold_id")?);
            let (token, left): (i64, i64) = (row.try_get("token")?, row.try_get("seconds_left")?);
            let id = id
                .parse()
                .map_err(|_| StoreError::Corrupt("a claim's hold id".into()))?;
            let empty = || Hold {
                id,
                showtime,
                seats: Vec::new(),
                token,
                seconds_left: left,
            };
            let hold = by_token.entry(token).or_insert_with(empty);
            hold.seats.push(seat_of(&seat)?);
            hold.seconds_left = hold.seconds_left.min(left);
        }
        let mut holds: Vec<Hold> = by_token.into_values().collect();
        holds.iter_mut().for_each(|hold| hold.seats.sort());
        Ok(holds)
    }

    /// Every live claim on a showtime.
    pub async fn claims(&self, showtime: ShowtimeId) -> Result<Vec<SeatClaim>, StoreError> {
        let rows = sqlx::query(CLAIMS)
            .bind(showtime.0)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(claim_of).collect()
    }
}

fn claim_of(row: &SqliteRow) -> Result<SeatClaim, StoreError> {
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

fn seat_of(text: &str) -> Result<Seat, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("a claim's seat {text:?}")))
}

/// The seats as a JSON array, the form in which one statement takes many.
fn json_of(seats: &[Seat]) -> String {
    let names: Vec<String> = seats.iter().map(|seat| format!("\"{seat}\"")).collect();
    format!("[{}]", names.join(","))
}
