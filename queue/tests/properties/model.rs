//! The naive model: plain sets and loops over everyone, slow and obvious.
//!
//! It does not decide whom to call (that is a policy, checked for order only); it takes `called_upto` and `floor` as
//! the line reports them and predicts everything else.

mod rate;
mod visits;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_queue::line::{Entered, Place, Reply, Request, Settings, Stage, Status, Turn};

pub use self::visits::ModelVisit;
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub present: BTreeSet<Place>,
    pub ready: BTreeSet<Place>,
    pub used: BTreeSet<Place>,
    pub visits: BTreeMap<Place, ModelVisit>,
    pub numbers: BTreeSet<Place>,
    /// When calls reached how far, of those not passed over yet, and how far calls were passed over.
    pub calls: Vec<(u64, u64, Place)>,
    pub floor: Option<Place>,
    /// Fans who were called, and have neither answered nor been passed over.
    pub asked: BTreeSet<Place>,
    /// How many were passed over without an answer since the store began.
    pub no_shows: u64,
    /// What may still be admitted, in 60,000ths of an admission.
    pub allowance: u64,
    /// The highest turn granted; none is given twice.
    pub turn: Option<Turn>,
    pub called_upto: Option<Place>,
    pub reserve: u32,
    /// (room time, admissions) for the rate, and what was refunded when.
    pub admissions: Vec<(u64, i64)>,
    pub refunds: Vec<u64>,
    /// Room time and rate of each tick, for the rate.
    pub rates: Vec<(u64, u32)>,
    pub now_ms: u64,
}
/// A fan who came straight through, or entered, must come back within this.
const COME_BACK_MS: u64 = 15_000;
/// What an admission costs of the allowance: the milliseconds of a minute.
const COST: u64 = 60_000;
/// A grant must be taken within this.
const UNTAKEN_MS: u64 = 5_000;

impl Model {
    /// Predicts what `request` does, and compares it with what the line said.
    pub fn tick(
        &mut self,
        request: &Request,
        reply: &Reply,
        settings: &Settings,
        called_before: Place,
        elapsed_ms: u64,
    ) {
        let rate = u64::from(settings.admit_per_min);
        self.gain(elapsed_ms * rate, settings);
        let now = reply.now_ms;
        assert!(
            now >= self.now_ms,
            "room time went back from {} to {now}",
            self.now_ms
        );
        self.now_ms = now;
        let of_round = |place: &&Place| place.epoch.0 >= reply.round.0;
        self.rates.push((now, settings.admit_per_min));
        let occupied_before = self.visits.len() as u32 + self.reserve;
        // A slot that is free from this tick on may be held back from then on.
        let held_back = self.reserve > 0 || !request.end.is_empty();

        self.expire(now, settings);
        for id in &request.end {
            if self.visits.get(&id.place).is_some_and(|v| v.id == *id) {
                self.visits.remove(&id.place);
            }
        }
        for (renew, renewed) in request.renew.iter().zip(&reply.renewed) {
            let id = renew.visit;
            let live = self.visits.get(&id.place).is_some_and(|v| v.id == id);
            if !live && renewed.expires_at_ms.is_some() {
                assert!(held_back, "a visit that is over was renewed: {id}");
                self.adopt(id, Stage::Live, renew.hard_end_ms, now);
            } else {
                assert_eq!(live, renewed.expires_at_ms.is_some(), "renewal of {id}");
            }
            if let Some(visit) = self.visits.get_mut(&id.place).filter(|v| v.id == id) {
                visit.stage = Stage::Live;
                visit.expires_at_ms = (now + settings.visit_ttl_ms).min(visit.hard_end_ms);
                assert_eq!(renewed.expires_at_ms, Some(visit.expires_at_ms), "expiry of {id}");
            }
        }
        for id in &request.take {
            if let Some(visit) = self
                .visits
                .get_mut(&id.place)
                .filter(|v| v.id == *id && v.stage == Stage::Granted)
            {
                visit.stage = Stage::Taken;
                visit.expires_at_ms = (now + settings.enter_within_ms).min(visit.hard_end_ms);
            }
        }
        for ((id, visitor), entered) in request.enter.iter().zip(&reply.entered) {
            let live = self.visits.get(&id.place).is_some_and(|v| v.id == *id);
            if let (false, Entered::Yes { hard_end_ms, .. }) = (live, *entered) {
                assert!(held_back, "exchange of {id}, which is over");
                self.adopt(*id, Stage::Taken, hard_end_ms, now);
            }
            self.enter(*id, *visitor, *entered, now);
        }
        for place in request.leave.iter().filter(of_round) {
            let stage = self.visits.get(place).map(|v| v.stage);
            if stage.is_none_or(|s| s < Stage::Entered) {
                if self.visits.remove(place).is_some() {
                    self.refunds.push(now);
                    self.gain(COST, settings);
                }
                self.clear(*place);
                self.used.insert(*place);
            }
        }
        request.absent.iter().for_each(|place| self.clear(*place));
        for place in request.back.iter().chain(&request.here) {
            if !of_round(&place) {
                assert!(
                    reply.spent.contains(place),
                    "{place} of an earlier round is still good"
                );
                continue;
            }
            let waits = !self.visits.contains_key(place) && !self.used.contains(place);
            let used_up = self.used.contains(place) && !self.visits.contains_key(place);
            assert_eq!(used_up, reply.spent.contains(place), "whether {place} is used up");
            if waits {
                self.present.insert(*place);
                if request.here.contains(place) && *place <= called_before {
                    self.ready.insert(*place);
                    self.asked.remove(place);
                }
            }
        }
        self.admit(reply, settings);
        self.pass_over(reply, settings);
        self.ask(called_before, reply.front.called_upto);
        self.give(reply, settings);
        self.compare(reply, settings, occupied_before);
        self.called_upto = Some(reply.front.called_upto);
        self.reserve = reply.figures.reserve;
        self.check_rate(now);
    }

