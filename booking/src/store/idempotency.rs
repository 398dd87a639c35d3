//! Writing calls that came with a key, and how they were answered.

use std::time::Duration;

use super::{Statement, Store, StoreError, millis};
use crate::domain::Owner;

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing: this is the first.
    First,
    /// The first was begun with this seed and never answered: its process died. What it made may be there.
    Again(String),
    /// The first is under way.
    UnderWay,
    /// It was another call.
    Otherwise,
    /// How it was answered.
    Answered(String),
}

static FIRST: Statement = Statement::new(
    "insert into idempotency (owner, key, fingerprint, seed, expires_at) values ($1, $2, $3, $5, {now} + $4) \
     on conflict (owner, key) do update set \
     seed = case when idempotency.answer is null and idempotency.fingerprint = excluded.fingerprint \
     then coalesce(idempotency.seed, excluded.seed) else excluded.seed end, \
     fingerprint = excluded.fingerprint, answer = null, expires_at = excluded.expires_at \
     where idempotency.expires_at <= {now} returning seed",
);
static KNOWN: Statement =
    Statement::new("select fingerprint, coalesce(answer, '') from idempotency where owner = $1 and key = $2");
static ANSWERED: Statement = Statement::new(
    "update idempotency set answer = $3, expires_at = {now} + $4 where owner = $1 and key = $2",
);
static FORGET: Statement =
    Statement::new("delete from idempotency where owner = $1 and key = $2 and answer is null");
static FORGET_OLD: Statement = Statement::new(
    "delete from idempotency where expires_at <= {now} and (answer is not null or expires_at <= {now} - $1)",
);

impl Store {
    /// Writes down that this call is under way, unless it is known, with a seed of what it makes. Given up after
    /// `given_up_after`, should nobody say how it was answered.
    pub async fn remember(
        &self,
        owner: &Owner,
        key: &str,
        fingerprint: &str,
        seed: &str,
        given_up_after: Duration,
    ) -> Result<Remembered, StoreError> {
        let put = sqlx::query_scalar(self.sql(&FIRST))
            .bind(owner.as_str())
            .bind(key)
            .bind(fingerprint)
            .bind(millis(given_up_after))
            .bind(seed);
        let begun: Option<String> = put.fetch_optional(&self.writer).await?;
        match begun {
            Some(own) if own == seed => return Ok(Remembered::First),
            Some(before) => return Ok(Remembered::Again(before)),
            None => {}
        }
        let query = sqlx::query_as(self.sql(&KNOWN)).bind(owner.as_str()).bind(key);
        let known: Option<(String, String)> = query.fetch_optional(&self.writer).await?;
        Ok(match known {
            Some((other, _)) if other != fingerprint => Remembered::Otherwise,
            Some((_, answer)) if !answer.is_empty() => Remembered::Answered(answer),
            // Gone between the two looks: as good as under way, and soon told better.
            _ => Remembered::UnderWay,
        })
    }

    /// Keeps the answer, and forgets those whose time is over; calls without an answer as long after theirs.
    pub async fn keep_answer(
        &self,
        owner: &Owner,
        key: &str,
        answer: &str,
        kept_for: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query(self.sql(&ANSWERED))
            .bind(owner.as_str())
            .bind(key)
            .bind(answer)
            .bind(millis(kept_for))
            .execute(&self.writer)
            .await?;
        let forget_old = sqlx::query(self.sql(&FORGET_OLD)).bind(millis(kept_for));
        forget_old.execute(&self.writer).await?;
        Ok(())
    }

    /// The call was not answered, so that the next is the first again.
    pub async fn forget_call(&self, owner: &Owner, key: &str) -> Result<(), StoreError> {
        sqlx::query(self.sql(&FORGET))
            .bind(owner.as_str())
            .bind(key)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
