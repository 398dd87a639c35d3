//! What others verify with: the public keys of a document (RFC 7517, RFC 8037), and the claims of a token that one of
//! them has signed.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, Validation};

use super::claims::Claims;

/// Longest token that is looked at; real ones have under 600 bytes.
const TOKEN_LEN_MAX: usize = 4_096;

/// Most keys of a document that are looked at: one that signs, and those it has replaced.
const KEYS_MAX: usize = 32;

/// How far apart the clocks of this machine and of whoever signs may be.
pub const CLOCK_LEEWAY_S: u64 = 5;

/// Why a document has no keys to verify with.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// It cannot be read.
    #[error("it is no JSON Web Key Set: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It can, and has nothing in it.
    #[error("it has no Ed25519 key with a `kid`")]
    NoKeys,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// It names a key that is not here.
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// It is anything else than a valid token of its kind of now.
    #[error("the token is forged, expired or for another purpose")]
    Invalid,
}

/// The Ed25519 keys of one document, by their ids; none by default. Documents with the same keys are the same.
#[derive(Default, PartialEq)]
pub struct PublicKeys(BTreeMap<String, Key>);

struct Key {
    /// As it stands in the document.
    x: String,
    verifies: DecodingKey,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.x == other.x
    }
}

impl PublicKeys {
    /// Reads a document. Keys of other kinds, and those without a name, are for somebody else.
    ///
    /// # Errors
    /// It has none to verify with.
    pub fn read(document: &[u8]) -> Result<Self, BadDocument> {
        let set: JwkSet = serde_json::from_slice(document)?;
        let by_id: BTreeMap<String, Key> = set.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect();
        if by_id.is_empty() {
            return Err(BadDocument::NoKeys);
        }
        Ok(Self(by_id))
    }

    /// The claims of a token of this kind which has not expired at `now_s`, in seconds of Unix time.
    ///
    /// # Errors
    /// Says whether newer keys could change that.
    pub fn verify<C: Claims>(&self, token: &str, now_s: u64) -> Result<C, NotVerified> {
        let claims: C = self.claims(token)?;
        if is_over(claims.exp(), now_s) {
            return Err(NotVerified::Invalid);
        }
        Ok(claims)
    }

    /// The claims of a token of this kind, whatever time it is.
    ///
    /// # Errors
    /// Says whether newer keys could change that.
    pub fn claims<C: Claims>(&self, token: &str) -> Result<C, NotVerified> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(NotVerified::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| NotVerified::Invalid)?;
        if header.typ.as_deref() != Some(C::TYPE) || header.alg != C::ALGORITHM {
            return Err(NotVerified::Invalid);
        }
        let kid = header.kid.ok_or(NotVerified::Invalid)?;
        let key = self.0.get(&kid).ok_or(NotVerified::UnknownKey)?;
        let mut rules = Validation::new(C::ALGORITHM);
        rules.validate_exp = false; // a clock is an argument here
        rules.validate_aud = false;
        let decoded = jsonwebtoken::decode::<C>(token, &key.verifies, &rules);
        Ok(decoded.map_err(|_| NotVerified::Invalid)?.claims)
    }
}

/// Whether a token that expires then is over at `now_s`, by whichever of the two clocks is late.
pub fn is_over(exp: Option<u64>, now_s: u64) -> bool {
    exp.is_some_and(|exp| exp.saturating_add(CLOCK_LEEWAY_S) <= now_s)
}

fn usable(jwk: Jwk) -> Option<(String, Key)> {
    let AlgorithmParameters::OctetKeyPair(pair) = &jwk.algorithm else {
        return None;
    };
    if pair.curve != EllipticCurve::Ed25519 {
        return None;
    }
    let key = Key {
        verifies: DecodingKey::from_ed_components(&pair.x).ok()?,
        x: pair.x.clone(),
    };
    Some((jwk.common.key_id?, key))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::line::{Epoch, Place, Round, Turn, VisitId, Visitor};
    use crate::tokens::{Admission, Assertion, KeyFile, KeyRing, VisitorCard};

    fn assertion(exp: u64) -> Assertion {
        let (epoch, number) = (Epoch(3), 7);
        let place = Place { epoch, number };
        Assertion {
            room: "drop".into(),
            round: Round(1),
            epoch,
            number,
            visitor: Visitor(5),
            visit: VisitId { place, turn: Turn(9) },
            iat: 1,
            exp,
        }
    }

    #[test]
    fn an_assertion_says_whose_visit_it_is_until_it_expires() {
        let ring = KeyRing::new(&KeyFile::generate(1_000).expect("keys can be made"));
        let keys = PublicKeys::read(ring.jwks().as_bytes()).expect("it has a key");
        let claims = assertion(2_000);
        let token = ring.sign(&claims);
        let last_s = 2_000 + CLOCK_LEEWAY_S - 1;
        for now_s in [0, 1_999, last_s] {
            assert_eq!(keys.verify(&token, now_s), Ok(claims.clone()));
        }
        assert_eq!(
            keys.verify::<Assertion>(&token, last_s + 1),
            Err(NotVerified::Invalid)
        );
        let other = KeyRing::new(&KeyFile::generate(1_000).expect("keys can be made"));
        assert_eq!(
            keys.verify::<Assertion>(&other.sign(&claims), 0),
            Err(NotVerified::UnknownKey)
        );
    }

    #[test]
    fn what_only_the_edge_reads_is_no_assertion() {
        let ring = KeyRing::new(&KeyFile::generate(1_000).expect("keys can be made"));
        let keys = PublicKeys::read(ring.jwks().as_bytes()).expect("it has a key");
        let card = ring.sign(&VisitorCard { visitor: Visitor(5) });
        for token in [card.as_str(), "", "a.b", "a.b.c", &"x".repeat(TOKEN_LEN_MAX + 1)] {
            assert_eq!(
                keys.claims::<Assertion>(token),
                Err(NotVerified::Invalid),
                "{token}"
            );
            assert!(keys.claims::<Admission>(token).is_err(), "{token}");
        }
    }

    #[test]
    fn documents_are_read_for_what_is_in_them() {
        let document = |kid: &str| -> Value {
            let ring = KeyRing::new(&KeyFile::generate(1_000).expect("keys can be made"));
            let mut document: Value = serde_json::from_str(ring.jwks()).expect("JSON");
            document["keys"][0]["kid"] = json!(kid);
            document
        };
        let read = |document: &Value| PublicKeys::read(document.to_string().as_bytes());
        let plain = document("k1");
        let mut mixed = plain.clone();
        let list = mixed["keys"].as_array_mut().expect("a list");
        let mut nameless = list[0].clone();
        nameless
            .as_object_mut()
            .expect("members")
            .remove("kid")
            .expect("it had one");
        list.insert(0, json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"}));
        list.insert(0, nameless);
        let keys = read(&mixed).expect("one of them can be used");
        assert_eq!(keys.0.keys().collect::<Vec<_>>(), ["k1"]);
        let same = |document: &Value| read(document).is_ok_and(|others| others == keys);
        assert!(same(&plain) && !same(&document("k1")) && !same(&document("k2")));
        assert!(matches!(
            PublicKeys::read(b"<html>"),
            Err(BadDocument::Unreadable(_))
        ));
        assert!(matches!(
            PublicKeys::read(br#"{"keys":[]}"#),
            Err(BadDocument::NoKeys)
        ));
    }
}