    /// The round is closed: nobody has a place or a visit any more. Numbers are never given again all the same.
    pub fn round_over(&mut self) {
        self.lost_presence();
        self.used.clear();
        self.visits.clear();
        self.calls_over();
        self.reserve = 0;
    }

    /// Nothing is known any more of who was called when.
    pub fn calls_over(&mut self) {
        self.called_upto = None;
        self.calls.clear();
        self.asked.clear();
        self.floor = None;
    }

    /// The store has forgotten who is there, and an edge will tell it again.
    pub fn lost_presence(&mut self) {
        self.present.clear();
        self.ready.clear();
    }
    /// Calls are passed over once their time to answer is up, no sooner and no later.
    fn pass_over(&mut self, reply: &Reply, settings: &Settings) {
        let (now, front) = (reply.now_ms, reply.front);
        let due = self
            .calls
            .partition_point(|(_, at_ms, _)| now - at_ms >= settings.answer_within_ms);
        if let Some((_, _, upto)) = self.calls.drain(..due).next_back() {
            self.floor = Some(upto);
            let asked = self.asked.len();
            self.asked.retain(|place| *place > upto);
            self.no_shows += (asked - self.asked.len()) as u64;
        }
        let floor = *self.floor.get_or_insert(front.floor);
        assert_eq!(front.floor, floor, "how far calls are passed over");
        if self.called_upto.is_none_or(|before| front.called_upto > before) && front.called_upto > floor {
            // Calls of one short while are one.
            match self.calls.last_mut() {
                Some((since_ms, at_ms, upto)) if now - *since_ms < settings.answer_within_ms / 50 => {
                    (*at_ms, *upto) = (now, front.called_upto);
                }
                _ => self.calls.push((now, now, front.called_upto)),
            }
        }
    }

    /// Everyone in line between where calls reached before and where they reach now has been asked.
    fn ask(&mut self, before: Place, upto: Place) {
        let called = self.present.iter().filter(|p| **p > before && **p <= upto);
        self.asked.extend(called);
    }

