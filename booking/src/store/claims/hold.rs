//! Claiming seats: all of a claim's, or none.

use std::time::Duration;

use serde_json::json;
use sqlx::{Any, Transaction};

use super::verdict::{Facts, Verdict};
use crate::domain::{Hold, HoldId, HoldOutcome, Owner, Seat, SeatLimit, ShowtimeId};
use crate::store::{Engine, Statement, Store, StoreError, millis};

/// Which of the seats a claim wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// Every one.
    All,
    /// So many of them, the first that nobody has.
    Any(usize),
}

/// A claim on seats that are known to exist.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) showtime: ShowtimeId,
    /// Each once.
    pub(super) seats: Vec<Seat>,
    pub(super) pick: Pick,
    pub(super) owner: Owner,
    pub(super) id: HoldId,
    pub(super) ttl: Duration,
    pub(super) limit: SeatLimit,
}

/// Two calls of one fan at once must not both find room under the limit. In one order for everybody, so that nobody waits
/// for each other in a circle.
const ONE_CALL_A_FAN: &str = "select count(cast(pg_advisory_xact_lock(fan) as text)) from ( \
     select distinct hashtextextended(asked.value ->> 'owner', showtime.event_id) as fan \
     from json_array_elements(cast($1 as json)) as asked (value) \
     join showtime on showtime.id = cast(asked.value ->> 'showtime' as bigint) order by fan) as fans";

/// What [`Facts::read`] reads: of claims, and of seats. Each is looked up by itself: a join would read all claims of a
/// showtime for the sake of a handful, and one condition for both kinds of claims all that an owner ever held.
static FACTS: Statement = Statement::new(
    "select (select {list:said} from (select (asked.value ->> 'claim') || ':' || (select case \
     when coalesce(showtime.cancelled_at, event.cancelled_at) is not null then 'cancelled' \
     when showtime.starts_at * 1000 <= {now} then 'started' else 'on_sale' end || ':' || \
     ((select count(*) from claim where claim.owner = (asked.value ->> 'owner') and claim.state = 'held' \
     and claim.expires_at > {now} and showtime.event_id = (select event_id from showtime as other \
     where other.id = claim.showtime_id)) + (select count(*) from claim \
     where claim.owner = (asked.value ->> 'owner') and claim.state <> 'held' and showtime.event_id = \
     (select event_id from showtime as other where other.id = claim.showtime_id))) \
     from showtime join event on event.id = showtime.event_id \
     where showtime.id = cast(asked.value ->> 'showtime' as bigint)) as said from {rows:$1}) as of_claims), \
     (select {list:said} from (select (asked.value ->> 'at') || ':' || (select claim.state || ':' || claim.owner \
     from claim where claim.showtime_id = cast(asked.value ->> 'showtime' as bigint) \
     and claim.seat = (asked.value ->> 'seat') and {live}) as said from {rows:$2}) as of_seats)",
);

