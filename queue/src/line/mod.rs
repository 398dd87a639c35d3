//! The line of one room, as a state machine.
//!
//! [`Line::tick`] takes what an edge has gathered and the store's time, and returns everything that edge must know.
//! There is no clock, no randomness, no I/O and no async in here: time and nonces are arguments, so a history can be
//! replayed exactly and ten million fans simulated in seconds. What a store must write down before a reply may leave
//! is returned by [`Line::take_records`].
//!
//! The order inside a tick matters and is fixed: clock, once, expiries, ends, renewals, takes, exchanges, leaves,
//! absences, returns, answers, admissions, passing over silent calls, calls, arrivals. Slots are freed before they
//! are given, answers are heard before the lowest ready fan is chosen, and whoever arrives comes last.

mod allowance;
mod bits;
mod calling;
mod epochs;
mod log;
mod place;
mod recover;
mod settings;
mod tick;
mod view;
mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use bits::BLOCK;
pub use place::{BadVisitId, Epoch, Place, Round, Turn, VisitId, Visitor};
pub use recover::{Record, Saved, SavedVisit};
pub use settings::{Change, Settings};
pub use tick::{
    BLOCKS_MAX, BlockId, BlockView, Counts, ENTRIES_MAX, Entered, Figures, Front, Given, Grant, Refused,
    Renew, Renewed, Reply, Request, Status,
};
pub use view::View;
pub use visits::{Stage, Visit};

use allowance::Allowance;
use calling::{Calling, MILLI};
use epochs::Epochs;
use log::Log;
use visits::Visits;

/// Room time advances by at most this between two ticks, so that a clock that jumps ends no visit early and accrues no
/// allowance.
const GAP_MAX_MS: u64 = 2_000;
/// A grant that no edge takes to its fan within this is undone: the edge that held the fan is gone.
const UNTAKEN_MS: u64 = 5_000;
/// A fan who came straight through, or who has just entered, has this long to come back with the cookie. Short, so
/// that clients which drop cookies cannot eat the room.
const COME_BACK_MS: u64 = 15_000;
/// After a loss, edges have this long to report before anyone is called or admitted.
const REGROUP_MS: u64 = 5_000;
/// Visits expired in one tick at most; the rest in the next.
const EXPIRED_MAX: usize = 500;
/// Fans called in one tick at most.
const CALLS_MAX: u64 = 2_000;
/// Notes of a log in one reply at most.
const NOTES_MAX: usize = 2_000;
/// Calls run ahead far enough to cover this much of what could be admitted, beyond the time answers take.
const CALL_AHEAD_MS: u64 = 2_000;
/// Answers slower than this do not stretch the calls further ahead.
const ANSWER_DELAY_MAX_MS: u64 = 30_000;
/// However small the room, this many more fans than it holds may be asked to be ready.
const READY_SPARE: u64 = 16;
/// Edges whose last reply is kept for repetition; the one silent longest is forgotten first.
const EDGES_MAX: usize = 64;

/// Slots held back after a loss for visits that the store can no longer see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reserve {
    slots: u32,
    until_ms: u64,
}

/// The last exchange with one edge.
#[derive(Clone, Debug)]
struct LastTick {
    seq: u64,
    at_ms: u64,
    reply: Arc<Reply>,
}

/// The line of one room.
#[derive(Clone, Debug)]
pub struct Line {
    settings: Arc<Settings>,
    round: Round,
    epoch: Epoch,
    nonce: u32,
    closed: bool,
    /// Room time, and the store's time when it was last advanced.
    now_ms: u64,
    store_ms: u64,
    epochs: Epochs,
    called_upto: Place,
    calling: Calling,
    allowance: Allowance,
    visits: Visits,
    next_turn: u64,
    grants: Log<Grant>,
    ended: Log<VisitId>,
    reserve: Reserve,
    regroup_until_ms: u64,
    edges: BTreeMap<u64, LastTick>,
    records: Vec<Record>,
    issued: u64,
    joined: u64,
    admitted: u64,
    no_shows: u64,
}

