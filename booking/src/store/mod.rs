//! Booking's tables, in SQLite or PostgreSQL. The only place that knows SQL, and the only clock that decides about holds
//! is the database's own.

mod accounts;
mod catalogue;
mod claims;
mod engine;
mod feed;
mod idempotency;
mod import;
mod orders;
mod organise;
mod rows;
mod seed;
mod showtimes;
mod tries;
mod venues;

use std::path::Path;
use std::sync::Arc;

use sqlx::{Any, AnyPool, Transaction};
use tidegate_config::Database;

pub use accounts::StoredAccount;
pub use catalogue::EventPage;
pub use claims::{ClaimRow, Cursor, SeatChanges, Which};
pub use engine::{Engine, OpenError};
pub use feed::ChangePage;
pub use idempotency::Remembered;
pub use import::{Became, Imported};
pub use orders::{Applied, Begun, CheckedIn, Entry, Heard, Lease, NewOrder, PassedOn};
pub use organise::OrganiseError;
pub use seed::{SeedEvent, SeedVenue, Seeded};
pub use venues::StoredVenue;

use crate::database::{begin_in_file, begin_on_server};
use engine::Statement;

/// Why a call to the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many wait already; worth trying again in a moment.
    #[error("the booking database is busy")]
    Busy,
    /// Nothing can be written, for a reason that an operator can end.
    #[error("the booking database cannot be written: {0}")]
    Unwritable(&'static str),
    /// A row says something that cannot be.
    #[error("the booking database holds an impossible value: {0}")]
    Corrupt(String),
    /// Anything else.
    #[error("the booking database failed: {0}")]
    Database(Arc<sqlx::Error>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(cause) = &error else {
            return match error {
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => Self::Busy,
                error => Self::Database(Arc::new(error)),
            };
        };
        match cause.code().as_deref() {
            Some(code) => told(code).unwrap_or_else(|| Self::Database(Arc::new(error))),
            None => Self::Database(Arc::new(error)),
        }
    }
}

/// What an engine's code means, where something follows from it.
fn told(code: &str) -> Option<StoreError> {
    // SQLite's extended codes carry the plain one in the low byte.
    if code.len() < 5 {
        return match code.parse::<u32>().ok()? & 0xff {
            5 | 6 => Some(StoreError::Busy),
            8 => Some(StoreError::Unwritable("it is read-only")),
            13 => Some(StoreError::Unwritable("its disk is full")),
            _ => None,
        };
    }
    match code {
        // Locks and statements that took too long, deadlocks, a server that is full, stopping or starting.
        "55P03" | "57014" | "40001" | "40P01" | "53300" | "57P01" | "57P02" | "57P03" | "25P03" => {
            Some(StoreError::Busy)
        }
        "53100" => Some(StoreError::Unwritable("its disk is full")),
        "25006" => Some(StoreError::Unwritable("it is read-only")),
        _ => None,
    }
}

/// The store: connections that write and connections that read.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    writer: AnyPool,
    readers: AnyPool,
    gathering: Arc<claims::Gathering>,
}

impl Store {
    /// Opens the database (a file that is missing is made, under `data_dir` unless its path is absolute) and brings its
    /// tables up to date.
    pub async fn open(database: &Database, data_dir: &Path) -> Result<Self, OpenError> {
        let engine::Opened {
            engine,
            writer,
            readers,
        } = engine::open(database, data_dir).await?;
        Ok(Self {
            engine,
            writer,
            readers,
            gathering: Arc::default(),
        })
    }

    /// Closes every connection; SQLite folds its log into the file with the last one.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The statement as this engine wants it.
    fn sql(&self, statement: &'static Statement) -> &'static str {
        statement.on(self.engine)
    }

    /// One consistent view for several queries.
    async fn reading(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(match self.engine {
            Engine::Sqlite => self.readers.begin().await?,
            Engine::Postgres => {
                let begin = "begin isolation level repeatable read read only";
                begin_on_server(&self.readers, begin).await?
            }
        })
    }

    /// A transaction that writes. In SQLite it is the only one until it commits or is dropped (which rolls back), so
    /// every condition it reads still holds when it writes; in PostgreSQL only rows that it has locked stand still.
    async fn writing(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(match self.engine {
            Engine::Sqlite => begin_in_file(&self.writer).await?,
            Engine::Postgres => begin_on_server(&self.writer, "begin").await?,
        })
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