    fn clear(&mut self, place: Place) {
        self.present.remove(&place);
        self.ready.remove(&place);
    }
    /// Every new grant must be the lowest of those who answered, and there must have been a slot for it.
    fn admit(&mut self, reply: &Reply, settings: &Settings) {
        for grant in &reply.grants.0 {
            let place = grant.visit.place;
            if let Some(visit) = self.visits.get(&place) {
                assert_eq!(visit.id, grant.visit, "two live visits of {place}");
                continue;
            }
            if !self.ready.contains(&place) {
                // Told again of a grant that has since ended; the log is a history.
                assert!(
                    self.used.contains(&place) || self.numbers.contains(&place),
                    "grant for unknown {place}"
                );
                continue;
            }
            assert_eq!(
                self.ready.first(),
                Some(&place),
                "{place} was admitted before a lower place that answered"
            );
            assert!(moves(reply, settings), "admitted while {:?}", reply.status);
            self.clear(place);
            let visit = self.grant(grant.visit, Stage::Granted, UNTAKEN_MS, settings);
            assert_eq!(grant.hard_end_ms, visit.hard_end_ms);
        }
    }
    fn give(&mut self, reply: &Reply, settings: &Settings) {
        let Some(given) = reply.given else { return };
        assert!(
            reply.status != Status::Closed && reply.status != Status::Draining,
            "places given while {:?}",
            reply.status
        );
        if given.straight > 0 {
            let auto = settings.mode == tidegate_config::Mode::Auto;
            assert!(
                auto && moves(reply, settings),
                "straight through while {:?}",
                reply.status
            );
            let overtaken = self.present.iter().find(|p| **p > reply.front.floor);
            assert_eq!(
                overtaken, None,
                "someone went straight through past a fan in line"
            );
            assert_eq!(
                self.asked.first(),
                None,
                "someone went straight through past a fan who may still answer"
            );
            assert!(
                self.ready.is_empty(),
                "someone went straight through past a fan who answered"
            );
        }
        for (place, visit) in given.places() {
            assert!(self.numbers.insert(place), "{place} was given twice");
            if let Some(id) = visit {
                let visit = self.grant(id, Stage::Entered, COME_BACK_MS, settings);
                assert_eq!(
                    (given.expires_at_ms, given.hard_end_ms),
                    (visit.expires_at_ms, visit.hard_end_ms)
                );
            } else {
                self.present.insert(place);
            }
        }
    }

    fn compare(&self, reply: &Reply, settings: &Settings, occupied_before: u32) {
        let figures = reply.figures;
        assert_eq!(figures.waiting, self.present.len() as u64, "waiting");
        assert_eq!(figures.ready, self.ready.len() as u64, "ready");
        assert_eq!(figures.active as usize, self.visits.len(), "active");
        assert_eq!(figures.no_shows, self.no_shows, "calls nobody answered in time");
        let occupied = figures.active + figures.reserve;
        assert!(
            occupied <= settings.active_max || occupied <= occupied_before,
            "over the limit: {} live and {} reserved of {}, {occupied_before} before",
            figures.active,
            figures.reserve,
            settings.active_max,
        );
        if let Some(before) = self.called_upto {
            assert!(reply.front.called_upto >= before, "calls went back");
            let called = reply.front.called_upto > before;
            assert!(
                !called || moves(reply, settings),
                "called while {:?}",
                reply.status
            );
        }
        assert!(
            reply.front.floor <= reply.front.called_upto,
            "passed over fans who were never called"
        );
    }

    /// How many stand before `place`, counted one by one.
    pub fn ahead(&self, place: Place, floor: Place) -> u64 {
        self.present
            .iter()
            .filter(|p| **p < place && (**p > floor || self.ready.contains(p)))
            .count() as u64
    }
}

/// Whether anyone may be called or admitted.
fn moves(reply: &Reply, settings: &Settings) -> bool {
    matches!(reply.status, Status::Open | Status::Draining)
        && settings.mode != tidegate_config::Mode::Off
        && settings.admit_per_min > 0
}
