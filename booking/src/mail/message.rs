//! A mail as whoever sends it thinks of it: to whom, what it says, what is attached.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// What makes a mail the same mail on every try: `tickets-7f3k2p`. Becomes the left half of its Message-ID and the name
/// of its file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailKey(String);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a mail's key is 1 to {} characters of a-z, 0-9 and inner hyphens",
    MailKey::LEN_MAX
)]
pub struct BadMailKey;

impl MailKey {
    /// Longest key: a Message-ID stays below the 76 characters at which some servers fold it.
    pub const LEN_MAX: usize = 64;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailKey {
    type Err = BadMailKey;

    /// One alphabet for a mail's header and for the names of files, on systems that ignore case too.
    fn from_str(text: &str) -> Result<Self, BadMailKey> {
        let plain = text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let inner = !text.starts_with('-') && !text.ends_with('-');
        if plain && inner && (1..=Self::LEN_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadMailKey)
        }
    }
}

impl fmt::Display for MailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mail to one person.
#[derive(Clone)]
pub struct Mail {
    /// Its name, the same on every try.
    pub key: MailKey,
    /// The address it goes to. Checked when it is sent.
    pub to: String,
    /// The name of whoever has that address, or empty.
    pub to_name: String,
    /// When it was written; the same on every try.
    pub written_at: Timestamp,
    /// The subject. Line breaks and control characters become spaces.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// Files that come with it.
    pub attachments: Vec<Attachment>,
}

/// Names the mail without its contents and without the address, neither of which belongs into a log.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({}, {} attachments)", self.key, self.attachments.len())
    }
}

/// A file that comes with a mail.
#[derive(Clone)]
pub struct Attachment {
    /// Its name. Letters other than ASCII, and what means something to a shell or a path, become hyphens.
    pub name: String,
    /// What it is.
    pub kind: AttachmentKind,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// What can be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentKind {
    /// Tickets to print.
    Pdf,
    /// Entries for a calendar.
    Calendar,
}

impl AttachmentKind {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Calendar => "text/calendar; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_safe_in_a_header_and_as_the_name_of_a_file() {
        for text in ["tickets-7f3k", "a", &"x".repeat(64)] {
            assert!(text.parse::<MailKey>().is_ok(), "{text:?}");
        }
        for text in [
            "",
            "-a",
            "a-",
            "../etc",
            "a b",
            "a\r\nBcc: x",
            "A",
            "ž",
            "a@b",
            ".a",
            &"x".repeat(65),
        ] {
            assert_eq!(text.parse::<MailKey>(), Err(BadMailKey), "{text:?}");
        }
    }
}
