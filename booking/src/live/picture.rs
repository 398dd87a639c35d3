//! What everybody may see of a showtime's seats, kept up to date row by row. Pure: the instant is the database's, and
//! comes with the rows.

use std::collections::HashMap;

use crate::domain::{Claimed, Row, Seat, SeatMap, SeatState, Stock};
use crate::store::{Cursor, SeatChanges};

/// Where the seats of each row, and the places of each section for general admission, stand in one long list.
#[derive(Debug)]
struct Places {
    /// By label: the first one's index, and how many there are.
    rows: HashMap<String, (usize, u32)>,
    /// Labels in the order of the list; `true` for a section for general admission.
    labels: Vec<(String, bool)>,
    total: usize,
}

impl Places {
    fn new(map: &SeatMap) -> Self {
        let rows = map.rows.iter().map(|row| (&row.label, row.seats, false));
        let open = map
            .open
            .iter()
            .map(|section| (&section.label, section.capacity, true));
        let mut places = Self {
            rows: HashMap::new(),
            labels: Vec::new(),
            total: 0,
        };
        for (label, count, is_open) in rows.chain(open) {
            places.rows.insert(label.clone(), (places.total, count));
            places.labels.push((label.clone(), is_open));
            places.total += count as usize;
        }
        places
    }

    fn at(&self, seat: &Seat) -> Option<usize> {
        let &(first, count) = self.rows.get(&seat.row)?;
        (1..=count)
            .contains(&seat.number)
            .then(|| first + seat.number as usize - 1)
    }
}

/// What the last row read about a seat said, and what follows from it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    claimed: Option<Claimed>,
    expires_at: i64,
    changed: Cursor,
    /// What it is.
    shown: SeatState,
    /// What listeners were last told it was.
    told: SeatState,
}

const UNTOUCHED: Slot = Slot {
    claimed: None,
    expires_at: 0,
    changed: Cursor(0),
    shown: SeatState::Free,
    told: SeatState::Free,
};

impl Slot {
    fn seen_at(&self, now: i64) -> SeatState {
        match self.claimed {
            Some(Claimed::Held) if self.expires_at > now => SeatState::Held,
            None | Some(Claimed::Held) => SeatState::Free,
            Some(Claimed::Paying) => SeatState::Held,
            Some(Claimed::Sold) => SeatState::Taken,
        }
    }

    /// When it becomes free by itself.
    fn end(&self) -> i64 {
        match (self.claimed, self.shown) {
            (Some(Claimed::Held), SeatState::Held) => self.expires_at,
            _ => i64::MAX,
        }
    }
}

/// Seats that look different now, by what they became; each seat once, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Every seat that can be chosen, with its new state.
    pub(crate) seats: Vec<(Seat, SeatState)>,
    /// Sections for general admission in which a place changed hands, by label, with the places that nobody has.
    pub(crate) left: Vec<(String, u32)>,
}

impl Changed {
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.left.is_empty()
    }
}

/// Which of two pictures in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The seats as they are.
    Now,
    /// The seats as listeners were told they are.
    Told,
}

impl View {
    fn of(self, slot: &Slot) -> SeatState {
        match self {
            Self::Now => slot.shown,
            Self::Told => slot.told,
        }
    }
}

/// How far the database was read, and when that was by its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Everything before this is in.
    pub(crate) cursor: Cursor,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
}

/// The seats as they were at one moment, and as listeners were told they were at an earlier one.
#[derive(Debug)]
pub(crate) struct Picture {
    places: Places,
    slots: Vec<Slot>,
    held: u32,
    taken: u32,
    read: Moment,
    /// No hold ends before this.
    next_end: i64,
    /// Those that may look different from what was told.
    untold: Vec<usize>,
    told: Moment,
    told_stock: Stock,
}

impl Picture {
    /// All free, as of no instant.
    pub(crate) fn new(map: &SeatMap) -> Self {
        let places = Places::new(map);
        Self {
            slots: vec![UNTOUCHED; places.total],
            places,
            held: 0,
            taken: 0,
            read: Moment::default(),
            next_end: i64::MAX,
            untold: Vec::new(),
            told: Moment::default(),
            told_stock: Stock {
                free: map.capacity(),
                held: 0,
                taken: 0,
            },
        }
    }

    /// The moment of a view. The next question begins at [`View::Now`]'s cursor.
    pub(crate) fn moment(&self, view: View) -> Moment {
        match view {
            View::Now => self.read,
            View::Told => self.told,
        }
    }

    /// How much is left.
    pub(crate) fn stock(&self, view: View) -> Stock {
        match view {
            View::Now => Stock {
                free: self.slots.len() as u32 - self.held - self.taken,
                held: self.held,
                taken: self.taken,
            },
            View::Told => self.told_stock,
        }
    }

    /// How much is left once these seats are held as well.
    pub(crate) fn stock_with(&self, held: &[Seat]) -> Stock {
        let mut stock = self.stock(View::Now);
        let more = held.iter().filter(|seat| self.is_free(seat)).count() as u32;
        stock.free -= more;
        stock.held += more;
        stock
    }

    /// Whether a seat of the map can be held now.
    pub(crate) fn is_free(&self, seat: &Seat) -> bool {
        let at = self.places.at(seat);
        at.is_some_and(|at| self.slots[at].shown == SeatState::Free)
    }

    /// Says of each seat whether it can be held now; the rows are those of the map, in its order.
    pub(crate) fn mark_free(&self, rows: &mut [Row]) {
        let places = rows.iter_mut().flat_map(|row| &mut row.places);
        for (place, slot) in places.zip(&self.slots) {
            place.free = slot.shown == SeatState::Free;
        }
    }

