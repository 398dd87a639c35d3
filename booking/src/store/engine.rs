//! Two engines, one SQL: what SQLite and PostgreSQL say differently, and how each is opened.
//!
//! A [`Statement`] is written once, in words both understand; what they do not share stands in braces. Knows nothing of
//! any table.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use tidegate_config::Database;

use crate::database::{sqlite_url, without_password};
use crate::private;

/// Readers of SQLite at once. A read takes well under a millisecond, so more than a few cores' worth only adds memory.
const READERS_MAX: u32 = 4;

/// Connections to PostgreSQL. Each is a process there; a hold keeps one for about a millisecond.
const CONNECTIONS_MAX: u32 = 32;

/// How long a call waits for its turn at the database before it is told to come back. Writers of SQLite queue on one
/// connection; at several thousand holds a second this is a queue of thousands.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// Set on every connection. SQLite waits two seconds for another process's write. What a killed process committed is
/// kept; only a power cut may take the last moments' holds, and a hold is a promise of minutes.
const SQLITE_SETTINGS: &str = "pragma busy_timeout = 2000; pragma foreign_keys = on; pragma journal_mode = wal; \
     pragma synchronous = normal";

/// Readers cannot write by mistake.
const SQLITE_READS: &str = "pragma query_only = on";

/// A statement that hangs is given up, and so is a transaction whose process was paused in the middle: it must not keep
/// seats locked. Nothing is compiled: the server takes a statement about many claims for a long one, and compiling takes
/// ten times as long as running it.
const POSTGRES_SETTINGS: &str = "set lock_timeout = '2s'; set statement_timeout = '5s'; \
     set idle_in_transaction_session_timeout = '10s'; set timezone = 'UTC'; set jit = off";

static SQLITE_TABLES: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_TABLES: Migrator = sqlx::migrate!("migrations/postgres");

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server, for many instances.
    Postgres,
}

/// A statement in the words that both engines share, with these in braces:
///
/// | in braces | is |
/// |---|---|
/// | `now` | milliseconds since 1970 by the database's clock; stands still within a statement |
/// | `live` | whether the row of `claim` binds: sold or being paid, or held and not expired |
/// | `each:$1` | the rows `(key, value)` of a JSON array of texts or numbers, as `asked` |
/// | `rows:$1` | the same of a JSON array of objects, read with `value ->> 'name'` |
/// | `list:x` | the aggregate of all `x`, a blank between them; null of none |
/// | `changed` | a number for `claim.changed` |
/// | `lock` | at the end of a select: its rows stand still until the transaction ends |
/// | `skip:t` | likewise for the rows of `t`, without those that somebody else has locked |
pub(super) struct Statement {
    text: &'static str,
    spoken: [OnceLock<String>; 2],
}

impl Statement {
    pub(super) const fn new(text: &'static str) -> Self {
        Self {
            text,
            spoken: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// As the engine wants it.
    pub(super) fn on(&'static self, engine: Engine) -> &'static str {
        self.spoken[engine as usize].get_or_init(|| spoken(self.text, engine))
    }
}

fn spoken(text: &str, engine: Engine) -> String {
    let mut said = String::with_capacity(2 * text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, after) = after
            .split_once('}')
            .expect("every brace of a statement is closed");
        said.push_str(before);
        said.push_str(&in_words_of(engine, word));
        rest = after;
    }
    said.push_str(rest);
    said
}

fn in_words_of(engine: Engine, word: &str) -> String {
    let now = match engine {
        Engine::Sqlite => "cast(unixepoch('subsec') * 1000 as integer)",
        Engine::Postgres => "cast(extract(epoch from statement_timestamp()) * 1000 as bigint)",
    };
    let (name, argument) = word.split_once(':').unwrap_or((word, ""));
    match (name, engine) {
        ("now", _) => now.to_owned(),
        ("live", _) => format!("(claim.state <> 'held' or claim.expires_at > {now})"),
        ("each" | "rows", Engine::Sqlite) => format!("json_each({argument}) as asked"),
        ("each", Engine::Postgres) => {
            format!(
                "json_array_elements_text(cast({argument} as json)) with ordinality as asked (value, key)"
            )
        }
        ("rows", Engine::Postgres) => {
            format!("json_array_elements(cast({argument} as json)) with ordinality as asked (value, key)")
        }
        ("list", Engine::Sqlite) => format!("group_concat({argument}, ' ')"),
        ("list", Engine::Postgres) => format!("string_agg({argument}, ' ')"),
        ("changed", Engine::Sqlite) => "(select token from fence)".to_owned(),
        ("changed", Engine::Postgres) => "cast(cast(pg_current_xact_id() as text) as bigint)".to_owned(),
        // A transaction that writes is the only one there.
        ("lock" | "skip", Engine::Sqlite) => String::new(),
        ("lock", Engine::Postgres) => "for update".to_owned(),
        ("skip", Engine::Postgres) => format!("for update of {argument} skip locked"),
        _ => unreachable!("a word in braces is one of the table above"),
    }
}

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
    /// The file cannot be opened, is no database, or is not writable; or the server does not let us in.
    #[error("cannot open the booking database {name}: {cause}")]
    Open {
        /// Which, without a password.
        name: String,
        /// What the engine said.
        cause: sqlx::Error,
    },
    /// It was made by a program that knows more.
    #[error(
        "the booking database {name} was made by a newer tidegate (its tables are at step {version}); start that one, \
         or restore a backup from before it"
    )]
    Newer {
        /// Which, without a password.
        name: String,
        /// The step that this program does not have.
        version: i64,
    },
    /// Its tables cannot be brought up to date.
    #[error("cannot bring the booking database {name} up to date, and left it as it was: {cause}")]
    Migrate {
        /// Which, without a password.
        name: String,
        /// Why.
        cause: MigrateError,
    },
}

