//! The sandbox: a payment provider that Tidegate runs itself, on a listener of its own, for trial and test. No money
//! moves. It knows the calls that the adapter makes, signs webhooks, has a page to pay on with test cards, forgets
//! nothing when it is killed, and on request behaves as badly as a network.
//!
//! - `record`, `calls`, `cards`, `chaos`: what it does, pure.
//! - `book`: what it keeps; `desk`: one call as one transaction.
//! - `api`, `pay`, `ledger`: its calls and pages; `courier`: its webhooks.
//!
//! It knows nothing of the booking service but the address at which that wants its webhooks.

mod api;
mod book;
mod calls;
mod cards;
mod chaos;
mod courier;
mod describe;
mod desk;
mod ledger;
mod pay;
mod record;
mod refusal;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use tidegate_config::Database;
use tidegate_serve::{Bounds, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::Secret;
use api::Front;
use book::Book;
use courier::Courier;
use desk::Desk;

pub use book::BookError;
pub use chaos::Chaos;
pub use ledger::{Ledger, LedgerEntry, LedgerSums};

/// Connections at once; beyond, new ones wait in the backlog.
const CONNECTIONS_MAX: usize = 1024;

/// How long requests under way may take to finish at shutdown.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// How long a fan may take to pay unless the configuration says otherwise.
pub const PAY_WITHIN: Duration = Duration::from_secs(600);

/// The longest that a fan may take: beyond a week nobody pays.
const PAY_WITHIN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a sandbox is made of.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Its HTTP listener.
    pub listen: SocketAddr,
    /// Its book: a file, made if it is missing, or a schema of its own on a server, for many instances.
    pub book: Database,
    /// The key without which nothing is answered but the pay page.
    pub secret_key: Secret,
    /// Where webhooks go; `None`: none are sent.
    pub webhook: Option<WebhookTarget>,
    /// The address under which fans reach the pay page, without a slash at the end; `None`: the listener's own.
    pub public_url: Option<String>,
    /// How long a payment that nobody confirms stays open: [`PAY_WITHIN`].
    pub pay_within: Duration,
    /// What goes wrong; `None`: nothing.
    pub chaos: Option<Chaos>,
}

/// Who gets webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTarget {
    /// `http://127.0.0.1:8081/payments/webhook`.
    pub url: String,
    /// What they are signed with.
    pub secret: Secret,
}

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The listener.
    #[error("the payment sandbox cannot listen on {address}: {cause}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Its book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// An address that is none.
    #[error("the payment sandbox's {what} is {url:?}; it must be an absolute address, http:// or https://")]
    Url {
        /// Which one.
        what: &'static str,
        /// As configured.
        url: String,
    },
    /// A time to pay that no fan could use.
    #[error("the payment sandbox's time to pay must be from a millisecond to a week")]
    PayWithin,
    /// A probability that is none.
    #[error("the payment sandbox's chaos has a {0} that is not from 0 to 1")]
    Chaos(&'static str),
    /// Webhooks over TLS, on a machine that trusts nobody.
    #[error(
        "this machine's certificates cannot be read, without which no webhook can be sent over https://: {0}"
    )]
    Certificates(std::io::Error),
}

/// Why a running sandbox stopped otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxRunError {
    /// Some requests were still under way when the time to drain was over; they were cut off.
    #[error("the payment sandbox cut off requests that were still under way after {}s", DRAIN_WITHIN.as_secs())]
    Drain,
}

/// A bound sandbox that answers nobody yet.
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
    courier: Courier,
}

/// Reads the ledger of a running sandbox from within the process.
#[derive(Clone)]
pub struct LedgerReader(Arc<Front>);

impl LedgerReader {
    /// Every payment and the sums.
    pub async fn read(&self) -> Result<Ledger, sqlx::Error> {
        ledger::read(&self.0.desk).await
    }
}

impl Sandbox {
    /// Binds the listener and opens the book. Nothing is left half done on an error.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let pay_within = config.pay_within;
        if pay_within < Duration::from_millis(1) || pay_within > PAY_WITHIN_MAX {
            return Err(SandboxError::PayWithin);
        }
        if let Some(name) = config.chaos.as_ref().and_then(Chaos::wrong) {
            return Err(SandboxError::Chaos(name));
        }
        if let Some(target) = &config.webhook {
            check("webhook address", &target.url)?;
        }
        if let Some(url) = &config.public_url {
            check("public address", url)?;
        }
        let refused = |cause| SandboxError::Listen {
            address: config.listen,
            cause,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let public_url = config.public_url.unwrap_or_else(|| format!("http://{address}"));
        let desk = Desk {
            book: Book::open(&config.book).await?,
            faults: chaos::Faults::new(config.chaos),
            public_url: public_url.trim_end_matches('/').to_owned(),
            pay_within_ms: pay_within.as_millis() as i64,
            tells: config.webhook.is_some(),
            wake: Notify::new(),
        };
        let front = Arc::new(Front {
            desk,
            secret_key: config.secret_key,
        });
        let courier = Courier::new(Arc::clone(&front), config.webhook)?;
        Ok(Self {
            listener,
            address,
            front,
            courier,
        })
    }

    /// Where it listens; the port is the real one where the configuration says 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its pages for fans, for a service that shows them under its own address.
    pub fn pages(&self) -> axum::Router {
        api::pages(Arc::clone(&self.front))
    }

    /// For tests and operators in the same process.
    pub fn ledger(&self) -> LedgerReader {
        LedgerReader(Arc::clone(&self.front))
    }

    /// Serves and sends webhooks until `shutdown` is done, then finishes the requests under way and closes the book.
    /// Webhooks that have not arrived by then are sent by the next start.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SandboxRunError> {
        tracing::info!(address = %self.address, "the payment sandbox listens; no money moves");
        let routes = api::router(Arc::clone(&self.front));
        let drained = tokio::select! {
            drained = served(self.listener, routes, shutdown) => drained,
            () = self.courier.run() => true,
        };
        self.front.desk.book.close().await;
        if drained {
            Ok(())
        } else {
            Err(SandboxRunError::Drain)
        }
    }
}

/// Serves until `shutdown`; says whether every request under way could be finished.
async fn served(listener: TcpListener, routes: axum::Router, shutdown: impl Future<Output = ()>) -> bool {
    let bounds = Bounds::of(CONNECTIONS_MAX);
    let open = serve(listener, routes, bounds, "the payment sandbox", shutdown).await;
    tokio::time::timeout(DRAIN_WITHIN, open.finish()).await.is_ok()
}

fn check(what: &'static str, url: &str) -> Result<Uri, SandboxError> {
    calls::absolute(url).ok_or_else(|| SandboxError::Url {
        what,
        url: url.to_owned(),
    })
}
