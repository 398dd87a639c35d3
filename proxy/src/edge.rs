//! One edge: made from a configuration, started, drained.
//!
//! Everything that can be wrong is found before anything is served: keys, journals, page templates, certificates and
//! every address. Pingora's own process management is not used; its HTTP proxy runs as a service on this process's
//! runtime, on sockets bound here.

mod error;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pingora::listeners::ListenerConfig;
use pingora::listeners::tls::TlsSettings;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::Fds;
use pingora::server::configuration::ServerConf;
use pingora::services::{Service as _, listening};
use tidegate_config::{Config, Store, Tls};
use tidegate_queue::line::Settings;
use tidegate_queue::store::redis::Redis;
use tidegate_queue::store::{LineStore, MemoryStore, SystemMoment};
use tidegate_queue::tokens::{KeyFile, KeyRing};
use tokio::sync::watch;

use crate::admin::{self, AdminState};
use crate::background::Background;
use crate::front::Front;
use crate::gatekeeper::Gatekeeper;
use crate::metrics::Metrics;
use crate::room::{Driver, Room};
use crate::service::Service;
use crate::shared::Shared;
use crate::upstreams::Upstreams;
use crate::users::Users;
use crate::users::reader::Reader;

pub use error::StartError;

/// The key file's name under `data_dir`.
pub const KEY_FILE: &str = "keys.json";
/// A key file that changed is read again within this.
const KEYS_EVERY: Duration = Duration::from_secs(5);

/// An edge whose addresses are bound and whose rooms have begun; nothing is served yet.
pub struct Edge {
    shared: Arc<Shared>,
    drivers: Vec<Driver>,
    public: Vec<TcpListener>,
    admin: TcpListener,
    admin_state: AdminState,
    ready: Arc<AtomicBool>,
    gatekeeper: Arc<Gatekeeper>,
    upstreams: Arc<Upstreams>,
    user_keys: Option<Reader>,
    in_flight: Arc<AtomicUsize>,
    tls: Option<Tls>,
    key_path: PathBuf,
    drain_within: Duration,
}

impl Edge {
    /// Makes everything ready to serve. `admin_token` opens the admin API.
    pub async fn start(config: &Config, admin_token: String) -> Result<Self, StartError> {
        let edge = &config.edge;
        let bind = |address: SocketAddr, what| {
            let bound = bind(address);
            bound.map_err(|source| StartError::Bind {
                address,
                what,
                source,
            })
        };
        let public: Vec<TcpListener> = edge
            .listen
            .iter()
            .map(|address| bind(*address, "the site"))
            .collect::<Result<_, _>>()?;
        let admin = bind(edge.admin_listen, "the admin API")?;
        if let Some(tls) = &edge.tls {
            check_tls(tls)?;
        }
        let data_dir = |source| StartError::DataDir {
            path: edge.data_dir.clone(),
            source,
        };
        // For its owner alone: what is kept there signs tokens.
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&edge.data_dir).map_err(data_dir)?;
        let key_path = edge.data_dir.join(KEY_FILE);
        let key_file = KeyFile::load_or_create(&key_path, unix_s())?;
        let ring = KeyRing::new(&key_file);
        let metrics = Arc::new(Metrics::new());

