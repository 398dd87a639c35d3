//! How transactions begin, for whoever writes: the store, and the sandbox.

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
