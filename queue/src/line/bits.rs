//! A sparse set of numbers kept as bits in counted blocks.
//!
//! Blocks of 4,000 numbers: 500 bytes each, small enough to send to an edge that holds fans in it, and few enough
//! (2,500 for ten million) that their counts are sent whole. An empty block does not exist, so a stretch of numbers
//! that nobody holds costs neither memory nor time.

use std::collections::BTreeMap;

/// Numbers in a block.
pub const BLOCK: u64 = 4_000;
const WORDS: usize = (BLOCK / 32) as usize;

/// The bits of one block, lowest number first.
pub type Words = [u32; WORDS];

#[derive(Clone, Debug, PartialEq)]
struct Block {
    count: u16,
    words: Words,
}

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bits {
    blocks: BTreeMap<u32, Box<Block>>,
    count: u64,
}

/// Where a number's bit is: block, word, mask.
fn locate(number: u64) -> (u32, usize, u32) {
    let within = number % BLOCK;
    (block_of(number), (within / 32) as usize, 1 << (within % 32))
}

/// The block a number is in.
pub fn block_of(number: u64) -> u32 {
    // A room would need 17 trillion places for this to saturate.
    u32::try_from(number / BLOCK).unwrap_or(u32::MAX)
}

/// How many bits of `words` stand for numbers in `from..to`, both within the block and counted from its first.
pub fn count_within(words: &Words, from: u64, to: u64) -> u64 {
    let to = to.min(BLOCK);
    if from >= to {
        return 0;
    }
    let (first, last) = ((from / 32) as usize, ((to - 1) / 32) as usize);
    let ones: u32 = words[first..=last].iter().map(|word| word.count_ones()).sum();
    // Those of the two words at the ends that are outside.
    let before = words[first] & !(u32::MAX << (from % 32));
    let after = words[last] & !(u32::MAX >> (31 - (to - 1) % 32));
    u64::from(ones - before.count_ones() - after.count_ones())
}

impl Bits {
    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let (block, word, mask) = locate(number);
        self.blocks.get(&block).is_some_and(|b| b.words[word] & mask != 0)
    }

    /// Adds `number`; true when it was not there.
    pub fn insert(&mut self, number: u64) -> bool {
        let (block, word, mask) = locate(number);
        let block = self.blocks.entry(block).or_insert_with(|| {
            Box::new(Block {
                count: 0,
                words: [0; WORDS],
            })
        });
        let fresh = block.words[word] & mask == 0;
        if fresh {
            block.words[word] |= mask;
            block.count += 1;
            self.count += 1;
        }
        fresh
    }

    /// Takes `number` out; true when it was there.
    pub fn remove(&mut self, number: u64) -> bool {
        let (index, word, mask) = locate(number);
        let Some(block) = self.blocks.get_mut(&index) else {
            return false;
        };
        if block.words[word] & mask == 0 {
            return false;
        }
        block.words[word] &= !mask;
        block.count -= 1;
        self.count -= 1;
        if block.count == 0 {
            self.blocks.remove(&index);
        }
        true
    }

    /// The lowest number above `after`.
    pub fn next_after(&self, after: u64) -> Option<u64> {
        let (first, word, _) = locate(after + 1);
        for (index, block) in self.blocks.range(first..) {
            let from = if *index == first { word } else { 0 };
            for (offset, bits) in block.words.iter().enumerate().skip(from) {
                let mut bits = *bits;
                if *index == first && offset == word {
                    bits &= u32::MAX << ((after + 1) % BLOCK % 32);
                }
                if bits != 0 {
                    return Some(
                        u64::from(*index) * BLOCK + offset as u64 * 32 + u64::from(bits.trailing_zeros()),
                    );
                }
            }
        }
        None
    }

    /// The lowest number.
    pub fn first(&self) -> Option<u64> {
        let (index, block) = self.blocks.first_key_value()?;
        let (offset, bits) = block.words.iter().enumerate().find(|(_, bits)| **bits != 0)?;
        Some(u64::from(*index) * BLOCK + offset as u64 * 32 + u64::from(bits.trailing_zeros()))
    }

    /// How many numbers are in `from..to`.
    pub fn count_in(&self, from: u64, to: u64) -> u64 {
        if from >= to {
            return 0;
        }
        let (low, high) = (block_of(from), block_of(to));
        let mut total = 0;
        for (index, block) in self.blocks.range(low..=high) {
            let base = u64::from(*index) * BLOCK;
            total += if from <= base && base + BLOCK <= to {
                u64::from(block.count)
            } else {
                count_within(&block.words, from.saturating_sub(base), (to - base).min(BLOCK))
            };
        }
        total
    }

    /// The bits of a block; zeros when it is empty.
    pub fn words(&self, block: u32) -> Words {
        self.blocks.get(&block).map_or([0; WORDS], |b| b.words)
    }

    /// Every block that is not empty, with its count, lowest first.
    pub fn counts(&self) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.blocks.iter().map(|(index, block)| (*index, block.count))
    }

    /// The numbers as half-open ranges, lowest first: how the set is written down.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut number = self.first();
        while let Some(n) = number {
            match ranges.last_mut() {
                Some((_, end)) if *end == n => *end = n + 1,
                _ => ranges.push((n, n + 1)),
            }
            number = self.next_after(n);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(
            steps in prop::collection::vec((0u64..20_000, any::<bool>()), 1..400),
            probes in prop::collection::vec((0u64..21_000, 0u64..21_000), 20),
        ) {
            let (mut bits, mut model) = (Bits::default(), BTreeSet::new());
            for (number, add) in steps {
                if add {
                    prop_assert_eq!(bits.insert(number), model.insert(number));
                } else {
                    prop_assert_eq!(bits.remove(number), model.remove(&number));
                }
            }
            prop_assert_eq!(bits.len(), model.len() as u64);
            prop_assert_eq!(bits.first(), model.first().copied());
            for (a, b) in probes {
                prop_assert_eq!(bits.next_after(a), model.range(a + 1..).next().copied());
                prop_assert_eq!(bits.contains(a), model.contains(&a));
                if a <= b {
                    prop_assert_eq!(bits.count_in(a, b), model.range(a..b).count() as u64);
                }
            }
            let listed: Vec<u64> = bits.ranges().into_iter().flat_map(|(from, to)| from..to).collect();
            prop_assert_eq!(listed, model.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn counts_within_a_block_what_is_counted_one_by_one(
            seed in prop::collection::vec(any::<u32>(), WORDS),
            (from, to) in (0..=BLOCK, 0..=BLOCK + 40),
        ) {
            let words: Words = seed.try_into().expect("as many words");
            let is_set = |number: u64| words[(number / 32) as usize] >> (number % 32) & 1 == 1;
            let wanted = (from..to.min(BLOCK)).filter(|number| is_set(*number)).count() as u64;
            prop_assert_eq!(count_within(&words, from, to), wanted);
        }
    }
}
