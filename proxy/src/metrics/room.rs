//! What is counted for each room, and how the line's own figures become counters.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

use tidegate_config::RoomId;

use super::{
    ACTIVE, ACTIVE_MAX, ADMIT_PER_MIN, ADMITTED, DRIVER_PANICS, HELD, ISSUED, JOINED, JOINS, NO_SHOWS,
    PUSHED, READY, RESERVE, STORE_UP, TICK_ARRIVALS, TICK_BUCKETS_S, TICK_ENTRIES, TICK_SECONDS, WAIT_TOLD,
    WAITING, counters, gauges, kept,
};

/// What is counted for each room, before a room is named.
pub(super) struct ByRoom {
    store_up: IntGaugeVec,
    driver_panics: IntCounterVec,
    waiting: IntGaugeVec,
    ready: IntGaugeVec,
    active: IntGaugeVec,
    reserve: IntGaugeVec,
    active_max: IntGaugeVec,
    admit_per_min: IntGaugeVec,
    issued: IntCounterVec,
    admitted: IntCounterVec,
    no_shows: IntCounterVec,
    held: IntGaugeVec,
    joins: IntCounterVec,
    pushed: IntCounterVec,
    wait_told: IntCounterVec,
    tick_seconds: HistogramVec,
    tick_entries: IntCounterVec,
    tick_arrivals: IntCounterVec,
}

/// One room's share of [`ByRoom`].
pub(super) struct RoomMetrics {
    pub(super) store_up: IntGauge,
    pub(super) driver_panics: IntCounter,
    pub(super) waiting: IntGauge,
    pub(super) ready: IntGauge,
    pub(super) active: IntGauge,
    pub(super) reserve: IntGauge,
    pub(super) active_max: IntGauge,
    pub(super) admit_per_min: IntGauge,
    pub(super) issued: Followed,
    pub(super) admitted: Followed,
    pub(super) no_shows: Followed,
    pub(super) held: IntGauge,
    pub(super) joins: [IntCounter; JOINED.len()],
    pub(super) pushed: IntCounter,
    pub(super) wait_held: IntCounter,
    pub(super) wait_missed: IntCounter,
    pub(super) tick_seconds: Histogram,
    pub(super) tick_entries: IntCounter,
    pub(super) tick_arrivals: IntCounter,
}

/// A counter that follows a figure of the line. The figure begins anew with a round, and falls by a few when grants
/// are undone, which `rate()` would take for a restart from zero: only what it rises by is counted.
pub(super) struct Followed {
    counter: IntCounter,
    last: AtomicU64,
}

impl Followed {
    fn new(counter: IntCounter) -> Self {
        Self {
            counter,
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn follow(&self, figure: u64) {
        let last = self.last.swap(figure, Ordering::Relaxed);
        self.counter.inc_by(figure.saturating_sub(last));
    }
}

impl ByRoom {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name| gauges(registry, name, &["room"]);
        let counter = |name| counters(registry, name, &["room"]);
        let ticks = HistogramOpts::new(TICK_SECONDS.0, TICK_SECONDS.1).buckets(TICK_BUCKETS_S.to_vec());
        Self {
            store_up: gauge(STORE_UP),
            driver_panics: counter(DRIVER_PANICS),
            waiting: gauge(WAITING),
            ready: gauge(READY),
            active: gauge(ACTIVE),
            reserve: gauge(RESERVE),
            active_max: gauge(ACTIVE_MAX),
            admit_per_min: gauge(ADMIT_PER_MIN),
            issued: counter(ISSUED),
            admitted: counter(ADMITTED),
            no_shows: counter(NO_SHOWS),
            held: gauge(HELD),
            joins: counters(registry, JOINS, &["room", "how"]),
            pushed: counter(PUSHED),
            wait_told: counters(registry, WAIT_TOLD, &["room", "held"]),
            tick_seconds: kept(registry, HistogramVec::new(ticks, &["room"])),
            tick_entries: counter(TICK_ENTRIES),
            tick_arrivals: counter(TICK_ARRIVALS),
        }
    }

    /// The share of `room`, made when it is first asked for.
    pub(super) fn of(&self, room: &RoomId) -> RoomMetrics {
        let room = room.as_str();
        let gauge = |all: &IntGaugeVec| all.with_label_values(&[room]);
        let counter = |all: &IntCounterVec| all.with_label_values(&[room]);
        RoomMetrics {
            store_up: gauge(&self.store_up),
            driver_panics: counter(&self.driver_panics),
            waiting: gauge(&self.waiting),
            ready: gauge(&self.ready),
            active: gauge(&self.active),
            reserve: gauge(&self.reserve),
            active_max: gauge(&self.active_max),
            admit_per_min: gauge(&self.admit_per_min),
            issued: Followed::new(counter(&self.issued)),
            admitted: Followed::new(counter(&self.admitted)),
            no_shows: Followed::new(counter(&self.no_shows)),
            held: gauge(&self.held),
            joins: JOINED.map(|how| self.joins.with_label_values(&[room, how])),
            pushed: counter(&self.pushed),
            wait_held: self.wait_told.with_label_values(&[room, "true"]),
            wait_missed: self.wait_told.with_label_values(&[room, "false"]),
            tick_seconds: self.tick_seconds.with_label_values(&[room]),
            tick_entries: counter(&self.tick_entries),
            tick_arrivals: counter(&self.tick_arrivals),
        }
    }
}
