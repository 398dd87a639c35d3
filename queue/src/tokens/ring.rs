//! Signing and verifying with the keys at hand.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as base64url;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};

use super::claims::{Admission, Assertion, Claims, Place, Seen, Visit, VisitorCard};
use super::keys::KeyFile;

/// Longest token taken; ours have under 600 bytes.
const TOKEN_LEN_MAX: usize = 2_048;

/// Tokens of a kind remembered as verified: some 10 MB, and as many fans as poll one edge within seconds.
const SEEN_MAX: usize = 32_768;

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
    pair: (EncodingKey, DecodingKey),
    /// How the tokens of each kind begin, by their `typ`.
    begun: BTreeMap<&'static str, Begun>,
}

/// How all tokens of one kind under one key begin.
struct Begun {
    /// The header, encoded, and the dot behind it.
    header: String,
    /// The secret's code of just that: what follows is all that is reckoned for each token.
    code: hmac::Context,
}

impl Begun {
    fn new<C: Claims>(kid: &str, secret: &hmac::Key) -> (&'static str, Self) {
        let mut header = Header::new(C::ALGORITHM);
        header.typ = Some(C::TYPE.to_owned());
        header.kid = Some(kid.to_owned());
        let json = serde_json::to_vec(&header).expect("a header is plain text");
        let header = base64url.encode(json) + ".";
        let mut code = hmac::Context::with_key(secret);
        code.update(header.as_bytes());
        (C::TYPE, Self { header, code })
    }

    /// The code of the header and these claims.
    fn code_with(&self, claims: &str) -> hmac::Tag {
        let mut code = self.code.clone();
        code.update(claims.as_bytes());
        code.sign()
    }
}

impl Keys {
    fn begun<C: Claims>(&self) -> &Begun {
        self.begun.get(C::TYPE).expect("every kind of token is begun")
    }

    /// The signature, encoded, of a message that ends with `claims`.
    fn sign<C: Claims>(&self, message: &str, claims: &str) -> String {
        match C::ALGORITHM {
            // As `jsonwebtoken` does it, with a key that is not prepared anew for every token.
            Algorithm::HS256 => base64url.encode(self.begun::<C>().code_with(claims)),
            other => {
                crypto::sign(message.as_bytes(), &self.pair.0, other).expect("checked keys sign anything")
            }
        }
    }

    fn is_signed<C: Claims>(&self, message: &str, claims: &str, signature: &str) -> bool {
        match C::ALGORITHM {
            Algorithm::HS256 => base64url.decode(signature).is_ok_and(|signature| {
                let code = self.begun::<C>().code_with(claims);
                verify_slices_are_equal(code.as_ref(), &signature).is_ok()
            }),
            other => matches!(
                crypto::verify(signature, message.as_bytes(), &self.pair.1, other),
                Ok(true)
            ),
        }
    }
}

/// The keys of an installation, ready for use: the first signs, all verify.
///
/// A token is a JWT as everyone reads it (RFC 7519). But only this ring writes the ones it takes, so a kind's header
/// under a key is one fixed text: it is encoded once, and compared, never parsed. What a header might ask for (another
/// algorithm, none, another key) cannot even be said.
pub struct KeyRing {
    keys: Vec<Keys>,
    jwks: String,
    /// A ring that is replaced forgets them, so a key that is gone verifies nothing.
    seen: Seen,
}

impl KeyRing {
    /// The ring of a key file.
    pub fn new(file: &KeyFile) -> Self {
        let keys = file.keys.iter().map(|key| {
            let (kid, secret) = (&key.kid, hmac::Key::new(hmac::HMAC_SHA256, &key.secret));
            Keys {
                pair: (
                    EncodingKey::from_ed_der(&key.pkcs8),
                    DecodingKey::from_ed_der(&key.public),
                ),
                begun: BTreeMap::from([
                    Begun::new::<VisitorCard>(kid, &secret),
                    Begun::new::<Place>(kid, &secret),
                    Begun::new::<Admission>(kid, &secret),
                    Begun::new::<Visit>(kid, &secret),
                    Begun::new::<Assertion>(kid, &secret),
                ]),
            }
        });
        Self {
            keys: keys.collect(),
            jwks: file.jwks().to_string(),
            seen: Seen::new(SEEN_MAX),
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
        let claims = serde_json::to_vec(claims).expect("claims are plain text and numbers");
        let header = &keys.begun::<C>().header;
        let mut token = String::with_capacity(TOKEN_LEN_MAX / 4);
        token.push_str(header);
        base64url.encode_string(claims, &mut token);
        let signature = keys.sign::<C>(&token, &token[header.len()..]);
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// The claims of a token of this kind which was signed by one of the keys and has not expired at `now_s`.
    pub fn verify<C: Claims>(&self, token: &str, now_s: u64) -> Result<C, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::Malformed);
        }
        let seen = C::seen(&self.seen);
        let claims = match seen.and_then(|seen| seen.get(token)) {
            Some(claims) => claims,
            None => {
                let claims: C = self.read(token)?;
                if let Some(seen) = seen {
                    seen.insert(token.into(), claims.clone());
                }
                claims
            }
        };
        match claims.exp() {
            Some(exp) if exp <= now_s => Err(TokenError::Expired),
            _ => Ok(claims),
        }
    }

    /// The claims of a token of this kind which was signed by one of the keys, whatever time it is.
    fn read<C: Claims>(&self, token: &str) -> Result<C, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let header = message.find('.').ok_or(TokenError::Malformed)? + 1;
        let (header, claims) = message.split_at(header);
        let Some(keys) = self.keys.iter().find(|keys| keys.begun::<C>().header == header) else {
            return Err(why_not::<C>(token));
        };
        if !keys.is_signed::<C>(message, claims, signature) {
            return Err(TokenError::Forged);
        }
        let claims = base64url.decode(claims).map_err(|_| TokenError::Forged)?;
        serde_json::from_slice(&claims).map_err(|_| TokenError::Forged)
    }
}

/// Why a token whose header is none of ours for its kind is not taken.
fn why_not<C: Claims>(token: &str) -> TokenError {
    match jsonwebtoken::decode_header(token) {
        Err(_) => TokenError::Malformed,
        Ok(header) if header.typ.as_deref() != Some(C::TYPE) || header.alg != C::ALGORITHM => {
            TokenError::OtherPurpose
        }
        Ok(_) => TokenError::Forged,
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
