//! The sandbox's file: the only place with its SQL. One connection, one transaction at a time, so that what a call reads
//! still holds when it writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::calls::{Clause, Part};
use super::record::Record;
use crate::begin::begin_in_file;

/// How long a call waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// How long answers are kept by their keys: a day, as at Stripe.
const ANSWERS_MS: i64 = 24 * 3600 * 1000;

/// Payments that die in one transaction; the rest die in the next.
const EXPIRED_MAX: i64 = 100;

/// Why the sandbox's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Its folder cannot be made.
    #[error("cannot make the folder {} for the sandbox's file: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It cannot be opened, is no database, or is not writable.
    #[error("cannot open the sandbox's file {}: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("cannot bring the sandbox's file {} up to date: {cause}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: sqlx::migrate::MigrateError,
    },
}

/// The open file.
#[derive(Clone)]
pub(super) struct File(SqlitePool);

/// An answer under its key.
pub(super) struct Kept {
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) body: String,
}

/// A webhook to be sent now.
pub(super) struct Letter {
    pub(super) seq: i64,
    pub(super) body: String,
    pub(super) tries: u32,
}

impl File {
    pub(super) async fn open(path: &Path) -> Result<Self, FileError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|cause| FileError::Folder {
                path: folder.to_owned(),
                cause,
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(TURN_WITHIN)
            .journal_mode(SqliteJournalMode::Wal)
            // What a killed process committed is kept. A power cut may take the last moments, and no real money.
            .synchronous(SqliteSynchronous::Normal);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(TURN_WITHIN)
            .connect_with(options)
            .await
            .map_err(|cause| FileError::Open {
                path: path.to_owned(),
                cause,
            })?;
        let migrated = sqlx::migrate!("./migrations-sandbox").run(&pool).await;
        migrated.map_err(|cause| FileError::Migrate {
            path: path.to_owned(),
            cause,
        })?;
        // What the last process had in its hands is nobody's now; it need not wait for that lease to end.
        sqlx::query("update webhook set due_at = 0 where tries > 0")
            .execute(&pool)
            .await
            .map_err(|cause| FileError::Open {
                path: path.to_owned(),
                cause,
            })?;
        Ok(Self(pool))
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    /// The only writer until it commits or is dropped (which rolls back).
    pub(super) async fn turn(&self) -> sqlx::Result<Turn> {
        Ok(Turn(begin_in_file(&self.0).await?))
    }
}

/// A transaction.
pub(super) struct Turn(Transaction<'static, Sqlite>);

impl Turn {
    pub(super) async fn commit(self) -> sqlx::Result<()> {
        self.0.commit().await
    }

    pub(super) async fn insert(&mut self, record: &Record) -> sqlx::Result<()> {
        let inserted = sqlx::query("insert into intent (id, ends_at, record) values (?, ?, ?)")
            .bind(&record.id)
            .bind(record.ends_at_ms)
            .bind(write(record)?)
            .execute(&mut *self.0)
            .await?;
        for (name, value) in &record.metadata {
            sqlx::query("insert into metadata (name, value, intent) values (?, ?, ?)")
                .bind(name)
                .bind(value)
                .bind(inserted.last_insert_rowid())
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn update(&mut self, record: &Record) -> sqlx::Result<()> {
        sqlx::query("update intent set ends_at = ?, record = ? where id = ?")
            .bind(record.ends_at_ms)
            .bind(write(record)?)
            .bind(&record.id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(super) async fn find(&mut self, id: &str) -> sqlx::Result<Option<Record>> {
        let text: Option<String> = sqlx::query_scalar("select record from intent where id = ?")
            .bind(id)
            .fetch_optional(&mut *self.0)
            .await?;
        text.map(|text| read(&text)).transpose()
    }

    /// The newest first, and one more than asked for where there are more.
    pub(super) async fn list(&mut self, part: &Part) -> sqlx::Result<Vec<Record>> {
        let texts: Vec<String> = sqlx::query_scalar(
            "select record from intent
             where ?1 is null or seq < (select seq from intent where id = ?1)
             order by seq desc limit ?2",
        )
        .bind(&part.after)
        .bind(i64::from(part.limit) + 1)
        .fetch_all(&mut *self.0)
        .await?;
        texts.iter().map(|text| read(text)).collect()
    }

    /// The newest first, and one more than asked for where there are more.
    pub(super) async fn search(&mut self, clause: &Clause, limit: u32) -> sqlx::Result<Vec<Record>> {
        let texts: Vec<String> = sqlx::query_scalar(
            "select record from metadata join intent on intent.seq = metadata.intent
             where name = ? and value = ? order by seq desc limit ?",
        )
        .bind(&clause.name)
        .bind(&clause.value)
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *self.0)
        .await?;
        texts.iter().map(|text| read(text)).collect()
    }

    /// Those whose time is over.
    pub(super) async fn expired(&mut self, now_ms: i64) -> sqlx::Result<Vec<Record>> {
        let texts: Vec<String> =
            sqlx::query_scalar("select record from intent where ends_at <= ? order by ends_at limit ?")
                .bind(now_ms)
                .bind(EXPIRED_MAX)
                .fetch_all(&mut *self.0)
                .await?;
        texts.iter().map(|text| read(text)).collect()
    }

    pub(super) async fn kept(&mut self, key: &str, now_ms: i64) -> sqlx::Result<Option<Kept>> {
        sqlx::query("delete from answer where at < ?")
            .bind(now_ms - ANSWERS_MS)
            .execute(&mut *self.0)
            .await?;
        let row: Option<(String, u16, String)> =
            sqlx::query_as("select request, status, body from answer where key = ?")
                .bind(key)
                .fetch_optional(&mut *self.0)
                .await?;
        Ok(row.map(|(request, status, body)| Kept {
            request,
            status,
            body,
        }))
    }

    pub(super) async fn keep(&mut self, key: &str, answer: &Kept, now_ms: i64) -> sqlx::Result<()> {
        sqlx::query("insert into answer (key, request, status, body, at) values (?, ?, ?, ?, ?)")
            .bind(key)
            .bind(&answer.request)
            .bind(answer.status)
            .bind(&answer.body)
            .bind(now_ms)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(super) async fn post(&mut self, body: &str, due_at_ms: i64) -> sqlx::Result<()> {
        sqlx::query("insert into webhook (body, due_at, tries) values (?, ?, 0)")
            .bind(body)
            .bind(due_at_ms)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Webhooks that are due. Until `leased_ms` they are not given out again; a process that dies meanwhile sends them
    /// twice rather than never.
    pub(super) async fn due(
        &mut self,
        now_ms: i64,
        leased_ms: i64,
        most: usize,
    ) -> sqlx::Result<Vec<Letter>> {
        let rows: Vec<(i64, String, u32)> = sqlx::query_as(
            "update webhook set due_at = ?, tries = tries + 1
             where seq in (select seq from webhook where due_at <= ? order by due_at, seq limit ?)
             returning seq, body, tries",
        )
        .bind(leased_ms)
        .bind(now_ms)
        .bind(most as i64)
        .fetch_all(&mut *self.0)
        .await?;
        let mut letters: Vec<Letter> = rows
            .into_iter()
            .map(|(seq, body, tries)| Letter { seq, body, tries })
            .collect();
        letters.sort_by_key(|letter| letter.seq);
        Ok(letters)
    }

    /// It arrived, or is given up (`None`), or is to be sent again.
    pub(super) async fn posted(&mut self, seq: i64, again_at_ms: Option<i64>) -> sqlx::Result<()> {
        let query = match again_at_ms {
            Some(again_at_ms) => sqlx::query("update webhook set due_at = ?2 where seq = ?1")
                .bind(seq)
                .bind(again_at_ms),
            None => sqlx::query("delete from webhook where seq = ?").bind(seq),
        };
        query.execute(&mut *self.0).await?;
        Ok(())
    }

    /// When there is something to do by itself; webhooks count where somebody wants them.
    pub(super) async fn next_at_ms(&mut self, with_webhooks: bool) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar(
            "select min(at) from (select min(due_at) as at from webhook where ? union all
             select min(ends_at) from intent where ends_at is not null)",
        )
        .bind(with_webhooks)
        .fetch_one(&mut *self.0)
        .await
    }
}

fn read(text: &str) -> sqlx::Result<Record> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn write(record: &Record) -> sqlx::Result<String> {
    serde_json::to_string(record).map_err(|error| sqlx::Error::Encode(error.into()))
}
