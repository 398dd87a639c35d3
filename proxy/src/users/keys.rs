//! What a user token is worth: verified once with the keys of those who sign them, and remembered.

use http::HeaderValue;
use jsonwebtoken::Algorithm;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use tidegate_queue::tokens::{BadDocument, Claims, NotVerified, PublicKeys, USER_TOKEN_TYPE, is_over};

/// Longest account id passed on, in bytes. Booking's have 26.
const ID_LEN_MAX: usize = 128;

/// Tokens remembered as verified: some 10 MB, and as many fans as look at their orders within minutes. Of more, the one
/// that was not seen for long is verified again, which takes 50 us.
const SEEN_MAX: usize = 16_384;

/// A token that was verified.
#[derive(Clone)]
struct Seen {
    user: HeaderValue,
    exp: u64,
}

/// What a user token says.
#[derive(Clone, Serialize, Deserialize)]
struct User {
    sub: String,
    exp: u64,
}

impl Claims for User {
    const TYPE: &'static str = USER_TOKEN_TYPE;
    const ALGORITHM: Algorithm = Algorithm::EdDSA;

    fn exp(&self) -> Option<u64> {
        Some(self.exp)
    }
}

/// The keys of one document.
pub struct Keys {
    public: PublicKeys,
    /// With the keys goes what they have verified: one that is taken back is not believed through this.
    seen: Cache<Box<str>, Seen>,
}

/// Documents with the same keys are the same.
impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Keys {
    /// Reads a key document.
    pub fn read(document: &[u8]) -> Result<Self, BadDocument> {
        Ok(Self {
            public: PublicKeys::read(document)?,
            seen: Cache::new(SEEN_MAX),
        })
    }

    /// The account a token speaks for at `now_s`, in seconds of Unix time. What was verified once is only looked up.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<HeaderValue, NotVerified> {
        let seen = match self.seen.get(token) {
            Some(seen) => seen,
            None => {
                let seen = self.read_token(token)?;
                // One that is over will be no better later.
                if !is_over(Some(seen.exp), now_s) {
                    self.seen.insert(token.into(), seen.clone());
                }
                seen
            }
        };
        if is_over(Some(seen.exp), now_s) {
            return Err(NotVerified::Invalid);
        }
        Ok(seen.user)
    }

    /// What a token says that one of the keys has signed, whatever time it is.
    fn read_token(&self, token: &str) -> Result<Seen, NotVerified> {
        let User { sub, exp } = self.public.claims(token)?;
        let fits = (1..=ID_LEN_MAX).contains(&sub.len()) && sub.bytes().all(|b| b.is_ascii_graphic());
        match HeaderValue::try_from(sub) {
            Ok(user) if fits => Ok(Seen { user, exp }),
            _ => Err(NotVerified::Invalid),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as base64url;
    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};

    use tidegate_queue::tokens::CLOCK_LEEWAY_S;

    use super::*;

    /// Whoever signs user tokens, with one key.
    pub struct Signer {
        kid: &'static str,
        x: String,
        signs: EncodingKey,
    }

    impl Signer {
        pub fn new(kid: &'static str) -> Self {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("it is one");
            Self {
                kid,
                x: base64url.encode(pair.public_key().as_ref()),
                signs: EncodingKey::from_ed_der(pkcs8.as_ref()),
            }
        }

        pub fn keys(&self) -> Keys {
            Keys::read(self.document().to_string().as_bytes()).expect("it has a key")
        }

        fn document(&self) -> Value {
            json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": self.x}]})
        }

        pub fn user(&self, sub: &str, exp: u64) -> String {
            self.sign(&self.header(), &json!({"sub": sub, "exp": exp, "name": "x"}))
        }

        fn header(&self) -> Value {
            json!({"typ": User::TYPE, "alg": "EdDSA", "kid": self.kid})
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| base64url.encode(value.to_string());
            let message = format!("{}.{}", part(header), part(claims));
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.signs, Algorithm::EdDSA);
            format!("{message}.{}", signature.expect("a key that was made can sign"))
        }
    }

    #[test]
    fn a_users_token_says_who_it_is_until_it_expires() {
        let signer = Signer::new("u1");
        let (keys, token) = (signer.keys(), signer.user("a-7f", 2_000));
        let last_s = 2_000 + CLOCK_LEEWAY_S - 1;
        for now_s in [0, 1_999, last_s] {
            assert_eq!(keys.verify(&token, now_s), Ok(HeaderValue::from_static("a-7f")));
        }
        assert_eq!(
            keys.verify(&token, last_s + 1),
            Err(NotVerified::Invalid),
            "though it was verified before"
        );
        assert_eq!(
            signer.keys().verify(&token, last_s + 1),
            Err(NotVerified::Invalid)
        );
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        let (signer, other) = (Signer::new("u1"), Signer::new("u1"));
        let keys = signer.keys();
        let claims = json!({"sub": "a", "exp": 2_000});
        let header = |change: Value| {
            let mut header = signer.header();
            for (name, value) in change.as_object().expect("members") {
                header[name] = value.clone();
            }
            header
        };
        let good = signer.user("a", 2_000);
        let (message, signature) = good.rsplit_once('.').expect("three parts");
        let (head, _) = message.split_once('.').expect("three parts");
        let part = |value: &Value| base64url.encode(value.to_string());
        let none = part(&header(json!({"alg": "none"})));
        let hmac = part(&header(json!({"alg": "HS256"})));
        let eve = part(&json!({"sub": "eve", "exp": 2_000}));
        let told = part(&claims);
        for (what, token) in [
            ("no token", String::new()),
            ("no JWT", "a.b".to_owned()),
            ("other claims", format!("{head}.{eve}.{signature}")),
            ("no signature", format!("{message}.")),
            ("alg none", format!("{none}.{told}.")),
            (
                "alg none, signed",
                signer.sign(&header(json!({"alg": "none"})), &claims),
            ),
            ("signed with the public key", format!("{hmac}.{told}.{signature}")),
            ("another's key", other.user("a", 2_000)),
            (
                "another purpose",
                signer.sign(&header(json!({"typ": "tidegate-assertion+jwt"})), &claims),
            ),
            ("no purpose", signer.sign(&header(json!({"typ": null})), &claims)),
            (
                "no key named",
                signer.sign(&header(json!({"kid": null})), &claims),
            ),
            ("nobody", signer.user("", 2_000)),
            (
                "no subject",
                signer.sign(&signer.header(), &json!({"exp": 2_000})),
            ),
            ("no end", signer.sign(&signer.header(), &json!({"sub": "a"}))),
            (
                "an end in words",
                signer.sign(&signer.header(), &json!({"sub": "a", "exp": "never"})),
            ),
            ("two lines", signer.user("a\r\nX-Admin: yes", 2_000)),
            ("not ASCII", signer.user("é", 2_000)),
            ("too long", signer.user(&"a".repeat(ID_LEN_MAX + 1), 2_000)),
        ] {
            assert_eq!(keys.verify(&token, 1_000), Err(NotVerified::Invalid), "{what}");
        }
        assert_eq!(
            keys.verify(&Signer::new("u2").user("a", 2_000), 1_000),
            Err(NotVerified::UnknownKey)
        );
        assert!(keys.verify(&good, 1_000).is_ok(), "the rest of it was good");
    }
}
