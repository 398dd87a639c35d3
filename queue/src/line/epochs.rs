//! Who stands where: three bits a place in every epoch of the round, and one more while a call is open.

use std::collections::BTreeMap;

use super::bits::{Bits, block_of};
use super::place::{Epoch, Place};
use super::tick::{BlockId, BlockView, Counts};

/// One life of the store: the numbers it gave and what is known of their fans.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// The highest number given.
    pub end: u64,
    /// An edge holds the fan, who is not admitted.
    pub present: Bits,
    /// The fan was called, and has neither answered nor been passed over.
    pub asked: Bits,
    /// The fan was called and has answered; always present too.
    pub ready: Bits,
    /// The place is used: its fan was admitted or left.
    pub admitted: Bits,
}

/// All epochs of a round, earliest first.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    lives: BTreeMap<Epoch, Life>,
}

impl Epochs {
    /// The life of an epoch, made when it is not known yet.
    pub fn life(&mut self, epoch: Epoch) -> &mut Life {
        self.lives.entry(epoch).or_default()
    }

    /// Every epoch and its life.
    pub fn iter(&self) -> impl Iterator<Item = (Epoch, &Life)> {
        self.lives.iter().map(|(epoch, life)| (*epoch, life))
    }

    /// Makes sure that `place` is known: a place beyond its epoch's end extends it.
    pub fn know(&mut self, place: Place) -> &mut Life {
        let life = self.life(place.epoch);
        life.end = life.end.max(place.number);
        life
    }

    /// Whether the place is used up.
    pub fn is_admitted(&self, place: Place) -> bool {
        self.lives
            .get(&place.epoch)
            .is_some_and(|life| life.admitted.contains(place.number))
    }

    /// The calls of all up to `upto` are over.
    pub fn close_calls(&mut self, upto: Place) {
        for (epoch, life) in self.lives.range_mut(..=upto.epoch) {
            let last = if *epoch == upto.epoch {
                upto.number
            } else {
                u64::MAX
            };
            while let Some(number) = life.asked.first().filter(|number| *number <= last) {
                life.asked.remove(number);
            }
        }
    }

    /// Takes the fan at `place` out of those waiting. A call that is open stays open: they may be back in time.
    pub fn clear_waiting(&mut self, place: Place) {
        if let Some(life) = self.lives.get_mut(&place.epoch) {
            life.present.remove(place.number);
            life.ready.remove(place.number);
        }
    }

    /// The first present place after `after`.
    pub fn next_present(&self, after: Place) -> Option<Place> {
        self.lives.range(after.epoch..).find_map(|(epoch, life)| {
            let from = if *epoch == after.epoch { after.number } else { 0 };
            life.present.next_after(from).map(|number| Place {
                epoch: *epoch,
                number,
            })
        })
    }

    /// The lowest ready place.
    pub fn lowest_ready(&self) -> Option<Place> {
        self.lives.iter().find_map(|(epoch, life)| {
            life.ready.first().map(|number| Place {
                epoch: *epoch,
                number,
            })
        })
    }

    /// Fans present and not admitted.
    pub fn waiting(&self) -> u64 {
        self.lives.values().map(|life| life.present.len()).sum()
    }

    /// Fans who have answered and are not admitted.
    pub fn ready(&self) -> u64 {
        self.lives.values().map(|life| life.ready.len()).sum()
    }

    /// Fans whom those behind them have before them: present after `floor`, or ready at or before it.
    pub fn counted(&self, floor: Place) -> u64 {
        self.lives
            .iter()
            .map(|(epoch, life)| {
                if *epoch > floor.epoch {
                    return life.present.len();
                }
                let passed = if *epoch == floor.epoch {
                    floor.number + 1
                } else {
                    u64::MAX
                };
                life.ready.count_in(0, passed) + life.present.count_in(passed, u64::MAX)
            })
            .sum()
    }

    /// The counts of every block that has anyone.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (epoch, life) in self.iter() {
            let id = |(index, count)| (BlockId { epoch, index }, count);
            counts.present.extend(life.present.counts().map(id));
            counts.ready.extend(life.ready.counts().map(id));
        }
        counts
    }

    /// One block, bit by bit.
    pub fn block(&self, id: BlockId) -> BlockView {
        let life = self.lives.get(&id.epoch);
        BlockView {
            id,
            present: life.map_or([0; 125], |l| l.present.words(id.index)),
            ready: life.map_or([0; 125], |l| l.ready.words(id.index)),
        }
    }
}

impl Place {
    /// The block this place is in.
    pub fn block(self) -> BlockId {
        BlockId {
            epoch: self.epoch,
            index: block_of(self.number),
        }
    }
}
