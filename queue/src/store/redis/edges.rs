//! Edges on one store are told apart by a small number each.

use redis::cmd;

use super::error::{ConnectError, LinkError};
use super::keys;
use super::link::Link;

/// Numbers there are: what fits into the id of an epoch that an edge begins; see
/// [`Epoch::stamp`](crate::line::Epoch::stamp).
const NUMBERS: u32 = 1 << 15;

/// What this edge has entered in a store, for others to see.
pub(super) struct Edge {
    /// Its number.
    pub(super) nonce: u32,
    /// The ids of its signing keys, newest first.
    pub(super) kids: Vec<String>,
}

impl Edge {
    /// Enters it again, in a store that may have lost it: whoever starts then is to find it there.
    ///
    /// # Errors
    /// The store is out of reach.
    pub(super) async fn enter_again(&self, link: &Link) -> Result<(), LinkError> {
        let () = link
            .query(cmd("SADD").arg(keys::SIGNING_KEYS).arg(&self.kids))
            .await?;
        link.query(cmd("SADD").arg(keys::EDGES).arg(self.nonce)).await
    }
}

/// The first number from `wanted` on that no edge on this store has drawn.
///
/// Only a store that has lost the set could give a number that an edge still has: then one start in 32,768 for each
/// such edge, if `wanted` was drawn at random.
///
/// # Errors
/// The store is out of reach.
pub(super) async fn draw(link: &Link, key: &[u8], wanted: u32) -> Result<u32, ConnectError> {
    let unreached = |source| ConnectError::Link {
        url: link.url().to_string(),
        source,
    };
    let drawn: u32 = link.query(cmd("SCARD").arg(key)).await.map_err(unreached)?;
    if drawn > NUMBERS / 2 {
        // So many starts ago: whoever drew them is gone.
        let () = link.query(cmd("DEL").arg(key)).await.map_err(unreached)?;
    }
    let mut number = wanted % NUMBERS;
    loop {
        let new: u32 = link
            .query(cmd("SADD").arg(key).arg(number))
            .await
            .map_err(unreached)?;
        if new == 1 {
            return Ok(number);
        }
        number = (number + 1) % NUMBERS;
    }
}
