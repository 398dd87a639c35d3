//! Starts and stops the service: its listener, its feed, and the snapshot they share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tidegate_serve::{Bounds, serve};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::feed::{CatalogueClient, Feed, SavedFile, UrlError};
use crate::http;
use crate::index::Snapshot;

/// Connections at once. Behind the edge they are few and kept alive, and an answer takes milliseconds; beyond this many,
/// new ones wait in the backlog.
const CONNECTIONS_MAX: usize = 4096;

/// How long answers that have begun may take once told to stop. They are a few milliseconds of work each.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the service did not start. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something else listens there.
    #[error(
        "search cannot listen on {address}: the port is in use; stop what listens there, or choose another \
         address with --search-listen"
    )]
    PortInUse {
        /// The address of the configuration.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("search cannot listen on {address}: {source}")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The directory for the saved catalogue cannot be made or written.
    #[error("search cannot write to {directory}: {source}; make it writable or set another data_dir")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The catalogue's address is of no use.
    #[error("[search] catalogue_url = {url:?} cannot be read from: {source}")]
    CatalogueUrl {
        /// The address of the configuration.
        url: String,
        /// What is wrong with it.
        source: UrlError,
    },
}

/// Why a running service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A task panicked, which is a defect.
    #[error("search's {task} broke down")]
    Broken {
        /// Which one.
        task: &'static str,
    },
}

/// A service that listens but does not answer before it is [run](Self::run).
pub struct Service {
    listener: TcpListener,
    local_addr: SocketAddr,
    current: Arc<Current>,
    feed: Feed,
}

/// Binds the listener, prepares `data_dir/search` and brings back the catalogue saved there by an earlier life.
pub async fn start(config: &tidegate_config::Search, data_dir: &Path) -> Result<Service, StartError> {
    let client = CatalogueClient::new(&config.catalogue_url).map_err(|source| StartError::CatalogueUrl {
        url: config.catalogue_url.clone(),
        source,
    })?;
    let directory = data_dir.join("search");
    let saved = SavedFile::open(&directory).map_err(|source| StartError::Directory { directory, source })?;
    let address = config.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse { address },
            _ => StartError::Listen { address, source },
        })?;
    let local_addr = listener
        .local_addr()
        .map_err(|source| StartError::Listen { address, source })?;
    let current = Arc::new(Current::default());
    let feed = Feed::new(client, saved, Arc::clone(&current), config.refresh_every);
    feed.restore().await;
    Ok(Service {
        listener,
        local_addr,
        current,
        feed,
    })
}

impl Service {
    /// Where it listens, with the port that was given where the configuration says 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` completes, then lets begun answers finish, within a bound. Dropping the future stops the
    /// service too, without waiting for it.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), RunError> {
        let stop = CancellationToken::new();
        // Ends the tasks also when this future is dropped.
        let _guard = stop.clone().drop_guard();
        let tasks = TaskTracker::new();
        let mut feed = tasks.spawn(self.feed.follow(stop.clone()));
        let (listener, routes, stopped) = (self.listener, http::router(self.current), stop.clone());
        let mut server = tasks.spawn(async move {
            let bounds = Bounds::of(CONNECTIONS_MAX);
            let open = serve(listener, routes, bounds, "search", stopped.cancelled()).await;
            open.finish().await;
        });

        let ended = tokio::select! {
            () = shutdown => Ok(()),
            _ = &mut server => Err(RunError::Broken { task: "listener" }),
            _ = &mut feed => Err(RunError::Broken { task: "feed" }),
        };
        stop.cancel();
        tasks.close();
        if timeout(DRAIN, tasks.wait()).await.is_err() {
            warn!("search did not come to rest in time and is cut off");
            server.abort();
            feed.abort();
        }
        ended
    }
}

/// The snapshot that requests are answered from. Replacing it is atomic; who holds the old one keeps it.
#[derive(Default)]
pub(crate) struct Current {
    snapshot: ArcSwapOption<Snapshot>,
    /// When booking last said that the snapshot is its catalogue, in seconds since 1970; 0 for not yet in this life.
    confirmed_at: AtomicI64,
}

impl Current {
    /// The snapshot of this moment; `None` before the first.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// Replaces the snapshot.
    pub(crate) fn put(&self, snapshot: Snapshot) {
        self.snapshot.store(Some(Arc::new(snapshot)));
    }

    /// Notes that the snapshot was up to date at this moment.
    pub(crate) fn confirm(&self, at: Timestamp) {
        self.confirmed_at.store(at.as_second(), Ordering::Relaxed);
    }

    /// The last moment at which the snapshot is known to have been up to date.
    pub(crate) fn confirmed_at(&self) -> Option<Timestamp> {
        match self.confirmed_at.load(Ordering::Relaxed) {
            0 => self.snapshot().map(|snapshot| snapshot.read_at()),
            seconds => Timestamp::from_second(seconds).ok(),
        }
    }
}
