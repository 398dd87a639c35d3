//! Claiming seats: all of them, or none.

use std::time::Duration;

use sqlx::{Any, Transaction};

use super::{json_of, seat_of};
use crate::domain::{Hold, HoldId, HoldOutcome, Owner, Seat, SeatLimit, ShowtimeId};
use crate::store::{Engine, Statement, Store, StoreError, millis};

/// How often a claim is tried again when somebody was quicker between its look and its claim. Each try names those who
/// were, so the second one nearly always ends it.
const TRIES: u32 = 4;

/// What PostgreSQL's function says when somebody was quicker.
const QUICKER: &str = "TG001";

/// A claim on seats that are known to exist.
pub(super) struct Claim<'a> {
    pub(super) showtime: ShowtimeId,
    /// In the fixed order, each once.
    pub(super) seats: &'a [Seat],
    pub(super) owner: &'a Owner,
    pub(super) id: &'a HoldId,
    pub(super) ttl: Duration,
    pub(super) limit: SeatLimit,
}

static SHOWTIME: Statement = Statement::new(
    "select showtime.event_id, cast(showtime.starts_at * 1000 <= {now} as integer), \
     cast(coalesce(showtime.cancelled_at, event.cancelled_at) is not null as integer) \
     from showtime join event on event.id = showtime.event_id where showtime.id = $1",
);

/// Seats of the event that the owner has besides the ones asked for.
static HAS_BESIDES: Statement = Statement::new(
    "select count(*) from claim where owner = $2 and showtime_id in (select id from showtime where event_id = $4) \
     and {live} and not (showtime_id = $1 and seat in (select value from {each:$3}))",
);

/// Those asked for that are somebody else's, or the owner's own beyond holding.
static TAKEN: Statement = Statement::new(
    "select seat from claim where showtime_id = $1 and seat in (select value from {each:$3}) \
     and {live} and (state <> 'held' or owner <> $2)",
);

static NEXT_TOKEN: &str = "update fence set token = token + 1 returning token";

/// Inserts a claim for each seat, or takes the row over where its hold has expired or is the asker's own. The asker's own
/// live hold keeps its deadline: asking again never makes a hold last longer.
static CLAIM: Statement = Statement::new(
    "insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at, changed) \
     select $1, asked.value, 'held', $2, $3, $4, {now} + $5, $4 from {each:$6} where true order by asked.key \
     on conflict (showtime_id, seat) do update set \
     extended = case when claim.expires_at > {now} then claim.extended else 0 end, \
     expires_at = case when claim.expires_at > {now} then claim.expires_at else excluded.expires_at end, \
     owner = excluded.owner, hold_id = excluded.hold_id, token = excluded.token, changed = excluded.changed \
     where claim.state = 'held' and (claim.expires_at <= {now} or claim.owner = excluded.owner) \
     returning (expires_at - {now}) / 1000",
);

static HOLD_SEATS: &str =
    "select outcome, seats, token, seconds_left from hold_seats($1, $2, $3, $4, $5, $6)";

