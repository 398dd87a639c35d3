//! A bounded sequence that every edge reads by cursor: grants, and visits that ended early.

use std::collections::VecDeque;

/// Entries kept. An edge that falls further behind than this asks again for the fans it holds.
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

    /// At most `most` notes after number `cursor`, and the cursor after them.
    pub fn after(&self, cursor: u64, most: usize) -> (Vec<T>, u64) {
        let oldest = self.next - self.notes.len() as u64;
        let from = (cursor + 1).clamp(oldest, self.next);
        let notes: Vec<T> = self
            .notes
            .iter()
            .skip((from - oldest) as usize)
            .take(most)
            .copied()
            .collect();
        let upto = from + notes.len() as u64 - 1;
        (notes, upto)
    }
}
