//! The heartbeat of a room at this edge: gathers, ticks, hands out what came back.
//!
//! At most one tick is in flight. With work waiting the next goes as soon as everyone who is ready has added theirs;
//! otherwise ten times a second while anyone is held and once a second when idle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_queue::line::{
    BLOCKS_MAX, BlockId, Given, Known, Place, Reply, Round, STRAIGHT_MAX, Settings, Status, View, VisitId,
};
use tidegate_queue::store::StoreError;
use tidegate_queue::store::redis::LinkError;
use tidegate_queue::wait::Pace;
use tokio::sync::watch;

use super::Room;
use super::fans::Turn;
use super::inbox::{Batch, Joined};
use super::snapshot::Snapshot;
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
/// What a store that took over may not have heard of happened in this time: replicas lag by seconds.
const LOST_MS_MAX: u64 = 30_000;
/// Tokens are made a moment after the reply they follow from, and an entered visit has at least fifteen seconds.
const TOKEN_SLACK_MS: u64 = 20_000;
/// A store that was there a moment ago, when it was looked at, is waited for so long.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
/// Visits that are over are forgotten this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

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

    /// Ticks until told to stop, and once more for what gathered meanwhile.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
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
        let missed_notes = reply.missed_notes(&batch.request);
        self.take_in(batch, &reply, sent);
        if missed_notes {
            self.report_all();
        }
        if let Some(held) = &held {
            self.publish(&reply, held);
            if !more {
                // Whoever is held here and not counted there was said to be away by another edge. Those who have answered
                // are not asked again.
                let room = &self.room;
                let unseen = room.fans.unseen_in(&reply.blocks);
                let answered = unseen.iter().filter(|(_, answered)| *answered);
                answered.for_each(|(place, _)| room.inbox.here(*place));
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
            self.current.store_up = false;
            self.room.publish(self.current.clone());
            self.metrics.store_up(&self.room.config.id, false);
            self.room.fans.wake_all();
        }
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

    /// Answers everyone who waited for this tick, and tells the fans what happened to them.
    fn take_in(&mut self, batch: Batch, reply: &Reply, sent: Instant) {
        let room = self.room.clone();
        room.clock.set(reply.now_ms, sent);
        let last_given = reply.given.and_then(|given| given.places().last());
        let place = self.known.as_ref().map_or(Place::START, |(known, _)| known.place);
        let place = place.max(last_given.map_or(Place::START, |(place, _)| place));
        self.grants_read = reply.grants.1;
        self.ended_read = reply.ended.1;
        // A room that turns out to be older than its store knew at first has forgotten nobody.
        let new_round = self.current.round < reply.round && self.current.round != Round(0);
        let regrouping = self.current.status != Status::Regroup && reply.status == Status::Regroup;
        let announce = self.announces(reply);
        if let Some(settings) = &reply.settings {
            self.settings_read = settings.version;
        }
        let called_before = self.current.front.called_upto;
        self.current.take_over(reply);
        self.known = Some((Known::of(reply, place, self.current.settings.clone()), sent));
        if regrouping {
            tracing::warn!(room = %room.config.id, epoch = reply.epoch.0, "a new epoch: regrouping");
        }
        if new_round {
            room.visits.end_all();
            room.fans.spend_all();
            room.used.clear();
        }
        // What a request woken below reads must already be so.
        room.publish(self.current.clone());
        self.metrics
            .figures(&room.config.id, &reply.figures, room.fans.len());

        for ended in &reply.ended.0 {
            self.visit_over(ended.visit);
            if ended.used {
                room.used.insert(ended.visit.place);
            }
        }
        for place in &reply.spent {
            room.fans.spend(*place);
        }
        for grant in &reply.grants.0 {
            if let Some(fan) = room.fans.get(grant.visit.place) {
                if let Some(held) = fan.turn().is_none().then(|| fan.waited_as_told()).flatten() {
                    self.metrics.wait_told(&room.config.id, held);
                }
                fan.set_turn(Some(Turn {
                    visit: grant.visit,
                    hard_end_ms: grant.hard_end_ms,
                }));
            }
        }
        self.answer(batch, reply);
        if announce {
            room.fans.wake_all();
        } else {
            room.fans.wake_between(called_before, reply.front.called_upto);
        }
        if self.swept.elapsed() >= SWEEP_EVERY {
            self.swept = Instant::now();
            // So long may the token of a visit look good: it was made with what was then left of it.
            let settings = &self.current.settings;
            let kept_ms = settings.visit_ttl_ms.max(settings.enter_within_ms) + TOKEN_SLACK_MS;
            room.visits.sweep(reply.now_ms, kept_ms);
        }
    }

    /// Whether everyone in line must hear at once.
    fn announces(&self, reply: &Reply) -> bool {
        let changed = reply.settings.as_ref().is_some_and(|new| {
            let old = &self.current.settings;
            (new.mode, &new.notice, new.admit_per_min == 0) != (old.mode, &old.notice, old.admit_per_min == 0)
        });
        changed || self.current.status != reply.status || !self.current.store_up
    }

    fn visit_over(&self, visit: VisitId) {
        self.room.visits.end(visit, self.room.clock.now_ms());
        if let Some(fan) = self.room.fans.get(visit.place)
            && fan.turn().is_some_and(|turn| turn.visit == visit)
        {
            fan.set_turn(None);
        }
    }

    fn answer(&self, batch: Batch, reply: &Reply) {
        // Whoever asked may have gone meanwhile; then nobody is told.
        let mut places = reply.given.into_iter().flat_map(Given::places);
        // Whoever arrived with this tick stands behind everyone else.
        let mut behind = reply.given.map_or(0, |given| given.places().count() as u64);
        for tell in batch.joins {
            let round = reply.round;
            let joined = match (places.next(), reply.given) {
                (Some((_, Some(visit))), Some(given)) => Joined::Straight {
                    round,
                    visit,
                    lives: (given.expires_at_ms, given.hard_end_ms),
                },
                (Some((place, _)), _) => Joined::Waiting {
                    round,
                    place,
                    ahead: reply.figures.waiting.saturating_sub(behind),
                },
                (None, _) => Joined::NoPlaces,
            };
            behind = behind.saturating_sub(1);
            if let Err(unheard) = tell.send(joined) {
                self.room.inbox.take_back(unheard);
            }
        }
        for (renewed, tell) in reply.renewed.iter().zip(batch.renewed) {
            let visits = &self.room.visits;
            visits.renewed(renewed.visit, renewed.expires_at_ms, reply.now_ms);
            let _ = tell.map(|tell| tell.send(renewed.expires_at_ms));
        }
        for (entered, tell) in reply.entered.iter().zip(batch.entered) {
            let _ = tell.send(*entered);
        }
        let spent: BTreeSet<Place> = reply.spent.iter().copied().collect();
        for (place, tell) in batch.back {
            let _ = tell.map(|tell| tell.send(!spent.contains(&place)));
        }
        for tell in batch.ended.into_iter().flatten() {
            let _ = tell.send(());
        }
    }

    /// Makes the picture that everyone sees until the next, and looks for fans who went away meanwhile.
    fn publish(&mut self, reply: &Reply, held: &BTreeSet<BlockId>) {
        let room = &self.room;
        room.inbox.absent(room.fans.sweep(room.config.away_after));
        self.view.update(reply, held);
        self.pace.observe(reply, &self.current.settings);
        self.current.view = Arc::new(self.view.clone());
        self.current.pace = Arc::new(self.pace.clone());
        self.room.publish(self.current.clone());
        self.metrics.store_up(&self.room.config.id, true);
        self.published = Some(Instant::now());
    }
}
