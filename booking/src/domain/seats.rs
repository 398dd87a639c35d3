//! Seat maps: which seats a venue has, how they are named, and what a buyer sees of each.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::Owner;

/// One seat of a venue, `A-1`: the row's label and the number in that row. Labels are unique in a venue, so the text
/// alone says which seat it is. The order is by row as printed, then by number: the fixed order in which seats are
/// claimed. A place of general admission is one, too; its row is the section's label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seat {
    /// One to eight capital letters and digits.
    pub row: String,
    /// From 1, left to right as seen from the seats.
    pub number: u32,
}

/// Longest label of a row or of a section for general admission.
pub const LABEL_LEN_MAX: usize = 8;

/// Whether a text labels a row.
pub fn is_label(text: &str) -> bool {
    (1..=LABEL_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Why a text does not name a seat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a seat is written ROW-NUMBER, like A-1")]
pub struct BadSeat;

impl FromStr for Seat {
    type Err = BadSeat;

    fn from_str(text: &str) -> Result<Self, BadSeat> {
        let (row, number) = text.trim().split_once('-').ok_or(BadSeat)?;
        let row = row.to_ascii_uppercase();
        let number_fits = (1..=6).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
            && !number.starts_with('0');
        if !is_label(&row) || !number_fits {
            return Err(BadSeat);
        }
        let number = number.parse().map_err(|_| BadSeat)?;
        Ok(Self { row, number })
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.row, self.number)
    }
}

impl serde::Serialize for Seat {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One row of a seat map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// The section it belongs to.
    pub section: String,
    /// Price level, 1 the best.
    pub level: u8,
    /// What its seats are called by.
    pub label: String,
    /// Seats 1 to this.
    pub seats: u32,
    /// Where its first seat stands and how far from the stage; the seats follow at one apart to the right. Hundredths of
    /// a seat's width, the stage's middle at (0, 0).
    pub x: i32,
    /// Likewise.
    pub y: i32,
    /// The numbers of seats for people who need more room, and for those who come with them.
    pub accessible: Vec<u32>,
}

impl MapRow {
    /// A row in the middle, so many seats' widths from the stage.
    pub fn centred(section: &str, level: u8, label: &str, seats: u32, distance: u32) -> Self {
        Self {
            section: section.to_owned(),
            level,
            label: label.to_owned(),
            seats,
            x: -(seats.saturating_sub(1) as i32) * 50,
            y: distance as i32 * 100,
            accessible: Vec::new(),
        }
    }
}

/// A section for general admission: places without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSection {
    /// What fans call it.
    pub name: String,
    /// What its places are called by in the store and on tickets.
    pub label: String,
    /// Price level, 1 the best.
    pub level: u8,
    /// How many fit in.
    pub capacity: u32,
}

impl OpenSection {
    /// One of its places, from 1.
    pub fn place(&self, number: u32) -> Seat {
        Seat {
            row: self.label.clone(),
            number,
        }
    }
}

/// A venue's seats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatMap {
    /// The rows in the order in which they stand, front first.
    pub rows: Vec<MapRow>,
    /// The sections without seats.
    pub open: Vec<OpenSection>,
}

impl SeatMap {
    /// How many seats there are.
    pub fn capacity(&self) -> u32 {
        let seats: u32 = self.rows.iter().map(|row| row.seats).sum();
        seats + self.open.iter().map(|section| section.capacity).sum::<u32>()
    }

    /// Whether there is such a seat, or such a place.
    pub fn has(&self, seat: &Seat) -> bool {
        self.has_named(seat)
            || self
                .open
                .iter()
                .any(|section| section.label == seat.row && (1..=section.capacity).contains(&seat.number))
    }

    /// Whether there is such a seat, one that can be chosen.
    pub fn has_named(&self, seat: &Seat) -> bool {
        self.rows
            .iter()
            .any(|row| row.label == seat.row && (1..=row.seats).contains(&seat.number))
    }

    /// The section for general admission of this name or label.
    pub fn open_section(&self, named: &str) -> Option<&OpenSection> {
        self.open
            .iter()
            .find(|section| section.label == named || section.name == named)
    }

    /// Price level and section of a seat or place.
    pub fn level_of(&self, seat: &Seat) -> Option<(u8, &str)> {
        let row = self.rows.iter().find(|row| row.label == seat.row);
        let open = self.open.iter().find(|section| section.label == seat.row);
        row.map(|row| (row.level, row.section.as_str()))
            .or(open.map(|section| (section.level, section.name.as_str())))
    }

    /// Every seat with its state, row by row. `me` marks the seats that are the reader's own.
    pub fn view(&self, claims: &[SeatClaim], me: Option<&Owner>) -> Vec<(&MapRow, Vec<SeatView>)> {
        let by_seat: HashMap<(&str, u32), &SeatClaim> = claims
            .iter()
            .map(|claim| ((claim.seat.row.as_str(), claim.seat.number), claim))
            .collect();
        let look = |row: &MapRow, number: u32| {
            let claim = by_seat.get(&(row.label.as_str(), number));
            SeatView {
                seat: Seat {
                    row: row.label.clone(),
                    number,
                },
                state: claim.map_or(SeatState::Free, |claim| claim.claimed.seen_as()),
                mine: claim.is_some_and(|claim| Some(&claim.owner) == me),
            }
        };
        self.rows
            .iter()
            .map(|row| (row, (1..=row.seats).map(|n| look(row, n)).collect()))
            .collect()
    }

