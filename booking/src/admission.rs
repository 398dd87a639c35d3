//! Who may write: a request that the edge let through carries its signed assertion, and only the edge has the key.
//!
//! Reading never needs one. The public keys are read from the edge when a request first names one that is not known.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The header in which the edge puts the assertion. It strips any that a fan sends.
pub(crate) const ASSERTION_HEADER: &str = "tidegate-assertion";

/// What the assertion calls itself, so that no other token of the edge can stand for it.
const ASSERTION_TYPE: &str = "tidegate-assertion+jwt";

/// Longest assertion that is looked at. A real one has about 400 bytes.
const ASSERTION_LEN_MAX: usize = 4096;

/// How far apart the clocks of the edge and of this machine may be.
const CLOCK_LEEWAY_S: u64 = 5;

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
    keys: HashMap<String, Arc<DecodingKey>>,
    read_at: Option<Instant>,
}

#[derive(serde::Deserialize)]
struct Claims {
    visitor: String,
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
        if assertion.len() > ASSERTION_LEN_MAX {
            return Err(NotAdmitted::Invalid);
        }
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| NotAdmitted::Invalid)?;
        if header.typ.as_deref() != Some(ASSERTION_TYPE) || header.alg != Algorithm::EdDSA {
            return Err(NotAdmitted::Invalid);
        }
        let key = self.key(&header.kid.ok_or(NotAdmitted::Invalid)?).await?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.leeway = CLOCK_LEEWAY_S;
        rules.validate_aud = false;
        rules.set_required_spec_claims(&["exp"]);
        let token = jsonwebtoken::decode::<Claims>(assertion, &key, &rules);
        let claims = token.map_err(|_| NotAdmitted::Invalid)?.claims;
        if claims.visitor.is_empty() {
            return Err(NotAdmitted::Invalid);
        }
        Ok(())
    }

    async fn key(&self, kid: &str) -> Result<Arc<DecodingKey>, NotAdmitted> {
        if let (Some(key), true) = self.look_up(kid) {
            return Ok(key);
        }
        let mut asked_at = self.asked_at.lock().await;
        let may_ask = asked_at.is_none_or(|at| at.elapsed() >= FETCH_EVERY);
        let (found, fresh) = self.look_up(kid);
        if may_ask && !(found.is_some() && fresh) {
            *asked_at = Some(Instant::now());
            match tokio::time::timeout(FETCH_WITHIN, self.fetch()).await {
                Ok(Ok(keys)) => self.replace(keys),
                Ok(Err(why)) => tracing::warn!(url = %self.url, %why, "the edge's keys cannot be read"),
                Err(_) => tracing::warn!(url = %self.url, "the edge did not answer with its keys in time"),
            }
        }
        // A key that was good keeps being believed while the edge cannot be asked: it is the fans' holds that would
        // stop otherwise.
        match self.look_up(kid) {
            (Some(key), _) => Ok(key),
            (None, true) => Err(NotAdmitted::Invalid),
            (None, false) => Err(NotAdmitted::KeysOutOfReach),
        }
    }

    /// The key, if it is known, and whether what is known is fresh.
    fn look_up(&self, kid: &str) -> (Option<Arc<DecodingKey>>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.read_at.is_some_and(|at| at.elapsed() < FRESH_FOR);
        (known.keys.get(kid).cloned(), fresh)
    }

    fn replace(&self, keys: HashMap<String, Arc<DecodingKey>>) {
        let read_at = Some(Instant::now());
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { keys, read_at };
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
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
        let set: JwkSet = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        Ok(set.keys.into_iter().filter_map(usable).collect())
    }
}

/// The Ed25519 keys that have a name; others are for somebody else.
fn usable(jwk: jsonwebtoken::jwk::Jwk) -> Option<(String, Arc<DecodingKey>)> {
    match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            let key = DecodingKey::from_ed_components(&pair.x).ok()?;
            Some((jwk.common.key_id?, Arc::new(key)))
        }
        _ => None,
    }
}
