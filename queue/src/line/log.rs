//! A bounded sequence that every edge reads by cursor: grants, and visits that ended early.

use std::collections::VecDeque;

use super::place::Epoch;
use super::work::NOTES_MAX;

/// Notes in one reply at most. It carries all that its tick adds, so an edge that is alone with its store has always read
/// everything.
const READ_MAX: usize = 250;
const _: () = assert!(NOTES_MAX <= READ_MAX, "an edge would fall behind");
/// Notes kept, sixteen replies' worth. Beside others that tick more often an edge can fall behind; it is told to tick again
/// at once. If it falls behind further than this, it misses notes. It can tell by its cursor, which then moves on by more
/// than it read.
const KEPT: usize = 16 * READ_MAX;

/// Numbered notes, oldest first.
#[derive(Clone, Debug)]
pub struct Log<T> {
    notes: VecDeque<T>,
    /// The number of the next note. It rises from epoch to epoch: no edge takes a note of this life of the store for
    /// one that it has read in the last.
    next: u64,
    /// The first note of this tick.
    tick: u64,
}

impl<T: Copy> Log<T> {
    /// An empty log for what happens from `epoch` on.
    pub fn new(epoch: Epoch) -> Self {
        // Rises with every epoch, and leaves room for as many notes as there can be turns.
        let next = epoch.first_turn().0 + 1;
        Self {
            notes: VecDeque::new(),
            next,
            tick: next,
        }
    }

    /// A tick begins: what is added from now on is its own.
    pub fn begin_tick(&mut self) {
        self.tick = self.next;
    }

    /// Appends a note.
    pub fn push(&mut self, note: T) {
        if self.notes.len() == KEPT {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
        self.next += 1;
    }

    /// At most [`READ_MAX`] notes after number `cursor`, and the cursor after them. Whoever has read nothing hears what
    /// this tick brought.
    pub fn after(&self, cursor: u64) -> (Vec<T>, u64) {
        let oldest = self.next - self.notes.len() as u64;
        let wanted = if cursor == 0 { self.tick } else { cursor + 1 };
        let from = wanted.clamp(oldest, self.next);
        let notes: Vec<T> = self
            .notes
            .iter()
            .skip((from - oldest) as usize)
            .take(READ_MAX)
            .copied()
            .collect();
        let upto = from + notes.len() as u64 - 1;
        (notes, upto)
    }

    /// Whether there are notes after number `cursor`.
    pub fn goes_on(&self, cursor: u64) -> bool {
        cursor + 1 < self.next
    }
}
