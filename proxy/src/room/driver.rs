//! The heartbeat of a room at this edge: gathers, ticks, and has handed out what came back ([`reply`]).
//!
//! At most one tick is in flight. With work waiting the next goes as soon as everyone who is ready has added theirs;
//! otherwise ten times a second while anyone is held and once a second when idle.

mod reply;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_queue::line::{BLOCKS_MAX, BlockId, Known, Place, STRAIGHT_MAX, Settings, View};
use tidegate_queue::store::StoreError;
use tidegate_queue::store::redis::LinkError;
use tidegate_queue::wait::Pace;
use tokio::sync::watch;

use super::Room;
use super::inbox::Batch;
use super::snapshot::Snapshot;
use crate::background::caught;
use crate::metrics::Metrics;

/// A tick every so often while anyone is held here.
const TICK_EVERY: Duration = Duration::from_millis(100);
/// A tick every so often when nobody is.
const IDLE_EVERY: Duration = Duration::from_secs(1);
/// Joins sent in one tick while fans wait: they are one number to the line, but each is answered.
const JOINS_A_TICK: usize = 1_000;
/// Pictures of the line are made this often.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// After a store that did not answer, the same tick again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// After a panic, a driver goes on this much later: what panics each time fills no log and, embedded, no disk, and nobody
/// waits for it as long as for a failover.
const ANEW_AFTER: Duration = Duration::from_secs(2);
/// What a store that took over may not have heard of happened in this time: replicas lag by seconds.
const LOST_MS_MAX: u64 = 30_000;
/// A store that was there a moment ago, when it was looked at, is waited for so long.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// Keeps one room of this edge in step with its store.
pub struct Driver {
    room: Arc<Room>,
    metrics: Arc<Metrics>,
    boot: u64,
    seq: u64,
    grants_read: u64,
    ended_read: u64,
    settings_read: u64,
    /// What this edge has heard so far, and when it last heard anything: a store that has lost it must hear it.
    known: Option<(Known, Instant)>,
    view: View,
    pace: Pace,
    current: Snapshot,
    published: Option<Instant>,
    swept: Instant,
    next_block: Option<BlockId>,
    /// The line is to be told again who is here: this driver does not know what the one before it has said.
    tells_again: bool,
    /// While it begins, when it gives up.
    give_up_at: Option<Instant>,
}

impl Driver {
    /// A driver for `room`; `boot` tells this life of this edge from all others.
    pub fn new(room: Arc<Room>, metrics: Arc<Metrics>, boot: u64) -> Self {
        let current = Snapshot::clone(&room.snapshot());
        Self {
            room,
            metrics,
            boot,
            seq: 0,
            grants_read: 0,
            ended_read: 0,
            settings_read: 0,
            known: None,
            view: View::default(),
            pace: Pace::default(),
            current,
            published: None,
            swept: Instant::now(),
            next_block: None,
            tells_again: false,
            give_up_at: None,
        }
    }

