//! Every metric of the edge: its name, its help and how it is counted.
//!
//! Counters of the request path are resolved once, so that counting there is one atomic addition. What is counted for
//! a room, an upstream or a reason is labelled with it, and all three come from the configuration or from the code:
//! no label is ever taken from a request.
//!
//! Figures of a room are the line's own, so every edge exports the same ones: take their maximum over edges, not
//! their sum. What an edge holds or does itself (`tidegate_room_held`, `tidegate_sockets`, the ticks and the
//! requests) is to be summed.

mod room;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use foldhash::fast::RandomState;
use prometheus::core::Collector;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TEXT_FORMAT, TextEncoder,
};
use tidegate_config::RoomId;
use tidegate_queue::line::{Figures, Settings};

use room::{ByRoom, RoomMetrics};

/// A metric's name and what it means.
type Name = (&'static str, &'static str);

const BUILD_INFO: Name = (
    "tidegate_build_info",
    "Always 1; the label says which version runs.",
);
const START_TIME: Name = (
    "tidegate_start_time_seconds",
    "When this process began to count, in Unix seconds.",
);

const STORE_UP: Name = (
    "tidegate_store_up",
    "1 while the store of the room's line answers, 0 while it does not.",
);
const DRIVER_PANICS: Name = (
    "tidegate_driver_panics_total",
    "Times the room's driver at this edge panicked and began anew; each is a defect.",
);
const WAITING: Name = ("tidegate_room_waiting", "Fans in line, present and not admitted.");
const READY: Name = (
    "tidegate_room_ready",
    "Fans who have answered their call and are not admitted yet.",
);
const ACTIVE: Name = ("tidegate_room_active", "Live visits, half-open ones included.");
const RESERVE: Name = (
    "tidegate_room_reserve",
    "Slots held back for visits that the line cannot see after a loss.",
);
const ACTIVE_MAX: Name = (
    "tidegate_room_active_max",
    "The limit in force: most live visits at once.",
);
const ADMIT_PER_MIN: Name = (
    "tidegate_room_admit_per_minute",
    "The rate in force: most admissions a minute.",
);
const ISSUED: Name = ("tidegate_room_issued_total", "Places given.");
const ADMITTED: Name = (
    "tidegate_room_admitted_total",
    "Fans admitted, those whose turn lapsed included.",
);
const NO_SHOWS: Name = (
    "tidegate_room_no_shows_total",
    "Calls that nobody answered in time.",
);

const HELD: Name = ("tidegate_room_held", "Fans whom this edge holds.");
const JOINS: Name = (
    "tidegate_joins_total",
    "Joins at this edge, by what became of them.",
);
const PUSHED: Name = (
    "tidegate_admissions_pushed_total",
    "Admission tokens handed to fans by this edge.",
);
const WAIT_TOLD: Name = (
    "tidegate_wait_told_total",
    "Fans admitted here, by whether their wait was within the range they were first told.",
);
const TICK_SECONDS: Name = (
    "tidegate_tick_seconds",
    "Time from sending a tick to its reply, retries not included.",
);
const TICK_ENTRIES: Name = (
    "tidegate_tick_entries_total",
    "Entries carried by ticks, arrivals not included.",
);
const TICK_ARRIVALS: Name = ("tidegate_tick_arrivals_total", "Arrivals carried by ticks.");

const REQUESTS: Name = (
    "tidegate_requests_total",
    "Requests answered by this edge, by the gate's verdict.",
);
const REFUSED: Name = (
    "tidegate_refused_total",
    "Requests and connections refused by this edge, by reason.",
);
const ORIGIN_ERRORS: Name = (
    "tidegate_origin_errors_total",
    "Requests that an upstream did not answer, or broke off.",
);
const SOCKETS: Name = (
    "tidegate_sockets",
    "Line sockets and event streams open at this edge.",
);
const FRAMES: Name = ("tidegate_frames_total", "Frames and events sent to fans.");

const USER_KEYS_UP: Name = (
    "tidegate_user_keys_up",
    "1 while the keys of user tokens can be read, 0 while they cannot; absent where no route asks for a user.",
);

/// What can become of a request; [`Metrics::request`] counts nothing else.
pub const VERDICTS: [&str; 9] = [
    "forwarded_free",
    "forwarded_visit",
    "forwarded_off",
    "page",
    "problem",
    "login",
    "users_unknown",
    "refused",
    "protocol",
];
/// What can become of a join; [`Metrics::joined`] counts nothing else.
pub const JOINED: [&str; 3] = ["waiting", "straight", "refused"];

/// A tick in memory takes tens of microseconds, one over the network about a millisecond; past the last bound the
/// request that waits for it has been answered as if the store were gone.
const TICK_BUCKETS_S: [f64; 13] = [
    0.00003, 0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0,
];

