//! How databases are named and transactions begin, for whoever has tables: the store, and the sandbox.

use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sqlx::{Any, AnyPool, Database, Pool, Transaction};

/// Begins a transaction that no other writer of a SQLite file can enter.
///
/// After some failures, a full disk among them, SQLite has ended the transaction by itself when the driver wants to roll it
/// back (<https://www.sqlite.org/lang_transaction.html>, "Response To Errors Within A Transaction"). The driver takes that
/// for a failed rollback and the connection for one inside a transaction, for good. Such a connection is given up.
pub(crate) async fn begin_in_file<DB: Database>(
    pool: &Pool<DB>,
) -> Result<Transaction<'static, DB>, sqlx::Error> {
    match pool.begin_with(BEGIN).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            // It has nothing left to say but that it was closed.
            let _ = pool.acquire().await?.close().await;
            pool.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

const BEGIN: &str = "begin immediate";

/// Begins a transaction on a server.
///
/// The driver counts a transaction once the server has answered. Whoever is dropped before that (a caller at its deadline,
/// a request whose task ends) would give back a connection with a transaction that nobody ends, and the next caller's
/// statements would become part of it. So a task of its own waits for the answer, and what nobody takes is rolled back.
pub(crate) async fn begin_on_server(
    pool: &AnyPool,
    begin: &'static str,
) -> Result<Transaction<'static, Any>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(begin).await }).await;
    begun.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// What would end a path inside a URL.
const NOT_IN_PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// The file as the driver wants it named; made if it is missing.
pub(crate) fn sqlite_url(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("sqlite:{}?mode=rwc", utf8_percent_encode(&path, NOT_IN_PATH))
}

/// The URL as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "of the configuration".to_owned();
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = without_password("postgres://fan:s3cr@t@db.example:5432/booking?password=s3cr");
        assert_eq!(shown, "postgres://db.example:5432/booking");
    }

    #[test]
    fn a_path_stays_a_path_inside_a_url() {
        assert_eq!(
            sqlite_url(Path::new("/a b/100%?.db")),
            "sqlite:/a%20b/100%25%3F.db?mode=rwc"
        );
    }
}
