//! The tick: everything an edge tells the line, and everything it is told, in one exchange.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bits::{BLOCK, Words};
use super::place::{Epoch, Place, Round, Turn, VisitId, Visitor};
use super::settings::Settings;
use super::work::{ENTRIES_WORK_MAX, Load};

/// What one edge says in one tick. Everything but `arrivals` may be said twice without harm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Which life of which edge is speaking.
    pub boot: u64,
    /// Its ordinal; the same one again gets the stored reply and changes nothing.
    pub seq: u64,
    /// What this edge has heard so far; absent in the first tick of its life.
    pub known: Option<Known>,
    /// How far the edge has read the grants; 0 when it has read none, and then only those of this tick are sent.
    pub grants_read: u64,
    /// How far the edge has read the visits ended early, likewise.
    pub ended_read: u64,
    /// The settings version the edge has.
    pub settings_read: u64,
    /// Visits that are over: the origin, the operator or the fan said so.
    pub end: Vec<VisitId>,
    /// Visits with a request since they were last renewed, or seen by this edge for the first time.
    pub renew: Vec<Renew>,
    /// Grants this edge is about to hand to their fans.
    pub take: Vec<VisitId>,
    /// Fans exchanging their admission token.
    pub enter: Vec<(VisitId, Visitor)>,
    /// Fans giving up their place.
    pub leave: Vec<Place>,
    /// Fans this edge no longer holds.
    pub absent: Vec<Place>,
    /// Fans this edge holds.
    pub back: Vec<Place>,
    /// Fans who answered their call.
    pub here: Vec<Place>,
    /// New fans, all of them held by this edge.
    pub arrivals: u32,
    /// Whether the per-block counts are wanted.
    pub counts: bool,
    /// Blocks wanted bit by bit, at most [`BLOCKS_MAX`].
    pub blocks: Vec<BlockId>,
}

/// What an edge knows of the line from the replies it got: a store that has lost some of it, or all, must hear it before
/// it does anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The round. The highest that any edge knows is the one.
    pub round: Round,
    /// Whether that round was over.
    pub closed: bool,
    /// The epoch of the last reply. One that differs from the line's shows that the edge speaks of the life before.
    pub epoch: Epoch,
    /// The highest place this edge was ever told of. One that the store does not know of shows that the store has gone
    /// back in time, before it gives a number twice.
    pub place: Place,
    /// How far fans were called.
    pub called_upto: Place,
    /// Live visits.
    pub active: u32,
    /// How long ago the last reply came, in milliseconds.
    pub silent_ms: u64,
    /// The settings; the highest version that any edge knows is in force.
    pub settings: Arc<Settings>,
}

impl Known {
    /// What a reply tells the edge that got it; `place` is the highest it has heard of, in this reply or before.
    pub fn of(reply: &Reply, place: Place, settings: Arc<Settings>) -> Self {
        Self {
            round: reply.round,
            closed: reply.status == Status::Closed,
            epoch: reply.epoch,
            place: place.max(reply.front.called_upto),
            called_upto: reply.front.called_upto,
            active: reply.figures.active,
            silent_ms: 0,
            settings,
        }
    }
}

/// Most blocks a request may ask for.
pub const BLOCKS_MAX: usize = 16;

impl Request {
    /// How many entries it carries. Arrivals are one number, however many.
    pub fn entries(&self) -> usize {
        self.end.len()
            + self.renew.len()
            + self.take.len()
            + self.enter.len()
            + self.leave.len()
            + self.absent.len()
            + self.back.len()
            + self.here.len()
    }

    /// Whether one tick can carry it.
    pub fn fits(&self) -> bool {
        Load::of(self).fits() && self.blocks.len() <= BLOCKS_MAX
    }
}

/// A visit an edge has seen a request of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renew {
    /// Which.
    pub visit: VisitId,
    /// Its hard end as its token says it, for a store that has lost the visit and holds a reserve for it.
    pub hard_end_ms: u64,
}

/// One block of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its number: places `index * 4000 ..`.
    pub index: u32,
}

impl BlockId {
    /// The places in it.
    pub fn places(self) -> std::ops::RangeInclusive<Place> {
        let first = u64::from(self.index) * BLOCK;
        let place = |number| Place {
            epoch: self.epoch,
            number,
        };
        place(first)..=place(first + BLOCK - 1)
    }
}

/// The bits of a block as of a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockView {
    /// Which block.
    pub id: BlockId,
    /// Fans an edge holds and who are not admitted.
    pub present: Words,
    /// Of those, the ones who have answered.
    pub ready: Words,
}

impl BlockView {
    /// Whether the fan at `place`, which is in this block, is present.
    pub fn has_present(&self, place: Place) -> bool {
        let within = place.number % BLOCK;
        self.present[(within / 32) as usize] & (1 << (within % 32)) != 0
    }
}

/// How many fans stand in each block that has any, in line order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Fans present and not admitted.
    pub present: Vec<(BlockId, u16)>,
    /// Of those, the ones who have answered.
    pub ready: Vec<(BlockId, u16)>,
}

/// What the line is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Calling and admitting.
    Open,
    /// An operator paused it.
    Paused,
    /// After a loss it waits for the edges to report.
    Regroup,
    /// It gives no new places.
    Draining,
    /// Its round is over.
    Closed,
}