/// All metrics of one edge.
pub struct Metrics {
    registry: Registry,
    rooms: DashMap<RoomId, Arc<RoomMetrics>, RandomState>,
    by_room: ByRoom,
    requests: [IntCounter; VERDICTS.len()],
    refused: IntCounterVec,
    origin_errors: IntCounterVec,
    user_keys_up: IntGaugeVec,
    sockets: IntGauge,
    frames: IntCounter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in a registry of their own, all at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let info = gauges(&registry, BUILD_INFO, &["version"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let start_time = kept(&registry, IntGauge::new(START_TIME.0, START_TIME.1));
        start_time.set(i64::try_from(started.as_secs()).unwrap_or(i64::MAX));
        let requests = counters(&registry, REQUESTS, &["verdict"]);
        Self {
            rooms: DashMap::default(),
            by_room: ByRoom::new(&registry),
            requests: VERDICTS.map(|verdict| requests.with_label_values(&[verdict])),
            refused: counters(&registry, REFUSED, &["why"]),
            origin_errors: counters(&registry, ORIGIN_ERRORS, &["upstream"]),
            user_keys_up: gauges(&registry, USER_KEYS_UP, &[]),
            sockets: kept(&registry, IntGauge::new(SOCKETS.0, SOCKETS.1)),
            frames: kept(&registry, IntCounter::new(FRAMES.0, FRAMES.1)),
            registry,
        }
    }

    /// A request was answered; `verdict` is one of [`VERDICTS`].
    pub fn request(&self, verdict: &'static str) {
        count(&VERDICTS, &self.requests, verdict);
    }

    /// A request or connection was refused. `why` is a word of the code, never of the request.
    pub fn refused(&self, why: &'static str) {
        self.refused.with_label_values(&[why]).inc();
    }

    /// An upstream, by its configured name, did not answer or broke off.
    pub fn origin_error(&self, upstream: &str) {
        self.origin_errors.with_label_values(&[upstream]).inc();
    }

    /// Whether the keys of user tokens could be read just now.
    pub fn user_keys_up(&self, up: bool) {
        self.user_keys_up
            .with_label_values::<&str>(&[])
            .set(i64::from(up));
    }

    /// A line socket or event stream was opened.
    pub fn socket_opened(&self) {
        self.sockets.inc();
    }

    /// A line socket or event stream is gone.
    pub fn socket_closed(&self) {
        self.sockets.dec();
    }

    /// How many line sockets and event streams are open.
    pub fn sockets(&self) -> i64 {
        self.sockets.get()
    }

    /// So many frames or events were sent to fans.
    pub fn frames(&self, n: u64) {
        self.frames.inc_by(n);
    }

    /// A tick was answered after `took`.
    pub fn tick(&self, room: &RoomId, took: Duration, entries: usize, arrivals: u32) {
        let room = self.room(room);
        room.tick_seconds.observe(took.as_secs_f64());
        room.tick_entries.inc_by(entries as u64);
        room.tick_arrivals.inc_by(u64::from(arrivals));
    }

    /// The line's figures, and how many fans this edge holds.
    pub fn figures(&self, room: &RoomId, figures: &Figures, held: usize) {
        let room = self.room(room);
        room.waiting.set(gauge(figures.waiting));
        room.ready.set(gauge(figures.ready));
        room.active.set(i64::from(figures.active));
        room.reserve.set(i64::from(figures.reserve));
        room.issued.follow(figures.issued);
        room.admitted.follow(figures.admitted);
        room.no_shows.follow(figures.no_shows);
        room.held.set(gauge(held as u64));
    }

    /// The limits in force.
    pub fn limits(&self, room: &RoomId, settings: &Settings) {
        let room = self.room(room);
        room.active_max.set(i64::from(settings.active_max));
        room.admit_per_min.set(i64::from(settings.admit_per_min));
    }

    /// Whether the store of the room's line answers.
    pub fn store_up(&self, room: &RoomId, up: bool) {
        self.room(room).store_up.set(i64::from(up));
    }

    /// The room's driver panicked.
    pub fn driver_panicked(&self, room: &RoomId) {
        self.room(room).driver_panics.inc();
    }

    /// A join was answered; `how` is one of [`JOINED`].
    pub fn joined(&self, room: &RoomId, how: &'static str) {
        count(&JOINED, &self.room(room).joins, how);
    }

    /// An admission token went to its fan.
    pub fn admitted_pushed(&self, room: &RoomId) {
        self.room(room).pushed.inc();
    }

    /// A fan was admitted; `held` says whether after a wait within the range the fan was first told.
    pub fn wait_told(&self, room: &RoomId, held: bool) {
        let room = self.room(room);
        if held {
            room.wait_held.inc()
        } else {
            room.wait_missed.inc()
        }
    }

    /// The content type and the text of everything, as Prometheus reads it.
    pub fn render(&self) -> (&'static str, String) {
        let text = TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| {
                tracing::error!(%error, "the metrics cannot be written");
                String::new()
            });
        (TEXT_FORMAT, text)
    }

    fn room(&self, room: &RoomId) -> Arc<RoomMetrics> {
        if let Some(known) = self.rooms.get(room) {
            return known.clone();
        }
        self.rooms
            .entry(room.clone())
            .or_insert_with(|| Arc::new(self.by_room.of(room)))
            .clone()
    }
}

/// Adds one to the counter of `word`. A handful of words: comparing them beats hashing one.
fn count<const N: usize>(words: &[&'static str; N], counters: &[IntCounter; N], word: &'static str) {
    let known = words.iter().position(|known| *known == word);
    debug_assert!(known.is_some(), "no counter for {word:?}: add it to the table");
    if let Some(index) = known {
        counters[index].inc();
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn gauges(registry: &Registry, (name, help): Name, labels: &[&str]) -> IntGaugeVec {
    kept(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn counters(registry: &Registry, (name, help): Name, labels: &[&str]) -> IntCounterVec {
    kept(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let metric = made.expect("names and labels are constants of this file, all made by every test");
    registry
        .register(Box::new(metric.clone()))
        .expect("every name is registered once, here");
    metric
}
