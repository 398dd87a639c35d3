//! The validated configuration: what the rest of Tidegate works with.
//!
//! Every value here has been checked and every default filled in. The shape of the file itself, and where in it a
//! value stood, is the business of the loader; nothing below knows about TOML, lines or the environment.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::{Booking, StoreUrl};

/// Everything one Tidegate process may be asked to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The proxy's listeners, directories and limits.
    pub edge: Edge,
    /// Where the line lives.
    pub store: Store,
    /// Named groups of origin servers.
    pub upstreams: Vec<Upstream>,
    /// Waiting rooms, each with its own line.
    pub rooms: Vec<Room>,
    /// Which requests go where, first match first.
    pub routes: Vec<Route>,
    /// Whose word on users counts; there wherever a route asks for one.
    pub users: Option<Users>,
    /// The booking service, where this process runs one.
    pub booking: Option<Booking>,
    /// The search service, where this process runs one.
    pub search: Option<Search>,
}

/// `[edge]`: the proxy process.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Public listeners; never empty.
    pub listen: Vec<SocketAddr>,
    /// The admin API, metrics and health.
    pub admin_listen: SocketAddr,
    /// Bearer token of the admin API; absent means: make one and say it.
    pub admin_token: Option<String>,
    /// Where keys, the journal and embedded databases live.
    pub data_dir: PathBuf,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The reserved path prefix, with slashes at both ends; nothing under it is forwarded.
    pub prefix: String,
    /// Most line sockets (and event streams) held at once.
    pub sockets_max: usize,
    /// Most line sockets from one address. Whole offices and mobile carriers share one, so it is generous.
    pub sockets_per_address_max: usize,
    /// Most joins without a place token from one address in a minute, beyond which a join is asked to come back.
    pub joins_per_address_per_min: u32,
    /// How long a drain at shutdown may take.
    pub drain_within: Duration,
    /// Certificate and key files when the public listeners speak TLS.
    pub tls: Option<Tls>,
}

/// `[edge.tls]`: PEM files.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[store]`: where the line lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this process, journaled under `data_dir`.
    Embedded,
    /// In Redis, shared by every edge that names the same one.
    Redis(RedisStore),
}

/// A Redis deployment that holds the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStore {
    /// Where it is and who asks.
    pub url: StoreUrl,
    /// PEM file of the authorities whose certificates the servers may show; absent means the system's own.
    pub tls_ca: Option<PathBuf>,
    /// How long an old primary may go on answering after a replica took its place: Redis's `min-replicas-max-lag`.
    /// What it may admit in that time is held back as a reserve after a failover.
    pub max_replica_lag: Duration,
}

/// `[[upstream]]`: a named group of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name routes refer to.
    pub name: String,
    /// `host:port` of each server; never empty.
    pub servers: Vec<String>,
}

/// A room's id: 1 to 48 of `a-z`, `0-9`, `-`, beginning with a letter or digit. Safe in a cookie name, a path and a
/// store key as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(String);

impl RoomId {
    /// Longest room id, in characters. With `__Host-tidegate_visit_` before it a cookie name stays under 80.
    pub const LEN_MAX: usize = 48;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a room id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a room id has 1 to 48 of a-z, 0-9 and '-', and begins with a letter or digit")]
pub struct BadRoomId;

impl FromStr for RoomId {
    type Err = BadRoomId;

    fn from_str(text: &str) -> Result<Self, BadRoomId> {
        let fits = (1..=Self::LEN_MAX).contains(&text.len())
            && !text.starts_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadRoomId)
        }
    }
}