/// Inserts a claim for each seat, or takes the row over where its hold has expired or is the asker's own. The asker's own
/// live hold keeps its deadline: asking again never makes a hold last longer.
static CLAIM: Statement = Statement::new(
    "insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at, changed) \
     select cast(asked.value ->> 'showtime' as bigint), asked.value ->> 'seat', 'held', asked.value ->> 'owner', \
     asked.value ->> 'hold', cast(asked.value ->> 'token' as bigint), \
     {now} + cast(asked.value ->> 'ttl' as bigint), {changed} from {rows:$1} where true order by asked.key \
     on conflict (showtime_id, seat) do update set \
     extended = case when claim.expires_at > {now} then claim.extended else 0 end, \
     expires_at = case when claim.expires_at > {now} then claim.expires_at else excluded.expires_at end, \
     owner = excluded.owner, hold_id = excluded.hold_id, token = excluded.token, changed = excluded.changed \
     where claim.state = 'held' and (claim.expires_at <= {now} or claim.owner = excluded.owner) \
     returning token, (expires_at - {now}) / 1000",
);

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
        self.claim(Claim {
            showtime,
            seats: seats.to_vec(),
            pick: Pick::All,
            owner: owner.clone(),
            id,
            ttl,
            limit,
        })
        .await
    }

    /// Claims within a transaction, each by another owner, and answers in their order. `None`: somebody was quicker
    /// between the look and the claim (never in SQLite, whose transaction no other writer can enter); the transaction is
    /// to be given up, and another try says who it was.
    pub(super) async fn claim_within(
        &self,
        tx: &mut Transaction<'_, Any>,
        claims: &[&Claim],
    ) -> Result<Option<Vec<HoldOutcome>>, StoreError> {
        let verdicts = self.judge(tx, claims).await?;
        let granted = verdicts.iter().filter(|one| matches!(one, Verdict::Granted(_)));
        let tokens = self.tokens(tx, granted.count()).await?;
        let mut unused = tokens.into_iter();
        let mut outcomes = Vec::with_capacity(claims.len());
        for (claim, verdict) in claims.iter().zip(verdicts) {
            outcomes.push(match verdict {
                Verdict::Refused(outcome) => outcome,
                Verdict::Granted(seats) => HoldOutcome::Held(Hold {
                    id: claim.id.clone(),
                    showtime: claim.showtime,
                    seats,
                    token: unused.next().unwrap_or_default(),
                    seconds_left: i64::MAX,
                }),
            });
        }
        let written = self.write_claims(tx, claims, &mut outcomes).await?;
        match (written, self.engine) {
            (true, _) => Ok(Some(outcomes)),
            (false, Engine::Postgres) => Ok(None),
            (false, Engine::Sqlite) => Err(StoreError::Corrupt("a free seat could not be claimed".into())),
        }
    }

    /// The next fencing token; for SQLite also the number of the change.
    pub(in crate::store) async fn next_token(
        &self,
        tx: &mut Transaction<'_, Any>,
    ) -> Result<i64, StoreError> {
        let tokens = self.tokens(tx, 1).await?;
        tokens
            .first()
            .copied()
            .ok_or_else(|| StoreError::Corrupt("no fence".into()))
    }

    async fn tokens(&self, tx: &mut Transaction<'_, Any>, count: usize) -> Result<Vec<i64>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let count = count as i64;
        Ok(match self.engine {
            Engine::Sqlite => {
                let next = "update fence set token = token + $1 returning token";
                let last: i64 = sqlx::query_scalar(next).bind(count).fetch_one(&mut **tx).await?;
                (last - count + 1..=last).collect()
            }
            Engine::Postgres => {
                let next = "select nextval('fence_token') from generate_series(1, $1)";
                sqlx::query_scalar(next).bind(count).fetch_all(&mut **tx).await?
            }
        })
    }

    async fn judge(
        &self,
        tx: &mut Transaction<'_, Any>,
        claims: &[&Claim],
    ) -> Result<Vec<Verdict>, StoreError> {
        let all = claims.iter().enumerate().map(
            |(at, claim)| json!({"claim": at, "showtime": claim.showtime.0, "owner": claim.owner.as_str()}),
        );
        let all = json!(all.collect::<Vec<_>>()).to_string();
        let seats = claims.iter().enumerate().flat_map(|(at, claim)| {
            claim.seats.iter().enumerate().map(move |(place, seat)| {
                json!({"at": format!("{at}.{place}"), "showtime": claim.showtime.0, "seat": seat.to_string()})
            })
        });
        let seats = json!(seats.collect::<Vec<_>>()).to_string();
        if self.engine == Engine::Postgres {
            let lock = sqlx::query(ONE_CALL_A_FAN).bind(&all);
            lock.execute(&mut **tx).await?;
        }
        let (of_claims, of_seats): (Option<String>, Option<String>) = sqlx::query_as(self.sql(&FACTS))
            .bind(&all)
            .bind(&seats)
            .fetch_one(&mut **tx)
            .await?;
        let (of_claims, of_seats) = (of_claims.unwrap_or_default(), of_seats.unwrap_or_default());
        Ok(Facts::read(&of_claims, &of_seats)?.judge(claims.iter().copied()))
    }

    /// Writes what was granted, and how long it lasts into the holds; whether all of it could be written.
    async fn write_claims(
        &self,
        tx: &mut Transaction<'_, Any>,
        claims: &[&Claim],
        outcomes: &mut [HoldOutcome],
    ) -> Result<bool, StoreError> {
        let mut rows = Vec::new();
        for (claim, outcome) in claims.iter().zip(&*outcomes) {
            let HoldOutcome::Held(hold) = outcome else {
                continue;
            };
            rows.extend(hold.seats.iter().map(|seat| (hold, seat, claim)));
        }
        if rows.is_empty() {
            return Ok(true);
        }
        // In one order for everybody, so that nobody waits for each other in a circle.
        rows.sort_by_key(|(hold, seat, _)| (hold.showtime, *seat));
        let wanted = rows.len();
        let rows = rows.iter().map(|(hold, seat, claim)| {
            json!({
                "showtime": hold.showtime.0, "seat": seat.to_string(), "owner": claim.owner.as_str(), "hold": hold.id.as_str(),
                "token": hold.token, "ttl": millis(claim.ttl),
            })
        });
        let rows = json!(rows.collect::<Vec<_>>()).to_string();
        let written: Vec<(i64, i64)> = sqlx::query_as(self.sql(&CLAIM))
            .bind(rows)
            .fetch_all(&mut **tx)
            .await?;
        if written.len() != wanted {
            return Ok(false);
        }
        let mut left = std::collections::HashMap::new();
        for (token, seconds) in written {
            let least = left.entry(token).or_insert(seconds);
            *least = seconds.min(*least);
        }
        for outcome in outcomes {
            if let HoldOutcome::Held(hold) = outcome {
                hold.seconds_left = left.get(&hold.token).copied().unwrap_or_default();
            }
        }
        Ok(true)
    }
}