    /// The first exchange: from then on the room knows its round and its settings.
    ///
    /// # Errors
    /// The store does not take it, or does not answer for ten seconds.
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        self.give_up_at = Some(Instant::now() + BEGIN_WITHIN);
        self.tick().await?;
        self.give_up_at = None;
        let differing = self
            .current
            .settings
            .differing(&Settings::from(&self.room.config));
        if !differing.is_empty() {
            tracing::warn!(
                room = %self.room.config.id,
                "the store's settings are in force and not this file's: {}; an operator changed them live, or another \
                 edge has another file. Change them live, for every edge, with PATCH /api/v1/rooms/{}",
                differing.join("; "),
                self.room.config.id,
            );
        }
        Ok(())
    }

    /// Ticks until told to stop, and once more for what gathered meanwhile. After a panic, its own or the store's, the room
    /// holds still for a moment and a driver that trusts nothing of this one goes on.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while caught(self.drive(&mut stop)).await.is_err() {
            if *stop.borrow() {
                return;
            }
            self = self.anew();
            tokio::select! {
                () = tokio::time::sleep(ANEW_AFTER) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// The driver that goes on after this one panicked. It keeps what a store that lost it must hear, which is only ever
    /// replaced whole; whom it holds and which visits it saw it tells with its first tick. Entries that were under way are
    /// lost: the fans of joins are given places by this edge, those who answered a call are asked again.
    fn anew(mut self) -> Self {
        tracing::error!(
            room = %self.room.config.id, again_after = ?ANEW_AFTER,
            "the room's driver panicked, which is a defect: the line holds still and is then gone on with",
        );
        self.metrics.driver_panicked(&self.room.config.id);
        let mut driver = Self {
            seq: self.seq,
            known: self.known.take(),
            tells_again: true,
            ..Self::new(self.room.clone(), self.metrics.clone(), self.boot)
        };
        driver.hold_still();
        driver
    }

    async fn drive(&mut self, stop: &mut watch::Receiver<bool>) {
        let mut more = false;
        while !*stop.borrow() {
            if !more {
                let every = if self.room.fans.is_empty() {
                    IDLE_EVERY
                } else {
                    TICK_EVERY
                };
                tokio::select! {
                    () = self.room.inbox.gathered() => {}
                    () = tokio::time::sleep(every) => {}
                    _ = stop.changed() => {}
                }
            }
            // Everyone who can run now does so before this goes on: batches grow with the load, and nobody waits for a
            // timer.
            tokio::task::yield_now().await;
            match self.tick().await {
                Ok(left) => more = left,
                Err(error) => {
                    tracing::error!(room = %self.room.config.id, %error, "a tick failed for good; going on without it");
                }
            }
        }
        if let Err(error) = self.tick().await {
            tracing::warn!(room = %self.room.config.id, %error, "the last tick failed");
        }
    }

    /// One exchange; true when the next is due at once: more has gathered than this could carry, or the line has more to do.
    async fn tick(&mut self) -> Result<bool, StoreError> {
        let due = self.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY);
        let held = due.then(|| self.room.fans.blocks());
        let mut batch = Batch::default();
        // Where nobody waits, no more than can go straight through.
        let joins_max = if self.current.figures.waiting == 0 {
            STRAIGHT_MAX as usize
        } else {
            JOINS_A_TICK
        };
        let more = self.room.inbox.fill(&mut batch, joins_max);
        self.seq += 1;
        let request = &mut batch.request;
        (request.boot, request.seq) = (self.boot, self.seq);
        request.grants_read = self.grants_read;
        request.ended_read = self.ended_read;
        request.settings_read = self.settings_read;
        request.known = self.known(request.back.iter().copied().max());
        if let Some(held) = &held {
            request.counts = true;
            request.blocks = self.wanted(held);
        }
        let (reply, sent) = loop {
            let sent = Instant::now();
            if let (Some(known), Some((_, heard))) = (&mut batch.request.known, &self.known) {
                known.silent_ms = heard.elapsed().as_millis() as u64;
            }
            match self.room.store.tick(&batch.request).await {
                Ok(reply) => break (reply, sent),
                Err(error @ StoreError::Refused(_)) => return Err(error),
                Err(error) if self.gives_up_after(&error) => return Err(error),
                Err(error) => {
                    self.store_lost(&error);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        };
        self.metrics.tick(
            &self.room.config.id,
            sent.elapsed(),
            batch.request.entries(),
            batch.request.arrivals,
        );
        let tells_again = self.tells_again || reply.missed_notes(&batch.request);
        self.take_in(batch, &reply, sent);
        if tells_again {
            self.tells_again = false;
            self.report_all();
        }
        if let Some(held) = &held {
            self.publish(&reply, held);
            if !more {
                // Whoever is held here and not counted there was said to be away by another edge. Those who have answered
                // are not asked again.
                let room = &self.room;
                let unseen = room.fans.unseen_in(&reply.blocks);
                for (place, _) in unseen.iter().filter(|(_, answered)| *answered) {
                    room.inbox.here(*place);
                }
                let places = unseen.iter().map(|(place, _)| *place);
                room.inbox.back_again(places.collect());
            }
        }
        Ok(more || reply.more)
    }

    /// What a store that lost it must hear; fans may have brought a place higher than any this edge was told of.
    fn known(&mut self, back: Option<Place>) -> Option<Known> {
        let (known, _) = self.known.as_mut()?;
        let brought = back.unwrap_or(Place::START).max(self.room.stamps.last());
        known.place = known.place.max(brought);
        Some(known.clone())
    }

    /// The line may know nothing of the fans held here and of the visits seen here: says all of it again.
    fn report_all(&self) {
        tracing::info!(room = %self.room.config.id, "telling the line again who is here");
        let room = &self.room;
        // What has ended first: its slots are for those who came after.
        let recent_ms = room.clock.now_ms().saturating_sub(LOST_MS_MAX);
        let ended = room.visits.ended_since(recent_ms);
        ended.into_iter().for_each(|visit| room.inbox.end(visit));
        room.inbox.back_again(room.fans.call_again());
        for live in room.visits.all() {
            room.inbox.renew(live.id, live.hard_end_ms);
        }
        room.fans.wake_all();
    }

    /// Whether a driver that begins has no more patience: out of reach may be for a moment, anything else has to be seen to.
    fn gives_up_after(&self, error: &StoreError) -> bool {
        let out_of_reach = matches!(error, StoreError::Link(LinkError::Unreachable(_)));
        self.give_up_at
            .is_some_and(|at| !out_of_reach || Instant::now() >= at)
    }

    fn store_lost(&mut self, error: &StoreError) {
        if self.current.store_up {
            tracing::error!(room = %self.room.config.id, %error, "the store does not answer: the line holds still");
            self.hold_still();
        }
    }

    /// From now on this edge answers by itself, until the next reply.
    fn hold_still(&mut self) {
        self.current.store_up = false;
        self.room.publish(self.current.clone());
        self.metrics.store_up(&self.room.config.id, false);
        self.room.fans.wake_all();
    }

    /// Blocks to read: those of the fans held here, in turn, and the one the floor splits.
    fn wanted(&mut self, held: &BTreeSet<BlockId>) -> Vec<BlockId> {
        let floor = self.view.floor_block();
        let from = self.next_block.unwrap_or(floor);
        let in_turn = held.range(from..).chain(held.range(..from)).copied();
        let mut wanted: Vec<BlockId> = in_turn.take(BLOCKS_MAX - 1).collect();
        self.next_block = if held.len() > wanted.len() {
            wanted.last().copied()
        } else {
            None
        };
        if !wanted.contains(&floor) {
            wanted.push(floor);
        }
        wanted
    }
}
