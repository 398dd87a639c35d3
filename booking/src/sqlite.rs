//! What SQLite wants of whoever writes to it: the store, and the sandbox in its own file.

use sqlx::{Database, Pool, Transaction};

/// Begins a transaction that no other writer can enter.
///
/// After some failures, a full disk among them, SQLite has ended the transaction by itself when the driver wants to roll it
/// back (<https://www.sqlite.org/lang_transaction.html>, "Response To Errors Within A Transaction"). The driver takes that
/// for a failed rollback and the connection for one inside a transaction, for good. Such a connection is given up.
pub(crate) async fn begin_writing<DB: Database>(
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