impl Line {
    /// A line that has never been: first round, first epoch, nothing to regroup. `now_ms` is the store's Unix time.
    pub fn new(settings: Settings, now_ms: u64, nonce: u32) -> Self {
        let epoch = Epoch::begin(now_ms, nonce, None);
        let mut line = Self {
            allowance: Allowance::full(settings.admit_per_min),
            settings: Arc::new(settings),
            round: Round(epoch.0),
            epoch,
            nonce,
            closed: false,
            now_ms,
            store_ms: now_ms,
            epochs: Epochs::default(),
            called_upto: Place::START,
            calling: Calling::new(Place::START),
            visits: Visits::default(),
            next_turn: epoch.first_turn().0 + 1,
            grants: Log::new(),
            ended: Log::new(),
            reserve: Reserve::default(),
            regroup_until_ms: 0,
            edges: BTreeMap::new(),
            records: Vec::new(),
            issued: 0,
            joined: 0,
            admitted: 0,
            no_shows: 0,
        };
        line.epochs.life(epoch);
        line.records.push(Record::Begin {
            round: line.round,
            epoch,
            now_ms,
        });
        line
    }

    /// One exchange with an edge at the store's time `now_ms`.
    pub fn tick(&mut self, now_ms: u64, request: &Request) -> Result<Arc<Reply>, Refused> {
        if request.entries() > ENTRIES_MAX || request.blocks.len() > BLOCKS_MAX {
            return Err(Refused::TooLarge);
        }
        if let Some(last) = self.edges.get(&request.boot) {
            if request.seq == last.seq {
                return Ok(last.reply.clone());
            }
            if request.seq < last.seq {
                return Err(Refused::Late {
                    seq: request.seq,
                    last: last.seq,
                });
            }
        }
        self.advance(now_ms);
        self.expire();
        request.end.iter().for_each(|visit| self.end(*visit));
        let renewed = request.renew.iter().map(|renew| self.renew(*renew)).collect();
        request.take.iter().for_each(|visit| self.take(*visit));
        let entered = request
            .enter
            .iter()
            .map(|(visit, visitor)| self.enter(*visit, *visitor))
            .collect();
        request.leave.iter().for_each(|place| self.leave(*place));
        request
            .absent
            .iter()
            .for_each(|place| self.epochs.clear_waiting(*place));
        let mut spent = Vec::new();
        for place in &request.back {
            self.back(*place, &mut spent);
        }
        request
            .here
            .iter()
            .for_each(|place| self.here(*place, &mut spent));
        self.admit();
        self.retire();
        self.call();
        let given = self.give(request.arrivals);

        let reply = Arc::new(Reply {
            now_ms: self.now_ms,
            round: self.round,
            epoch: self.epoch,
            status: self.status(),
            given,
            front: self.front(),
            counts: request.counts.then(|| Arc::new(self.epochs.counts())),
            blocks: request.blocks.iter().map(|id| self.epochs.block(*id)).collect(),
            grants: self.grants.after(request.grants_read, NOTES_MAX),
            ended: self.ended.after(request.ended_read, NOTES_MAX),
            renewed,
            entered,
            spent,
            figures: self.figures(),
            settings: (request.settings_read != self.settings.version).then(|| self.settings.clone()),
        });
        self.remember(request, &reply);
        Ok(reply)
    }

    /// Changes the settings at once; every edge has them with its next tick.
    pub fn configure(&mut self, change: &Change) -> Arc<Settings> {
        change.apply(Arc::make_mut(&mut self.settings));
        self.records.push(Record::Changed(change.clone()));
        self.settings.clone()
    }

    /// Ends the round: every place and visit of it is over, and no new ones are given until [`Line::open`].
    pub fn close(&mut self, now_ms: u64) {
        self.advance(now_ms);
        let over: Vec<VisitId> = self
            .visits
            .iter()
            .map(|(place, visit)| VisitId {
                place,
                turn: visit.turn,
            })
            .collect();
        over.into_iter().for_each(|visit| self.ended.push(visit));
        self.epoch = Epoch::begin(self.now_ms, self.nonce, Some(self.epoch));
        self.round = Round(self.epoch.0);
        self.visits = Visits::default();
        self.epochs = Epochs::default();
        self.epochs.life(self.epoch);
        self.called_upto = Place::START;
        self.calling = Calling::new(Place::START);
        self.reserve = Reserve::default();
        self.issued = 0;
        self.joined = 0;
        self.closed = true;
        self.records.push(Record::Begin {
            round: self.round,
            epoch: self.epoch,
            now_ms: self.now_ms,
        });
        self.records.push(Record::Closed(true));
    }

    /// Opens a closed room: the next round gives places.
    pub fn open(&mut self) {
        self.closed = false;
        self.records.push(Record::Closed(false));
    }

    /// What must be written down before the replies since the last call may leave.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The figures as of the last tick.
    pub fn figures(&self) -> Figures {
        Figures {
            waiting: self.epochs.waiting(),
            ready: self.epochs.ready(),
            active: self.visits.len(),
            reserve: self.reserve.slots,
            issued: self.issued,
            admitted: self.admitted,
            departed: self.joined as i64 - self.epochs.counted(self.calling.floor()) as i64,
            no_shows: self.no_shows,
        }
    }