/// New numbers, in the order in which the fans arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The first place.
    pub first: Place,
    /// How many in a row.
    pub count: u32,
    /// How many of them, from the first, went straight through.
    pub straight: u32,
    /// The turn of the first who went straight through; the others follow it.
    pub turn: Turn,
    /// When their visits expire unless they come back, and at the latest; room time.
    pub expires_at_ms: u64,
    /// When they end whatever happens.
    pub hard_end_ms: u64,
}

impl Given {
    /// The places, first to last, each with its visit where its fan went straight through.
    pub fn places(self) -> impl Iterator<Item = (Place, Option<VisitId>)> {
        (0..self.count).map(move |offset| {
            let place = Place {
                number: self.first.number + u64::from(offset),
                ..self.first
            };
            let turn = Turn(self.turn.0 + u64::from(offset));
            (place, (offset < self.straight).then_some(VisitId { place, turn }))
        })
    }
}

/// A grant in the sequence that every edge reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The visit granted.
    pub visit: VisitId,
    /// When the visit ends whatever happens, in room time.
    pub hard_end_ms: u64,
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// Which visit.
    pub visit: VisitId,
    /// Until when it lives now; absent when it is over.
    pub expires_at_ms: Option<u64>,
}

/// What became of an exchange of an admission token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The visit is theirs.
    Yes {
        /// Until when, unless they come back.
        expires_at_ms: u64,
        /// When it ends whatever happens.
        hard_end_ms: u64,
    },
    /// Another visitor entered with it.
    NotTheirs,
    /// The grant is over: not taken or not entered in time, or the visit has ended.
    Over,
}

/// A visit that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub visit: VisitId,
    /// Whether its fan had entered: then the place is used. Otherwise it is as if there had been no grant.
    pub used: bool,
}

/// Where the line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// The highest place called; a fan at or before it may answer.
    pub called_upto: Place,
    /// Places up to here were passed; only those who answer are still counted.
    pub floor: Place,
}

/// The figures of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Fans present and not admitted.
    pub waiting: u64,
    /// Of those, the ones who have answered.
    pub ready: u64,
    /// Live visits, half-open ones included.
    pub active: u32,
    /// Slots held back after a loss.
    pub reserve: u32,
    /// Places given in this round.
    pub issued: u64,
    /// Admissions since this store began, those undone not counted.
    pub admitted: u64,
    /// Fans who joined since this store began, less those now counted before a place at the end: how far the line
    /// has moved, whether they were admitted, passed over or went away. Negative while older fans come back.
    pub departed: i64,
    /// Calls nobody answered in time.
    pub no_shows: u64,
}

/// What the line says in one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Room time, in milliseconds.
    pub now_ms: u64,
    /// The round. Places of another are arrivals, and visits of another are over.
    pub round: Round,
    /// The epoch numbers are given in.
    pub epoch: Epoch,
    /// What the line is doing.
    pub status: Status,
    /// Places for the arrivals; absent when there were none, or when no places are given.
    pub given: Option<Given>,
    /// Where the line stands.
    pub front: Front,
    /// The counts, when asked for.
    pub counts: Option<Arc<Counts>>,
    /// The blocks asked for.
    pub blocks: Vec<BlockView>,
    /// Grants not read yet, and the cursor after them. Where the cursor moved on by more than there are grants, the edge
    /// has missed some, as it must in a new epoch; see [`Reply::missed_notes`].
    pub grants: (Vec<Grant>, u64),
    /// Visits that ended early and were not read yet, and the cursor after them, likewise.
    pub ended: (Vec<Ended>, u64),
    /// An answer to each renewal, in order.
    pub renewed: Vec<Renewed>,
    /// An answer to each exchange, in order.
    pub entered: Vec<Entered>,
    /// Places of `back` and `here` that are used up: their fans are arrivals.
    pub spent: Vec<Place>,
    /// The figures.
    pub figures: Figures,
    /// The line has more to do than one tick may, or more to say: the edge ticks again at once.
    pub more: bool,
    /// The settings, when they changed since the edge read them.
    pub settings: Option<Arc<Settings>>,
}

impl Reply {
    /// Whether there were grants or ends that the edge, which had read up to the cursors of `request`, cannot read any
    /// more. It must then say again whom it holds, who of them has answered, and which visits it has seen.
    pub fn missed_notes(&self, request: &Request) -> bool {
        let missed = |read: u64, count: usize, upto: u64| read != 0 && upto != read + count as u64;
        missed(request.grants_read, self.grants.0.len(), self.grants.1)
            || missed(request.ended_read, self.ended.0.len(), self.ended.1)
    }
}

/// Why a tick was refused, without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An older request than the last of this edge.
    #[error("tick {seq} of this edge comes after {last}: a late repetition, ignored")]
    Late {
        /// The request's ordinal.
        seq: u64,
        /// The last one answered.
        last: u64,
    },
    /// More than a tick may carry.
    #[error(
        "a tick carries entries for at most {ENTRIES_WORK_MAX} units of work and {BLOCKS_MAX} blocks: send the rest in the \
         next"
    )]
    TooLarge,
}
