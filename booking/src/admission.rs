//! Who may write: a request that the edge let through carries its signed assertion, and only the edge has the key.
//!
//! Reading never needs one. The public keys are read from the edge when a request first names one that is not known.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use tidegate_queue::tokens::{Assertion, Claims, NotVerified, PublicKeys};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The header in which the edge puts the assertion. It strips any that a fan sends.
pub(crate) const ASSERTION_HEADER: &str = "tidegate-assertion";

/// How long reading the keys may take.
const FETCH_WITHIN: Duration = Duration::from_secs(2);

/// Most bytes of a key document; each key takes about 150.
const KEYS_BYTES_MAX: usize = 64 * 1024;

/// The keys are asked for at most this often, however many requests name unknown ones.
const FETCH_EVERY: Duration = Duration::from_secs(3);

/// After this long the keys are read again, so that a retired one stops being believed.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// Why nobody can be admitted from the start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionConfigError {
    /// Admission is required and nothing says where the keys are.
    #[error("booking.require_admission needs booking.jwks_url, the edge's key document")]
    NoUrl,
    /// It cannot be read over plain HTTP.
    #[error("booking.jwks_url is {url:?}; it must be http://HOST[:PORT]/PATH")]
    BadUrl {
        /// As configured.
        url: String,
    },
}

/// Why a request may not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    /// It carries no assertion.
    #[error("the request has not come through the waiting room")]
    Missing,
    /// It carries something else, or one that has ended.
    #[error("the request's admission is not valid or has ended")]
    Invalid,
    /// Whether it is valid cannot be said now.
    #[error("the edge's keys cannot be read at the moment")]
    KeysOutOfReach,
}

/// Whether writing calls need an assertion, and how one is checked.
pub(crate) enum Admission {
    /// They do not: a login is enough.
    Open,
    /// They do.
    Required(Box<KeyRing>),
}

impl Admission {
    pub(crate) fn new(required: bool, jwks_url: Option<&str>) -> Result<Self, AdmissionConfigError> {
        if !required {
            return Ok(Self::Open);
        }
        let url = jwks_url.ok_or(AdmissionConfigError::NoUrl)?;
        let bad = || AdmissionConfigError::BadUrl { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(bad());
        }
        Ok(Self::Required(Box::new(KeyRing::new(uri))))
    }
}

/// The edge's public keys as last read.
pub(crate) struct KeyRing {
    url: Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
    known: RwLock<Known>,
    /// When the keys were last asked for. Held while asking, so that requests which need an unknown key at the same
    /// moment wait for one answer (at most `FETCH_WITHIN`) instead of each asking.
    asked_at: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    keys: Arc<PublicKeys>,
    read_at: Option<Instant>,
}

/// What booking wants to know of an [`Assertion`].
#[derive(Clone, Serialize, Deserialize)]
struct Admitted {
    visitor: String,
    exp: u64,
}

impl Claims for Admitted {
    const TYPE: &'static str = Assertion::TYPE;
    const ALGORITHM: Algorithm = Assertion::ALGORITHM;

    fn exp(&self) -> Option<u64> {
        Some(self.exp)
    }
}

impl KeyRing {
    fn new(url: Uri) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(FETCH_WITHIN));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self {
            url,
            client,
            known: RwLock::default(),
            asked_at: Mutex::new(None),
        }
    }

    /// Whether the assertion holds.
    pub(crate) async fn verify(&self, assertion: Option<&str>) -> Result<(), NotAdmitted> {
        let assertion = assertion.ok_or(NotAdmitted::Missing)?;
        let mut asked_at = match self.look(assertion) {
            (Ok(()), true) => return Ok(()),
            // Other keys would change nothing.
            (Err(NotVerified::Invalid), _) => return Err(NotAdmitted::Invalid),
            // One sees whether there are newer keys; nobody waits for that whose own key is known.
            (Ok(()), false) => match self.asked_at.try_lock() {
                Ok(asked_at) => asked_at,
                Err(_) => return Ok(()),
            },
            (Err(NotVerified::UnknownKey), _) => self.asked_at.lock().await,
        };
        let may_ask = asked_at.is_none_or(|at| at.elapsed() >= FETCH_EVERY);
        let (verified, fresh) = self.look(assertion);
        if may_ask && !(verified.is_ok() && fresh) {
            *asked_at = Some(Instant::now());
            match tokio::time::timeout(FETCH_WITHIN, self.fetch()).await {
                Ok(Ok(keys)) => self.replace(keys),
                Ok(Err(why)) => tracing::warn!(url = %self.url, %why, "the edge's keys cannot be read"),
                Err(_) => tracing::warn!(url = %self.url, "the edge did not answer with its keys in time"),
            }
        }
        // A key that was good keeps being believed while the edge cannot be asked: it is the fans' holds that would
        // stop otherwise.
        match self.look(assertion) {
            (Ok(()), _) => Ok(()),
            (Err(NotVerified::UnknownKey), false) => Err(NotAdmitted::KeysOutOfReach),
            (Err(_), _) => Err(NotAdmitted::Invalid),
        }
    }

    /// What the assertion comes to with the keys that are known, and whether those are fresh.
    fn look(&self, assertion: &str) -> (Result<(), NotVerified>, bool) {
        let (keys, fresh) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let fresh = known.read_at.is_some_and(|at| at.elapsed() < FRESH_FOR);
            (Arc::clone(&known.keys), fresh)
        };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let verified = match keys.verify::<Admitted>(assertion, since_1970.as_secs()) {
            Ok(admitted) if admitted.visitor.is_empty() => Err(NotVerified::Invalid),
            verified => verified.map(drop),
        };
        (verified, fresh)
    }

    fn replace(&self, keys: PublicKeys) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known {
            keys: Arc::new(keys),
            read_at: Some(Instant::now()),
        };
    }

    async fn fetch(&self) -> Result<PublicKeys, String> {
        let answer = self
            .client
            .get(self.url.clone())
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), KEYS_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        PublicKeys::read(&body).map_err(|error| error.to_string())
    }
}
