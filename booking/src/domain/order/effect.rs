//! What is to be done after a step, as data.

use std::time::Duration;

use super::{IntentId, IntentStatus, Order, State, Transfer};
use crate::domain::Money;

/// What is to be done. Each may be carried out more than once and must then come to the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Turn the hold's claims into `paying`, naming owner and token; all or nothing.
    KeepSeats,
    /// Turn the order's claims into `sold`, naming owner and token. Claims that were let go are taken again where the
    /// seat is free, under a new token. All or nothing; claims that are sold to this order already are right.
    SellSeats,
    /// Delete the order's claims, whatever their state, naming owner and token.
    ReleaseSeats,
    /// End the order's tickets, so that none of them opens a gate.
    KillTickets,
    /// Create the payment, to be captured by hand, with the order's id in its metadata.
    CreateIntent {
        /// What to ask for.
        amount: Money,
    },
    /// List the payments that name this order, and report each, or that there is none.
    FindIntents,
    /// Read this payment again.
    ReadIntent(IntentId),
    /// Cancel this payment; where that is refused, read it again.
    CancelIntent {
        /// Which.
        intent: IntentId,
        /// In which round of checks. A new one has a new key: under an old key the provider repeats its old answer.
        round: u32,
    },
    /// Capture this payment.
    Capture {
        /// Which.
        intent: IntentId,
        /// How much.
        amount: Money,
    },
    /// Give money back.
    Refund {
        /// Of which payment.
        intent: IntentId,
        /// How much.
        amount: Money,
        /// A new one has a new key: under an old key the provider repeats its old answer.
        attempt: u32,
    },
    /// Write a ticket for each seat.
    IssueTickets,
    /// Send a mail, under a Message-ID made of the order and [`Effect::key`].
    SendMail(Mail),
    /// Send a mail to one side of a ticket's passing on, under a Message-ID made of [`Effect::key`]. No step decides it:
    /// passing a ticket on moves no order.
    TellOfTransfer(Transfer),
    /// Tell an operator.
    Alert(Alert),
    /// Come back with [`CheckDue`](super::Event::CheckDue) when this long has passed. Takes the place of the check that
    /// was due before.
    CheckAgainAfter {
        /// The number of the check.
        round: u32,
        /// From now, by the database's clock.
        after: Duration,
    },
}

/// Mails about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mail {
    /// Here are the tickets.
    Tickets,
    /// Paid too late: authorised, not charged, with a reference.
    NotCharged,
    /// The payment was declined in the end; nothing was charged.
    Declined,
    /// Paid twice: the second payment is not charged, or goes back.
    PaidTwice,
    /// Called off; nothing was charged.
    CalledOff,
    /// The event will not take place; what was paid goes back.
    EventCancelled,
    /// The money is on its way back.
    RefundUnderWay,
    /// The money went back.
    Refunded,
}

impl Mail {
    fn name(self) -> &'static str {
        match self {
            Self::Tickets => "tickets",
            Self::NotCharged => "not_charged",
            Self::Declined => "declined",
            Self::PaidTwice => "paid_twice",
            Self::CalledOff => "called_off",
            Self::EventCancelled => "event_cancelled",
            Self::RefundUnderWay => "refund_under_way",
            Self::Refunded => "refunded",
        }
    }
}

/// What an operator has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alert {
    /// Check after check brought no end. Seats and money stay as they are, and it is checked more slowly.
    NoProgress,
    /// What was paid is not what was asked for; the order waits for a decision.
    AmountDiffers,
    /// Money cannot be given back. It is tried no more until somebody asks again.
    RefundFails,
    /// A bank disputes a payment.
    Disputed,
    /// More payments name this order than are kept account of.
    TooManyPayments,
    /// Part of the money was given back by somebody else.
    PartlyRefunded,
}

impl Alert {
    fn name(self) -> &'static str {
        match self {
            Self::NoProgress => "no_progress",
            Self::AmountDiffers => "amount_differs",
            Self::RefundFails => "refund_fails",
            Self::Disputed => "disputed",
            Self::TooManyPayments => "too_many_payments",
            Self::PartlyRefunded => "partly_refunded",
        }
    }
}

impl Effect {
    /// Whether it is carried out in the transaction that stores the order; all others go to the outbox.
    pub fn within_transaction(&self) -> bool {
        matches!(
            self,
            Self::KeepSeats
                | Self::SellSeats
                | Self::ReleaseSeats
                | Self::KillTickets
                | Self::CheckAgainAfter { .. }
        )
    }

    /// A name that is the same for the same deed on this order and differs for every other. Behind the order's id it
    /// is the idempotency key for the provider. An outbox that has an entry of this name makes it due again.
    pub fn key(&self) -> String {
        match self {
            Self::KeepSeats => "keep_seats".into(),
            Self::SellSeats => "sell_seats".into(),
            Self::ReleaseSeats => "release_seats".into(),
            Self::KillTickets => "kill_tickets".into(),
            Self::CreateIntent { .. } => "create".into(),
            Self::FindIntents => "find".into(),
            Self::ReadIntent(intent) => format!("read:{intent}"),
            Self::CancelIntent { intent, round } => format!("cancel:{intent}:{round}"),
            Self::Capture { intent, .. } => format!("capture:{intent}"),
            Self::Refund { intent, attempt, .. } => format!("refund:{intent}:{attempt}"),
            Self::IssueTickets => "issue".into(),
            Self::SendMail(mail) => format!("mail:{}", mail.name()),
            Self::TellOfTransfer(transfer) => transfer.key(),
            Self::Alert(alert) => format!("alert:{}", alert.name()),
            Self::CheckAgainAfter { round, .. } => format!("check:{round}"),
        }
    }
}

/// Whether an effect that was once decided still makes sense for the order as it stands now. The outbox asks before it
/// carries one out: between the decision and the deed the provider may have said something else.
pub fn still_wanted(order: &Order, effect: &Effect) -> bool {
    let known = |intent| order.payment(intent);
    match effect {
        Effect::CreateIntent { .. } => order.lacks_payment(),
        Effect::FindIntents => order.state == State::Paying && order.payments.is_empty(),
        Effect::ReadIntent(intent) => known(intent).is_none_or(super::Payment::is_live),
        Effect::CancelIntent { intent, .. } => {
            known(intent).is_none_or(|payment| payment.is_live()) && order.is_unwanted(intent)
        }
        Effect::Capture { intent, .. } => {
            let authorised = known(intent).is_some_and(|payment| payment.status == IntentStatus::Authorised);
            authorised && order.state == State::Allocated && !order.is_unwanted(intent)
        }
        Effect::Refund { intent, attempt, .. } => known(intent)
            .is_some_and(|payment| payment.refund_pending() && payment.refund_attempt == *attempt),
        Effect::IssueTickets => order.can_be_issued(),
        Effect::KeepSeats
        | Effect::SellSeats
        | Effect::ReleaseSeats
        | Effect::KillTickets
        | Effect::SendMail(_)
        | Effect::TellOfTransfer(_)
        | Effect::Alert(_)
        | Effect::CheckAgainAfter { .. } => true,
    }
}