        let lines = Lines::open(config, &key_file).await?;
        let (mut rooms, mut drivers) = (BTreeMap::new(), Vec::new());
        for room in &config.rooms {
            let id = room.id.as_str().to_owned();
            let store = lines.of(room)?;
            let themed = Room::new(room.clone(), store, edge.joins_per_address_per_min);
            let room = themed.map_err(|source| StartError::Theme {
                room: id.clone(),
                source,
            })?;
            let mut driver = Driver::new(room.clone(), metrics.clone(), rand::random());
            driver.begin().await?;
            drivers.push(driver);
            rooms.insert(id, room);
        }
        let rooms = Arc::new(rooms);
        let shared = Shared::new(rooms.clone(), ring, metrics.clone(), edge);
        let in_flight = Arc::new(AtomicUsize::new(0));
        let upstreams = Arc::new(Upstreams::resolve(&config.upstreams)?);
        let users = config.users.as_ref().map(|users| Arc::new(Users::new(users)));
        let user_keys = users
            .as_ref()
            .map(|users| Reader::new(users.clone(), metrics.clone()));
        let user_keys = user_keys.transpose()?;
        let gatekeeper = Gatekeeper::new(shared.clone(), config, &upstreams, users.as_ref())?;
        let gatekeeper = Arc::new(gatekeeper);
        let ready = Arc::new(AtomicBool::new(false));
        let admin_state = AdminState::new(rooms, metrics, admin_token, ready.clone());
        let drain_within = edge.drain_within;
        let tls = edge.tls.clone();
        Ok(Self {
            shared,
            drivers,
            public,
            admin,
            admin_state,
            ready,
            gatekeeper,
            upstreams,
            user_keys,
            in_flight,
            tls,
            key_path,
            drain_within,
        })
    }

    /// The public addresses, as bound.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.public
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// The admin API's address, as bound.
    pub fn admin_addr(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `shutdown`, then drains: sockets are told to come back, requests under way are finished.
    ///
    /// # Errors
    /// Something of the edge ended by itself, which ends the rest, drained all the same: half an edge is none that an
    /// operator can trust, and whoever supervises the process starts a whole one.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let mut background = Background::default();
        for driver in self.drivers {
            background.spawn("the driver of a room", driver.run(stopped.clone()));
        }
        for room in self.shared.rooms.values().cloned() {
            let stopped = stopped.clone();
            let run = async move { room.reminders.run(stopped).await };
            background.spawn("the clock of a room's fans", run);
        }
        let keys = follow_keys(self.shared.clone(), self.key_path, stopped.clone());
        background.spawn("the reader of the keys", keys);
        if let Some(user_keys) = self.user_keys {
            background.spawn("the reader of the users' keys", user_keys.follow(stopped.clone()));
        }
        let admin = admin::serve(self.admin, self.admin_state, stopped.clone());
        background.spawn("the admin API", async move {
            if let Err(error) = admin.await {
                tracing::error!(%error, "the admin API stopped");
            }
        });

        let (stop_accepting, accepting) = watch::channel(false);
        let conf = ServerConf {
            threads: 1,
            ..ServerConf::default()
        };
        let service = Service::new(self.gatekeeper.clone(), self.upstreams.clone());
        let proxy = pingora::proxy::http_proxy(&Arc::new(conf), service);
        let front = Front::new(self.gatekeeper, self.upstreams, proxy, self.in_flight.clone());
        let mut service = listening::Service::new("the site".to_owned(), front);
        let mut fds = Fds::new();
        for listener in self.public {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?.to_string();
            let mut endpoint = ListenerConfig::tcp(address.clone()).l4_buffer(L4BufferSettings::unbuffered());
            if let Some(Tls { cert, key }) = &self.tls {
                let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
                // Checked at start; a file that has changed since fails here, and says so.
                let settings = TlsSettings::intermediate(&cert, &key).map_err(io::Error::other)?;
                endpoint = endpoint.tls(settings);
            }
            service.add_listener(endpoint);
            fds.add(address, std::os::fd::IntoRawFd::into_raw_fd(listener));
        }
        let fds = Arc::new(parking_lot::Mutex::new(fds));
        let mut serving = tokio::spawn(async move { service.start_service(Some(fds), accepting, 1).await });
        self.ready.store(true, Ordering::Relaxed);

        let ended = tokio::select! {
            () = shutdown => Ok(()),
            ended = &mut serving => match ended {
                Ok(()) => Err(io::Error::other("the site ended by itself")),
                Err(error) => Err(io::Error::other(format!("the site ended by itself: {error}"))),
            },
            (name, how) = background.ended() => Err(io::Error::other(match how {
                Ok(()) => format!("{name} ended by itself"),
                Err(panicked) => format!("{name} ended by itself: {panicked}"),
            })),
        };
        if let Err(why) = &ended {
            tracing::error!(%why, "the edge cannot go on, and stops");
        }
        self.ready.store(false, Ordering::Relaxed);
        tracing::info!("draining: sockets are told to come back, requests under way are finished");
        let _ = stop_accepting.send(true);
        self.shared.stop();
        let deadline = Instant::now() + self.drain_within;
        while Instant::now() < deadline {
            if self.in_flight.load(Ordering::Relaxed) == 0 && self.shared.sockets.open() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = stop.send(true);
        let _ = tokio::time::timeout(Duration::from_secs(2), background.all_ended()).await;
        serving.abort();
        ended
    }
}

