//! What the booking service is told: its database, who must log in, who takes the money and who carries the mail.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::StoreUrl;

/// `[booking]`: the booking service.
#[derive(Clone, Debug, PartialEq)]
pub struct Booking {
    /// Its HTTP listener.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub database: Database,
    /// How long held seats stay held.
    pub hold_ttl: Duration,
    /// How long a fan may take to pay once an order was made of the hold.
    pub pay_within: Duration,
    /// Most seats one fan may have of a showtime.
    pub max_seats_per_fan: u32,
    /// What needs a login.
    pub login: LoginFor,
    /// Whether writing calls need the edge's `Tidegate-Assertion`.
    pub require_admission: bool,
    /// Where the edge publishes the assertion's public keys (a JWKS document), when admission is required.
    pub jwks_url: Option<String>,
    /// What fans type to get here, without a slash at the end: for links in mails and ways back from the payment.
    pub public_url: String,
    /// Who takes the money.
    pub payments: Payments,
    /// Who carries the mail.
    pub mail: Mail,
    /// Where instances tell each other about seats at once; the database alone does it a moment later.
    pub redis: Option<BookingRedis>,
}

/// A Redis deployment beside the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingRedis {
    /// Where it is and who asks.
    pub url: StoreUrl,
    /// PEM file of the authorities whose certificates the servers may show; absent means the system's own.
    pub tls_ca: Option<PathBuf>,
}

/// A text that no log, message or `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps what must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever needs it to log in or to sign.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"...\"")
    }
}

/// Where bookings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file, under `data_dir` unless absolute: one instance.
    Sqlite(PathBuf),
    /// A PostgreSQL server, by its URL: any number of instances.
    Postgres(Secret),
}

/// What needs a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFor {
    /// Calls that write, and personal pages.
    Writing,
    /// Everything but signing up, logging in and logging out.
    All,
}

/// Who takes the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payments {
    /// The provider that Tidegate runs itself, beside the service: test cards and no money.
    Sandbox {
        /// Whether it drops, doubles, delays and reorders what it says.
        chaos: bool,
    },
    /// Stripe, or what speaks like it.
    Stripe {
        /// Where its API is, without a slash at the end.
        api_base: String,
        /// What calls are made with.
        secret_key: Secret,
        /// What the browser's payment form is opened with.
        publishable_key: String,
        /// What its webhooks are signed with.
        webhook_secret: Secret,
    },
}

/// Who carries the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `smtp://` or `smtps://` with name and password; without it mails become `.eml` files under `data_dir`.
    pub smtp_url: Option<Secret>,
    /// The sender's address.
    pub from: String,
}
