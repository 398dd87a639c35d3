//! Accounts and their logins.

use std::time::Duration;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Statement, Store, StoreError};
use crate::domain::{Account, AccountId, Email, Owner, Role, SessionId};

/// An account, as it is stored for the first time.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// What anyone may see of it, and more.
    pub account: Account,
    /// Its name as it is compared.
    pub folded: String,
    /// The password's hash in the PHC form.
    pub password: String,
}

macro_rules! account {
    () => {
        "select account.id, shown_as, password, email, location, role from account "
    };
}

static CREATE: Statement = Statement::new(
    "insert into account (id, username, shown_as, password, email, location, role, created_at) \
     values ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7, {now}) on conflict (username) do nothing",
);

static BY_NAME: Statement = Statement::new(concat!(account!(), "where username = $1 and deleted_at is null"));

static BY_ID: Statement = Statement::new(concat!(account!(), "where id = $1 and deleted_at is null"));

static BY_SESSION: Statement = Statement::new(concat!(
    account!(),
    "join session on session.account_id = account.id \
     where session.id = $1 and session.expires_at > {now} and deleted_at is null",
));

static OPEN_SESSION: Statement = Statement::new(
    "insert into session (id, account_id, created_at, expires_at) values ($1, $2, {now}, {now} + $3)",
);

/// What is left of an account that is gone: an id, to which its orders belong. No name can have the `:` of what stands in
/// its place, so the name may be chosen again.
static DELETE: Statement = Statement::new(
    "update account set deleted_at = {now}, username = 'gone:' || id, shown_as = '', password = '', \
     email = null, location = null \
     where id = $1 and deleted_at is null",
);

static OPEN_RESET: Statement = Statement::new(
    "insert into password_reset (token_hash, account_id, expires_at) values ($1, $2, {now} + $3)",
);
static FORGET_RESETS: Statement = Statement::new("delete from password_reset where expires_at <= {now}");
static USE_RESET: Statement = Statement::new(
    "delete from password_reset where token_hash = $1 and expires_at > {now} returning account_id",
);
static END_OLD: Statement = Statement::new("delete from session where expires_at <= {now}");

impl Store {
    /// Makes an account; false where the name is taken.
    pub async fn create_account(&self, new: &StoredAccount) -> Result<bool, StoreError> {
        let account = &new.account;
        let done = sqlx::query(self.sql(&CREATE))
            .bind(account.id.as_str())
            .bind(&new.folded)
            .bind(&account.username)
            .bind(&new.password)
            .bind(account.email.as_ref().map_or("", Email::as_str))
            .bind(account.location.as_deref().unwrap_or_default())
            .bind(account.role.as_str())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The account of this name (as it is compared) and its password's hash.
    pub async fn account_named(&self, folded: &str) -> Result<Option<(Account, String)>, StoreError> {
        self.find_account(&BY_NAME, folded).await
    }

    /// The account of this id, unless it is gone.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let found = self.find_account(&BY_ID, id.as_str()).await?;
        Ok(found.map(|(account, _)| account))
    }

    /// Whose a login is, while it lasts.
    pub async fn account_of_session(&self, session: &SessionId) -> Result<Option<Account>, StoreError> {
        let found = self.find_account(&BY_SESSION, session.as_str()).await?;
        Ok(found.map(|(account, _)| account))
    }

    async fn find_account(
        &self,
        statement: &'static Statement,
        by: &str,
    ) -> Result<Option<(Account, String)>, StoreError> {
        let query = sqlx::query(self.sql(statement)).bind(by);
        let found = query.fetch_optional(&self.readers).await?;
        found.as_ref().map(account_of).transpose()
    }