    /// The visits in place order.
    pub fn visits(&self) -> impl Iterator<Item = (Place, &Visit)> {
        self.visits.iter()
    }

    /// The highest place called.
    pub fn called_upto(&self) -> Place {
        self.called_upto
    }

    /// What the line is doing.
    pub fn status(&self) -> Status {
        if self.closed {
            Status::Closed
        } else if self.now_ms < self.regroup_until_ms {
            Status::Regroup
        } else if self.settings.paused {
            Status::Paused
        } else if self.settings.draining {
            Status::Draining
        } else {
            Status::Open
        }
    }

    fn front(&self) -> Front {
        Front {
            called_upto: self.called_upto,
            floor: self.calling.floor(),
        }
    }

    fn remember(&mut self, request: &Request, reply: &Arc<Reply>) {
        let last = LastTick {
            seq: request.seq,
            at_ms: self.now_ms,
            reply: reply.clone(),
        };
        self.edges.insert(request.boot, last);
        if self.edges.len() > EDGES_MAX {
            let oldest = self
                .edges
                .iter()
                .min_by_key(|(_, last)| last.at_ms)
                .map(|(boot, _)| *boot);
            oldest.map(|boot| self.edges.remove(&boot));
        }
    }

    /// Room time follows the store's, never back and never by more than [`GAP_MAX_MS`] at once.
    fn advance(&mut self, store_ms: u64) {
        let elapsed = store_ms.saturating_sub(self.store_ms).min(GAP_MAX_MS);
        self.store_ms = store_ms;
        self.now_ms += elapsed;
        self.allowance.accrue(elapsed, self.settings.admit_per_min);
        if self.now_ms >= self.reserve.until_ms {
            self.reserve.slots = 0;
        }
    }

    fn expire(&mut self) {
        for _ in 0..EXPIRED_MAX {
            let Some((place, visit)) = self.visits.pop_expired(self.now_ms) else {
                break;
            };
            match visit.stage {
                Stage::Granted | Stage::Taken => self.undo(place, visit.turn),
                Stage::Entered | Stage::Live => self.over(place, visit.turn),
            }
        }
    }

    /// The fan never entered: the slot, the allowance and the place are as if there had been no grant. Whoever comes
    /// back is next.
    fn undo(&mut self, place: Place, turn: Turn) {
        self.epochs.life(place.epoch).admitted.remove(place.number);
        self.allowance.refund(self.settings.admit_per_min);
        self.admitted = self.admitted.saturating_sub(1);
        self.ended.push(VisitId { place, turn });
        self.records.push(Record::Undone(place));
    }

    /// The visit is over and its place used.
    fn over(&mut self, place: Place, turn: Turn) {
        self.ended.push(VisitId { place, turn });
        self.records.push(Record::Over(place));
    }

    fn end(&mut self, id: VisitId) {
        if self.visits.get(id).is_some() {
            self.visits.remove(id.place);
            self.over(id.place, id.turn);
        }
    }

    fn renew(&mut self, renew: Renew) -> Renewed {
        let id = renew.visit;
        let known = self.visits.get(id).copied().or_else(|| self.adopt(renew));
        let expires_at_ms = known.map(|visit| {
            let expires_at_ms = (self.now_ms + self.settings.visit_ttl_ms).min(visit.hard_end_ms);
            self.visits.put(
                id.place,
                Visit {
                    stage: Stage::Live,
                    expires_at_ms,
                    ..visit
                },
            );
            expires_at_ms
        });
        Renewed {
            visit: id,
            expires_at_ms,
        }
    }

    /// A visit that the store lost takes one of the slots reserved for it.
    fn adopt(&mut self, renew: Renew) -> Option<Visit> {
        let Renew {
            visit: id,
            hard_end_ms,
        } = renew;
        if !self.is_of_round(id.place) {
            return None;
        }
        self.know(id.place);
        let unseen = self.visits.at(id.place).is_none() && !self.epochs.is_admitted(id.place);
        if self.reserve.slots == 0 || !unseen || hard_end_ms <= self.now_ms {
            return None;
        }
        self.reserve.slots -= 1;
        self.next_turn = self.next_turn.max(id.turn.0 + 1);
        self.epochs.life(id.place.epoch).admitted.insert(id.place.number);
        self.epochs.clear_waiting(id.place);
        let expires_at_ms = self.now_ms;
        let visit = Visit {
            turn: id.turn,
            stage: Stage::Live,
            visitor: None,
            expires_at_ms,
            hard_end_ms,
        };
        self.records.push(Record::Granted {
            visit: id,
            stage: Stage::Live,
            hard_end_ms,
        });
        Some(visit)
    }

