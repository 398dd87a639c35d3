//! Who is behind a request: user tokens, verified with the keys of the service that signs them.
//!
//! A token is looked for in the request (`token`), verified with the keys known here (`keys`), and remembered with
//! them until it expires. The keys are read in the background (`reader`); nothing on the way of a request waits for
//! another service. Whoever has logged out is not known here: that is the service's own business.

pub mod keys;
pub mod reader;
mod token;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderValue};
use tidegate_queue::tokens::NotVerified;
use tokio::sync::Notify;

use self::keys::Keys;
use crate::request::return_to;

/// Why nobody is known to be behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoUser {
    /// It carries no user token.
    Missing,
    /// What it carries is forged, expired, for another purpose, or signed with a key that is not known.
    Invalid,
    /// It carries one, and no keys are believed at the moment.
    Undecided,
}

/// What a moment is by both clocks: tokens expire by the wall's, keys by the other.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Seconds of Unix time.
    pub unix_s: u64,
    /// The monotonic clock.
    pub instant: Instant,
}

impl Now {
    /// This moment.
    pub fn read() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            unix_s: since_1970.as_secs(),
            instant: Instant::now(),
        }
    }
}

/// Keys and when they were read last.
struct Known {
    keys: Arc<Keys>,
    read_at: Instant,
}

/// What this edge knows of users.
pub struct Users {
    jwks_url: String,
    login_path: String,
    cookies: token::CookieNames,
    keys_ttl: Duration,
    known: ArcSwapOption<Known>,
    /// A token named a key that is not known: the keys are to be read again.
    wanted: Notify,
}

impl Users {
    /// Knows no keys yet; `reader` reads them.
    pub fn new(config: &tidegate_config::Users) -> Self {
        Self {
            jwks_url: config.jwks_url.clone(),
            login_path: config.login_path.clone(),
            cookies: token::CookieNames::new(&config.cookie),
            keys_ttl: config.keys_ttl,
            known: ArcSwapOption::empty(),
            wanted: Notify::new(),
        }
    }

    /// The account behind a request, as `Tidegate-User` names it to origins.
    pub fn whose(&self, headers: &HeaderMap, secure: bool, now: Now) -> Result<HeaderValue, NoUser> {
        let token = self.cookies.token(headers, secure)?;
        let known = self.known.load();
        let believed =
            |known: &&Arc<Known>| now.instant.saturating_duration_since(known.read_at) < self.keys_ttl;
        let known = known.as_ref().filter(believed).ok_or(NoUser::Undecided)?;
        known.keys.verify(token, now.unix_s).map_err(|why| {
            if why == NotVerified::UnknownKey {
                self.wanted.notify_one();
            }
            NoUser::Invalid
        })
    }

    /// The page to log in at, which leads back to `target` afterwards.
    pub fn login(&self, target: &str) -> String {
        let path = &self.login_path;
        if target.len() > return_to::LEN_MAX {
            return path.clone();
        }
        let back: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
        format!("{path}?return_to={back}")
    }

    /// The page to log in at.
    pub fn login_path(&self) -> &str {
        &self.login_path
    }

    /// Takes over keys that were read at this moment. Those that are the same as before keep what they have verified.
    fn learn(&self, keys: Keys, read_at: Instant) {
        let same = self.known.load().as_ref().map(|known| known.keys.clone());
        let keys = same
            .filter(|known| **known == keys)
            .unwrap_or_else(|| Arc::new(keys));
        self.known.store(Some(Arc::new(Known { keys, read_at })));
    }
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, COOKIE};

    use super::keys::tests::Signer;
    use super::*;

    const TTL: Duration = Duration::from_secs(3_600);

    fn users() -> Users {
        Users::new(&tidegate_config::Users {
            jwks_url: "http://127.0.0.1:1/jwks.json".into(),
            login_path: "/login".into(),
            cookie: "booking_user".into(),
            keys_ttl: TTL,
        })
    }

    fn with(name: http::HeaderName, value: String) -> HeaderMap {
        [(name, value.parse().expect("a value"))].into_iter().collect()
    }

    #[test]
    fn keys_are_believed_for_their_time_and_nobody_is_judged_without_them() {
        let (users, signer, began) = (users(), Signer::new("u1"), Instant::now());
        let at = |after: Duration| Now {
            unix_s: 1_000,
            instant: began + after,
        };
        let headers = with(AUTHORIZATION, format!("Bearer {}", signer.user("ann", 2_000)));
        let whose = |headers: &HeaderMap, after| users.whose(headers, false, at(after));
        let ann = Ok(HeaderValue::from_static("ann"));
        assert_eq!(whose(&headers, Duration::ZERO), Err(NoUser::Undecided));
        assert_eq!(
            whose(&HeaderMap::new(), Duration::ZERO),
            Err(NoUser::Missing),
            "who brings nothing is told so without keys"
        );
        users.learn(signer.keys(), began);
        assert_eq!(whose(&headers, TTL - Duration::from_secs(1)), ann);
        assert_eq!(
            whose(&headers, TTL),
            Err(NoUser::Undecided),
            "a token that was verified is not believed longer than the keys"
        );
        users.learn(signer.keys(), began + TTL);
        assert_eq!(whose(&headers, TTL), ann);
        users.learn(Signer::new("u1").keys(), began + TTL);
        assert_eq!(
            whose(&headers, TTL),
            Err(NoUser::Invalid),
            "keys that were replaced verify nothing, nor do they remember"
        );
    }

    #[tokio::test]
    async fn a_key_that_is_not_known_is_asked_for_and_a_bad_signature_is_not() {
        let (users, signer) = (users(), Signer::new("u1"));
        let now = Now {
            unix_s: 1_000,
            instant: Instant::now(),
        };
        users.learn(signer.keys(), now.instant);
        let whose = |token: String| users.whose(&with(COOKIE, format!("booking_user={token}")), false, now);
        let asked = async || {
            let wanted = tokio::time::timeout(Duration::ZERO, users.wanted.notified());
            wanted.await.is_ok()
        };
        assert_eq!(whose(Signer::new("u1").user("eve", 2_000)), Err(NoUser::Invalid));
        assert!(!asked().await);
        assert_eq!(whose(Signer::new("u2").user("ann", 2_000)), Err(NoUser::Invalid));
        assert!(asked().await);
    }

    #[test]
    fn the_way_to_log_in_leads_back() {
        let users = users();
        assert_eq!(
            users.login("/orders/7?tab=a&b=%C3%A9"),
            "/login?return_to=%2Forders%2F7%3Ftab%3Da%26b%3D%25C3%25A9"
        );
        assert_eq!(users.login(&"/a".repeat(return_to::LEN_MAX)), "/login");
    }
}
