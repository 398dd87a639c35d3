//! A ticket's row, read: the one thing that says whether its code still opens a gate.

use super::signed::SEAT_LEN_MAX;
use super::{Generation, TicketClaims, TicketId};
use crate::domain::{OrderId, Owner, Seat, ShowtimeId};

/// A ticket as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its name.
    pub id: TicketId,
    /// Of which order.
    pub order: OrderId,
    /// For which showtime.
    pub showtime: ShowtimeId,
    /// For which seat.
    pub seat: Seat,
    /// In which section.
    pub section: String,
    /// What was paid for it, in minor units of the order's currency.
    pub amount: i64,
    /// Whose it is now.
    pub owner: Owner,
    /// Which of its codes is good.
    pub generation: Generation,
    /// Whether somebody came in with it, and how many seconds ago.
    pub used_seconds_ago: Option<i64>,
    /// Whether it was called off: refunded, cancelled.
    pub dead: bool,
}

impl Ticket {
    /// Whether it is another's now than the buyer's.
    pub fn is_passed_on(&self, buyer: &Owner) -> bool {
        !self.dead && self.owner != *buyer
    }

    /// Whether the buyer cannot give it back any more: somebody came in with it, or it is another's.
    pub fn is_gone(&self, buyer: &Owner) -> bool {
        self.used_seconds_ago.is_some() || self.is_passed_on(buyer)
    }

    /// What its code says.
    pub fn claims(&self) -> TicketClaims {
        let whole = format!("{} {}", self.section, self.seat);
        TicketClaims {
            ticket: self.id,
            generation: self.generation,
            showtime: self.showtime,
            seat: match whole.len() {
                ..=SEAT_LEN_MAX => whole,
                _ => self.seat.to_string(),
            },
        }
    }
}
