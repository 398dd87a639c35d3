//! Signing and verifying with the keys at hand.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use super::claims::Claims;
use super::keys::KeyFile;

/// Longest token taken; ours have under 600 bytes.
const TOKEN_LEN_MAX: usize = 2_048;

/// Why a token is not taken. What a caller may be told; which check failed inside is not for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all.
    #[error("this is not a token of this site")]
    Malformed,
    /// The signature is not ours.
    #[error("this token was not signed by this site, or the key it was signed with is gone")]
    Forged,
    /// A token of another kind.
    #[error("this is a token for another purpose")]
    OtherPurpose,
    /// Its time is over.
    #[error("this token has expired")]
    Expired,
}

struct Keys {
    kid: String,
    secret: (EncodingKey, DecodingKey),
    pair: (EncodingKey, DecodingKey),
}

/// The keys of an installation, ready for use: the first signs, all verify.
pub struct KeyRing {
    keys: Vec<Keys>,
    jwks: String,
}

impl KeyRing {
    /// The ring of a key file.
    pub fn new(file: &KeyFile) -> Self {
        let keys = file.keys.iter().map(|key| Keys {
            kid: key.kid.clone(),
            secret: (
                EncodingKey::from_secret(&key.secret),
                DecodingKey::from_secret(&key.secret),
            ),
            pair: (
                EncodingKey::from_ed_der(&key.pkcs8),
                DecodingKey::from_ed_der(&key.public),
            ),
        });
        Self {
            keys: keys.collect(),
            jwks: file.jwks().to_string(),
        }
    }

    /// The public keys as a JSON text.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Signs claims with the newest key.
    ///
    /// # Panics
    ///
    /// Never with keys that [`KeyFile`] has checked: serialising these claims and signing them cannot fail.
    pub fn sign<C: Claims>(&self, claims: &C) -> String {
        let keys = &self.keys[0];
        let mut header = Header::new(C::ALGORITHM);
        header.typ = Some(C::TYPE.to_owned());
        header.kid = Some(keys.kid.clone());
        let key = if C::ALGORITHM == Algorithm::EdDSA {
            &keys.pair.0
        } else {
            &keys.secret.0
        };
        jsonwebtoken::encode(&header, claims, key).expect("checked keys sign plain claims")
    }