/// `[[room]]`: a waiting room as the file has it; what is changed live overrides it.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Its id, in cookies, paths and metrics.
    pub id: RoomId,
    /// Whom the line holds.
    pub mode: Mode,
    /// Most live visits at once; at least 1.
    pub active_max: u32,
    /// Admissions a minute; 0 admits nobody.
    pub admit_per_min: u32,
    /// A visit ends after this long without a request.
    pub visit_ttl: Duration,
    /// A visit ends after this long whatever happens.
    pub visit_max: Duration,
    /// How long an admitted fan has to enter and come back once with the visit cookie.
    pub enter_within: Duration,
    /// A waiting fan unseen for this long is no longer present (and keeps the place).
    pub away_after: Duration,
    /// How long a called fan has to answer before the line goes on without them (they keep their place).
    pub answer_within: Duration,
    /// Whether the page answers a call by itself or the fan presses a button.
    pub on_turn: OnTurn,
    /// Whether requests wait or pass while the store is out of reach.
    pub on_store_loss: OnStoreLoss,
    /// Whether the origin's `Tidegate-Stock` may declare the room sold out. False where a room serves other things too.
    pub sold_out_by_stock: bool,
    /// Status of the waiting page, 200 unless set.
    pub waiting_status: u16,
    /// What the operator tells everyone in line.
    pub notice: Option<String>,
    /// How the waiting page looks and speaks.
    pub page: Page,
}

/// Whom the line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody: every request is forwarded.
    Off,
    /// Fans go straight through until the room is full.
    Auto,
    /// Everyone passes the waiting page.
    On,
}

/// What a call asks of the fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTurn {
    /// The page answers and enters by itself.
    Enter,
    /// The fan presses a button.
    Confirm,
}

/// What a lost store means for requests without a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreLoss {
    /// They wait.
    Hold,
    /// They pass.
    Open,
}

/// `[room.page]`: the operator's hand on the waiting page. Absent means the built-in look and text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The name of what fans wait for, shown as the heading and in the browser's title.
    pub title: Option<String>,
    /// Accent colour, any CSS colour of the form `#rgb` or `#rrggbb`.
    pub accent: Option<String>,
    /// Background colour, the same forms.
    pub background: Option<String>,
    /// An image file (SVG, PNG or WebP, at most 8 KiB), inlined into the page.
    pub logo: Option<PathBuf>,
    /// Texts replacing the built-in ones: language tag, then message key, then text.
    pub texts: std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>,
    /// A template file used instead of the built-in document.
    pub template: Option<PathBuf>,
}

/// `[[route]]`: which requests it takes and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Hosts it takes (without port; `*.example.com` for subdomains); empty means all.
    pub hosts: Vec<String>,
    /// Path pattern: literal segments, `*` for one segment, a final `**` for any rest (also none).
    pub path: String,
    /// Methods it takes; empty means all.
    pub methods: Vec<String>,
    /// Headers that must be there, with this value where one is given (names in lower case).
    pub headers: Vec<(String, Option<String>)>,
    /// Name of the upstream it forwards to.
    pub upstream: String,
    /// Guarded by a room, or free.
    pub guard: Guard,
    /// Who has to be behind a request.
    pub auth: Auth,
}

/// A route is guarded by a room or says that it is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Only visitors of this room pass.
    Room(RoomId),
    /// Everyone passes.
    Free,
}

/// Who has to be behind a request, beside what guards its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Anyone.
    None,
    /// Somebody who has logged in.
    User,
}

/// `[users]`: who says who is logged in, and where one logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// Where the service that signs user tokens publishes its public keys.
    pub jwks_url: String,
    /// The site's page to log in at, a path. Browsers are sent there, with `return_to`.
    pub login_path: String,
    /// The cookie with the user token; under TLS its name begins with `__Host-`, which is not written here.
    pub cookie: String,
    /// For how long keys that were read go on being believed while they cannot be read again.
    pub keys_ttl: Duration,
}

/// `[search]`: the search service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Its HTTP listener.
    pub listen: SocketAddr,
    /// Base URL of the booking service whose catalogue it indexes.
    pub catalogue_url: String,
    /// How often it reads the catalogue again.
    pub refresh_every: Duration,
}