impl Store {
    /// Claims all the seats for the owner, or none.
    pub async fn hold(
        &self,
        showtime: ShowtimeId,
        seats: &[Seat],
        owner: &Owner,
        id: HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<HoldOutcome, StoreError> {
        let claim = Claim {
            showtime,
            seats,
            owner,
            id: &id,
            ttl,
            limit,
        };
        if self.engine == Engine::Sqlite {
            let mut tx = self.writing().await?;
            let outcome = self.claim_among_none(&mut tx, &claim).await?;
            if let HoldOutcome::Held(_) = outcome {
                tx.commit().await?;
            }
            return Ok(outcome);
        }
        let mut outcome = claim_at_once(&self.writer, &claim).await?;
        for _ in 1..TRIES {
            if outcome.is_some() {
                break;
            }
            outcome = claim_at_once(&self.writer, &claim).await?;
        }
        outcome.ok_or(StoreError::Busy)
    }

    /// The next fencing token; for SQLite also the number of the change.
    pub(in crate::store) async fn next_token(
        &self,
        tx: &mut Transaction<'_, Any>,
    ) -> Result<i64, StoreError> {
        let next = match self.engine {
            Engine::Sqlite => NEXT_TOKEN,
            Engine::Postgres => "select nextval('fence_token')",
        };
        Ok(sqlx::query_scalar(next).fetch_one(&mut **tx).await?)
    }

    /// Claims in SQLite, whose transaction no other writer can enter.
    pub(super) async fn claim_among_none(
        &self,
        tx: &mut Transaction<'_, Any>,
        claim: &Claim<'_>,
    ) -> Result<HoldOutcome, StoreError> {
        let found: Option<(i64, i64, i64)> = sqlx::query_as(self.sql(&SHOWTIME))
            .bind(claim.showtime.0)
            .fetch_optional(&mut **tx)
            .await?;
        let event = match found {
            None => return Ok(HoldOutcome::NoShowtime),
            Some((_, _, cancelled)) if cancelled != 0 => return Ok(HoldOutcome::Cancelled),
            Some((_, started, _)) if started != 0 => return Ok(HoldOutcome::Started),
            Some((event, ..)) => event,
        };
        let asked = json_of(claim.seats);
        let has: i64 = sqlx::query_scalar(self.sql(&HAS_BESIDES))
            .bind(claim.showtime.0)
            .bind(claim.owner.as_str())
            .bind(&asked)
            .bind(event)
            .fetch_one(&mut **tx)
            .await?;
        if let Some(over) = over_limit(claim, has) {
            return Ok(over);
        }
        let taken: Vec<String> = sqlx::query_scalar(self.sql(&TAKEN))
            .bind(claim.showtime.0)
            .bind(claim.owner.as_str())
            .bind(&asked)
            .fetch_all(&mut **tx)
            .await?;
        if !taken.is_empty() {
            return just_taken(taken);
        }
        let token = self.next_token(tx).await?;
        let left: Vec<i64> = sqlx::query_scalar(self.sql(&CLAIM))
            .bind(claim.showtime.0)
            .bind(claim.owner.as_str())
            .bind(claim.id.as_str())
            .bind(token)
            .bind(millis(claim.ttl))
            .bind(&asked)
            .fetch_all(&mut **tx)
            .await?;
        if left.len() != claim.seats.len() {
            return Err(StoreError::Corrupt("a free seat could not be claimed".into()));
        }
        Ok(held(claim, token, left.into_iter().min().unwrap_or(0)))
    }
}

/// Claims in PostgreSQL, in one round trip. `None`: somebody was quicker, nothing is held, and another try says who.
pub(super) async fn claim_at_once(
    db: impl sqlx::Executor<'_, Database = Any>,
    claim: &Claim<'_>,
) -> Result<Option<HoldOutcome>, StoreError> {
    let asked = sqlx::query_as(HOLD_SEATS)
        .bind(claim.showtime.0)
        .bind(json_of(claim.seats))
        .bind(claim.owner.as_str())
        .bind(claim.id.as_str())
        .bind(millis(claim.ttl))
        .bind(i64::from(claim.limit.0));
    let answer: Result<(String, String, i64, i64), _> = asked.fetch_one(db).await;
    let (outcome, seats, number, seconds_left) = match answer {
        Ok(answer) => answer,
        Err(sqlx::Error::Database(cause)) if cause.code().as_deref() == Some(QUICKER) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let outcome = match outcome.as_str() {
        "held" => held(claim, number, seconds_left),
        "taken" => {
            let names: Vec<String> = serde_json::from_str(&seats)
                .map_err(|_| StoreError::Corrupt(format!("a list of seats {seats:?}")))?;
            just_taken(names)?
        }
        "over_limit" => over_limit(claim, number)
            .ok_or_else(|| StoreError::Corrupt("a limit that is kept and broken".into()))?,
        "started" => HoldOutcome::Started,
        "cancelled" => HoldOutcome::Cancelled,
        "no_showtime" => HoldOutcome::NoShowtime,
        other => return Err(StoreError::Corrupt(format!("an outcome {other:?}"))),
    };
    Ok(Some(outcome))
}

fn held(claim: &Claim<'_>, token: i64, seconds_left: i64) -> HoldOutcome {
    HoldOutcome::Held(Hold {
        id: claim.id.clone(),
        showtime: claim.showtime,
        seats: claim.seats.to_vec(),
        token,
        seconds_left,
    })
}

fn just_taken(names: Vec<String>) -> Result<HoldOutcome, StoreError> {
    let mut seats = names
        .iter()
        .map(|name| seat_of(name))
        .collect::<Result<Vec<_>, _>>()?;
    seats.sort();
    Ok(HoldOutcome::JustTaken(seats))
}

fn over_limit(claim: &Claim<'_>, has: i64) -> Option<HoldOutcome> {
    let (has, asked) = (u32::try_from(has).unwrap_or(u32::MAX), claim.seats.len() as u32);
    (has.saturating_add(asked) > claim.limit.0).then_some(HoldOutcome::OverLimit { has, asked })
}