    /// The claims of a token of this kind which was signed by one of the keys and has not expired at `now_s`.
    pub fn verify<C: Claims>(&self, token: &str, now_s: u64) -> Result<C, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.typ.as_deref() != Some(C::TYPE) || header.alg != C::ALGORITHM {
            return Err(TokenError::OtherPurpose);
        }
        let keys = self
            .keys
            .iter()
            .find(|keys| Some(&keys.kid) == header.kid.as_ref())
            .ok_or(TokenError::Forged)?;
        let key = if C::ALGORITHM == Algorithm::EdDSA {
            &keys.pair.1
        } else {
            &keys.secret.1
        };
        let mut validation = Validation::new(C::ALGORITHM);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<C>(token, key, &validation)
            .map_err(|_| TokenError::Forged)?
            .claims;
        match claims.exp() {
            Some(exp) if exp <= now_s => Err(TokenError::Expired),
            _ => Ok(claims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Epoch, Round, Turn, VisitId, Visitor};
    use crate::tokens::{Admission, Assertion, Place, Visit, VisitorCard};

    fn ring() -> (KeyFile, KeyRing) {
        let file = KeyFile::generate(1_000).expect("keys can be made");
        let ring = KeyRing::new(&file);
        (file, ring)
    }

    fn admission(exp: u64) -> Admission {
        let (epoch, number, visitor) = (Epoch(1_876_951_040_265_228), 7, Visitor(u128::MAX / 3));
        let visit = VisitId {
            place: crate::line::Place { epoch, number },
            turn: Turn(7_507_804_160_000_072),
        };
        Admission {
            room: "drop".into(),
            round: Round(epoch.0),
            epoch,
            number,
            visitor,
            visit,
            exp,
        }
    }

    #[test]
    fn every_kind_survives_the_round_trip_and_stands_for_no_other() {
        let (_, ring) = ring();
        let Admission {
            room,
            round,
            epoch,
            number,
            visitor,
            visit,
            exp,
        } = admission(2_000);
        let place = Place {
            room: room.clone(),
            round,
            epoch,
            number,
            visitor,
        };
        let live = Visit {
            room: room.clone(),
            round,
            epoch,
            number,
            visitor,
            visit,
            exp,
            end: exp,
        };
        let assertion = Assertion {
            room,
            round,
            epoch,
            number,
            visitor,
            visit,
            iat: 1,
            exp,
        };
        let tokens = [
            ring.sign(&VisitorCard { visitor }),
            ring.sign(&place),
            ring.sign(&admission(2_000)),
            ring.sign(&live),
            ring.sign(&assertion),
        ];
        assert_eq!(ring.verify(&tokens[0], 1_999), Ok(VisitorCard { visitor }));
        assert_eq!(ring.verify(&tokens[1], 1_999), Ok(place));
        assert_eq!(ring.verify(&tokens[2], 1_999), Ok(admission(2_000)));
        assert_eq!(ring.verify(&tokens[3], 1_999), Ok(live));
        assert_eq!(ring.verify(&tokens[4], 1_999), Ok(assertion));
        for (index, token) in tokens.iter().enumerate() {
            let taken = [
                ring.verify::<VisitorCard>(token, 0).is_ok(),
                ring.verify::<Place>(token, 0).is_ok(),
                ring.verify::<Admission>(token, 0).is_ok(),
                ring.verify::<Visit>(token, 0).is_ok(),
                ring.verify::<Assertion>(token, 0).is_ok(),
            ];
            assert_eq!(taken.iter().filter(|t| **t).count(), 1);
            assert!(taken[index]);
            assert!(token.len() < 600, "{} bytes", token.len());
        }
    }

    #[test]
    fn expired_forged_and_foreign_tokens_are_refused_each_for_its_reason() {
        let (mut file, ring) = ring();
        let token = ring.sign(&admission(2_000));
        assert_eq!(ring.verify::<Admission>(&token, 2_000), Err(TokenError::Expired));
        assert_eq!(
            ring.verify::<Admission>("nonsense", 0),
            Err(TokenError::Malformed)
        );
        assert_eq!(
            ring.verify::<Admission>(&"x".repeat(5_000), 0),
            Err(TokenError::Malformed)
        );
        let (_, other) = self::ring();
        assert_eq!(other.verify::<Admission>(&token, 0), Err(TokenError::Forged));
        let (head, signature) = token.rsplit_once('.').expect("three parts");
        let swapped = format!("{head}.{}", signature.chars().rev().collect::<String>());
        assert_eq!(ring.verify::<Admission>(&swapped, 0), Err(TokenError::Forged));

        file.rotate(1_500).expect("keys can be made");
        let rotated = KeyRing::new(&file);
        assert_eq!(
            rotated.verify(&token, 0),
            Ok(admission(2_000)),
            "a rotation logs nobody out"
        );
        assert_eq!(
            ring.verify::<Admission>(&rotated.sign(&admission(2_000)), 0),
            Err(TokenError::Forged)
        );
        assert_eq!(
            file.list().iter().map(|key| key.signs).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn an_unsigned_token_is_no_token() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD as base64url;
        let (file, ring) = ring();
        let header = format!(
            r#"{{"typ":"tidegate-admission+jwt","alg":"none","kid":"{}"}}"#,
            file.list()[0].kid
        );
        let claims = serde_json::to_string(&admission(2_000)).expect("claims are JSON");
        let token = format!("{}.{}.", base64url.encode(header), base64url.encode(claims));
        assert!(ring.verify::<Admission>(&token, 0).is_err());
    }
}
