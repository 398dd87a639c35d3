//! Best available: which seats to give to somebody who names a number and no seats. Pure: the rows and what is free
//! come in, the places of the chosen seats go out; who holds them is decided elsewhere.
//!
//! **What is better.** First how well the party sits together ([`Fit`], best first), then how near to the focal point
//! ([`Focus`], the middle of the front): the squares of the seats' distances to it, added up. What stays equal goes to
//! the row that comes first, then to the left.
//!
//! **Many rivals.** Chosen inside of one transaction that no other buyer of the showtime can enter, nobody is refused:
//! the next one chooses when these seats are no longer free. Chosen from a picture that others have too, outside of the
//! transaction or in one of several at once, all choose the same seats and all but one are refused. For those there is
//! [`Spread`]: by its salt it takes one of the best `among` choices, of which no two share a seat, so that of `n`
//! rivals about one in `2 among / n` meets another: 160 rivals want 1,600 choices for one refusal in twenty, and sit
//! farther back for it. A lock per showtime is the better answer where it can be had; with a retry after a refusal, the
//! retry is the place for the salt.

use std::collections::{BTreeMap, BinaryHeap};

/// One place of a row, as much as choosing has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it stands from left to right, in half seats from a line that is the same for all rows. Neighbours are at
    /// most [`Place::STEP`] apart; what is farther apart has an aisle between.
    pub x: i16,
    /// Price level, 1 the best.
    pub level: u8,
    /// What it costs, in minor units.
    pub price: i64,
    /// Whether it can be held now.
    pub free: bool,
    /// Whether it is kept for those who ask for accessible seats.
    pub accessible: bool,
}

impl Place {
    /// The distance of neighbours.
    pub const STEP: i16 = 2;
}

/// A row of a showtime's map. The rows of a section come front first, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The number of its section, as the caller counts them.
    pub section: u32,
    /// How far from the front, in half seats.
    pub y: i16,
    /// Its seats by growing `x`.
    pub places: Vec<Place>,
}

/// The point to which the nearest seats are the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Focus {
    /// As [`Place::x`].
    pub x: i16,
    /// As [`Row::y`].
    pub y: i16,
}

impl Focus {
    /// The middle of the front: halfway between the outermost seats of the map, in the line of its first row.
    pub fn front_centre(rows: &[Row]) -> Self {
        let ends = rows
            .iter()
            .flat_map(|row| row.places.first().into_iter().chain(row.places.last()));
        let (left, right) = ends.fold((i16::MAX, i16::MIN), |(l, r), place| {
            (l.min(place.x), r.max(place.x))
        });
        let x = if left > right {
            0
        } else {
            ((i32::from(left) + i32::from(right)) / 2) as i16
        };
        let y = rows.iter().map(|row| row.y).min().unwrap_or(0);
        Self { x, y }
    }

    /// The square of the way from here to a seat, in half seats.
    fn distance(self, row: &Row, place: &Place) -> i64 {
        let aside = i64::from(place.x) - i64::from(self.x);
        let behind = i64::from(row.y) - i64::from(self.y);
        aside * aside + behind * behind
    }
}

/// Spreads rivals over good choices; see above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Something that differs from rival to rival.
    pub salt: u64,
    /// Over how many of the best choices: 1 is the best one, and no more than [`Spread::AMONG_MAX`] are looked at.
    pub among: usize,
}

impl Spread {
    /// No spreading: the best choice.
    pub const NONE: Self = Self { salt: 0, among: 1 };

    /// Bounds the work of keeping choices apart.
    pub const AMONG_MAX: usize = 2048;
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many seats, at least one.
    pub quantity: usize,
    /// Only in this section.
    pub section: Option<u32>,
    /// No seat may cost more, in minor units.
    pub price_max: Option<i64>,
    /// Accessible seats and no others; without it no accessible seat is given.
    pub accessible: bool,
}

/// How well the chosen seats lie together, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fit {
    /// Side by side, and no free seat is left over alone.
    Together,
    /// Side by side, leaving a single free seat beside them.
    LeavingSingle,
    /// In one row.
    SameRow,
    /// In two rows of one section, one behind the other.
    NeighbouringRows,
    /// Somewhere in one section.
    SameSection,
}

/// Seats for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How well they lie together.
    pub fit: Fit,
    /// Row and place of each, as indexes into the rows that came in, in order.
    pub seats: Vec<(usize, usize)>,
}

