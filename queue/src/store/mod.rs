//! Where a line lives. An edge knows stores by [`LineStore`] alone.

mod journal;
mod memory;
pub mod redis;

use std::sync::Arc;

use crate::line::{Change, Refused, Reply, Request, Settings, Visit, VisitId};

pub use journal::JournalError;
pub use memory::{MemoryStore, Moment, SystemMoment};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The line refused, and nothing changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What must be written down first could not be.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Redis did not answer, or not as it should; what became of the call is not known.
    #[error(transparent)]
    Link(#[from] redis::LinkError),
}

/// What becomes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// It ends: every place and visit of it is over.
    Close,
    /// The next one begins.
    Open,
}

/// The line of one room, wherever it lives.
#[async_trait::async_trait]
pub trait LineStore: Send + Sync {
    /// One exchange; see [`crate::line::Line::tick`].
    async fn tick(&self, request: &Request) -> Result<Arc<Reply>, StoreError>;

    /// A small number that tells this edge from all others on the store; see [`crate::line::Epoch::stamp`].
    fn nonce(&self) -> u32;

    /// Changes settings for every edge.
    async fn configure(&self, change: Change) -> Result<Arc<Settings>, StoreError>;

    /// Closes or opens the room.
    async fn turn(&self, round: Round) -> Result<(), StoreError>;

    /// The live visit `id` names; nothing when it is over or never was. One look by its key, however many there are.
    async fn visit(&self, id: VisitId) -> Result<Option<Visit>, StoreError>;

    /// The first `most` live visits in place order.
    async fn visits(&self, most: usize) -> Result<Vec<(VisitId, Visit)>, StoreError>;
}
