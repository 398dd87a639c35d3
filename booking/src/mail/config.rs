//! What an operator says about mail, checked: an SMTP server's address, or a folder.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// How long a server may take over one mail, from the connection to its last word.
pub const SEND_WITHIN: Duration = Duration::from_secs(20);

/// How mail leaves the house.
#[derive(Clone)]
pub struct MailConfig {
    /// `smtps://user:password@host[:465]`, `smtp://[user:password@]host[:587]`; none or empty: into the folder.
    ///
    /// `smtps` is encrypted from the first byte. `smtp` begins in the clear and turns to TLS by STARTTLS: always with a
    /// user or with `?tls=required`, else where the server offers it; `?tls=never` forbids it. Special characters in user
    /// and password are percent-encoded.
    pub smtp_url: Option<String>,
    /// Where `.eml` files go while there is no server.
    pub folder: PathBuf,
    /// From whom: `Tidegate <tickets@example.com>`.
    pub from: String,
    /// Certificates of an authority that this system does not know, as PEM.
    pub trust_pem: Option<String>,
    /// [`SEND_WITHIN`], but for tests.
    pub send_within: Duration,
}

/// What is wrong with it. Never repeats the URL, which holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailConfigError {
    /// Not a URL, or not one of these.
    #[error(
        "booking.mail.smtp_url is not an address of a mail server: write smtps://user:password@mail.example.com, or \
         smtp://mail.example.com:587 (percent-encode special characters in user and password)"
    )]
    SmtpUrl,
    /// The word after `tls=`.
    #[error(
        "booking.mail.smtp_url says tls={0}; it is one of required, offered, never, and only with smtp://"
    )]
    Tls(String),
    /// A user without a password, or the other way round.
    #[error("booking.mail.smtp_url has half a login: give user and password, or neither")]
    Login,
    /// Not an address.
    #[error("booking.mail.from is {0:?}; write an address, or Name <name@example.com>")]
    From(String),
    /// The certificates.
    #[error("the certificates for the mail server cannot be used: {0}")]
    Trust(String),
}

/// When a connection turns to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// At once.
    FromTheStart,
    /// By STARTTLS, or nothing is sent.
    Required,
    /// By STARTTLS where the server offers it.
    Offered,
    /// Never.
    Never,
}

/// A mail server, as its URL describes it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Credentials>,
}

impl Server {
    pub(super) fn parse(url: &str) -> Result<Self, MailConfigError> {
        let url = Url::parse(url.trim()).map_err(|_| MailConfigError::SmtpUrl)?;
        let nothing_else = matches!(url.path(), "" | "/") && url.fragment().is_none();
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(MailConfigError::SmtpUrl),
        };
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(|text| text.into_owned())
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                let (user, password) = (decoded(user), decoded(password));
                Some(Credentials::new(
                    user.map_err(|_| MailConfigError::SmtpUrl)?,
                    password.map_err(|_| MailConfigError::SmtpUrl)?,
                ))
            }
            _ => return Err(MailConfigError::Login),
        };
        let mut said = None;
        for (name, value) in url.query_pairs() {
            if name != "tls" || said.is_some() {
                return Err(MailConfigError::SmtpUrl);
            }
            said = Some(value.into_owned());
        }
        let (port, encryption) = match (url.scheme(), said.as_deref()) {
            ("smtps", None) => (465, Encryption::FromTheStart),
            ("smtp", None) if login.is_none() => (587, Encryption::Offered),
            ("smtp", None | Some("required")) => (587, Encryption::Required),
            ("smtp", Some("offered")) => (587, Encryption::Offered),
            ("smtp", Some("never")) => (587, Encryption::Never),
            ("smtp" | "smtps", Some(other)) => return Err(MailConfigError::Tls(other.to_owned())),
            _ => return Err(MailConfigError::SmtpUrl),
        };
        if !nothing_else {
            return Err(MailConfigError::SmtpUrl);
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            login,
        })
    }
}

/// The sender's address.
pub(super) fn sender(from: &str) -> Result<Mailbox, MailConfigError> {
    let bad = || MailConfigError::From(from.chars().take(100).collect());
    if from.chars().any(char::is_control) {
        return Err(bad());
    }
    from.trim().parse().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_how_and_who() {
        use Encryption::{FromTheStart, Never, Offered, Required};
        let login = |user: &str, password: &str| Some(Credentials::new(user.to_owned(), password.to_owned()));
        for (url, host, port, encryption, who) in [
            (
                "smtps://ada:p%40ss@mail.example.com",
                "mail.example.com",
                465,
                FromTheStart,
                login("ada", "p@ss"),
            ),
            ("smtp://mail.example.com", "mail.example.com", 587, Offered, None),
            (
                "smtp://a%40b.cz:x@127.0.0.1:2525/",
                "127.0.0.1",
                2525,
                Required,
                login("a@b.cz", "x"),
            ),
            ("smtp://[::1]:25?tls=required", "::1", 25, Required, None),
            (
                "smtp://u:p@localhost:1025?tls=never",
                "localhost",
                1025,
                Never,
                login("u", "p"),
            ),
        ] {
            let server = Server::parse(url).expect(url);
            let found = (server.host.as_str(), server.port, server.encryption, server.login);
            assert_eq!(found, (host, port, encryption, who), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, error) in [
            ("mail.example.com:587", MailConfigError::SmtpUrl),
            ("https://u:secret@mail.example.com", MailConfigError::SmtpUrl),
            ("smtp://", MailConfigError::SmtpUrl),
            ("smtp://u:secret@mail.example.com/inbox", MailConfigError::SmtpUrl),
            (
                "smtp://u:secret@mail.example.com?verify=no",
                MailConfigError::SmtpUrl,
            ),
            ("smtp://u@mail.example.com", MailConfigError::Login),
            (
                "smtp://u:secret@mail.example.com?tls=maybe",
                MailConfigError::Tls("maybe".to_owned()),
            ),
            (
                "smtps://u:secret@mail.example.com?tls=never",
                MailConfigError::Tls("never".to_owned()),
            ),
        ] {
            let found = Server::parse(url).err();
            assert_eq!(found.as_ref(), Some(&error), "{url}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn the_sender_is_an_address() {
        assert!(sender("tickets@example.com").is_ok() && sender("Lístky <tickets@example.com>").is_ok());
        for from in ["", "Tidegate", "a@b@c", "x <a@b.cz>\r\nBcc: <c@d.cz>"] {
            assert!(matches!(sender(from), Err(MailConfigError::From(_))), "{from:?}");
        }
    }
}
