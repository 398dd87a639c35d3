//! Names of things: numbers for what the catalogue owns, opaque texts for what fans bring.

use std::fmt;
use std::str::FromStr;

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

/// Which hold: 128 random bits as 32 hexadecimal digits. Knowing one gives no right to it; the owner is checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct HoldId(String);

impl HoldId {
    /// The id made of these bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HoldId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId)
        }
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a hold is: the visitor named by the edge, or the browser named by booking's own cookie. Where it comes from is
/// part of the text, so that one can never stand for the other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// Longest name of a visitor that is believed, in bytes.
    pub const LEN_MAX: usize = 200;

    /// The visitor that a verified assertion names.
    pub fn visitor(name: &str) -> Option<Self> {
        (!name.is_empty() && name.len() <= Self::LEN_MAX).then(|| Self(format!("visitor:{name}")))
    }

    /// The browser that holds this cookie: 32 hexadecimal digits.
    pub fn browser(cookie: &str) -> Option<Self> {
        cookie
            .parse::<HoldId>()
            .ok()
            .map(|id| Self(format!("browser:{id}")))
    }

    /// A browser seen for the first time, and the cookie to give it.
    pub fn new_browser(bits: u128) -> (Self, String) {
        let cookie = HoldId::from_bits(bits).0;
        (Self(format!("browser:{cookie}")), cookie)
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

/// Says only of which kind it is: whoever knows a browser's cookie can act for it, so it must not reach a log.
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

    #[test]
    fn an_owner_of_one_kind_is_never_one_of_the_other() {
        let (browser, cookie) = Owner::new_browser(7);
        assert_eq!(Owner::browser(&cookie).as_ref(), Some(&browser));
        assert_ne!(Owner::visitor(&cookie).as_ref(), Some(&browser));
        assert_eq!(Owner::browser("visitor:x"), None);
        assert_eq!(Owner::visitor(""), None);
        assert_eq!(format!("{browser:?}"), "browser");
    }
}