    /// A round is named after its first epoch, so a place of an earlier one shows it. An edge may speak of those until
    /// it has heard that the round is over; they must not go first in the next.
    fn is_of_round(&self, place: Place) -> bool {
        place.epoch.0 >= self.round.0
    }

    fn take(&mut self, id: VisitId) {
        let Some(visit) = self.visits.get(id).copied().filter(|v| v.stage == Stage::Granted) else {
            return;
        };
        let expires_at_ms = (self.now_ms + self.settings.enter_within_ms).min(visit.hard_end_ms);
        self.visits.put(
            id.place,
            Visit {
                stage: Stage::Taken,
                expires_at_ms,
                ..visit
            },
        );
    }

    fn enter(&mut self, id: VisitId, visitor: Visitor) -> Entered {
        let Some(visit) = self.visits.get(id).copied() else {
            return Entered::Over;
        };
        if visit.visitor.is_some_and(|owner| owner != visitor) {
            return Entered::NotTheirs;
        }
        let mut entered = Visit {
            visitor: Some(visitor),
            ..visit
        };
        if visit.stage < Stage::Entered {
            entered.stage = Stage::Entered;
            entered.expires_at_ms = visit
                .expires_at_ms
                .max(self.now_ms + COME_BACK_MS)
                .min(visit.hard_end_ms);
        }
        self.visits.put(id.place, entered);
        if visit.visitor.is_none() {
            self.records.push(Record::Entered { visit: id, visitor });
        }
        Entered::Yes {
            expires_at_ms: entered.expires_at_ms,
            hard_end_ms: entered.hard_end_ms,
        }
    }

    /// The fan gives the place up. One who is on the site already has nothing left to give up here.
    fn leave(&mut self, place: Place) {
        if !self.is_of_round(place) {
            return;
        }
        self.know(place);
        if let Some(visit) = self.visits.at(place).copied() {
            if visit.stage >= Stage::Entered {
                return;
            }
            self.visits.remove(place);
            self.undo(place, visit.turn);
        }
        self.epochs.clear_waiting(place);
        if self.epochs.life(place.epoch).admitted.insert(place.number) {
            self.records.push(Record::Over(place));
        }
    }

    /// An edge holds the fan. One whose grant is under way is told of it again; true when the fan waits.
    fn back(&mut self, place: Place, spent: &mut Vec<Place>) -> bool {
        if !self.is_of_round(place) {
            spent.push(place);
            return false;
        }
        self.know(place);
        if let Some(visit) = self.visits.at(place) {
            let visit_id = VisitId {
                place,
                turn: visit.turn,
            };
            self.grants.push(Grant {
                visit: visit_id,
                hard_end_ms: visit.hard_end_ms,
            });
            return false;
        }
        if self.epochs.is_admitted(place) {
            spent.push(place);
            return false;
        }
        self.epochs.life(place.epoch).present.insert(place.number);
        true
    }

    fn here(&mut self, place: Place, spent: &mut Vec<Place>) {
        if !self.back(place, spent) || place > self.called_upto {
            return;
        }
        if self.epochs.life(place.epoch).ready.insert(place.number) {
            self.calling
                .answered(self.now_ms, place, self.settings.answer_within_ms);
        }
    }

    /// Whether anyone is called or admitted at all just now.
    fn moves(&self) -> bool {
        let status = matches!(self.status(), Status::Open | Status::Draining);
        status && self.settings.mode != tidegate_config::Mode::Off && self.settings.admit_per_min > 0
    }

    fn free_slots(&self) -> u32 {
        let taken = self.visits.len().saturating_add(self.reserve.slots);
        self.settings.active_max.saturating_sub(taken)
    }

    /// Of those who answered, the lowest place first, while there is a slot and an allowance for it.
    fn admit(&mut self) {
        while self.moves() && self.free_slots() > 0 && self.allowance.admissions() > 0 {
            let Some(place) = self.epochs.lowest_ready() else {
                return;
            };
            self.epochs.clear_waiting(place);
            let visit = self.grant(place, Stage::Granted, UNTAKEN_MS);
            let hard_end_ms = self.visits.get(visit).map_or(self.now_ms, |v| v.hard_end_ms);
            self.grants.push(Grant { visit, hard_end_ms });
        }
    }