/// Why a question makes no sense, whatever is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAsk {
    /// No seats.
    #[error("ask for at least one seat")]
    NoSeats,
    /// A limit below nothing.
    #[error("the highest price is not negative")]
    NegativePrice,
}

/// Chooses seats, or says that no section has that many for this wish. The same arguments give the same seats.
pub fn choose(rows: &[Row], focus: Focus, ask: &Ask, spread: Spread) -> Result<Option<Choice>, BadAsk> {
    if ask.quantity == 0 {
        return Err(BadAsk::NoSeats);
    }
    if ask.price_max.is_some_and(|price| price < 0) {
        return Err(BadAsk::NegativePrice);
    }
    let view = View {
        rows,
        focus,
        ask,
        spread,
    };
    Ok(view
        .side_by_side()
        .or_else(|| view.in_one_row())
        .or_else(|| view.in_neighbouring_rows())
        .or_else(|| view.in_one_section()))
}

/// A choice that may be taken: how far from the focal point, where it begins, and its seats.
type Candidate = (i64, (usize, usize));

/// Keeps the best few candidates.
struct Best {
    kept: BinaryHeap<Candidate>,
    room: usize,
}

impl Best {
    fn new(room: usize) -> Self {
        Self {
            kept: BinaryHeap::new(),
            room,
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.kept.len() < self.room {
            self.kept.push(candidate);
        } else if self.kept.peek().is_some_and(|worst| candidate < *worst) {
            self.kept.pop();
            self.kept.push(candidate);
        }
    }

    fn sorted(self) -> Vec<(usize, usize)> {
        self.kept
            .into_sorted_vec()
            .into_iter()
            .map(|(_, begin)| begin)
            .collect()
    }

    /// Windows of this width that share no seat, the better ones first.
    fn apart(self, width: usize) -> Vec<(usize, usize)> {
        let mut by_row: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut apart = self.sorted();
        apart.retain(|(row, begin)| {
            let taken = by_row.entry(*row).or_default();
            let meets = taken.iter().any(|other| other.abs_diff(*begin) < width);
            if !meets {
                taken.push(*begin);
            }
            !meets
        });
        apart
    }
}

/// Windows wider than this are kept apart less well, so that a huge party costs no more than a large one.
const WIDTHS_MAX: usize = 24;

/// The finishing steps of SplitMix64: neighbouring salts come to lie anywhere.
fn scattered(salt: u64) -> u64 {
    let mixed = (salt ^ (salt >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) >> 1
}

struct View<'a> {
    rows: &'a [Row],
    focus: Focus,
    ask: &'a Ask,
    spread: Spread,
}

impl View<'_> {
    fn among(&self) -> usize {
        self.spread.among.clamp(1, Spread::AMONG_MAX)
    }

    /// One of the best, best first.
    fn pick(&self, best: Vec<(usize, usize)>) -> Option<(usize, usize)> {
        let choices = best.len().min(self.among()).max(1);
        best.get(scattered(self.spread.salt) as usize % choices).copied()
    }

