//! A bounded sequence that every edge reads by cursor: grants, and visits that ended early.

use std::collections::VecDeque;

use super::tick::ENTRIES_MAX;

/// Notes in one reply at most.
pub const READ_MAX: usize = 2 * ENTRIES_MAX;
/// Notes one tick may add beside those its entries bring about. So a reply carries all that a tick adds, and an edge
/// that is alone with its store, as in this version every edge is, has always read everything.
pub const ADDED_MAX: usize = READ_MAX - ENTRIES_MAX;
/// Notes kept. Beside others that tick more often an edge can fall behind; if it falls behind further than this, it
/// misses notes. It can tell by its cursor, which then moves on by more than it read, and would have to say again whom
/// it holds and who of them has answered: a grant that nobody took is undone. No edge does so yet.
const KEPT: usize = 65_536;

/// Numbered notes, oldest first.
#[derive(Clone, Debug)]
pub struct Log<T> {
    notes: VecDeque<T>,
    /// The number of the next note; the first ever is 1.
    next: u64,
}

impl<T: Copy> Log<T> {
    /// An empty log whose first note will be number 1.
    pub fn new() -> Self {
        Self {
            notes: VecDeque::new(),
            next: 1,
        }
    }

    /// Appends a note.
    pub fn push(&mut self, note: T) {
        if self.notes.len() == KEPT {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
        self.next += 1;
    }

    /// At most [`READ_MAX`] notes after number `cursor`, and the cursor after them.
    pub fn after(&self, cursor: u64) -> (Vec<T>, u64) {
        let oldest = self.next - self.notes.len() as u64;
        let from = (cursor + 1).clamp(oldest, self.next);
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
}
