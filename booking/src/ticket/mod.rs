//! What a fan takes along: the signed text that the gate believes, its QR code, the printed ticket and the calendar
//! entry.
//!
//! Everything here is pure: it is given plain fields and gives back text or bytes, the same for the same input. It knows
//! neither the database nor HTTP; whether a ticket is still good is decided by its row, which [`signed`] helps to compare.

pub mod calendar;
pub mod keys;
pub mod pdf;
pub mod qr;
pub mod signed;

mod face;
mod issued;
mod typeset;

pub use face::{LocalTime, TicketFace};
pub use issued::Ticket;
pub use keys::{KeyError, KeyId, PublicKey, PublicKeys, SigningKey};
pub use signed::{BadTicket, SeatTooLong, TicketClaims};

pub use crate::domain::{Generation, TicketId};