    /// Makes the visit of `place`: a slot and one admission's allowance. The caller has seen that there are both.
    fn grant(&mut self, place: Place, stage: Stage, within_ms: u64) -> VisitId {
        let paid = self.allowance.spend();
        debug_assert!(paid && self.free_slots() > 0 && self.visits.at(place).is_none());
        let visit = VisitId {
            place,
            turn: Turn(self.next_turn),
        };
        self.next_turn += 1;
        self.admitted += 1;
        let hard_end_ms = self.now_ms + self.settings.visit_max_ms;
        let expires_at_ms = (self.now_ms + within_ms).min(hard_end_ms);
        self.epochs.life(place.epoch).admitted.insert(place.number);
        self.visits.put(
            place,
            Visit {
                turn: visit.turn,
                stage,
                visitor: None,
                expires_at_ms,
                hard_end_ms,
            },
        );
        self.records.push(Record::Granted {
            visit,
            stage,
            hard_end_ms,
        });
        visit
    }

    fn retire(&mut self) {
        let (silent, rose) = self.calling.retire(self.now_ms, self.settings.answer_within_ms);
        self.no_shows += silent;
        if rose {
            self.records.push(Record::Called {
                upto: self.called_upto,
                floor: self.calling.floor(),
            });
        }
    }

    /// Asks so many fans, in place order, that those ready and those likely to answer cover what could be admitted
    /// while answers are under way and [`CALL_AHEAD_MS`] beyond.
    fn call(&mut self) {
        if !self.moves() {
            return;
        }
        let answer_within_ms = self.settings.answer_within_ms;
        let horizon_ms = CALL_AHEAD_MS + self.calling.delay_ms().min(ANSWER_DELAY_MAX_MS);
        // A rate a minute over a horizon in ms, in thousandths of a fan: * horizon / 60,000 * 1,000.
        let by_rate = u64::from(self.settings.admit_per_min) * horizon_ms / 60;
        let by_room = (u64::from(self.settings.active_max) + READY_SPARE) * MILLI;
        let wanted = by_rate.clamp(MILLI, by_room);

        let mut expected =
            self.epochs.ready() * MILLI + self.calling.hope_milli(self.now_ms, answer_within_ms);
        let mut called = 0;
        while expected < wanted && called < CALLS_MAX {
            let Some(place) = self.epochs.next_present(self.called_upto) else {
                break;
            };
            self.called_upto = place;
            called += 1;
            expected += self.calling.fresh_hope_milli();
        }
        if called > 0 {
            self.calling.called(self.now_ms, self.called_upto, called);
            self.records.push(Record::Called {
                upto: self.called_upto,
                floor: self.calling.floor(),
            });
        }
    }

    /// Places for `arrivals` new fans. The first go straight through where nobody is in line before them.
    fn give(&mut self, arrivals: u32) -> Option<Given> {
        if arrivals == 0 || self.closed || self.settings.draining {
            return None;
        }
        let free = u64::from(self.free_slots()).min(self.allowance.admissions());
        let straight = if self.goes_straight() {
            free.min(u64::from(arrivals)) as u32
        } else {
            0
        };
        let first = Place {
            epoch: self.epoch,
            number: self.epochs.life(self.epoch).end + 1,
        };
        let turn = Turn(self.next_turn);
        for offset in 0..u64::from(arrivals) {
            let place = Place {
                number: first.number + offset,
                ..first
            };
            if offset < u64::from(straight) {
                self.grant(place, Stage::Entered, COME_BACK_MS);
            } else {
                self.epochs.life(self.epoch).present.insert(place.number);
            }
        }
        self.epochs.life(self.epoch).end += u64::from(arrivals);
        self.issued += u64::from(arrivals);
        self.joined += u64::from(arrivals - straight);
        let hard_end_ms = self.now_ms + self.settings.visit_max_ms;
        let expires_at_ms = (self.now_ms + COME_BACK_MS).min(hard_end_ms);
        let end = first.number + u64::from(arrivals) - 1;
        self.records.push(Record::Numbers {
            epoch: self.epoch,
            end,
        });
        Some(Given {
            first,
            count: arrivals,
            straight,
            turn,
            expires_at_ms,
            hard_end_ms,
        })
    }

    /// Nobody in line may be overtaken by an arrival.
    fn goes_straight(&self) -> bool {
        self.moves()
            && self.settings.mode == tidegate_config::Mode::Auto
            && self.calling.open() == 0
            && self.epochs.ready() == 0
            && self.epochs.next_present(self.called_upto).is_none()
    }
}
