//! The places whose fans have been in and are gone. The line knows them too, but one that has lost everything would give
//! them their turn again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegate_queue::line::{BLOCK, BlockId, Place};

const WORD: u64 = u64::BITS as u64;
const WORDS: usize = BLOCK.div_ceil(WORD) as usize;

/// A bit a place, and nothing for blocks in which none is used: ten million places take 1.3 MB.
#[derive(Default)]
pub(super) struct UsedPlaces(Mutex<BTreeMap<BlockId, Box<[u64; WORDS]>>>);

fn bit_of(place: Place) -> (usize, u64) {
    let within = place.number % BLOCK;
    ((within / WORD) as usize, 1 << (within % WORD))
}

impl UsedPlaces {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlockId, Box<[u64; WORDS]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, place: Place) {
        let (word, bit) = bit_of(place);
        let mut blocks = self.lock();
        blocks
            .entry(place.block())
            .or_insert_with(|| Box::new([0; WORDS]))[word] |= bit;
    }

    pub(super) fn contains(&self, place: Place) -> bool {
        let (word, bit) = bit_of(place);
        let blocks = self.lock();
        blocks
            .get(&place.block())
            .is_some_and(|block| block[word] & bit != 0)
    }

    /// Another round has begun: its places are new.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_queue::line::Epoch;

    use super::*;

    #[test]
    fn what_was_put_in_is_there_and_nothing_else() {
        let used = UsedPlaces::default();
        let place = |epoch, number| Place {
            epoch: Epoch(epoch),
            number,
        };
        let inside = [
            place(1, 1),
            place(1, BLOCK - 1),
            place(1, BLOCK),
            place(2, 63),
            place(2, 64),
        ];
        inside.into_iter().for_each(|place| used.insert(place));
        for place in inside {
            assert!(used.contains(place), "{place}");
        }
        for place in [
            place(1, 2),
            place(2, 1),
            place(2, 65),
            place(3, 1),
            place(1, BLOCK + 1),
        ] {
            assert!(!used.contains(place), "{place}");
        }
        used.clear();
        assert!(!used.contains(inside[0]));
    }
}
