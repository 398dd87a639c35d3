//! The outbox: what is to be done outside the database, order by order. Whoever carries an order's entries out leases
//! the order, so that two instances do not do the same at once; a lease that has run out is anybody's.

use std::time::Duration;

use super::{Statement, Store, StoreError, order_id_of};
use crate::domain::OrderId;
use crate::domain::order::Effect;
use crate::store::millis;

/// The right to carry out an order's entries for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which order's.
    pub order: OrderId,
    holder: String,
}

/// Something to be done.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name among the order's entries.
    pub key: String,
    /// What; none where it cannot be read, as a newer program has written it or somebody by hand.
    pub effect: Option<Effect>,
    /// How often it was tried in vain.
    pub tries: u32,
    /// How often the provider refused it for good under a key, which is spent then.
    pub refusals: u32,
    /// When it was decided, in milliseconds since 1970.
    pub made_at_ms: i64,
    number: i64,
}

static LEASE_ANY: Statement = Statement::new(
    "update orders set lease = $1, leased_until = {now} + $2 where id = \
     (select orders.id from orders join outbox on outbox.order_id = orders.id \
     where outbox.done_at is null and outbox.due_at <= {now} and orders.leased_until <= {now} \
     order by outbox.due_at limit 1 {skip:orders}) returning id",
);
static LEASE_ONE: Statement = Statement::new(
    "update orders set lease = $1, leased_until = {now} + $2 where id = $3 and leased_until <= {now} returning id",
);
static KEEP_LEASE: Statement =
    Statement::new("update orders set leased_until = {now} + $3 where id = $1 and lease = $2");
static END_LEASE: Statement =
    Statement::new("update orders set lease = '', leased_until = 0 where id = $1 and lease = $2");
static NEXT: Statement = Statement::new(
    "select key, effect, tries, refusals, made_at, number from outbox \
     where order_id = $1 and done_at is null and due_at <= {now} order by number limit 1",
);
static DONE: Statement =
    Statement::new("update outbox set done_at = {now} where order_id = $1 and key = $2 and number = $3");
static LATER: Statement = Statement::new(
    "update outbox set due_at = {now} + $4, tries = tries + 1, refusals = refusals + $5 \
     where order_id = $1 and key = $2 and number = $3",
);

impl Store {
    /// An order of which something is due and that nobody else is at.
    pub async fn lease_due(&self, within: Duration) -> Result<Option<Lease>, StoreError> {
        let holder = format!("{:016x}", rand::random::<u64>());
        let query = sqlx::query_scalar(self.sql(&LEASE_ANY))
            .bind(&holder)
            .bind(millis(within));
        let leased: Option<String> = query.fetch_optional(&self.writer).await?;
        lease(leased, holder)
    }

    /// This order, unless somebody else is at it.
    pub async fn lease_order(&self, id: &OrderId, within: Duration) -> Result<Option<Lease>, StoreError> {
        let holder = format!("{:016x}", rand::random::<u64>());
        let query = sqlx::query_scalar(self.sql(&LEASE_ONE))
            .bind(&holder)
            .bind(millis(within))
            .bind(id.as_str());
        let leased: Option<String> = query.fetch_optional(&self.writer).await?;
        lease(leased, holder)
    }

    /// Whether the lease is still the holder's, for that long again.
    pub async fn keep_lease(&self, lease: &Lease, within: Duration) -> Result<bool, StoreError> {
        let kept = sqlx::query(self.sql(&KEEP_LEASE))
            .bind(lease.order.as_str())
            .bind(&lease.holder)
            .bind(millis(within))
            .execute(&self.writer)
            .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives the lease back.
    pub async fn end_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        sqlx::query(self.sql(&END_LEASE))
            .bind(lease.order.as_str())
            .bind(&lease.holder)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The first thing that is due for an order.
    pub async fn next_due(&self, order: &OrderId) -> Result<Option<Entry>, StoreError> {
        let query = sqlx::query_as(self.sql(&NEXT)).bind(order.as_str());
        let found: Option<(String, String, i64, i64, i64, i64)> = query.fetch_optional(&self.writer).await?;
        let Some((key, effect, tries, refusals, made_at_ms, number)) = found else {
            return Ok(None);
        };
        let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Some(Entry {
            key,
            effect: serde_json::from_str(&effect).ok(),
            tries: count(tries),
            refusals: count(refusals),
            made_at_ms,
            number,
        }))
    }

    /// It is done, unless it has become due anew in between.
    pub async fn done(&self, order: &OrderId, entry: &Entry) -> Result<(), StoreError> {
        sqlx::query(self.sql(&DONE))
            .bind(order.as_str())
            .bind(&entry.key)
            .bind(entry.number)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// It is to be tried again after so long, with a new key where the old one is spent.
    pub async fn try_later(
        &self,
        order: &OrderId,
        entry: &Entry,
        after: Duration,
        key_is_spent: bool,
    ) -> Result<(), StoreError> {
        sqlx::query(self.sql(&LATER))
            .bind(order.as_str())
            .bind(&entry.key)
            .bind(entry.number)
            .bind(millis(after))
            .bind(i64::from(key_is_spent))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

fn lease(leased: Option<String>, holder: String) -> Result<Option<Lease>, StoreError> {
    let order = leased.map(|id| order_id_of(&id)).transpose()?;
    Ok(order.map(|order| Lease { order, holder }))
}
