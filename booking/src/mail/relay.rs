//! The conversation with an SMTP server: a few connections, kept while they are of use.
//!
//! The library's own pool is not used: it parks a connection whose mail was broken off by a deadline, in the middle of
//! whatever it was doing, and the next mail would be spoken into it. Here a connection is kept only after a mail that
//! went through; every other one is closed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;

use super::compose::Composed;
use super::config::{Encryption, MailConfigError, Server};
use super::error::{MailError, without_addresses};

/// Connections at once. Submission services commonly allow 5 to 10 a client; further mails wait for their turn.
const CONNECTIONS_MAX: usize = 4;

/// How long an idle connection is kept; servers hang up after five minutes (RFC 5321, section 4.5.3.2.7).
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Mails over one connection; many servers hang up after a hundred.
const MAILS_MAX: u32 = 50;

/// Replies that mean the login, whenever they come: 530 none given, 534 and 538 too weak, 535 wrong.
const LOGIN_REPLIES: [u16; 4] = [530, 534, 535, 538];

/// A mail server and the connections to it.
pub(super) struct Relay {
    server: Server,
    tls: TlsParameters,
    hello: ClientId,
    within: Duration,
    permits: Semaphore,
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
    mails: u32,
}

impl Relay {
    pub(super) fn new(
        server: Server,
        trust_pem: Option<&str>,
        within: Duration,
    ) -> Result<Self, MailConfigError> {
        let bad = |why: smtp::Error| MailConfigError::Trust(why.to_string());
        let mut tls = TlsParameters::builder(server.host.clone());
        if let Some(pem) = trust_pem {
            tls = tls.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(bad)?);
        }
        Ok(Self {
            server,
            tls: tls.build_rustls().map_err(bad)?,
            hello: ClientId::default(),
            within,
            permits: Semaphore::new(CONNECTIONS_MAX),
            kept: Mutex::new(Vec::new()),
        })
    }

    /// Host and port, without the login.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// Hands the mail over; waiting for a free connection counts against the deadline too.
    pub(super) async fn send(&self, mail: &Composed) -> Result<(), MailError> {
        let sent = tokio::time::timeout(self.within, self.converse(mail)).await;
        sent.unwrap_or(Err(MailError::Deadline(self.within.as_secs())))
    }

    async fn converse(&self, mail: &Composed) -> Result<(), MailError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|closed| MailError::Connection {
                doing: "waiting for a connection",
                why: closed.to_string(),
            })?;
        let mut kept = match self.reuse().await {
            Some(kept) => kept,
            None => Kept {
                connection: self.connect().await?,
                since: Instant::now(),
                mails: 0,
            },
        };
        let sent = kept.connection.send(&mail.envelope, &mail.bytes).await;
        // The library ends the connection on an error, and a deadline drops it here.
        sent.map_err(|error| refused(&error))?;
        kept.mails += 1;
        kept.since = Instant::now();
        if kept.mails < MAILS_MAX {
            self.kept().push(kept);
        } else {
            kept.connection.abort().await;
        }
        Ok(())
    }

    /// A connection from before that still answers.
    async fn reuse(&self) -> Option<Kept> {
        loop {
            let mut kept = self.kept().pop()?;
            if kept.since.elapsed() < KEPT_FOR && kept.connection.test_connected().await {
                return Some(kept);
            }
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let Server {
            host,
            port,
            encryption,
            login,
        } = &self.server;
        let from_the_start = (*encryption == Encryption::FromTheStart).then(|| self.tls.clone());
        let place = (host.as_str(), *port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(place, Some(self.within), &self.hello, from_the_start, None)
                .await;
        let mut connection = connected.map_err(|error| broken("connecting", &error))?;
        let encrypts = match encryption {
            Encryption::FromTheStart | Encryption::Never => false,
            Encryption::Offered => connection.can_starttls(),
            Encryption::Required if connection.can_starttls() => true,
            Encryption::Required => return Err(MailError::NoTls),
        };
        if encrypts {
            let turned = connection.starttls(self.tls.clone(), &self.hello).await;
            turned.map_err(|error| broken("turning to TLS", &error))?;
        }
        if let Some(login) = login {
            let logged_in = connection
                .auth(&[Mechanism::Plain, Mechanism::Login], login)
                .await;
            logged_in.map_err(|error| match code(&error) {
                Some(500..) => MailError::Login { said: said(&error) },
                Some(code) => MailError::PutOff {
                    code,
                    said: said(&error),
                },
                None if error.is_client() => MailError::Login { said: said(&error) },
                None => broken("logging in", &error),
            })?;
        }
        Ok(connection)
    }
}

/// What became of a mail that was not taken.
fn refused(error: &smtp::Error) -> MailError {
    match code(error) {
        Some(code) if LOGIN_REPLIES.contains(&code) => MailError::Login { said: said(error) },
        Some(code @ 500..) => MailError::Refused {
            code,
            said: said(error),
        },
        Some(code) => MailError::PutOff {
            code,
            said: said(error),
        },
        // The one thing that the library itself refuses here: an address the server cannot spell.
        None if error.is_client() => MailError::BadAddress,
        None => broken("sending", error),
    }
}

/// Before the mail was offered nothing is the mail's fault, whatever the reply.
fn broken(doing: &'static str, error: &smtp::Error) -> MailError {
    MailError::Connection {
        doing,
        why: without_addresses(&error.to_string()),
    }
}

fn code(error: &smtp::Error) -> Option<u16> {
    error.status().map(u16::from)
}

fn said(error: &smtp::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    without_addresses(&cause.unwrap_or_else(|| error.to_string()))
}
