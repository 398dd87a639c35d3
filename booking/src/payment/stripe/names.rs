//! Names that go into addresses and headers, checked where they enter.

use std::fmt;
use std::str::FromStr;

/// Longest name that the provider gives or takes, in bytes.
const NAME_LEN_MAX: usize = 255;

fn plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Why a text is not an intent's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payment's id begins with pi_ and goes on with letters and digits")]
pub struct BadIntentId;

/// The provider's id of a payment: `pi_...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct IntentId(String);

impl IntentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IntentId {
    type Err = BadIntentId;

    fn from_str(text: &str) -> Result<Self, BadIntentId> {
        match text.strip_prefix("pi_") {
            Some(rest) if !rest.is_empty() && text.len() <= NAME_LEN_MAX && plain(rest) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(BadIntentId),
        }
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 255 visible ASCII characters")]
pub struct BadIdempotencyKey;

/// The caller's name for one attempt at one thing. The same key with the same call brings the first answer again,
/// refusals included, for a day at least: a new attempt after a refusal needs a new key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = BadIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, BadIdempotencyKey> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=NAME_LEN_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadIdempotencyKey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for text in [
            "",
            "pi_",
            "ch_1",
            "pi_a/../b",
            "pi_a?b",
            "pi_ä",
            "pi_a b",
            &format!("pi_{}", "a".repeat(260)),
        ] {
            assert_eq!(text.parse::<IntentId>(), Err(BadIntentId), "{text:?}");
        }
        for text in ["", "a b", "a\r\nb", "ä", &"k".repeat(256)] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(BadIdempotencyKey), "{text:?}");
        }
        assert!("pi_3MtwBwLkdIwHu7ix28a3tqPa".parse::<IntentId>().is_ok());
        assert!("order-17/capture".parse::<IdempotencyKey>().is_ok());
    }
}
