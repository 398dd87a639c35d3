//! The sandbox's book: the only place with its SQL. One connection, one transaction at a time, so that what a call reads
//! still holds when it writes. It is a file of its own; where many instances sell from one PostgreSQL it is there, in a
//! schema of its own, so that a payment made by one is found by all. Its SQL is what both engines understand.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};
use tidegate_config::Database;

use super::calls::{Clause, Part};
use super::record::Record;
use crate::database::{begin_in_file, begin_on_server, sqlite_url, without_password};
use crate::private;

/// How long a call waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// How long answers are kept by their keys: a day, as at Stripe.
const ANSWERS_MS: i64 = 24 * 3600 * 1000;

/// Payments that die in one transaction; the rest die in the next.
const EXPIRED_MAX: i64 = 100;

/// What a killed process committed is kept. A power cut may take the last moments, and no real money.
const FILE_SETTINGS: &str = "pragma busy_timeout = 5000; pragma foreign_keys = on; pragma journal_mode = wal; \
     pragma synchronous = normal";

/// Several instances may start at once, and the second is to find what the first has made. The lock is for this alone.
const MAKE_SCHEMA: &str =
    "select pg_advisory_xact_lock(8315169201); create schema if not exists tidegate_sandbox";

const SERVER_SETTINGS: &str = "set search_path = tidegate_sandbox; set lock_timeout = '5s'; \
     set statement_timeout = '5s'; set idle_in_transaction_session_timeout = '10s'; set timezone = 'UTC'";

/// Nobody else's turn until this one ends.
const TURN_ON_SERVER: &str = "begin; lock table intent in share row exclusive mode";

static FILE_TABLES: Migrator = sqlx::migrate!("./migrations-sandbox/sqlite");
static SERVER_TABLES: Migrator = sqlx::migrate!("./migrations-sandbox/postgres");

/// Why the sandbox's book cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Its folder cannot be made.
    #[error("cannot make the folder {} for the sandbox's file: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It cannot be opened, is no database, or is not writable.
    #[error("cannot open the payment sandbox's book {name}: {cause}")]
    Open {
        /// The file, or the server without a password.
        name: String,
        /// What the engine said.
        cause: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("cannot bring the payment sandbox's book {name} up to date: {cause}")]
    Migrate {
        /// The file, or the server without a password.
        name: String,
        /// Why.
        cause: sqlx::migrate::MigrateError,
    },
}

/// The open book.
#[derive(Clone)]
pub(super) struct Book {
    pool: AnyPool,
    on_server: bool,
}

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

impl Book {
    pub(super) async fn open(place: &Database) -> Result<Self, BookError> {
        sqlx::any::install_default_drivers();
        let (url, name, settings, tables) = match place {
            Database::Sqlite(path) => {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    private::folder(folder).map_err(|cause| BookError::Folder {
                        path: folder.to_owned(),
                        cause,
                    })?;
                }
                private::file(path);
                let name = path.display().to_string();
                (sqlite_url(path), name, FILE_SETTINGS, &FILE_TABLES)
            }
            Database::Postgres(url) => {
                let name = without_password(url.expose());
                (url.expose().to_owned(), name, SERVER_SETTINGS, &SERVER_TABLES)
            }
        };
        let on_server = matches!(place, Database::Postgres(_));
        let failed = |cause| BookError::Open {
            name: name.clone(),
            cause,
        };
        // One connection by itself first: it says at once what is wrong.
        let mut first = AnyConnection::connect(&url).await.map_err(failed)?;
        let prepare = if on_server { MAKE_SCHEMA } else { settings };
        first.execute(sqlx::raw_sql(prepare)).await.map_err(failed)?;
        first.close().await.map_err(failed)?;
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(TURN_WITHIN)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(sqlx::raw_sql(settings)).await.map(drop) })
            })
            .connect(&url)
            .await
            .map_err(failed)?;
        tables.run(&pool).await.map_err(|cause| BookError::Migrate {
            name: name.clone(),
            cause,
        })?;
        if !on_server {
            // What the last process had in its hands is nobody's now; it need not wait for that lease to end.
            let query = sqlx::query("update webhook set due_at = 0 where tries > 0");
            query.execute(&pool).await.map_err(failed)?;
        }
        Ok(Self { pool, on_server })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// The only writer until it commits or is dropped (which rolls back).
    pub(super) async fn turn(&self) -> sqlx::Result<Turn> {
        Ok(Turn(match self.on_server {
            false => begin_in_file(&self.pool).await?,
            true => begin_on_server(&self.pool, TURN_ON_SERVER).await?,
        }))
    }
}

