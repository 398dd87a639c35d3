//! Lines in Redis, shared by every edge that names the same deployment.

mod backoff;
mod codec;
mod common_keys;
mod edges;
mod error;
mod examine;
mod keys;
mod line;
mod line_script;
mod link;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tidegate_config::{RedisStore, RoomId};

use crate::line::Settings;

pub use error::{ConnectError, LinkError};
pub use examine::{Finding, Severity};
pub use line::RedisLine;

use edges::Edge;
use link::Link;

/// A Redis deployment that was found fit to hold lines, and one edge's way to it.
pub struct Redis {
    link: Arc<Link>,
    edge: Arc<Edge>,
    lag_ms: u64,
}

impl Redis {
    /// Connects, and refuses a deployment that could lose or forget places, or whose edges sign with other keys than
    /// `kids`, the ids of this edge's own, newest first. `nonce`, drawn at random, tells this edge from others, or the
    /// next number that none has drawn. Somebody else's keys where those of `rooms` would stand are refused too.
    ///
    /// # Errors
    /// Each with its remedy.
    pub async fn connect(
        store: &RedisStore,
        kids: &[String],
        nonce: u32,
        rooms: &[RoomId],
    ) -> Result<Self, ConnectError> {
        let link = Link::connect(store).await?;
        examine::require_fit(&link, store, keys::TRIAL, rooms).await?;
        common_keys::agree_on_keys(&link, keys::SIGNING_KEYS, kids).await?;
        let nonce = edges::draw(&link, keys::EDGES, nonce).await?;
        let kids = kids.to_vec();
        Ok(Self {
            link: Arc::new(link),
            edge: Arc::new(Edge { nonce, kids }),
            lag_ms: u64::try_from(store.max_replica_lag.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// The line of a room; `settings` are in force where the store has none yet.
    pub fn line(&self, room: &RoomId, settings: Settings) -> RedisLine {
        RedisLine::new(self.link.clone(), room, settings, self.edge.clone(), self.lag_ms)
    }
}

/// Everything about a deployment that is not as it should be, worst first.
///
/// # Errors
/// It cannot be reached, or its authorities cannot be read.
pub async fn examine(store: &RedisStore, rooms: &[RoomId]) -> Result<Vec<Finding>, ConnectError> {
    let link = Link::connect(store).await?;
    let examined = examine::examine_all(&link, store, keys::TRIAL, rooms).await;
    examined.map_err(|source| ConnectError::Link {
        url: store.url.to_string(),
        source,
    })
}
