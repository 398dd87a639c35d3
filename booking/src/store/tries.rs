//! Tries at passwords, counted against names and addresses.
//!
//! A try is counted before anybody knows what it is worth, and given back where it was a right one: so many as come at
//! the same moment are still no more than the bound.

use std::time::Duration;

use super::{Statement, Store, StoreError, millis};

/// Somebody against whom tries are counted, and how many there may be.
type Counted = (String, u32);

static COUNT: Statement = Statement::new(
    "insert into login_failure (who, failures, forget_at) values ($1, 1, {now} + $2) \
     on conflict (who) do update set \
     failures = case when login_failure.forget_at > {now} then login_failure.failures + 1 else 1 end, \
     forget_at = case when login_failure.forget_at > {now} then login_failure.forget_at else excluded.forget_at end \
     returning failures, forget_at - {now}",
);

static LOOK: Statement = Statement::new(
    "select failures, forget_at - {now} from login_failure where who = $1 and forget_at > {now}",
);

static GIVE_BACK: Statement =
    Statement::new("update login_failure set failures = failures - 1 where who = $1 and failures > 0");

/// Those whose time is over, and those of whom nothing is left; what somebody else is counting at this moment, later.
static FORGET: Statement = Statement::new(
    "delete from login_failure where who in \
     (select who from login_failure where forget_at <= {now} or failures <= 0 {skip:login_failure})",
);

impl Store {
    /// Counts a try against all of these, or against none of them where one has had as many as there may be: then it says
    /// for how long yet.
    pub async fn count_try(
        &self,
        who: &[Counted],
        forget_after: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        let mut tx = self.writing().await?;
        sqlx::query(self.sql(&FORGET)).execute(&mut *tx).await?;
        for (who, most) in who {
            let query = sqlx::query_as(self.sql(&COUNT)).bind(who);
            let (tries, left_ms): (i64, i64) = query.bind(millis(forget_after)).fetch_one(&mut *tx).await?;
            if tries > i64::from(*most) {
                return Ok(Some(left(left_ms)));
            }
        }
        tx.commit().await?;
        Ok(None)
    }

    /// Takes a try back that was counted and turned out to be a right one.
    pub async fn give_back_try(&self, who: &[Counted]) -> Result<(), StoreError> {
        let mut tx = self.writing().await?;
        for (who, _) in who {
            sqlx::query(self.sql(&GIVE_BACK))
                .bind(who)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// For how long yet none of these may try, where one has had as many as there may be. It only looks, which costs
    /// nobody else anything; [`count_try`](Self::count_try) decides.
    pub async fn tries_are_over(&self, who: &[Counted]) -> Result<Option<Duration>, StoreError> {
        for (who, most) in who {
            let query = sqlx::query_as(self.sql(&LOOK)).bind(who);
            let found: Option<(i64, i64)> = query.fetch_optional(&self.readers).await?;
            if let Some((tries, left_ms)) = found
                && tries >= i64::from(*most)
            {
                return Ok(Some(left(left_ms)));
            }
        }
        Ok(None)
    }
}

fn left(left_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
}