/// Where the lines of this edge live.
enum Lines {
    Embedded {
        data_dir: PathBuf,
        moment: Arc<SystemMoment>,
    },
    Redis(Redis),
}

impl Lines {
    async fn open(config: &Config, keys: &KeyFile) -> Result<Self, StartError> {
        Ok(match &config.store {
            Store::Embedded => Self::Embedded {
                data_dir: config.edge.data_dir.clone(),
                moment: Arc::default(),
            },
            Store::Redis(store) => {
                let kids: Vec<String> = keys.list().into_iter().map(|key| key.kid).collect();
                let rooms: Vec<_> = config.rooms.iter().map(|room| room.id.clone()).collect();
                Self::Redis(Redis::connect(store, &kids, rand::random(), &rooms).await?)
            }
        })
    }

    fn of(&self, room: &tidegate_config::Room) -> Result<Arc<dyn LineStore>, StartError> {
        let settings = Settings::from(room);
        Ok(match self {
            Self::Embedded { data_dir, moment } => {
                let journal = data_dir.join(format!("line-{}.journal", room.id));
                Arc::new(MemoryStore::open(
                    &journal,
                    settings,
                    rand::random(),
                    moment.clone(),
                )?)
            }
            Self::Redis(redis) => Arc::new(redis.line(&room.id, settings)),
        })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    // The standard library sets SO_REUSEADDR on Unix: a restart need not wait for old connections to be forgotten.
    TcpListener::bind(address)
}

fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Pingora takes certificates on trust and panics later; so they are tried here.
fn check_tls(tls: &Tls) -> Result<(), StartError> {
    let problem = |reason: String| StartError::Tls {
        cert: tls.cert.clone(),
        key: tls.key.clone(),
        reason,
    };
    for path in [&tls.cert, &tls.key] {
        std::fs::metadata(path).map_err(|error| problem(error.to_string()))?;
    }
    let (cert, key) = (tls.cert.to_string_lossy(), tls.key.to_string_lossy());
    let built = std::panic::catch_unwind(|| {
        TlsSettings::intermediate(&cert, &key).map(|settings| drop(settings.build()))
    });
    match built {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(problem(error.to_string())),
        Err(_) => Err(problem(
            "they are not a PEM certificate chain and its private key".to_owned(),
        )),
    }
}

/// Takes over keys that were rotated while this edge runs.
async fn follow_keys(shared: Arc<Shared>, path: PathBuf, mut stop: watch::Receiver<bool>) {
    let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut known = changed(&path);
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(KEYS_EVERY) => {}
            _ = stop.changed() => {}
        }
        let now = changed(&path);
        if now.is_some() && now != known {
            known = now;
            match KeyFile::load_or_create(&path, unix_s()) {
                Ok(file) => {
                    shared.ring.store(Arc::new(KeyRing::new(&file)));
                    tracing::info!("the keys were changed: new tokens are signed with the newest");
                }
                Err(error) => tracing::error!(%error, "the changed keys are not used"),
            }
        }
    }
}