    /// Every section for general admission, with the places that nobody has and the reader's own.
    pub fn open_view(&self, claims: &[SeatClaim], me: Option<&Owner>) -> Vec<(&OpenSection, u32, u32)> {
        let look = |section| {
            let OpenSection { label, capacity, .. }: &OpenSection = section;
            let here = claims.iter().filter(|claim| claim.seat.row == *label);
            let (mine, others): (Vec<_>, Vec<_>) = here.partition(|claim| Some(&claim.owner) == me);
            let (mine, others) = (mine.len() as u32, others.len() as u32);
            (section, capacity.saturating_sub(mine + others), mine)
        };
        self.open.iter().map(look).collect()
    }

    /// How much is left, given the live claims.
    pub fn stock(&self, claims: &[SeatClaim]) -> Stock {
        let rows = self.rows.iter().map(|row| (row.label.as_str(), row.seats));
        let open = self.open.iter().map(|open| (open.label.as_str(), open.capacity));
        // A stadium has thousands of rows and tens of thousands of claims: no row is looked for in a list.
        let sizes: HashMap<&str, u32> = rows.chain(open).collect();
        let has = |seat: &Seat| {
            sizes
                .get(seat.row.as_str())
                .is_some_and(|size| (1..=*size).contains(&seat.number))
        };
        let on_map = claims.iter().filter(|claim| has(&claim.seat));
        let (sold, held): (Vec<_>, Vec<_>) = on_map.partition(|claim| claim.claimed == Claimed::Sold);
        let (sold, held) = (sold.len() as u32, held.len() as u32);
        Stock {
            free: self.capacity() - sold - held,
            held,
            taken: sold,
        }
    }
}

/// Seats by state. Those on their way through payment count as held: they may still come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stock {
    /// Can be held now.
    pub free: u32,
    /// Held or being paid.
    pub held: u32,
    /// Gone.
    pub taken: u32,
}

/// What a live claim row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Until the hold expires.
    Held,
    /// A payment is under way.
    Paying,
    /// For good.
    Sold,
}

impl Claimed {
    fn seen_as(self) -> SeatState {
        match self {
            Self::Held | Self::Paying => SeatState::Held,
            Self::Sold => SeatState::Taken,
        }
    }
}

/// A live claim; an expired hold is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatClaim {
    /// On which seat.
    pub seat: Seat,
    /// How firmly.
    pub claimed: Claimed,
    /// By whom.
    pub owner: Owner,
}

/// What a buyer sees of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeatState {
    /// Can be held.
    Free,
    /// Somebody holds it, and it may come back.
    Held,
    /// Gone.
    Taken,
}

/// One seat as a buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Which.
    pub seat: Seat,
    /// Free or not.
    pub state: SeatState,
    /// Whether the claim on it is the reader's own.
    pub mine: bool,
}

/// Why a seat plan cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} in a seat plan is not Section/level=ROWSxSEATS or ROWSxFIRST-LAST")]
pub struct PlanError {
    /// The part that was not understood.
    pub part: String,
}

/// Most rows of a plan: what letters without I and O name, one or two at a time, is far more.
const ROWS_MAX: usize = 100;

/// Reads a seat plan such as `Stalls/1=8x12-18; Circle/2=4x18`: eight rows that widen evenly from 12 to 18 seats, then
/// four of 18.
pub fn parse_plan(plan: &str) -> Result<SeatMap, PlanError> {
    let mut rows = Vec::new();
    for part in plan.split(';').map(str::trim) {
        let bad = || PlanError {
            part: part.to_owned(),
        };
        let (name, shape) = part.split_once('=').ok_or_else(bad)?;
        let (section, level) = name.split_once('/').ok_or_else(bad)?;
        let (count, width) = shape.split_once('x').ok_or_else(bad)?;
        let (first, last) = width.split_once('-').unwrap_or((width, width));
        let level: u8 = level.parse().map_err(|_| bad())?;
        let count: u32 = count.parse().map_err(|_| bad())?;
        let (first, last): (u32, u32) = (
            first.parse().map_err(|_| bad())?,
            last.parse().map_err(|_| bad())?,
        );
        let fits = (1..=9).contains(&level) && (1..=60).contains(&first) && (first..=60).contains(&last);
        if section.is_empty() || count == 0 || !fits || rows.len() + count as usize > ROWS_MAX {
            return Err(bad());
        }
        for row in 0..count {
            let grown = if count > 1 {
                (last - first) * row / (count - 1)
            } else {
                0
            };
            let label = row_label(rows.len());
            let distance = rows.len() as u32 + 1;
            rows.push(MapRow::centred(section, level, &label, first + grown, distance));
        }
    }
    Ok(SeatMap {
        rows,
        open: Vec::new(),
    })
}

/// Letters of the `at`-th row: A to Z without I and O, then AA, AB and so on.
fn row_label(at: usize) -> String {
    const LETTERS: &[u8; 24] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
    let letter = char::from(LETTERS[at % LETTERS.len()]);
    match at / LETTERS.len() {
        0 => letter.to_string(),
        before => format!("{}{letter}", char::from(LETTERS[(before - 1) % LETTERS.len()])),
    }
}

#[cfg(test)]
mod tests;
