//! The life of the booking service: what it needs before it takes a request, and how it stops.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use tidegate_serve::{Bounds, serve};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::admission::{Admission, AdmissionConfigError};
use crate::domain::SeatLimit;
use crate::filter::BadFilter;
use crate::fulfilment::{Fulfilment, Office, OfficeError};
use crate::http::{App, router};
use crate::live::{LISTENERS_MAX, Live};
use crate::login::{Desk, UserKeysError};
use crate::mail::{MailConfig, MailConfigError, Mailer, SEND_WITHIN, Site};
use crate::payment::sandbox::Sandbox;
use crate::sample::{SampleError, sample};
use crate::store::{OpenError, Seeded, Store, StoreError};
use crate::till::{Till, TillError};

/// Connections at once: one for each listener of a stream, and those for calls, which behind the edge are few and kept
/// alive. Beyond this many, new ones wait in the backlog.
const CONNECTIONS_MAX: usize = LISTENERS_MAX + 4096;

/// How long requests under way may take to finish at shutdown.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Who sells, on tickets and in mails.
const SITE_NAME: &str = "Tidegate";

/// Where mails go while no server is configured, under `data_dir`.
const MAIL_FOLDER: &str = "mail";

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener.
    #[error("booking cannot listen on {address}: {}", plain(cause))]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The database file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The first filling of the catalogue.
    #[error("cannot fill the catalogue: {0}")]
    Seed(#[from] StoreError),
    /// The shipped catalogue.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// There is nothing to sign logins with.
    #[error(transparent)]
    Keys(#[from] UserKeysError),
    /// There is nothing to sign tickets with.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The payment provider, or the sandbox.
    #[error(transparent)]
    Till(#[from] TillError),
    /// Who carries the mail.
    #[error(transparent)]
    Mail(#[from] MailConfigError),
    /// Admission is required and cannot be checked.
    #[error(transparent)]
    Admission(#[from] AdmissionConfigError),
    /// Redis is configured and cannot be used, whether or not it is there.
    #[error(transparent)]
    Filter(#[from] BadFilter),
}

/// What an operator can do something about, in words.
fn plain(cause: &std::io::Error) -> String {
    match cause.kind() {
        std::io::ErrorKind::AddrInUse => {
            "the port is in use; stop what listens there, or choose another address with --booking-listen"
                .to_owned()
        }
        std::io::ErrorKind::PermissionDenied => "this user may not use the port".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => cause.to_string(),
    }
}

/// Why a running service stopped otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Some requests were still under way when the time to drain was over; they were cut off.
    #[error("booking cut off requests that were still under way after {}s", DRAIN_WITHIN.as_secs())]
    Drain,
}

/// A bound and filled booking service that takes no requests yet.
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    store: Store,
    live: Arc<Live>,
    routes: Router,
    fulfilment: Arc<Fulfilment>,
    sandbox: Option<Sandbox>,
    under_way: Arc<Semaphore>,
}

/// Binds the listener, opens the database under `data_dir` (unless its path is absolute), brings its tables up to date
/// and fills the sample catalogue on the first start. Nothing is left half done on an error.
pub async fn start(config: &tidegate_config::Booking, data_dir: &Path) -> Result<Service, StartError> {
    let admission = Admission::new(config.require_admission, config.jwks_url.as_deref())?;
    let refused = |cause| StartError::Listen {
        address: config.listen,
        cause,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let store = Store::open(&config.database, data_dir).await?;
    if !store.is_seeded().await? {
        let (venues, events) = sample()?;
        if let Seeded::Now { events, showtimes } = store.seed(&venues, &events, Timestamp::now()).await? {
            tracing::info!(events, showtimes, "filled the sample catalogue");
        }
    }
    let site = Site {
        name: SITE_NAME.to_owned(),
        url: config.public_url.clone(),
    };
    let mailer = Mailer::new(&MailConfig {
        smtp_url: config.mail.smtp_url.as_ref().map(|url| url.expose().to_owned()),
        folder: data_dir.join(MAIL_FOLDER),
        from: config.mail.from.clone(),
        trust_pem: None,
        send_within: SEND_WITHIN,
    })?;
    let office = Office::open(&store, SITE_NAME).await?;
    let Till {
        provider,
        webhook_secret,
        sandbox,
    } = Till::open(config, address, data_dir).await?;
    tracing::info!("{}", mailer.destination());
    let fulfilment = Arc::new(Fulfilment::new(
        store.clone(),
        provider,
        vec![webhook_secret],
        mailer,
        office,
        site,
    ));
    let live = Live::start(store.clone(), config.redis.as_ref())?;
    let under_way = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let app = App {
        store: store.clone(),
        live: Arc::clone(&live),
        admission,
        desk: Desk::open(store.clone()).await?,
        fulfilment: Arc::clone(&fulfilment),
        login: config.login,
        hold_ttl: config.hold_ttl,
        pay_within: config.pay_within,
        own_pages: sandbox.is_some(),
        seats_max: SeatLimit(config.max_seats_per_fan),
        under_way: Arc::clone(&under_way),
    };
    Ok(Service {
        listener,
        address,
        store,
        routes: router(Arc::new(app), sandbox.as_ref().map(Sandbox::pages)),
        fulfilment,
        sandbox,
        live,
        under_way,
    })
}

impl Service {
    /// Where it listens; the port is the real one where the configuration says 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then finishes the requests under way and closes the database.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), RunError> {
        tracing::info!(address = %self.address, "booking listens");
        let (stop, stopping) = watch::channel(false);
        let mut beside = JoinSet::new();
        beside.spawn(self.fulfilment.run(stopping.clone()));
        if let Some(sandbox) = self.sandbox {
            let mut stopping = stopping.clone();
            beside.spawn(async move {
                let stopped = async move {
                    let _ = stopping.wait_for(|stopping| *stopping).await;
                };
                if let Err(error) = sandbox.run(stopped).await {
                    tracing::warn!(%error, "the payment sandbox did not stop cleanly");
                }
            });
        }
        let open = serve(
            self.listener,
            self.routes,
            Bounds::of(CONNECTIONS_MAX),
            "booking",
            shutdown,
        )
        .await;
        self.live.stop();
        // Beyond the connections, those requests whose clients have left.
        let all_done = async {
            open.finish().await;
            let _ = self.under_way.acquire_many(CONNECTIONS_MAX as u32).await;
        };
        let drained = tokio::time::timeout(DRAIN_WITHIN, all_done).await;
        stop.send_replace(true);
        while beside.join_next().await.is_some() {}
        self.store.close().await;
        drained.map_err(|_| RunError::Drain)
    }
}
