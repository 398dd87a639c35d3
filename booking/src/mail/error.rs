//! Why a mail was not sent, and whether trying again can help.
//!
//! No text here carries an address: these errors are logged.

use std::path::PathBuf;

/// Why a mail was not sent this time.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The text is no mail address, or one that the server cannot write to.
    #[error("the mail address is not one that can be written to")]
    BadAddress,
    /// More than servers take.
    #[error("the mail has {bytes} bytes; at most {max} are sent")]
    TooLarge {
        /// How many.
        bytes: usize,
        /// Of how many.
        max: usize,
    },
    /// The mail could not be put together.
    #[error("the mail cannot be put together: {0}")]
    Compose(String),
    /// The server will never take this mail (a reply from 500 on).
    #[error("the mail server refused the mail for good ({code}): {said}")]
    Refused {
        /// The server's reply code.
        code: u16,
        /// Its words, without addresses.
        said: String,
    },
    /// The server does not take it now (a reply from 400 to 499).
    #[error("the mail server put the mail off ({code}): {said}")]
    PutOff {
        /// The server's reply code.
        code: u16,
        /// Its words, without addresses.
        said: String,
    },
    /// The server did not take user and password, or asks for some.
    #[error("the mail server refused the login: check user and password in booking.mail.smtp_url ({said})")]
    Login {
        /// Its words, without addresses.
        said: String,
    },
    /// The connection has to be encrypted, and the server does not offer it.
    #[error(
        "the mail server offers no STARTTLS, which booking.mail.smtp_url asks for; smtps:// encrypts from the start, \
         and only for a server on this machine ?tls=never sends everything in the clear"
    )]
    NoTls,
    /// The server cannot be reached, spoke nonsense, or hung up.
    #[error("no conversation with the mail server while {doing}: {why}")]
    Connection {
        /// What was under way.
        doing: &'static str,
        /// What the system or the library said.
        why: String,
    },
    /// The server did not answer in time.
    #[error("the mail server did not finish within {0} s")]
    Deadline(u64),
    /// The file could not be written.
    #[error("the mail cannot be written to {}: {source}", path.display())]
    Folder {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl MailError {
    /// Whether no later try can succeed, since it is this mail that is the trouble. Everything else is the server's or the
    /// operator's, and passes: the mail must be kept.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::BadAddress | Self::TooLarge { .. } | Self::Compose(_) | Self::Refused { .. }
        )
    }
}

/// Longest part of a server's words that is kept.
const SAID_MAX: usize = 200;

/// A server's words without the addresses that it likes to repeat, in one line of bounded length.
pub(super) fn without_addresses(said: &str) -> String {
    let word = |word: &'_ str| {
        if word.contains('@') {
            "<address>".to_owned()
        } else {
            word.to_owned()
        }
    };
    let said = said.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<String> = said.filter(|word| !word.is_empty()).map(word).collect();
    words.join(" ").chars().take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_kept_without_addresses() {
        let said = "5.1.1 <ada@example.com>: Recipient address\r\nrejected\u{7}";
        assert_eq!(
            without_addresses(said),
            "5.1.1 <address> Recipient address rejected"
        );
        assert_eq!(without_addresses(&"word ".repeat(90)).len(), SAID_MAX);
    }
}