    fn rows_asked(&self) -> impl Iterator<Item = (usize, &Row)> {
        let section = self.ask.section;
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| section.is_none_or(|section| row.section == section))
    }

    fn fits(&self, place: &Place) -> bool {
        let affordable = self.ask.price_max.is_none_or(|price| place.price <= price);
        place.free && place.accessible == self.ask.accessible && affordable
    }

    /// Windows of seats side by side; those that leave no single over come before all others.
    fn side_by_side(&self) -> Option<Choice> {
        let quantity = self.ask.quantity;
        // A window shares a seat with at most 2 (quantity - 1) others, so that many more are kept to be left out.
        let room = self.among() * (2 * quantity - 1).min(WIDTHS_MAX);
        let (mut tidy, mut untidy) = (Best::new(room), Best::new(room));
        let mut sums = Vec::new();
        for (at, row) in self.rows_asked() {
            sums.clear();
            sums.push(0);
            for place in &row.places {
                sums.push(sums[sums.len() - 1] + self.focus.distance(row, place));
            }
            for block in blocks(row, |place| self.fits(place)) {
                if block.len() < quantity {
                    continue;
                }
                for begin in block.start..=block.end - quantity {
                    let end = begin + quantity;
                    let best = if leaves_single(row, begin, end) {
                        &mut untidy
                    } else {
                        &mut tidy
                    };
                    best.offer((sums[end] - sums[begin], (at, begin)));
                }
            }
        }
        let chosen = |fit, begin: Option<(usize, usize)>| {
            begin.map(|(row, begin)| Choice {
                fit,
                seats: (begin..begin + quantity).map(|at| (row, at)).collect(),
            })
        };
        let pick = |best: Best| self.pick(best.apart(quantity));
        chosen(Fit::Together, pick(tidy)).or_else(|| chosen(Fit::LeavingSingle, pick(untidy)))
    }

    /// The nearest seats of one row, with others between.
    fn in_one_row(&self) -> Option<Choice> {
        let rows: Vec<usize> = self.rows_asked().map(|(at, _)| at).collect();
        self.of_groups(Fit::SameRow, rows.iter().map(std::slice::from_ref))
    }

    /// The nearest seats of two rows of a section of which one stands behind the other.
    fn in_neighbouring_rows(&self) -> Option<Choice> {
        let rows: Vec<usize> = self.rows_asked().map(|(at, _)| at).collect();
        let same = |pair: &&[usize]| {
            pair[0] + 1 == pair[1] && self.rows[pair[0]].section == self.rows[pair[1]].section
        };
        self.of_groups(Fit::NeighbouringRows, rows.windows(2).filter(same))
    }

    /// The nearest seats of a section.
    fn in_one_section(&self) -> Option<Choice> {
        let mut by_section: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, row) in self.rows_asked() {
            by_section.entry(row.section).or_default().push(at);
        }
        self.of_groups(Fit::SameSection, by_section.values().map(Vec::as_slice))
    }

    /// The nearest seats of each group of rows; of all groups the nearest.
    fn of_groups<'g>(&self, fit: Fit, groups: impl Iterator<Item = &'g [usize]>) -> Option<Choice> {
        let groups: Vec<&[usize]> = groups.collect();
        let mut best = Best::new(self.among());
        for (number, group) in groups.iter().enumerate() {
            if let Some(nearest) = self.nearest(group) {
                best.offer((nearest.iter().map(|(distance, _)| distance).sum(), (number, 0)));
            }
        }
        let (number, _) = self.pick(best.sorted())?;
        let mut seats: Vec<_> = self
            .nearest(groups[number])?
            .into_iter()
            .map(|(_, seat)| seat)
            .collect();
        seats.sort_unstable();
        Some(Choice { fit, seats })
    }

    /// The `quantity` seats of these rows that are nearest to the focal point, in no order, if there are that many.
    fn nearest(&self, group: &[usize]) -> Option<Vec<(i64, (usize, usize))>> {
        let mut near = BinaryHeap::with_capacity(self.ask.quantity + 1);
        for &at in group {
            let row = &self.rows[at];
            for (seat, place) in row
                .places
                .iter()
                .enumerate()
                .filter(|(_, place)| self.fits(place))
            {
                near.push((self.focus.distance(row, place), (at, seat)));
                if near.len() > self.ask.quantity {
                    near.pop();
                }
            }
        }
        (near.len() == self.ask.quantity).then(|| near.into_vec())
    }
}

fn are_neighbours(one: &Place, other: &Place) -> bool {
    other.x.abs_diff(one.x) <= Place::STEP.unsigned_abs()
}

/// The stretches of neighbours that all fit.
fn blocks(row: &Row, fits: impl Fn(&Place) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut begin = 0;
    for at in 0..row.places.len() {
        if !fits(&row.places[at]) {
            begin = at + 1;
        } else if at + 1 == row.places.len()
            || !fits(&row.places[at + 1])
            || !are_neighbours(&row.places[at], &row.places[at + 1])
        {
            found.push(begin..at + 1);
            begin = at + 1;
        }
    }
    found
}

/// Whether taking `begin..end` leaves a free seat with nobody free beside it. Every free seat of the same kind counts,
/// dearer ones too: somebody else may pay for them.
fn leaves_single(row: &Row, begin: usize, end: usize) -> bool {
    let places = &row.places;
    let kind = places[begin].accessible;
    let open = |at: usize, beside: usize| {
        let both = places.get(at).zip(places.get(beside));
        both.is_some_and(|(one, other)| one.free && one.accessible == kind && are_neighbours(one, other))
    };
    let left = begin > 0 && open(begin - 1, begin) && !(begin > 1 && open(begin - 2, begin - 1));
    let right = open(end, end - 1) && !open(end + 1, end);
    left || right
}

#[cfg(test)]
mod tests;
