//! The user token: who asks, signed, so that the edge and others can tell without asking booking.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::json;
use tidegate_queue::tokens::USER_TOKEN_TYPE;

use crate::domain::{Account, SessionId};
use crate::store::{Store, StoreError};

/// Longest token that is looked at; a real one has about 400 bytes.
const LEN_MAX: usize = 4096;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum UserKeysError {
    /// They cannot be read or stored.
    #[error("cannot read the keys of user tokens: {0}")]
    Store(#[from] StoreError),
    /// One in the database is none.
    #[error(
        "the signing key {0} in the booking database is damaged; delete its row, and everybody logs in again"
    )]
    Damaged(String),
    /// The system gave no random bits.
    #[error("cannot make a signing key")]
    Make,
}

struct UserKey {
    id: String,
    public: Vec<u8>,
    signs: EncodingKey,
    verifies: DecodingKey,
}

/// The keys that are believed, the one that signs first.
pub(crate) struct UserKeys(Vec<UserKey>);

#[derive(serde::Serialize, serde::Deserialize)]
struct Claims {
    /// The account's id.
    sub: String,
    name: String,
    role: String,
    session: String,
    exp: u64,
}

impl UserKeys {
    pub(super) async fn open(store: &Store) -> Result<Self, UserKeysError> {
        let mut found = store.signing_keys("user").await?;
        if found.is_empty() {
            let pkcs8 =
                Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| UserKeysError::Make)?;
            let id = format!("u{:08x}", rand::random::<u32>());
            let secret = STANDARD.encode(pkcs8.as_ref());
            found = store.first_signing_key("user", &id, &secret).await?;
        }
        let keys = found.into_iter().map(|(id, secret)| key(id, &secret));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// A token for this login, until then.
    pub(super) fn token(&self, account: &Account, session: &SessionId, expires_at_s: u64) -> String {
        let signer = &self.0[0];
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(USER_TOKEN_TYPE.to_owned());
        header.kid = Some(signer.id.clone());
        let claims = Claims {
            sub: account.id.to_string(),
            name: account.username.clone(),
            role: account.role.as_str().to_owned(),
            session: session.to_string(),
            exp: expires_at_s,
        };
        jsonwebtoken::encode(&header, &claims, &signer.signs).expect("a key that was read can sign")
    }

    /// The login that a token names, if it is one of ours and not over.
    pub(super) fn session(&self, token: &str) -> Option<SessionId> {
        if token.len() > LEN_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some(USER_TOKEN_TYPE) || header.alg != Algorithm::EdDSA {
            return None;
        }
        let key = self.0.iter().find(|key| Some(&key.id) == header.kid.as_ref())?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.validate_aud = false;
        rules.set_required_spec_claims(&["exp", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifies, &rules)
            .ok()?
            .claims;
        claims.session.parse().ok()
    }

    /// The public keys as a JWKS document (RFC 7517, RFC 8037).
    pub(crate) fn public(&self) -> serde_json::Value {
        let key = |key: &UserKey| {
            let x = URL_SAFE_NO_PAD.encode(&key.public);
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.id, "x": x})
        };
        json!({"keys": self.0.iter().map(key).collect::<Vec<_>>()})
    }
}

fn key(id: String, secret: &str) -> Result<UserKey, UserKeysError> {
    let damaged = || UserKeysError::Damaged(id.clone());
    let pkcs8 = STANDARD.decode(secret).map_err(|_| damaged())?;
    let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| damaged())?;
    let public = pair.public_key().as_ref().to_vec();
    Ok(UserKey {
        signs: EncodingKey::from_ed_der(&pkcs8),
        verifies: DecodingKey::from_ed_der(&public),
        public,
        id,
    })
}
