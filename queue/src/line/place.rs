//! The identities of the line: rounds, epochs, places, turns, visits and visitors.
//!
//! All of them are plain ordered values. What may be done with them is decided elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A room's life from opening to close. Tokens of another round are arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round(pub u64);

/// A life of the line store. Places of an earlier epoch go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Bits of an id below its second.
    const WITHIN_BITS: u32 = 20;
    /// Of those, the highest is set in an epoch that an edge begins by itself; see [`Epoch::stamp`].
    const STAMP: u64 = 1 << 19;
    /// And so many tell apart two edges that begin one in the same tenth of a second.
    const STAMP_NONCE_BITS: u32 = 15;

    /// The id of an epoch begun at `now_ms` (Unix time) by whoever drew `nonce`: above every epoch known anywhere.
    ///
    /// It is also of a later second than those, whatever the clock says, so that its turns are its own: two restarts
    /// within a second, the first of whose grants was lost, would otherwise give the same turn of the same place twice.
    pub fn begin(now_ms: u64, nonce: u32, highest_known: Option<Epoch>) -> Self {
        let nonce = u64::from(nonce) & (Self::STAMP - 1);
        let second = highest_known.map_or(0, |known| known.second() + 1);
        Self(((now_ms / 1_000).max(second) << Self::WITHIN_BITS) | nonce)
    }

    /// The epoch in which the edge of `nonce` gives places to those who arrive at `now_ms` (room time) while the store
    /// does not answer: one for each tenth of a second, above `known`, the store's epoch.
    ///
    /// Such places are stamps of arrival. They are worth what any other place is worth, at any edge, and stand in the
    /// order of time, whichever edges gave them; those of one tenth of a second stand edge by edge.
    pub fn stamp(now_ms: u64, nonce: u32, known: Epoch) -> Self {
        let second = (now_ms / 1_000).max(known.second() + 1);
        let tenth = if second == now_ms / 1_000 {
            now_ms % 1_000 / 100
        } else {
            0
        };
        let nonce = u64::from(nonce) & ((1 << Self::STAMP_NONCE_BITS) - 1);
        Self((second << Self::WITHIN_BITS) | Self::STAMP | (tenth << Self::STAMP_NONCE_BITS) | nonce)
    }

    /// Whether an edge began it while the store did not answer: a store that does not know it has lost nothing.
    pub fn is_stamp(self) -> bool {
        self.0 & Self::STAMP != 0
    }

    fn second(self) -> u64 {
        self.0 >> Self::WITHIN_BITS
    }

    /// The first turn given in this epoch: above every turn of an earlier one, and exact in a JSON number.
    ///
    /// An epoch would have to grant four million visits a second for the ranges of two epochs to meet.
    pub fn first_turn(self) -> Turn {
        Turn(self.second() << 22)
    }
}

/// A fan's standing in the line: ordered by epoch, then by number; given once, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The life of the store that gave it.
    pub epoch: Epoch,
    /// Counted from 1 within the epoch.
    pub number: u64,
}

impl Place {
    /// Before every place there can be.
    pub const START: Place = Place {
        epoch: Epoch(0),
        number: 0,
    };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch.0, self.number)
    }
}

/// The ordinal of a grant in its room. Each grant of a place has a higher one than the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Turn(pub u64);

/// One stay on the site: a place and the turn it was granted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VisitId {
    /// Whose place it is.
    pub place: Place,
    /// Which grant of it.
    pub turn: Turn,
}

/// `epoch.number.turn`, as it stands in tokens, paths and logs.
impl fmt::Display for VisitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.place.epoch.0, self.place.number, self.turn.0)
    }
}

/// A text that is not a visit id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a visit id reads epoch.number.turn, three whole numbers, as the room's figures list it")]
pub struct BadVisitId;

impl FromStr for VisitId {
    type Err = BadVisitId;

    fn from_str(text: &str) -> Result<Self, BadVisitId> {
        let mut parts = text
            .split('.')
            .map(|part| part.parse::<u64>().map_err(|_| BadVisitId));
        let mut next = || parts.next().unwrap_or(Err(BadVisitId));
        let (epoch, number, turn) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(BadVisitId);
        }
        Ok(VisitId {
            place: Place {
                epoch: Epoch(epoch),
                number,
            },
            turn: Turn(turn),
        })
    }
}

/// One browser or app: 128 random bits, told apart by its signed cookie or token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visitor(pub u128);

impl fmt::Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A visitor is never printed whole in a log.
impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visitor({:08x}..)", self.0 >> 96)
    }
}

impl Serialize for Visitor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Visitor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text.len() != 32 {
            return Err(serde::de::Error::custom("a visitor has 32 hexadecimal digits"));
        }
        u128::from_str_radix(&text, 16)
            .map(Visitor)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_above_all_known_ones_even_when_the_clock_went_back() {
        let first = Epoch::begin(1_700_000_000_000, 7, None);
        let second = Epoch::begin(1_600_000_000_000, 7, Some(first));
        assert!(second > first);
        assert!(second.first_turn() > first.first_turn());
        assert!(Epoch::begin(1_700_000_001_000, 0, Some(first)).first_turn() > first.first_turn());
    }

    #[test]
    fn stamps_stand_after_the_store_s_places_and_in_the_order_of_time() {
        let store = Epoch::begin(1_700_000_000_950, u32::MAX, None);
        let stamps: Vec<Epoch> = [
            1_700_000_000_950,
            1_700_000_001_080,
            1_700_000_001_190,
            1_700_000_002_000,
        ]
        .into_iter()
        .map(|now_ms| Epoch::stamp(now_ms, u32::MAX, store))
        .collect();
        assert!(stamps.is_sorted() && store < stamps[0], "{stamps:?}");
        assert!(!store.is_stamp() && stamps.iter().all(|stamp| stamp.is_stamp()));
        assert!(
            Epoch::stamp(1_700_000_001_250, 0, store) > stamps[2],
            "whichever edge"
        );
        let after = Epoch::begin(1_700_000_000_000, 0, stamps.last().copied());
        assert!(after > stamps[3] && after.first_turn() > stamps[3].first_turn());
    }

    #[test]
    fn a_visit_id_survives_text_and_anything_else_is_refused() {
        let visit = VisitId {
            place: Place {
                epoch: Epoch(3),
                number: 9,
            },
            turn: Turn(27),
        };
        assert_eq!(visit.to_string().parse(), Ok(visit));
        for bad in ["", "1.2", "1.2.3.4", "a.b.c", "1.2.-3"] {
            assert_eq!(bad.parse::<VisitId>(), Err(BadVisitId), "{bad}");
        }
    }
}
