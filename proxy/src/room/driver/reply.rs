//! What came back with a tick, handed out: answers to those who waited for them, turns to fans, and the picture that
//! everyone at this edge reads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_queue::line::{BlockId, Entered, Given, Known, Place, Reply, Round, Status, VisitId};

use super::Driver;
use crate::room::fans::Turn;
use crate::room::inbox::{Batch, Joined};

/// Tokens are made a moment after the reply they follow from, and an entered visit has at least fifteen seconds.
const TOKEN_SLACK_MS: u64 = 20_000;
/// Visits that are over are forgotten this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Driver {
    /// Answers everyone who waited for this tick, and tells the fans what happened to them.
    pub(super) fn take_in(&mut self, batch: Batch, reply: &Reply, sent: Instant) {
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
        self.turn_over(visit);
    }

    /// If it was the turn of a fan who is held here, it is so no more.
    fn turn_over(&self, visit: VisitId) {
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
        let entries = batch.request.enter.iter().zip(batch.entered);
        for (entered, ((visit, _), tell)) in reply.entered.iter().zip(entries) {
            if *entered == Entered::Over {
                // Its end may be among the notes that this edge missed: the fan must not go on with it for good.
                self.turn_over(*visit);
            }
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
    pub(super) fn publish(&mut self, reply: &Reply, held: &BTreeSet<BlockId>) {
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
