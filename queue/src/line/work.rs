//! How much one tick may do.
//!
//! While a tick runs, the store that it runs in serves nobody else, so a tick has a budget, and whatever is left over
//! goes on in the next. Its unit is some four microseconds of a Redis; the prices are what each kind of work was measured
//! to take there, rounded up to the dearest circumstances.
//!
//! One half is for what the request carries: an edge fills it and keeps the rest for its next tick. The other half, and
//! what the request left of the first, is for what the line does by itself. Each kind of that, in its turn, may use half
//! of what is left then: so however much there is of one, the others go on too. A kind that is cut short stops where it
//! stands in its order and goes on from there the next time; nobody is passed over by it. [`Work::is_cut`] tells the edge
//! to tick again at once.

use std::collections::BTreeSet;

use super::place::Place;
use super::tick::{BlockId, Request};

/// What one tick may do in all.
const WORK_MAX: u32 = 320;
/// Of that, what the entries of a request may take.
pub const ENTRIES_WORK_MAX: u32 = WORK_MAX / 2;

/// An entry, whatever it says.
const ENTRY: u32 = 2;
/// A place in another block than those before: that block is read, and most often written.
const NEW_BLOCK: u32 = 3;
/// A visit that expires.
pub const EXPIRY: u32 = 2;
/// An admission from the line: two bits, a visit and a note for every edge.
pub const ADMISSION: u32 = 4;
/// A call.
pub const CALL: u32 = 1;
/// An admission of an arrival.
pub const STRAIGHT: u32 = 2;

/// So many entries fit into a request wherever their places are.
pub const ENTRIES_ANYWHERE: usize = (ENTRIES_WORK_MAX / (ENTRY + NEW_BLOCK)) as usize;
/// So many arrivals can go straight through in one tick beside the entries, when the line has nothing else to do in it.
pub const STRAIGHT_MAX: u32 = (WORK_MAX - ENTRIES_WORK_MAX) / STRAIGHT;
/// More notes than this no tick adds to those that every edge reads: for each entry one, and for each expiry or admission.
pub const NOTES_MAX: usize = (ENTRIES_WORK_MAX / ENTRY + WORK_MAX / 2 / EXPIRY) as usize;

/// What the entries of one request take, reckoned while it is filled.
#[derive(Clone, Debug, Default)]
pub struct Load {
    work: u32,
    blocks: BTreeSet<BlockId>,
}

impl Load {
    /// What a request carries already.
    pub fn of(request: &Request) -> Self {
        let visits = request.end.len() + request.renew.len() + request.take.len() + request.enter.len();
        let places = [&request.leave, &request.absent, &request.back, &request.here];
        let blocks: BTreeSet<BlockId> = places.into_iter().flatten().map(|place| place.block()).collect();
        let entries = visits + places.into_iter().map(Vec::len).sum::<usize>();
        let prices = entries.saturating_mul(ENTRY as usize) + blocks.len() * NEW_BLOCK as usize;
        let work = u32::try_from(prices).unwrap_or(u32::MAX);
        Self { work, blocks }
    }

    /// Adds an entry about a visit, if there is room for it.
    pub fn add_visit(&mut self) -> bool {
        self.add(ENTRY)
    }

    /// Adds an entry about a place, if there is room for it.
    pub fn add_place(&mut self, place: Place) -> bool {
        let block = place.block();
        if self.blocks.contains(&block) {
            return self.add(ENTRY);
        }
        let fits = self.add(ENTRY + NEW_BLOCK);
        if fits {
            self.blocks.insert(block);
        }
        fits
    }

    fn add(&mut self, price: u32) -> bool {
        let fits = self.work + price <= ENTRIES_WORK_MAX;
        if fits {
            self.work += price;
        }
        fits
    }

    /// Whether a tick can carry it.
    pub fn fits(&self) -> bool {
        self.work <= ENTRIES_WORK_MAX
    }

    /// In units of the budget.
    pub fn work(&self) -> u32 {
        self.work
    }
}

/// What is left for the line itself in this tick.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    left: u32,
    /// What the kind that is done now leaves to the others.
    kept: u32,
    near: Option<BlockId>,
    cut: bool,
}

impl Work {
    /// Beside what the entries take.
    pub fn beside(load: &Load) -> Self {
        Self {
            left: WORK_MAX - load.work.min(ENTRIES_WORK_MAX),
            kept: 0,
            near: None,
            cut: false,
        }
    }

    /// The next kind: it may use half of what is left.
    pub fn next_kind(&mut self) {
        self.kept = self.left - self.left / 2;
        self.near = None;
    }

    /// Pays for the next of its kind, at `place`; false, and the kind is cut short, when there is not enough left.
    pub fn pay(&mut self, price: u32, place: Place) -> bool {
        let block = Some(place.block());
        let price = if block == self.near {
            price
        } else {
            price + NEW_BLOCK
        };
        let enough = self.left >= self.kept + price;
        if enough {
            self.left -= price;
            self.near = block;
        }
        self.cut |= !enough;
        enough
    }

    /// Pays for as many of the last kind as there is enough left for, at most `wanted`, all of them in a row.
    pub fn pay_last(&mut self, price: u32, wanted: u32) -> u32 {
        let paid = wanted.min(self.left / price);
        self.left -= paid * price;
        self.cut |= paid < wanted;
        paid
    }

    /// Whether any kind was cut short.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}
