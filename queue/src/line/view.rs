//! What an edge knows of the whole line between two ticks, and how many stand before a place in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bits::{BLOCK, count_within};
use super::place::Place;
use super::tick::{BlockId, BlockView, Counts, Front, Reply};

/// A snapshot of the line: exact for places in blocks that were read, as of the tick they were read in.
#[derive(Clone, Debug)]
pub struct View {
    front: Front,
    counts: Arc<Counts>,
    blocks: BTreeMap<BlockId, BlockView>,
    /// For each block that has anyone: how many of the counted stand in blocks before it. Ascending.
    before: Vec<(BlockId, u64)>,
    counted: u64,
}

impl Default for View {
    fn default() -> Self {
        let front = Front {
            called_upto: Place::START,
            floor: Place::START,
        };
        Self {
            front,
            counts: Arc::default(),
            blocks: BTreeMap::new(),
            before: Vec::new(),
            counted: 0,
        }
    }
}

impl View {
    /// Takes over what a tick brought. Blocks not in `held` any more are forgotten.
    pub fn update(&mut self, reply: &Reply, held: &BTreeSet<BlockId>) {
        self.front = reply.front;
        if let Some(counts) = &reply.counts {
            self.counts = counts.clone();
        }
        for block in &reply.blocks {
            self.blocks.insert(block.id, block.clone());
        }
        let floor_block = self.front.floor.block();
        self.blocks
            .retain(|id, _| held.contains(id) || *id == floor_block);
        self.sum_up();
    }

    /// Where the line stands.
    pub fn front(&self) -> Front {
        self.front
    }

    /// The block whose bits split at the floor: an edge asks for it beside the blocks of its own fans.
    pub fn floor_block(&self) -> BlockId {
        self.front.floor.block()
    }

    /// How many fans are counted before the last place of all.
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// How many fans stand before `place`: present after the floor, or ready at or before it.
    pub fn ahead(&self, place: Place) -> u64 {
        let id = place.block();
        let first_not_before = self.before.partition_point(|(block, _)| *block < id);
        let before = self
            .before
            .get(first_not_before)
            .map_or(self.counted, |(_, before)| *before);
        before
            + self
                .blocks
                .get(&id)
                .map_or(0, |block| self.counted_in(block, place.number % BLOCK))
    }

    /// Whether the fan at `place` is in the picture; for one who is not, [`View::ahead`] may have missed others.
    pub fn shows(&self, place: Place) -> bool {
        let block = self.blocks.get(&place.block());
        block.is_some_and(|block| block.has_present(place))
    }

    /// How many fans may stand before a `place` that is not in the picture and is older than it.
    pub fn ahead_at_most(&self, place: Place) -> u64 {
        let first_after = self.before.partition_point(|(block, _)| *block <= place.block());
        let before = self.before.get(first_after).map(|(_, before)| *before);
        before.unwrap_or(self.counted)
    }

    /// How many of the first `upto` numbers of a block are counted.
    fn counted_in(&self, block: &BlockView, upto: u64) -> u64 {
        let floor = self.front.floor;
        let floor_block = floor.block();
        let passed = match block.id.cmp(&floor_block) {
            std::cmp::Ordering::Less => BLOCK,
            std::cmp::Ordering::Equal => floor.number % BLOCK + 1,
            std::cmp::Ordering::Greater => 0,
        };
        count_within(&block.ready, 0, passed.min(upto)) + count_within(&block.present, passed, upto)
    }

    fn sum_up(&mut self) {
        let floor_block = self.front.floor.block();
        let mut counted: BTreeMap<BlockId, u64> = BTreeMap::new();
        for (id, count) in &self.counts.present {
            if *id >= floor_block {
                counted.insert(*id, u64::from(*count));
            }
        }
        for (id, count) in &self.counts.ready {
            if *id < floor_block {
                counted.insert(*id, u64::from(*count));
            }
        }
        if let Some(block) = self.blocks.get(&floor_block) {
            counted.insert(floor_block, self.counted_in(block, BLOCK));
        }
        let mut total = 0;
        self.before.clear();
        for (id, count) in counted {
            self.before.push((id, total));
            total += count;
        }
        self.counted = total;
    }
}
