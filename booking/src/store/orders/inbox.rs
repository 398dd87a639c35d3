//! The inbox: what the payment provider said unasked. It is written down before it is answered, each event once, and
//! thought about afterwards.

use std::time::Duration;

use super::{Statement, Store, StoreError};
use crate::domain::order::IntentId;
use crate::store::millis;

/// Most events taken up at once.
const BATCH: i64 = 20;

/// Something that was said about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The event's own id.
    pub id: String,
    /// What happened, in the provider's words.
    pub kind: String,
    /// About which payment.
    pub intent: IntentId,
    /// How a dispute ended, where one did.
    pub won: Option<bool>,
    /// How often it was taken up.
    pub tries: u32,
}

static HEAR: Statement = Statement::new(
    "insert into payment_inbox (id, kind, intent, won, received_at, due_at) values ($1, $2, $3, $4, {now}, {now}) \
     on conflict (id) do nothing",
);

/// Takes some up; who breaks off leaves them to the next look after a while.
static TAKE: Statement = Statement::new(
    "update payment_inbox set due_at = {now} + $1, tries = tries + 1 where id in \
     (select id from payment_inbox where done_at is null and due_at <= {now} order by due_at limit $2 \
     {skip:payment_inbox}) returning id, kind, intent, coalesce(won, -1), tries",
);
static THOUGHT: Statement = Statement::new("update payment_inbox set done_at = {now} where id = $1");

impl Store {
    /// Writes an event down; false if it was before.
    pub async fn hear(
        &self,
        id: &str,
        kind: &str,
        intent: &IntentId,
        won: Option<bool>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(self.sql(&HEAR))
            .bind(id)
            .bind(kind)
            .bind(intent.as_str())
            .bind(won.map(i64::from))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Events that are due. Those that are not done with by then come again after `again_after`.
    pub async fn take_heard(&self, again_after: Duration) -> Result<Vec<Heard>, StoreError> {
        let query = sqlx::query_as(self.sql(&TAKE))
            .bind(millis(again_after))
            .bind(BATCH);
        let rows: Vec<(String, String, String, i64, i64)> = query.fetch_all(&self.writer).await?;
        let heard = rows.into_iter().map(|(id, kind, intent, won, tries)| {
            Ok(Heard {
                id,
                kind,
                intent: super::intent_of(&intent)?,
                won: (won >= 0).then_some(won == 1),
                tries: u32::try_from(tries).unwrap_or(u32::MAX),
            })
        });
        heard.collect()
    }

    /// An event is done with.
    pub async fn thought_about(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query(self.sql(&THOUGHT))
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
