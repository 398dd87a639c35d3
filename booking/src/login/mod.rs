//! Signing up, logging in and out: what a password is worth, how often one may be guessed, and what a login is.
//!
//! A login is a row in the database and a signed token that names it. The token alone is enough for others to see who
//! asks; booking itself also looks for the row, so that logging out ends it at once.

mod password;
mod token;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::{Account, NewAccount, Role, SessionId, Username};
use crate::domain::{AccountId, Password};
use crate::store::{Store, StoreError, StoredAccount};
pub(crate) use token::{UserKeys, UserKeysError};

/// How long a login lasts. A drop, the show, and the way home; who stays longer logs in again.
pub(crate) const LOGIN_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the link for a new password works.
pub(crate) const RESET_TTL: Duration = Duration::from_secs(30 * 60);

/// Mails for a new password to one account, or asked for from one address, before their time is over: nobody's mailbox
/// is filled by a stranger.
const RESETS_FOR_NAME_MAX: u32 = 3;
const RESETS_FROM_ADDRESS_MAX: u32 = 30;

/// Failed tries are forgotten this long after the first of them.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// Failed tries for one name from one address: somebody who has forgotten which of five passwords it was.
const TRIES_HERE_MAX: u32 = 10;

/// Failed tries for one name from anywhere: more than its owner makes, and far too few to guess a password. Beyond it
/// the name is closed to everybody for a while, which is why it is not lower.
const TRIES_FOR_NAME_MAX: u32 = 100;

/// Failed tries from one address for all names: whole offices share one.
const TRIES_FROM_ADDRESS_MAX: u32 = 300;

/// Why nobody was logged in or signed up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The name is somebody's.
    #[error("this name is taken; choose another")]
    NameTaken,
    /// No such name, or another password: which of the two is not said.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many tries failed.
    #[error("too many tries; wait a few minutes")]
    TooMany(Duration),
    /// Too many are being checked at this moment.
    #[error("too many people are logging in at this moment")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the database keeps of a secret that was mailed.
fn hash_of(token: &str) -> String {
    STANDARD_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// Somebody who has logged in.
pub(crate) struct LoggedIn {
    pub(crate) account: Account,
    pub(crate) token: String,
}

/// The desk at which people log in.
pub(crate) struct Desk {
    store: Store,
    hasher: password::Hasher,
    pub(crate) keys: UserKeys,
}

impl Desk {
    /// Opens it, with the keys that the database has; the first start makes one.
    pub(crate) async fn open(store: Store) -> Result<Self, UserKeysError> {
        let keys = UserKeys::open(&store).await?;
        Ok(Self {
            store,
            hasher: password::Hasher::new(),
            keys,
        })
    }

    /// Makes an account and logs it in.
    pub(crate) async fn sign_up(&self, new: NewAccount, now_s: u64) -> Result<LoggedIn, LoginError> {
        let turn = self.hasher.turn().await.ok_or(LoginError::Busy)?;
        let hash = turn.hash(new.password).await.ok_or(LoginError::Busy)?;
        let account = Account {
            id: AccountId::from_bits(rand::random()),
            username: new.username.as_str().to_owned(),
            email: new.email,
            location: new.location,
            role: Role::Fan,
        };
        let stored = StoredAccount {
            account: account.clone(),
            folded: new.username.folded(),
            password: hash,
        };
        if !self.store.create_account(&stored).await? {
            return Err(LoginError::NameTaken);
        }
        self.begin(account, now_s).await
    }

    /// Logs in. `address` is where the request came from, as far as that is known.
    pub(crate) async fn log_in(
        &self,
        username: &str,
        password: &str,
        address: &str,
        now_s: u64,
    ) -> Result<LoggedIn, LoginError> {
        let account = self.with_password(username, password, address).await?;
        self.begin(account, now_s).await
    }

    /// Whose name and password these are. Wrong ones stay counted, here as everywhere.
    pub(crate) async fn with_password(
        &self,
        username: &str,
        password: &str,
        address: &str,
    ) -> Result<Account, LoginError> {
        // What can be no name or password is answered like a wrong one, and takes as long.
        let name = username
            .parse::<Username>()
            .map_or_else(|_| String::new(), |name| name.folded());
        let counted = [
            (format!("{name}@{address}"), TRIES_HERE_MAX),
            (format!("name {name}"), TRIES_FOR_NAME_MAX),
            (format!("from {address}"), TRIES_FROM_ADDRESS_MAX),
        ];
        // Who has had all tries waits for no turn at the processor.
        if let Some(left) = self.store.tries_are_over(&counted).await? {
            return Err(LoginError::TooMany(left));
        }
        let found = self.store.account_named(&name).await?;
        let (account, hash) = found.map_or((None, None), |(account, hash)| (Some(account), Some(hash)));
        // A try is counted before its password is looked at, or else all that come in this moment would pass. And it is
        // counted at its turn, so that of a crowd who log in from one address only a few are counted and not yet known
        // to be right.
        let turn = self.hasher.turn().await.ok_or(LoginError::Busy)?;
        if let Some(left) = self.store.count_try(&counted, FORGET_AFTER).await? {
            return Err(LoginError::TooMany(left));
        }
        let fits = match password.parse::<Password>() {
            Ok(password) => turn.fits(password, hash).await.ok_or(LoginError::Busy)?,
            Err(_) => false,
        };
        let account = account.filter(|_| fits).ok_or(LoginError::Wrong)?;
        self.store.give_back_try(&counted).await?;
        Ok(account)
    }

    /// The account of this name, and a secret with which its password can be set once; none where there is no such
    /// account, or it was asked for too often.
    pub(crate) async fn begin_reset(
        &self,
        name: &Username,
        address: &str,
    ) -> Result<Option<(Account, String)>, StoreError> {
        let counted = [
            (format!("reset {}", name.folded()), RESETS_FOR_NAME_MAX),
            (format!("reset from {address}"), RESETS_FROM_ADDRESS_MAX),
        ];
        if self.store.count_try(&counted, FORGET_AFTER).await?.is_some() {
            return Ok(None);
        }
        let Some((account, _)) = self.store.account_named(&name.folded()).await? else {
            return Ok(None);
        };
        let token = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        self.store
            .open_reset(&hash_of(&token), &account.id, RESET_TTL)
            .await?;
        Ok(Some((account, token)))
    }

    /// Sets the password, if the secret is one that was mailed and is still good. All logins of the account end.
    pub(crate) async fn finish_reset(&self, token: &str, password: Password) -> Result<bool, LoginError> {
        let turn = self.hasher.turn().await.ok_or(LoginError::Busy)?;
        let hash = turn.hash(password).await.ok_or(LoginError::Busy)?;
        Ok(self.store.finish_reset(&hash_of(token), &hash).await?)
    }

    async fn begin(&self, account: Account, now_s: u64) -> Result<LoggedIn, LoginError> {
        let session = SessionId::from_bits(rand::random());
        self.store.open_session(&session, &account.id, LOGIN_TTL).await?;
        let token = self.keys.token(&account, &session, now_s + LOGIN_TTL.as_secs());
        Ok(LoggedIn { account, token })
    }

    /// Whose token this is, while the login lasts.
    pub(crate) async fn whose(&self, token: &str) -> Result<Option<(Account, SessionId)>, StoreError> {
        let Some(session) = self.keys.session(token) else {
            return Ok(None);
        };
        let account = self.store.account_of_session(&session).await?;
        Ok(account.map(|account| (account, session)))
    }
}
