//! The live visits of a room: each is a slot.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Place, Turn, VisitId, Visitor};

/// How far a visit has come. Until it is live it is half-open: it holds a slot, and loses it soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Granted; no edge has taken it to its fan yet.
    Granted,
    /// The admission token is on its way to the fan.
    Taken,
    /// The fan has the visit cookie and has not come back with it yet.
    Entered,
    /// The fan was seen with the cookie.
    Live,
}

/// One slot in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Which grant of the place.
    pub turn: Turn,
    /// How far it has come.
    pub stage: Stage,
    /// Who entered; known from then on.
    pub visitor: Option<Visitor>,
    /// When it ends unless renewed, in room time.
    pub expires_at_ms: u64,
    /// When it ends whatever happens, in room time.
    pub hard_end_ms: u64,
}

impl Visit {
    /// Its id, as the visit of `place`.
    pub(super) fn id(&self, place: Place) -> VisitId {
        let turn = self.turn;
        VisitId { place, turn }
    }
}

/// Visits by place, and by when they expire.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    by_place: BTreeMap<Place, Visit>,
    by_expiry: BTreeSet<(u64, Place)>,
}

impl Visits {
    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.by_place.len()).unwrap_or(u32::MAX)
    }

    /// The visit of `place`, if it has one.
    pub fn at(&self, place: Place) -> Option<&Visit> {
        self.by_place.get(&place)
    }

    /// The visit `id` names, unless it is over.
    pub fn get(&self, id: VisitId) -> Option<&Visit> {
        self.at(id.place).filter(|visit| visit.turn == id.turn)
    }

    /// All visits in place order.
    pub fn iter(&self) -> impl Iterator<Item = (VisitId, &Visit)> {
        self.by_place
            .iter()
            .map(|(place, visit)| (visit.id(*place), visit))
    }

    /// Puts a visit, replacing what the place had.
    pub fn put(&mut self, place: Place, visit: Visit) {
        self.remove(place);
        self.by_expiry.insert((visit.expires_at_ms, place));
        self.by_place.insert(place, visit);
    }

    /// Ends the visit of `place`.
    pub fn remove(&mut self, place: Place) -> Option<Visit> {
        let visit = self.by_place.remove(&place)?;
        self.by_expiry.remove(&(visit.expires_at_ms, place));
        Some(visit)
    }

    /// The place whose visit expired first, if one has by `now_ms`.
    pub fn first_expired(&self, now_ms: u64) -> Option<Place> {
        let first = self.by_expiry.first();
        first
            .filter(|(expires_at_ms, _)| *expires_at_ms <= now_ms)
            .map(|(_, place)| *place)
    }
}
