//! Passwords and their hashes, away from the threads that answer requests.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Password;

/// How long a login waits for its turn at the processor.
const TURN_WITHIN: Duration = Duration::from_secs(4);

/// The hash of a password that nobody has: looked at where there is no account, so that the answer takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$dGlkZWdhdGUtbm9ib2R5$\
                       Zm9yIG5hbWVzIHRoYXQgYXJlIG5vYm9keSdzLCBub25l";

/// Hashes with argon2id at its crate's defaults, which are OWASP's first choice: 19 MiB, two passes, one lane; some 20 ms.
/// As many at once as there are processors, so that a rush of logins neither takes the memory nor the other requests'
/// time.
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
}

impl Hasher {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new(cores)),
        }
    }

    /// The next turn; none where it did not come in time.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let turn = tokio::time::timeout(TURN_WITHIN, Arc::clone(&self.turns).acquire_owned()).await;
        Some(Turn {
            _permit: turn.ok()?.ok()?,
        })
    }
}

/// The right to have one password hashed now.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// The hash in the PHC form.
    pub(super) async fn hash(self, password: Password) -> Option<String> {
        self.spend(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.ok().map(|hash| hash.to_string())
        })
        .await
        .flatten()
    }

    /// Whether the hash is this password's; without a hash it is not, and that takes as long.
    pub(super) async fn fits(self, password: Password, hash: Option<String>) -> Option<bool> {
        self.spend(move || {
            let text = hash.as_deref().unwrap_or(NOBODYS);
            let fits = PasswordHash::new(text).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            });
            fits && hash.is_some()
        })
        .await
    }

    /// The turn lasts as long as the work, whether or not anybody still waits for it.
    async fn spend<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(self);
            done
        });
        done.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_nobody_s_takes_as_long() {
        let hasher = Hasher::new();
        let turn = async || hasher.turn().await.expect("nobody else wants one");
        let right: Password = "correct horse".parse().expect("a password");
        let wrong: Password = "battery staple".parse().expect("a password");
        let hash = turn().await.hash(right.clone()).await.expect("a turn");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(
            turn().await.hash(right.clone()).await.as_ref(),
            Some(&hash),
            "salted"
        );
        assert_eq!(
            turn().await.fits(right.clone(), Some(hash.clone())).await,
            Some(true)
        );
        let began = Instant::now();
        assert_eq!(turn().await.fits(wrong.clone(), Some(hash)).await, Some(false));
        let of_somebody = began.elapsed();
        let began = Instant::now();
        assert_eq!(turn().await.fits(wrong, None).await, Some(false));
        let of_nobody = began.elapsed();
        assert!(
            of_nobody * 4 > of_somebody,
            "{of_nobody:?} beside {of_somebody:?}"
        );
    }
}