/// Connections to one database: those that write and those that read (the same ones in PostgreSQL).
pub(super) struct Opened {
    pub(super) engine: Engine,
    pub(super) writer: AnyPool,
    pub(super) readers: AnyPool,
}

/// Opens the database, made if it is a file that is missing, and brings its tables up to date. A relative file is under
/// `data_dir`.
pub(super) async fn open(database: &Database, data_dir: &Path) -> Result<Opened, OpenError> {
    sqlx::any::install_default_drivers();
    match database {
        Database::Sqlite(path) => open_file(&data_dir.join(path)).await,
        Database::Postgres(url) => open_server(url.expose()).await,
    }
}

async fn open_file(path: &Path) -> Result<Opened, OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::folder(folder).map_err(|cause| OpenError::Folder {
            path: folder.to_owned(),
            cause,
        })?;
    }
    private::file(path);
    let name = path.display().to_string();
    let url = sqlite_url(path);
    let open_error = |cause| OpenError::Open {
        name: name.clone(),
        cause,
    };
    probe(&url, SQLITE_SETTINGS).await.map_err(open_error)?;
    // SQLite takes one writer at a time. With a single connection they queue here, in order and with a deadline, rather
    // than in SQLite's polling.
    let writer = pool(1, SQLITE_SETTINGS).connect(&url).await.map_err(open_error)?;
    migrate(&SQLITE_TABLES, &writer, &name).await?;
    let readers = pool(READERS_MAX, SQLITE_READS)
        .connect(&url)
        .await
        .map_err(open_error)?;
    Ok(Opened {
        engine: Engine::Sqlite,
        writer,
        readers,
    })
}

async fn open_server(url: &str) -> Result<Opened, OpenError> {
    let name = without_password(url);
    let open_error = |cause| OpenError::Open {
        name: name.clone(),
        cause,
    };
    probe(url, POSTGRES_SETTINGS).await.map_err(open_error)?;
    let pool = pool(CONNECTIONS_MAX, POSTGRES_SETTINGS)
        .connect(url)
        .await
        .map_err(open_error)?;
    migrate(&POSTGRES_TABLES, &pool, &name).await?;
    Ok(Opened {
        engine: Engine::Postgres,
        writer: pool.clone(),
        readers: pool,
    })
}

/// One connection by itself first: it says at once what is wrong, where a pool would try again until its time is over.
async fn probe(url: &str, settings: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = AnyConnection::connect(url).await?;
    connection.execute(sqlx::raw_sql(settings)).await?;
    connection.close().await
}

fn pool(connections: u32, settings: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(TURN_WITHIN)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(settings)).await.map(drop) })
        })
}

async fn migrate(tables: &Migrator, pool: &AnyPool, name: &str) -> Result<(), OpenError> {
    let name = name.to_owned();
    tables.run(pool).await.map_err(|cause| match cause {
        MigrateError::VersionMissing(version) => OpenError::Newer { name, version },
        cause => OpenError::Migrate { name, cause },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_is_spoken_in_two_ways() {
        static STATEMENT: Statement = Statement::new("select value, {now} from {each:$1} order by key");
        let lite = STATEMENT.on(Engine::Sqlite);
        assert_eq!(
            lite,
            "select value, cast(unixepoch('subsec') * 1000 as integer) from json_each($1) as asked order by key"
        );
        let server = STATEMENT.on(Engine::Postgres);
        assert!(
            server.contains("statement_timestamp")
                && server.contains("json_array_elements_text(cast($1 as json))")
        );
    }
}
