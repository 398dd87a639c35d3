//! What can happen to an order.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Mail;
use crate::domain::Currency;

/// The provider's name for a payment, such as `pi_3N...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IntentId(String);

/// Why a text is not a payment's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a payment's name is 1 to {} printable ASCII characters without spaces",
    IntentId::LEN_MAX
)]
pub struct BadIntentId;

impl IntentId {
    /// Longest name that is believed, in bytes: what Stripe asks to reserve for its ids.
    pub const LEN_MAX: usize = 255;

    /// As the provider writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IntentId {
    type Err = BadIntentId;

    fn from_str(text: &str) -> Result<Self, BadIntentId> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for IntentId {
    type Error = BadIntentId;

    fn try_from(text: String) -> Result<Self, BadIntentId> {
        let fits =
            (1..=Self::LEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(BadIntentId) }
    }
}

impl From<IntentId> for String {
    fn from(id: IntentId) -> Self {
        id.0
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a payment is, in the words of no provider in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Waits for the fan: a card, a confirmation, a step at the bank.
    Open,
    /// The same after a card was declined; another may be tried.
    Declined,
    /// The provider is at work and does not know yet.
    Processing,
    /// The money is set aside and can be captured or voided.
    Authorised,
    /// The money was taken.
    Captured,
    /// Voided or lapsed. No money will be taken.
    Cancelled,
}

/// What the provider says of a payment now: read again, never taken from a webhook's body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IntentView {
    /// Which payment.
    pub intent: IntentId,
    /// How far it is.
    pub status: IntentStatus,
    /// Minor units that were to be paid.
    pub amount: i64,
    /// Of which currency.
    pub currency: Currency,
    /// Minor units that are authorised and not captured.
    pub capturable: i64,
    /// Minor units that were captured, whatever was given back since.
    pub received: i64,
}

/// Who asks for money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// The fan, who may within the organiser's rules; `in_time` says whether those allow it now.
    Fan {
        /// Whether the rules allow it now.
        in_time: bool,
    },
    /// The organiser or an operator, who always may.
    Organiser,
}

/// What can happen to an order. Each may come twice, late, and in any order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The fan goes to pay, and has this long: longer than the provider's own time to pay.
    Begin {
        /// Until the first check.
        pay_within: Duration,
    },
    /// [`KeepSeats`](super::Effect::KeepSeats) found that the hold had expired or its token had moved on; or the
    /// reconciler found an order whose hold is long over.
    HoldLost,
    /// What the provider says of a payment of this order, whoever asked and why: also the answer to creating,
    /// capturing and cancelling. `Cancelled` is the confirmed cancel, `Captured` the capture that succeeded.
    ProviderSays(IntentView),
    /// The provider lists no payment that names this order.
    NoIntentFound,
    /// The provider could not be asked, or gave no answer that can be understood.
    ProviderUnreachable,
    /// The check of this number is due.
    CheckDue {
        /// As [`CheckAgainAfter`](super::Effect::CheckAgainAfter) gave it.
        round: u32,
    },
    /// Every seat is `sold` to this order, in this transaction.
    SeatsSold,
    /// At least one seat is somebody else's, so none was sold to this order.
    SeatsGone,
    /// The provider will not capture this payment: a final no, not a missing answer.
    CaptureFailed {
        /// Which payment.
        intent: IntentId,
    },
    /// The tickets are written.
    TicketsIssued,
    /// A mail server accepted this mail.
    MailSent(Mail),
    /// The fan or the organiser calls the order off before its tickets are out.
    CallOff,
    /// The money is asked back after the tickets are out, or a stuck refund is tried again.
    RefundAsked(Asker),
    /// What of a payment has been given back in all, in minor units.
    Refunded {
        /// Which payment.
        intent: IntentId,
        /// In all, not this time.
        total: i64,
    },
    /// The provider said that this attempt to give back will not work.
    RefundFailed {
        /// Which payment.
        intent: IntentId,
        /// As [`Refund`](super::Effect::Refund) gave it.
        attempt: u32,
    },
    /// The event will not take place.
    EventCancelled,
    /// The fan's bank disputes a payment.
    DisputeOpened {
        /// Which payment.
        intent: IntentId,
    },
    /// The bank has decided.
    DisputeClosed {
        /// Which payment.
        intent: IntentId,
        /// Whether the money stays here.
        won: bool,
    },
    /// An operator decided on an order under review.
    ReviewDecided {
        /// Take what was paid for the whole order, or give it back.
        accept: bool,
    },
}

impl Event {
    /// A name for messages and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::HoldLost => "hold_lost",
            Self::ProviderSays(_) => "provider_says",
            Self::NoIntentFound => "no_intent_found",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::CheckDue { .. } => "check_due",
            Self::SeatsSold => "seats_sold",
            Self::SeatsGone => "seats_gone",
            Self::CaptureFailed { .. } => "capture_failed",
            Self::TicketsIssued => "tickets_issued",
            Self::MailSent(_) => "mail_sent",
            Self::CallOff => "call_off",
            Self::RefundAsked(_) => "refund_asked",
            Self::Refunded { .. } => "refunded",
            Self::RefundFailed { .. } => "refund_failed",
            Self::EventCancelled => "event_cancelled",
            Self::DisputeOpened { .. } => "dispute_opened",
            Self::DisputeClosed { .. } => "dispute_closed",
            Self::ReviewDecided { .. } => "review_decided",
        }
    }
}