    /// Begins a login, and forgets those that are over.
    pub async fn open_session(
        &self,
        session: &SessionId,
        account: &AccountId,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let mut tx = self.writing().await?;
        sqlx::query(self.sql(&END_OLD)).execute(&mut *tx).await?;
        sqlx::query(self.sql(&OPEN_SESSION))
            .bind(session.as_str())
            .bind(account.as_str())
            .bind(super::millis(ttl))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Ends a login; one that is over already is none the less ended.
    pub async fn end_session(&self, session: &SessionId) -> Result<(), StoreError> {
        let query = sqlx::query("delete from session where id = $1").bind(session.as_str());
        query.execute(&self.writer).await?;
        Ok(())
    }

    /// Keeps the hash of a secret with which an account's password can be set, once.
    pub async fn open_reset(
        &self,
        token_hash: &str,
        account: &AccountId,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let mut tx = self.writing().await?;
        sqlx::query(self.sql(&FORGET_RESETS)).execute(&mut *tx).await?;
        sqlx::query(self.sql(&OPEN_RESET))
            .bind(token_hash)
            .bind(account.as_str())
            .bind(super::millis(ttl))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sets the password of the account that the secret was for, uses up all its secrets and ends all its logins; false
    /// where there is no such secret.
    pub async fn finish_reset(&self, token_hash: &str, password: &str) -> Result<bool, StoreError> {
        let mut tx = self.writing().await?;
        let query = sqlx::query_scalar(self.sql(&USE_RESET)).bind(token_hash);
        let Some(account): Option<String> = query.fetch_optional(&mut *tx).await? else {
            return Ok(false);
        };
        let set = "update account set password = $2 where id = $1 and deleted_at is null";
        let done = sqlx::query(set)
            .bind(&account)
            .bind(password)
            .execute(&mut *tx)
            .await?;
        for statement in [
            "delete from session where account_id = $1",
            "delete from password_reset where account_id = $1",
        ] {
            sqlx::query(statement).bind(&account).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives an account another role.
    pub async fn set_role(&self, account: &AccountId, role: Role) -> Result<bool, StoreError> {
        let query = sqlx::query("update account set role = $2 where id = $1 and deleted_at is null");
        let done = query
            .bind(account.as_str())
            .bind(role.as_str())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes everything personal out of an account and ends all its logins.
    pub async fn delete_account(&self, account: &AccountId) -> Result<bool, StoreError> {
        let mut tx = self.writing().await?;
        for statement in [
            "delete from session where account_id = $1",
            "delete from password_reset where account_id = $1",
        ] {
            sqlx::query(statement)
                .bind(account.as_str())
                .execute(&mut *tx)
                .await?;
        }
        for statement in [
            "update orders set email = '' where owner = $1",
            // Answers that are kept for calls made again.
            "delete from idempotency where owner = $1",
        ] {
            let owner = Owner::account(account);
            sqlx::query(statement)
                .bind(owner.as_str())
                .execute(&mut *tx)
                .await?;
        }
        let done = sqlx::query(self.sql(&DELETE))
            .bind(account.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// The keys for a purpose, newest first: id and secret.
    pub async fn signing_keys(&self, purpose: &str) -> Result<Vec<(String, String)>, StoreError> {
        let query = "select id, secret from signing_key where purpose = $1 order by created_at desc, id";
        Ok(sqlx::query_as(query)
            .bind(purpose)
            .fetch_all(&self.readers)
            .await?)
    }

    /// Puts a key in where the purpose has none yet, and answers with what is there then: of several instances that
    /// start at once, one key is everybody's.
    pub async fn first_signing_key(
        &self,
        purpose: &str,
        id: &str,
        secret: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        static PUT: Statement = Statement::new(
            "insert into signing_key (id, purpose, secret, created_at) select $1, $2, $3, {now} \
             where not exists (select 1 from signing_key where purpose = $2)",
        );
        let mut tx = self.writing().await?;
        // The one row that every writer can wait for.
        sqlx::query("update meta set only_row = 1")
            .execute(&mut *tx)
            .await?;
        let put = sqlx::query(self.sql(&PUT)).bind(id).bind(purpose).bind(secret);
        put.execute(&mut *tx).await?;
        tx.commit().await?;
        self.signing_keys(purpose).await
    }
}

fn account_of(row: &AnyRow) -> Result<(Account, String), StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("an account's {what}"));
    let text = |column: &str| row.try_get::<String, _>(column);
    let email: Option<String> = row.try_get("email")?;
    let account = Account {
        id: text("id")?.parse().map_err(|_| corrupt("id"))?,
        username: text("shown_as")?,
        email: email
            .map(|email| email.parse().map_err(|_| corrupt("mail address")))
            .transpose()?,
        location: row.try_get("location")?,
        role: text("role")?.parse().map_err(|_| corrupt("role"))?,
    };
    Ok((account, text("password")?))
}
