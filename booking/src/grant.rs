//! Giving a role from outside: what the operator's command line does on the database, whether the service runs or not.

use std::path::{Path, PathBuf};

use tidegate_config::{Booking, Database};

use crate::domain::{Role, Username};
use crate::store::{OpenError, Store, StoreError};

/// Why nobody was given a role.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no database, so nobody can have an account in it.
    #[error(
        "there is no booking database at {}: start tidegate once and sign up there, or name another place with \
         --config or --data-dir", path.display()
    )]
    NoDatabase {
        /// Where it would be.
        path: PathBuf,
    },
    /// Nobody is called that.
    #[error("there is no account {username:?} in the booking database; sign up first, at /signup")]
    NoAccount {
        /// The name that was asked for.
        username: String,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives the account of this name a role, which holds from its next request on. Answers with the name as it was chosen.
/// A relative database file is under `data_dir`; a file that is missing is not made.
pub async fn grant(
    config: &Booking,
    data_dir: &Path,
    username: &Username,
    role: Role,
) -> Result<String, GrantError> {
    if let Database::Sqlite(path) = &config.database {
        let path = data_dir.join(path);
        if !path.exists() {
            return Err(GrantError::NoDatabase { path });
        }
    }
    let store = Store::open(&config.database, data_dir).await?;
    let given = give(&store, username, role).await;
    store.close().await;
    given
}

async fn give(store: &Store, username: &Username, role: Role) -> Result<String, GrantError> {
    let nobody = || GrantError::NoAccount {
        username: username.as_str().to_owned(),
    };
    let found = store.account_named(&username.folded()).await?;
    let (account, _) = found.ok_or_else(nobody)?;
    if !store.set_role(&account.id, role).await? {
        return Err(nobody());
    }
    Ok(account.username)
}
