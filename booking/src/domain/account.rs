//! Who a fan is: the account, its name, and what it may do.

use std::fmt;
use std::str::FromStr;

use super::ids::random_id;

random_id!(AccountId, "Which account.");
random_id!(SessionId, "Which login of an account; ended by logging out.");

/// What an account may do. Each but the first may also do what fans do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Buys.
    Fan,
    /// Puts on events, and sees to their orders.
    Organiser,
    /// Stands at the gate.
    Staff,
    /// Gives roles, and may do what all of them do.
    Admin,
}

impl Role {
    /// As JSON and the store spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fan => "fan",
            Self::Organiser => "organiser",
            Self::Staff => "staff",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        [Self::Fan, Self::Organiser, Self::Staff, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(BadField("role", "must be fan, organiser, staff or admin"))
    }
}

/// A field that cannot be taken: its name, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` {1}")]
pub struct BadField(pub &'static str, pub &'static str);

/// An account's name: 3 to 32 letters, digits, `.`, `-` and `_` of ASCII, beginning with a letter or digit. Two that
/// differ only in case are the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// As it was chosen.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for Username {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        let fits = (3..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && text.as_bytes()[0].is_ascii_alphanumeric();
        fits.then(|| Self(text.to_owned())).ok_or(BadField(
            "username",
            "must be 3 to 32 letters, digits, '.', '-' or '_', beginning with a letter or digit",
        ))
    }
}

/// A password as it was typed; it is never shown. 8 to 256 characters: NIST SP 800-63B asks for at least 8 and no rules
/// beside, and the bound above keeps hashing short.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// For hashing only.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Password {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        (8..=256)
            .contains(&text.chars().count())
            .then(|| Self(text.to_owned()))
            .ok_or(BadField("password", "must be 8 to 256 characters long"))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"...\"")
    }
}

/// Where mail reaches somebody. Only its shape is checked: whether it is somebody's, a mail must show.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Longest address that a mail server takes (RFC 5321, 4.5.3.1.3, less the angle brackets).
    pub const LEN_MAX: usize = 254;

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        let fits = text.len() <= Self::LEN_MAX
            && text.split_once('@').is_some_and(|(name, host)| {
                let host_fits = host.contains('.')
                    && host.split('.').all(|part| {
                        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    });
                (1..=64).contains(&name.len())
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
                    && host_fits
            });
        fits.then(|| Self(text.to_owned()))
            .ok_or(BadField("email", "must be a mail address, like ada@example.com"))
    }
}

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name as it was chosen.
    pub username: String,
    /// Where its mail goes.
    pub email: Option<Email>,
    /// Where its owner lives, as they said it.
    pub location: Option<String>,
    /// What it may do.
    pub role: Role,
}

/// What makes an account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub username: Username,
    /// Hashed before it is stored.
    pub password: Password,
    /// Where its mail goes, if that was said.
    pub email: Option<Email>,
    /// Where its owner lives, if that was said.
    pub location: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_strictly() {
        for name in ["ada", "A.b-c_9", "0x0"] {
            assert!(name.parse::<Username>().is_ok(), "{name:?}");
        }
        for name in [
            "",
            "ab",
            ".ada",
            "ada lovelace",
            "adä",
            "a'--",
            "<b>ada</b>",
            "ada\n",
        ] {
            assert!(name.parse::<Username>().is_err(), "{name:?}");
        }
        for mail in ["ada@example.com", "a+b@mail.example.co.uk"] {
            assert!(mail.parse::<Email>().is_ok(), "{mail:?}");
        }
        for mail in [
            "",
            "ada",
            "@example.com",
            "ada@example",
            "a b@example.com",
            "a@b.c\r\nBcc: x@y.z",
            "a@.com",
        ] {
            assert!(mail.parse::<Email>().is_err(), "{mail:?}");
        }
        assert!("1234567".parse::<Password>().is_err() && "p".repeat(257).parse::<Password>().is_err());
        assert_eq!(
            format!("{:?}", "hunter2hunter2".parse::<Password>()),
            "Ok(\"...\")"
        );
    }
}
