//! Holds: which seats may be asked for together, and what comes of asking.

use super::{HoldId, Seat, SeatMap, ShowtimeId};

/// Most seats one fan may have of a showtime, over all holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatLimit(pub u32);

/// Seats somebody asks for: at least one, no more than the limit, all on the map, none twice, in the fixed order in
/// which every hold claims them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    seats: Vec<Seat>,
}

/// Why a request for seats makes no sense, whatever else is held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHold {
    /// None was named.
    #[error("choose at least one seat")]
    NoSeats,
    /// More than one fan may have.
    #[error("at most {limit} seats per fan; {asked} were asked for")]
    TooMany {
        /// How many.
        asked: usize,
        /// Of how many.
        limit: u32,
    },
    /// Texts that name no seat of this venue.
    #[error("no such seat here: {}", seats.join(", "))]
    Unknown {
        /// As they came, cut short.
        seats: Vec<String>,
    },
}

impl HoldRequest {
    /// Longest part of a text that is not a seat which is given back in the answer.
    const ECHO_MAX: usize = 16;

    /// Reads the named seats against the venue's map. A seat named twice counts once.
    pub fn new(named: &[String], map: &SeatMap, limit: SeatLimit) -> Result<Self, BadHold> {
        if named.is_empty() {
            return Err(BadHold::NoSeats);
        }
        let mut seats = Vec::with_capacity(named.len());
        let mut unknown = Vec::new();
        for name in named {
            match name.parse::<Seat>() {
                Ok(seat) if map.has_named(&seat) => seats.push(seat),
                _ => unknown.push(name.chars().take(Self::ECHO_MAX).collect()),
            }
        }
        if !unknown.is_empty() {
            unknown.truncate(limit.0.max(1) as usize);
            return Err(BadHold::Unknown { seats: unknown });
        }
        seats.sort();
        seats.dedup();
        if seats.len() > limit.0 as usize {
            return Err(BadHold::TooMany {
                asked: seats.len(),
                limit: limit.0,
            });
        }
        Ok(Self { seats })
    }

    /// The seats, in claiming order.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }
}

/// Seats that are somebody's for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// Of which showtime.
    pub showtime: ShowtimeId,
    /// Which seats, in order.
    pub seats: Vec<Seat>,
    /// The fencing token: grows with every hold, so that a later write can prove it still speaks for this one.
    pub token: i64,
    /// Whole seconds, by the database's clock, until the first of its seats is up for taking over.
    pub seconds_left: i64,
}

/// What comes of asking for seats that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldOutcome {
    /// All of them are the asker's.
    Held(Hold),
    /// These belong to others; nothing was held.
    JustTaken(Vec<Seat>),
    /// With what the fan already has it would be more than one may have; nothing was held.
    OverLimit {
        /// Seats the fan has on this showtime besides those asked for.
        has: u32,
        /// Seats asked for.
        asked: u32,
    },
    /// Fewer are left than were asked for, or none that fit what was asked; nothing was held.
    NotEnough {
        /// How many there are.
        left: u32,
    },
    /// The showtime has begun.
    Started,
    /// It was called off.
    Cancelled,
    /// There is no such showtime.
    NoShowtime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::parse_plan;

    fn ask(named: &[&str], limit: u32) -> Result<Vec<String>, BadHold> {
        let map = parse_plan("Stalls/1=2x12").expect("a plan");
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        let request = HoldRequest::new(&named, &map, SeatLimit(limit))?;
        Ok(request.seats().iter().map(Seat::to_string).collect())
    }

    #[test]
    fn seats_come_out_in_the_fixed_order_and_once() {
        assert_eq!(
            ask(&["B-1", "a-10", "A-2", "A-2"], 3),
            Ok(vec!["A-2".into(), "A-10".into(), "B-1".into()])
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_reason() {
        assert_eq!(ask(&[], 3), Err(BadHold::NoSeats));
        assert_eq!(
            ask(&["A-1", "A-2", "A-3"], 2),
            Err(BadHold::TooMany { asked: 3, limit: 2 })
        );
        let unknown = ask(&["A-1", "C-1", "A-13", "'; drop table claim; --"], 6);
        let seats = vec!["C-1".into(), "A-13".into(), "'; drop table cl".into()];
        assert_eq!(unknown, Err(BadHold::Unknown { seats }));
    }
}