    /// Takes in what was read, and ends what has ended by itself. Whether anything looks different now; a row that is
    /// known changes nothing.
    pub(crate) fn apply(&mut self, read: &SeatChanges) -> bool {
        if read.now < self.read.now {
            // The clock was set back: what had ended may not have.
            self.next_end = i64::MIN;
        }
        self.read = Moment {
            cursor: read.cursor,
            now: read.now,
        };
        let mut different = false;
        for row in &read.rows {
            // What is on no map can be neither shown nor chosen.
            let Some(at) = self.places.at(&row.seat) else {
                continue;
            };
            let slot = &mut self.slots[at];
            slot.claimed = Some(row.claimed);
            slot.expires_at = row.expires_at;
            slot.changed = row.changed;
            different |= self.show(at);
            self.next_end = self.next_end.min(self.slots[at].end());
        }
        if self.read.now >= self.next_end {
            different |= self.end_holds();
        }
        different
    }

    /// What looks different from what was told before; from now on it is told.
    pub(crate) fn tell(&mut self) -> Changed {
        self.told = self.read;
        self.told_stock = self.stock(View::Now);
        let mut changed = std::mem::take(&mut self.untold);
        changed.retain(|&at| {
            let slot = &mut self.slots[at];
            // A seat that is here twice is told once.
            std::mem::replace(&mut slot.told, slot.shown) != slot.shown
        });
        self.named(&changed)
    }

    /// Of what was told, that which looks different from what somebody else was told at that moment; perhaps a little
    /// more.
    pub(crate) fn told_since(&self, then: Moment) -> Changed {
        let ended = |slot: &Slot| {
            slot.claimed == Some(Claimed::Held) && (then.now + 1..=self.told.now).contains(&slot.expires_at)
        };
        let changed = (0..self.slots.len()).filter(|&at| {
            let slot = &self.slots[at];
            (slot.claimed.is_some() && slot.changed >= then.cursor) || ended(slot)
        });
        self.named(&changed.collect::<Vec<_>>())
    }

    /// Every row of seats in which not all are free, with the states of its seats from the first to the last that is not;
    /// in the map's order.
    pub(crate) fn rows(&self, view: View) -> impl Iterator<Item = (&str, impl Iterator<Item = SeatState>)> {
        self.parts(false).filter_map(move |(label, slots)| {
            let last = slots.iter().rposition(|slot| view.of(slot) != SeatState::Free)?;
            Some((label, slots[..=last].iter().map(move |slot| view.of(slot))))
        })
    }

    /// Every section for general admission, with the places that nobody has.
    pub(crate) fn left(&self, view: View) -> impl Iterator<Item = (&str, u32)> {
        let free = move |slots: &[Slot]| {
            slots
                .iter()
                .filter(|slot| view.of(slot) == SeatState::Free)
                .count()
        };
        self.parts(true)
            .map(move |(label, slots)| (label, free(slots) as u32))
    }

    fn parts(&self, open: bool) -> impl Iterator<Item = (&str, &[Slot])> {
        let wanted = self
            .places
            .labels
            .iter()
            .filter(move |(_, is_open)| *is_open == open);
        wanted.map(|(label, _)| {
            let (first, count) = self.places.rows[label];
            (label.as_str(), &self.slots[first..first + count as usize])
        })
    }

    /// Shows a seat as it is now; whether that is different.
    fn show(&mut self, at: usize) -> bool {
        let slot = &mut self.slots[at];
        let state = slot.seen_at(self.read.now);
        if state == slot.shown {
            return false;
        }
        for (seen, count) in [(slot.shown, -1), (state, 1)] {
            match seen {
                SeatState::Free => {}
                SeatState::Held => self.held = self.held.saturating_add_signed(count),
                SeatState::Taken => self.taken = self.taken.saturating_add_signed(count),
            }
        }
        slot.shown = state;
        // Between two tellings a seat that comes and goes would fill the list.
        if self.untold.len() > 2 * self.slots.len() {
            self.untold.sort_unstable();
            self.untold.dedup();
        }
        self.untold.push(at);
        true
    }

    /// Looks at every held seat: whether its hold is over, and when the next one is.
    fn end_holds(&mut self) -> bool {
        let mut different = false;
        self.next_end = i64::MAX;
        for at in 0..self.slots.len() {
            if self.slots[at].claimed == Some(Claimed::Held) {
                different |= self.show(at);
                self.next_end = self.next_end.min(self.slots[at].end());
            }
        }
        different
    }

    /// As told.
    fn named(&self, places: &[usize]) -> Changed {
        let mut by_label: Vec<(usize, &str, bool)> = Vec::with_capacity(self.places.labels.len());
        for (label, is_open) in &self.places.labels {
            by_label.push((self.places.rows[label].0, label, *is_open));
        }
        let mut changed = Changed::default();
        for &place in places {
            let part = by_label.partition_point(|(first, ..)| *first <= place) - 1;
            let (first, label, is_open) = by_label[part];
            if is_open {
                if !changed.left.iter().any(|(known, _)| known == label) {
                    let left = self.left(View::Told).find(|(known, _)| *known == label);
                    changed
                        .left
                        .extend(left.map(|(label, left)| (label.to_owned(), left)));
                }
                continue;
            }
            let seat = Seat {
                row: label.to_owned(),
                number: (place - first) as u32 + 1,
            };
            changed.seats.push((seat, self.slots[place].told));
        }
        changed
    }
}

#[cfg(test)]
mod tests;
