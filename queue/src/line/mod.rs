//! The line of one room, as a state machine.
//!
//! [`Line::tick`] takes what an edge has gathered and the store's time, and returns everything that edge must know.
//! There is no clock, no randomness, no I/O and no async in here: time and nonces are arguments, so a history can be
//! replayed exactly and ten million fans simulated in seconds. What a store must write down before a reply may leave
//! is returned by [`Line::take_records`].
//!
//! The order inside a tick matters and is fixed: once, clock, what the edge knows, expiries, ends, renewals, takes, exchanges, leaves,
//! absences, returns, answers, admissions, passing over silent calls, calls, arrivals. Slots are freed before they
//! are given, answers are heard before the lowest ready fan is chosen, and whoever arrives comes last.
//!
//! | module | owns |
//! |---|---|
//! | `place`, `tick`, `settings` | what is spoken of: identities, what a tick exchanges, what operators set |
//! | `bits`, `epochs` | who stands where |
//! | `fans` | what edges say of fans |
//! | `front`, `calling`, `allowance` | who is called and admitted: the order, how many to ask, the rate |
//! | `slots`, `visits` | the life of a visit, and those there are |
//! | `once`, `log` | replies and notes kept for edges that missed them |
//! | `work` | how much one tick may do |
//! | `recover` | what a journal keeps, and the line made of it again |
//! | `learn` | what a store that lost it hears from the edges: rounds, epochs, numbers, the reserve |
//! | `view` | how many are ahead, at an edge |

mod allowance;
mod bits;
mod calling;
mod epochs;
mod fans;
mod front;
mod learn;
mod log;
mod once;
mod place;
mod recover;
mod settings;
mod slots;
mod tick;
mod view;
mod visits;
mod work;

use std::sync::Arc;

pub use bits::BLOCK;
pub use place::{BadVisitId, Epoch, Place, Round, Turn, VisitId, Visitor};
pub use recover::{Record, Saved, SavedVisit};
pub use settings::{Change, Settings};
pub use tick::{
    BLOCKS_MAX, BlockId, BlockView, Counts, Ended, Entered, Figures, Front, Given, Grant, Known, Refused,
    Renew, Renewed, Reply, Request, Status,
};
pub use view::View;
pub use visits::{Stage, Visit};
pub use work::{ENTRIES_ANYWHERE, Load, STRAIGHT_MAX};

use allowance::Allowance;
use calling::Calling;
use epochs::Epochs;
use learn::Loss;
use log::Log;
use once::Edges;
use visits::Visits;
use work::Work;

/// Room time advances by at most this between two ticks, so that a clock that jumps ends no visit early and accrues no
/// allowance.
const GAP_MAX_MS: u64 = 2_000;
/// A fan who came straight through, or who has just entered, has this long to come back with the cookie. Short, so
/// that clients which drop cookies cannot eat the room.
const COME_BACK_MS: u64 = 15_000;

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
    ended: Log<Ended>,
    loss: Loss,
    edges: Edges,
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
            grants: Log::new(epoch),
            ended: Log::new(epoch),
            loss: Loss::default(),
            edges: Edges::default(),
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
        if !request.fits() {
            return Err(Refused::TooLarge);
        }
        if let Some(reply) = self.edges.answered(request)? {
            return Ok(reply);
        }
        let mut work = Work::beside(&Load::of(request));
        self.grants.begin_tick();
        self.ended.begin_tick();
        self.advance(now_ms);
        self.notice_move();
        request.known.iter().for_each(|known| self.learn(known));
        self.expire(&mut work);
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
        self.admit(&mut work);
        self.retire();
        self.call(&mut work);
        let given = self.give(request.arrivals, &mut work);
        let grants = self.grants.after(request.grants_read);
        let ended = self.ended.after(request.ended_read);

        let reply = Arc::new(Reply {
            now_ms: self.now_ms,
            round: self.round,
            epoch: self.epoch,
            status: self.status(),
            given,
            front: self.front(),
            counts: request.counts.then(|| Arc::new(self.epochs.counts())),
            blocks: request.blocks.iter().map(|id| self.epochs.block(*id)).collect(),
            more: work.is_cut() || self.grants.goes_on(grants.1) || self.ended.goes_on(ended.1),
            grants,
            ended,
            renewed,
            entered,
            spent,
            figures: self.figures(),
            settings: (request.settings_read != self.settings.version).then(|| self.settings.clone()),
        });
        self.edges.remember(request, &reply);
        Ok(reply)
    }

    /// Changes the settings at once; every edge has them with its next tick.
    pub fn configure(&mut self, change: &Change) -> Arc<Settings> {
        // Two lives of a store may each be changed and not hear of each other: of versions that they give, the later
        // life's is higher.
        let life = match self.loss.is_of_another_life() {
            true => Epoch::begin(self.now_ms, self.nonce, Some(self.epoch)),
            false => self.epoch,
        };
        let least = if life > Epoch(self.round.0) {
            life.first_turn().0
        } else {
            0
        };
        let settings = Arc::make_mut(&mut self.settings);
        change.apply(settings);
        settings.version = settings.version.max(least);
        self.records.push(Record::Changed(change.clone()));
        self.settings.clone()
    }

    /// Ends the round: every place and visit of it is over, and no new ones are given until [`Line::open`]. Edges see it
    /// by the round of the next reply; a million visits are not listed one by one.
    pub fn close(&mut self, now_ms: u64) {
        self.advance(now_ms);
        let epoch = Epoch::begin(self.now_ms, self.nonce, Some(self.epoch));
        self.begin_round(Round(epoch.0), epoch);
        self.closed = true;
        self.records.push(Record::Closed(true));
    }

    fn begin_round(&mut self, round: Round, epoch: Epoch) {
        (self.round, self.epoch) = (round, epoch);
        self.visits = Visits::default();
        self.epochs = Epochs::default();
        self.epochs.life(epoch);
        self.called_upto = Place::START;
        self.calling = Calling::new(Place::START);
        self.loss = self.loss.forgotten();
        self.issued = 0;
        self.joined = 0;
        self.next_turn = self.next_turn.max(epoch.first_turn().0 + 1);
        (self.grants, self.ended) = (Log::new(epoch), Log::new(epoch));
        self.records.push(Record::Begin {
            round,
            epoch,
            now_ms: self.now_ms,
        });
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
            reserve: self.loss.reserve,
            issued: self.issued,
            admitted: self.admitted,
            departed: self.joined as i64 - self.epochs.counted(self.calling.floor()) as i64,
            no_shows: self.no_shows,
        }
    }

    /// The visit `id` names, unless it is over.
    pub fn visit(&self, id: VisitId) -> Option<&Visit> {
        self.visits.get(id)
    }

    /// The visits in place order.
    pub fn visits(&self) -> impl Iterator<Item = (VisitId, &Visit)> {
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
        } else if self.now_ms < self.loss.regroup_until_ms {
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

    /// Room time follows the store's, never back and never by more than [`GAP_MAX_MS`] at once.
    fn advance(&mut self, store_ms: u64) {
        let elapsed = store_ms.saturating_sub(self.store_ms).min(GAP_MAX_MS);
        self.loss.silent_ms = store_ms.saturating_sub(self.store_ms);
        self.store_ms = store_ms;
        self.now_ms += elapsed;
        self.allowance.accrue(elapsed, self.settings.admit_per_min);
        if self.now_ms >= self.loss.reserve_until_ms {
            self.loss.all_expired();
        }
    }
}
