//! The keys that sign tickets, and their public halves with which anyone can check one.
//!
//! Several keys are believed at once, so that rotating them spoils no ticket: sign with the newest, keep the public half
//! of each until the last showtime sold under it is over. Where the secrets are kept is not known here.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as base64url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Most keys believed at once: two rotations a month for a year and a half.
const KEYS_MAX: usize = 36;

/// Bytes of an Ed25519 seed and of a public key (RFC 8032, section 5.1.5).
const KEY_LEN: usize = 32;

/// Bytes of an Ed25519 signature.
pub(super) const SIGNATURE_LEN: usize = 64;

/// Why a key cannot be used. Says nothing of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness.
    #[error("cannot make a ticket key: the system's source of randomness failed")]
    NoRandomness,
    /// The text is not what [`SigningKey::to_text`] gave.
    #[error("this is no ticket key: it must be 32 bytes in base64url, 43 characters, as it was made")]
    NotASeed,
    /// Not a public key of this kind.
    #[error(
        "this is no ticket key in public form: it must be a JWK with kty OKP, crv Ed25519 and x (RFC 8037)"
    )]
    NotPublic,
    /// Two different keys share an id, which one in four thousand million pairs does.
    #[error("two ticket keys have the id {0}; make another one instead of the newer")]
    Collides(KeyId),
    /// More keys than are believed at once.
    #[error(
        "{0} ticket keys; at most {KEYS_MAX} are believed at once, so drop those whose showtimes are over"
    )]
    TooMany(usize),
}

/// Which key signed: the first four bytes of the SHA-256 of the public key; eight hexadecimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 4]);

impl KeyId {
    fn of(public: &[u8]) -> Self {
        let digest = Sha256::digest(public);
        Self([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A key that signs tickets, with its secret.
pub struct SigningKey {
    seed: [u8; KEY_LEN],
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; KEY_LEN];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| KeyError::NoRandomness)?;
        Self::from_seed(seed)
    }

    /// The key that these 32 random bytes are the secret of.
    ///
    /// # Errors
    /// [`KeyError::NotASeed`], should the library refuse one.
    pub fn from_seed(seed: [u8; KEY_LEN]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::NotASeed)?;
        let public = PublicKey::from_bytes(pair.public_key().as_ref()).ok_or(KeyError::NotASeed)?;
        Ok(Self { seed, pair, public })
    }

    /// Reads what [`Self::to_text`] gave; white space around it is ignored.
    ///
    /// # Errors
    /// [`KeyError::NotASeed`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let seed = base64url.decode(text.trim()).map_err(|_| KeyError::NotASeed)?;
        Self::from_seed(seed.try_into().map_err(|_| KeyError::NotASeed)?)
    }

    /// The secret as text: the seed in base64url, 43 characters. Whoever reads it can make tickets.
    pub fn to_text(&self) -> String {
        base64url.encode(self.seed)
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.public.id
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.pair.sign(message);
        signature
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

/// Only the id: the secret must reach no log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// The half of a key that anyone may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; KEY_LEN],
    id: KeyId,
}

impl PublicKey {
    /// From its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; KEY_LEN] = bytes.try_into().ok()?;
        let id = KeyId::of(&bytes);
        Some(Self { bytes, id })
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// As a JSON Web Key (RFC 8037), for scanners.
    pub fn to_jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": self.id.to_string(), "x": base64url.encode(self.bytes),
        })
    }

    /// From a JSON Web Key. Its `kid` is not needed: the id follows from the key.
    ///
    /// # Errors
    /// [`KeyError::NotPublic`].
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" {
            return Err(KeyError::NotPublic);
        }
        let x = jwk["x"].as_str().and_then(|x| base64url.decode(x).ok());
        x.and_then(|x| Self::from_bytes(&x)).ok_or(KeyError::NotPublic)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.bytes);
        key.verify(message, signature).is_ok()
    }
}

/// The keys that are believed: all that signed tickets which may still be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

impl PublicKeys {
    /// These and no others. One named twice counts once.
    ///
    /// # Errors
    /// [`KeyError::Collides`], [`KeyError::TooMany`].
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, KeyError> {
        let mut known: Vec<PublicKey> = Vec::new();
        for key in keys {
            match known.iter().find(|other| other.id == key.id) {
                Some(other) if *other == key => {}
                Some(_) => return Err(KeyError::Collides(key.id)),
                None => known.push(key),
            }
        }
        if known.len() > KEYS_MAX {
            return Err(KeyError::TooMany(known.len()));
        }
        Ok(Self(known))
    }

    /// The key of this name.
    pub fn get(&self, id: KeyId) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// As a JWK set (RFC 7517): what a scanner takes along to check tickets without a network.
    pub fn to_jwks(&self) -> Value {
        json!({ "keys": self.0.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() })
    }

    /// From a JWK set.
    ///
    /// # Errors
    /// As [`PublicKey::from_jwk`] and [`PublicKeys::new`].
    pub fn from_jwks(set: &Value) -> Result<Self, KeyError> {
        let keys = set["keys"].as_array().ok_or(KeyError::NotPublic)?;
        let keys: Result<Vec<_>, _> = keys.iter().map(PublicKey::from_jwk).collect();
        Self::new(keys?)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let plain = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u32::from_str_radix(text, 16) {
            Ok(bits) if plain => Ok(Self(bits.to_be_bytes())),
            _ => Err(KeyError::NotPublic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_one_of_the_standard() {
        // RFC 8032, section 7.1, test 2.
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let hex = |text: &str| -> Vec<u8> {
            let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
            (0..text.len()).step_by(2).map(digit).collect()
        };
        let key = SigningKey::from_seed(hex(seed).try_into().expect("32 bytes")).expect("a key");
        assert_eq!(key.public().bytes.as_slice(), hex(public));
        assert_eq!(key.sign(&[0x72])[..4], [0x92, 0xa0, 0x09, 0xa9]);
    }

    #[test]
    fn keys_survive_being_written_down() {
        let key = SigningKey::generate().expect("a key");
        let again = SigningKey::from_text(&format!("{}\n", key.to_text())).expect("the same");
        assert_eq!(again.public(), key.public());
        assert_eq!(PublicKey::from_jwk(&key.public().to_jwk()), Ok(key.public()));
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        let shown = format!("{key:?}");
        assert!(!shown.contains(&key.to_text()), "{shown}");
        for text in ["", "AAAA", "not a key", &"A".repeat(44)] {
            assert!(
                matches!(SigningKey::from_text(text), Err(KeyError::NotASeed)),
                "{text:?}"
            );
        }
        let other = json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" });
        assert_eq!(PublicKey::from_jwk(&other), Err(KeyError::NotPublic));
    }

    #[test]
    fn a_set_holds_each_key_once_and_not_too_many() {
        let keys: Vec<_> = (0..=KEYS_MAX as u8)
            .map(|n| SigningKey::from_seed([n; 32]).expect("a key").public())
            .collect();
        let set = PublicKeys::new([keys[0], keys[1], keys[0]]).expect("two keys");
        assert_eq!(set.0.len(), 2);
        assert_eq!(PublicKeys::from_jwks(&set.to_jwks()), Ok(set));
        assert_eq!(
            PublicKeys::new(keys.clone()),
            Err(KeyError::TooMany(KEYS_MAX + 1))
        );
        let impostor = PublicKey {
            bytes: [7; 32],
            id: keys[0].id,
        };
        assert_eq!(
            PublicKeys::new([keys[0], impostor]),
            Err(KeyError::Collides(keys[0].id))
        );
    }
}
