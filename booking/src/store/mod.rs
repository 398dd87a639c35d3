//! Booking's tables in SQLite. The only place that knows SQL, and the only clock that decides about holds is the
//! database's own.

mod catalogue;
mod claims;
mod clock;
mod seed;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

pub use catalogue::EventPage;
pub use claims::Which;
pub use seed::{SeedEvent, SeedVenue, Seeded};

/// Readers at once. A read takes well under a millisecond, so more than a few cores' worth only adds memory.
const READERS_MAX: u32 = 4;

/// How long a call waits for its turn at the database before it is told to come back. Writers queue on one connection;
/// at several thousand holds a second this is a queue of thousands.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// How long SQLite itself waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the database cannot be used from the start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be made.
    #[error("cannot make the folder {} for the booking database: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file cannot be opened, is no database, or is not writable.
    #[error("cannot open the booking database {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("cannot bring the booking database {} up to date: {cause}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: sqlx::migrate::MigrateError,
    },
}

/// Why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many wait already; worth trying again in a moment.
    #[error("the booking database is busy")]
    Busy,
    /// A row says something that cannot be.
    #[error("the booking database holds an impossible value: {0}")]
    Corrupt(String),
    /// Anything else.
    #[error("the booking database failed: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_BUSY (5) and its extended forms carry 5 in the low byte.
        let locked = |code: &str| code.parse::<u32>().is_ok_and(|code| code & 0xff == 5);
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Database(cause) if cause.code().is_some_and(|code| locked(&code)) => Self::Busy,
            _ => Self::Database(error),
        }
    }
}

/// The store: one connection that writes, a few that read.
#[derive(Clone, Debug)]
pub struct Store {
    /// SQLite takes one writer at a time. With a single connection they queue here, in order and with a deadline,
    /// rather than in SQLite's polling.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens the file, made if it is missing, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|cause| OpenError::Folder {
                path: folder.to_owned(),
                cause,
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            // What a killed process committed is kept; only a power cut may take the last moments' holds, and a hold is
            // a promise of minutes.
            .synchronous(SqliteSynchronous::Normal);
        let file_error = |cause| OpenError::File {
            path: path.to_owned(),
            cause,
        };
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(TURN_WITHIN)
        };
        let writer = pool(1).connect_with(options.clone()).await.map_err(file_error)?;
        sqlx::migrate!()
            .run(&writer)
            .await
            .map_err(|cause| OpenError::Migrate {
                path: path.to_owned(),
                cause,
            })?;
        let reading = options.create_if_missing(false).pragma("query_only", "on");
        let readers = pool(READERS_MAX)
            .connect_with(reading)
            .await
            .map_err(file_error)?;
        Ok(Self { writer, readers })
    }

    /// Closes every connection; SQLite folds its log into the file with the last one.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// One consistent view for several queries.
    async fn reading(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }

    /// The only writer until it commits or is dropped (which rolls back): every condition it reads still holds when it
    /// writes.
    async fn writing(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("begin immediate").await?)
    }
}
