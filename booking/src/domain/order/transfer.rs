//! A ticket of an order that was passed on: both sides are told.

use super::Effect;
use crate::domain::{AccountId, Generation, TicketId};

/// One side of a ticket's passing on, to be told of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Transfer {
    /// Which ticket.
    pub ticket: TicketId,
    /// What it became by this: with a higher one it has been passed on again.
    pub generation: Generation,
    /// Who gave it.
    pub from: AccountId,
    /// Who has it now.
    pub to: AccountId,
    /// Which of the two is told.
    pub tells: Side,
}

/// The two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who gave it.
    Giver,
    /// Who has it now.
    Receiver,
}

impl Transfer {
    /// What follows from a ticket's passing on.
    pub fn follows(
        ticket: TicketId,
        generation: Generation,
        from: &AccountId,
        to: &AccountId,
    ) -> [Effect; 2] {
        [Side::Giver, Side::Receiver].map(|tells| {
            Effect::TellOfTransfer(Self {
                ticket,
                generation,
                from: from.clone(),
                to: to.clone(),
                tells,
            })
        })
    }

    /// The same for the same side of the same passing on, and for no other.
    pub(super) fn key(&self) -> String {
        let side = match self.tells {
            Side::Giver => "sent",
            Side::Receiver => "received",
        };
        format!("ticket_{side}:{}:{}", self.ticket, self.generation.0)
    }
}
