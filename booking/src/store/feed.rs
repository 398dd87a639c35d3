//! The change feed: one writer of the catalogue at a time, and what changed, in the order of commits.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;
use sqlx::{Any, Transaction};

use super::catalogue::json_list;
use super::{Statement, Store, StoreError, rows};
use crate::domain::{ChangedEvent, EventFilter, EventId};

static NEXT_VERSIONS: Statement =
    Statement::new("update meta set catalogue_version = catalogue_version + $1 returning catalogue_version");

static FORGET: Statement = Statement::new(
    "delete from catalogue_change where event_id in (select cast(value as bigint) from {each:$1})",
);

static CHANGED: Statement = Statement::new(
    "select version, event_id from catalogue_change where version > $1 order by version limit $2",
);

/// A page of the change feed.
#[derive(Clone, Debug)]
pub struct ChangePage {
    /// Each event that changed since, as it is now; the one that changed longest ago first.
    pub changes: Vec<ChangedEvent>,
    /// After which version to ask next.
    pub next_after: i64,
    /// Whether there is more at this moment.
    pub more: bool,
}

impl Store {
    /// A transaction that may change the catalogue. It has the one row that every writer of the catalogue waits for, and
    /// keeps it until it ends: what it reads of the catalogue stands still, and the order of versions is the order of
    /// commits. Selling seats does not wait for it.
    pub(super) async fn changing(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let mut tx = self.writing().await?;
        sqlx::query("update meta set only_row = 1")
            .execute(&mut *tx)
            .await?;
        Ok(tx)
    }

    /// Says in a [`changing`](Self::changing) transaction which events it changed. Each gets a version of its own, and its
    /// earlier one is forgotten, so that the feed is never longer than the catalogue.
    pub(super) async fn append(
        &self,
        tx: &mut Transaction<'_, Any>,
        events: &[EventId],
    ) -> Result<(), StoreError> {
        let events: BTreeSet<EventId> = events.iter().copied().collect();
        let events: Vec<EventId> = events.into_iter().collect();
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let last: i64 = sqlx::query_scalar(self.sql(&NEXT_VERSIONS))
            .bind(count)
            .fetch_one(&mut **tx)
            .await?;
        sqlx::query(self.sql(&FORGET))
            .bind(json_list(&events))
            .execute(&mut **tx)
            .await?;
        let changes = (last - count + 1..)
            .zip(&events)
            .map(|(version, event)| json!({"version": version, "event": event}));
        self.insert(tx, &rows::CHANGES, changes.collect()).await
    }

    /// What changed after a version; 0 is before everything. Nothing is ever missed: whoever has seen a version has seen
    /// all before it, save those of events that changed again, which come later.
    pub async fn changes(&self, after: i64, limit: u32) -> Result<ChangePage, StoreError> {
        let mut tx = self.reading().await?;
        let limit = limit.clamp(1, EventFilter::LIMIT_MAX) as usize;
        let mut found: Vec<(i64, i64)> = sqlx::query_as(self.sql(&CHANGED))
            .bind(after)
            .bind(limit as i64 + 1)
            .fetch_all(&mut *tx)
            .await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let ids: Vec<EventId> = found.iter().map(|(_, event)| EventId(*event)).collect();
        let mut events: HashMap<EventId, _> = self
            .events_named(&mut tx, &ids)
            .await?
            .into_iter()
            .map(|(event, cancelled)| (event.id, (event, cancelled)))
            .collect();
        let change = |&(version, id): &(i64, i64)| {
            let (event, cancelled) = events
                .remove(&EventId(id))
                .ok_or_else(|| StoreError::Corrupt("a change of an event that is not there".into()))?;
            Ok(ChangedEvent {
                version,
                event,
                cancelled,
            })
        };
        Ok(ChangePage {
            changes: found.iter().map(change).collect::<Result<_, StoreError>>()?,
            next_after: found.last().map_or(after, |(version, _)| *version),
            more,
        })
    }
}
