//! Names of things: numbers for what the catalogue owns, opaque texts for what fans bring.

use std::fmt;
use std::str::FromStr;

use super::AccountId;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a whole number from 1 to 9007199254740991")]
pub struct BadId;

/// The largest number that every JSON reader keeps exact.
const ID_MAX: i64 = (1 << 53) - 1;

fn parse_id(text: &str) -> Result<i64, BadId> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(id) if plain && (1..=ID_MAX).contains(&id) => Ok(id),
        _ => Err(BadId),
    }
}

macro_rules! numeric_id {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_id(text).map(Self)
            }
        }
    };
}

numeric_id!(EventId, "Which event.");
numeric_id!(ShowtimeId, "Which showtime.");
numeric_id!(VenueId, "Which venue.");

macro_rules! random_id {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        /// 128 random bits as 32 hexadecimal digits. Knowing one gives no right to it.
        #[derive(
            Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id made of these bits.
            pub fn from_bits(bits: u128) -> Self {
                Self(format!("{bits:032x}"))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::BadRandomId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if $crate::domain::ids::is_random_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($crate::domain::BadRandomId)
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::domain::BadRandomId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use random_id;

pub(super) fn is_random_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Why a text is not one of the random ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits in lower case")]
pub struct BadRandomId;

random_id!(HoldId, "Which hold.");
random_id!(OrderId, "Which order.");

impl OrderId {
    /// What a fan reads out on the telephone: `3F9A-27C1`. Rarely two orders share one; the id tells them apart.
    pub fn reference(&self) -> String {
        let digits = self.0[..8].to_ascii_uppercase();
        format!("{}-{}", &digits[..4], &digits[4..])
    }
}

/// Which ticket: 128 random bits as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TicketId(pub u128);

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for TicketId {
    type Err = BadRandomId;

    fn from_str(text: &str) -> Result<Self, BadRandomId> {
        match u128::from_str_radix(text, 16) {
            Ok(bits) if is_random_id(text) => Ok(Self(bits)),
            _ => Err(BadRandomId),
        }
    }
}

impl TryFrom<String> for TicketId {
    type Error = BadRandomId;

    fn try_from(text: String) -> Result<Self, BadRandomId> {
        text.parse()
    }
}

impl From<TicketId> for String {
    fn from(id: TicketId) -> Self {
        id.to_string()
    }
}

/// How often a ticket has changed hands or been issued anew. Only the highest is good.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// Whose a hold is: an account. What it is comes first in the text, so that another kind can never stand for it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// The account's.
    pub fn account(id: &AccountId) -> Self {
        Self(format!("account:{id}"))
    }

    /// The account, where it is one's.
    pub fn account_id(&self) -> Option<AccountId> {
        self.0.strip_prefix("account:")?.parse().ok()
    }

    /// As it was stored.
    pub(crate) fn from_store(text: String) -> Self {
        Self(text)
    }

    /// As the store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Says only of which kind it is: who holds what is nobody's business in a log.
impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split(':').next().unwrap_or("owner"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_positive_numbers() {
        assert_eq!("17".parse(), Ok(EventId(17)));
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1.0",
            " 1",
            "9007199254740992",
            "99999999999999999999",
            "one",
            "١",
        ] {
            assert_eq!(text.parse::<EventId>(), Err(BadId), "{text:?}");
        }
    }
}