/// A transaction.
pub(super) struct Turn(Transaction<'static, Any>);

impl Turn {
    pub(super) async fn commit(self) -> sqlx::Result<()> {
        self.0.commit().await
    }

    pub(super) async fn insert(&mut self, record: &Record) -> sqlx::Result<()> {
        let insert = "insert into intent (id, ends_at, record) values ($1, $2, $3) returning seq";
        let seq: i64 = sqlx::query_scalar(insert)
            .bind(&record.id)
            .bind(record.ends_at_ms)
            .bind(write(record)?)
            .fetch_one(&mut *self.0)
            .await?;
        for (name, value) in &record.metadata {
            sqlx::query("insert into metadata (name, value, intent) values ($1, $2, $3)")
                .bind(name)
                .bind(value)
                .bind(seq)
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn update(&mut self, record: &Record) -> sqlx::Result<()> {
        sqlx::query("update intent set ends_at = $1, record = $2 where id = $3")
            .bind(record.ends_at_ms)
            .bind(write(record)?)
            .bind(&record.id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(super) async fn find(&mut self, id: &str) -> sqlx::Result<Option<Record>> {
        let text: Option<String> = sqlx::query_scalar("select record from intent where id = $1")
            .bind(id)
            .fetch_optional(&mut *self.0)
            .await?;
        text.map(|text| read(&text)).transpose()
    }

    /// The newest first, and one more than asked for where there are more.
    pub(super) async fn list(&mut self, part: &Part) -> sqlx::Result<Vec<Record>> {
        let texts: Vec<String> = sqlx::query_scalar(
            "select record from intent
             where cast($1 as text) is null or seq < (select seq from intent where id = $1)
             order by seq desc limit $2",
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
             where name = $1 and value = $2 order by seq desc limit $3",
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
            sqlx::query_scalar("select record from intent where ends_at <= $1 order by ends_at limit $2")
                .bind(now_ms)
                .bind(EXPIRED_MAX)
                .fetch_all(&mut *self.0)
                .await?;
        texts.iter().map(|text| read(text)).collect()
    }

    pub(super) async fn kept(&mut self, key: &str, now_ms: i64) -> sqlx::Result<Option<Kept>> {
        sqlx::query("delete from answer where at < $1")
            .bind(now_ms - ANSWERS_MS)
            .execute(&mut *self.0)
            .await?;
        let row: Option<(String, i64, String)> =
            sqlx::query_as("select request, status, body from answer where key = $1")
                .bind(key)
                .fetch_optional(&mut *self.0)
                .await?;
        Ok(row.map(|(request, status, body)| Kept {
            request,
            status: u16::try_from(status).unwrap_or(500),
            body,
        }))
    }

    pub(super) async fn keep(&mut self, key: &str, answer: &Kept, now_ms: i64) -> sqlx::Result<()> {
        sqlx::query("insert into answer (key, request, status, body, at) values ($1, $2, $3, $4, $5)")
            .bind(key)
            .bind(&answer.request)
            .bind(i64::from(answer.status))
            .bind(&answer.body)
            .bind(now_ms)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(super) async fn post(&mut self, body: &str, due_at_ms: i64) -> sqlx::Result<()> {
        sqlx::query("insert into webhook (body, due_at, tries) values ($1, $2, 0)")
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
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "update webhook set due_at = $1, tries = tries + 1
             where seq in (select seq from webhook where due_at <= $2 order by due_at, seq limit $3)
             returning seq, body, tries",
        )
        .bind(leased_ms)
        .bind(now_ms)
        .bind(most as i64)
        .fetch_all(&mut *self.0)
        .await?;
        let mut letters: Vec<Letter> = rows
            .into_iter()
            .map(|(seq, body, tries)| Letter {
                seq,
                body,
                tries: u32::try_from(tries).unwrap_or(u32::MAX),
            })
            .collect();
        letters.sort_by_key(|letter| letter.seq);
        Ok(letters)
    }

    /// It arrived, or is given up (`None`), or is to be sent again.
    pub(super) async fn posted(&mut self, seq: i64, again_at_ms: Option<i64>) -> sqlx::Result<()> {
        let query = match again_at_ms {
            Some(again_at_ms) => sqlx::query("update webhook set due_at = $2 where seq = $1")
                .bind(seq)
                .bind(again_at_ms),
            None => sqlx::query("delete from webhook where seq = $1").bind(seq),
        };
        query.execute(&mut *self.0).await?;
        Ok(())
    }

    /// When there is something to do by itself; webhooks count where somebody wants them.
    pub(super) async fn next_at_ms(&mut self, with_webhooks: bool) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar(
            "select min(at) from (select min(due_at) as at from webhook where $1 union all
             select min(ends_at) from intent where ends_at is not null) as due",
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
