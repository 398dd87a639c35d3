//! What an order's fan is told.

use super::{Ending, IntentStatus, Order, Payment, State};

/// What the fan sees of an order: a key for pages and the API, and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FanSees {
    /// The hold's countdown.
    SeatsHeld,
    /// The second countdown: the payment can be made.
    Payable,
    /// The card was declined; another may be tried while the countdown runs.
    TryAnotherCard,
    /// Something is under way that needs no doing.
    CheckingPayment,
    /// The provider does not answer.
    StillConfirming,
    /// What was paid is not what was asked for.
    UnderReview,
    /// Paid; the tickets are coming.
    TicketsComing,
    /// The tickets.
    Tickets,
    /// Not paid in time.
    Expired,
    /// Paid, but too late: authorised, not charged.
    NotCharged,
    /// The payment did not work out.
    Declined,
    /// Money is on its way back.
    RefundPending,
    /// The money went back.
    Refunded,
    /// Called off.
    Cancelled,
    /// The event will not take place.
    EventCancelled,
    /// The bank looks at it.
    Disputed,
}

impl FanSees {
    /// One sentence, to be followed by the order's reference.
    pub fn text(self) -> &'static str {
        match self {
            Self::SeatsHeld => "Your seats are held for you until the countdown ends.",
            Self::Payable => "Your seats are kept while you pay.",
            Self::TryAnotherCard => "Your card was declined. You can try another one; your seats are kept.",
            Self::CheckingPayment => "Checking your payment.",
            Self::StillConfirming => "Still confirming your payment. Your seats are kept.",
            Self::UnderReview => "Your payment is under review. You will hear from us.",
            Self::TicketsComing => "Paid. Your tickets are on their way.",
            Self::Tickets => "Here are your tickets.",
            Self::Expired => "The time for paying is over. Hold the seats again if they are still free.",
            Self::NotCharged => "Your payment came too late: it was authorised, but you are not charged.",
            Self::Declined => "The payment was declined. You are not charged.",
            Self::RefundPending => "Your refund is pending.",
            Self::Refunded => "Your money was given back.",
            Self::Cancelled => "This order was called off. You are not charged.",
            Self::EventCancelled => "The event will not take place. What you paid goes back to you.",
            Self::Disputed => "Your bank is looking at this payment.",
        }
    }
}

impl Order {
    /// What the fan is told now.
    pub fn fan_sees(&self) -> FanSees {
        if self.state.is_final() && self.payments.iter().any(|payment| payment.refund_due > 0) {
            return FanSees::RefundPending;
        }
        let authorised = self.payments.iter().any(|payment| payment.authorised > 0);
        match self.state {
            State::Held => FanSees::SeatsHeld,
            State::Paying => self.fan_sees_while_paying(),
            State::Review => FanSees::UnderReview,
            State::Allocated if self.ending.is_some() => FanSees::CheckingPayment,
            State::Allocated => FanSees::TicketsComing,
            State::Issued => FanSees::Tickets,
            State::Expired if self.kept.is_some() && self.ending.is_none() => FanSees::CheckingPayment,
            State::Expired if authorised || self.ending == Some(Ending::SeatsGone) => FanSees::NotCharged,
            State::Expired => FanSees::Expired,
            State::Failed => FanSees::Declined,
            State::RefundDue => FanSees::RefundPending,
            State::Refunded => FanSees::Refunded,
            State::Cancelled if self.ending == Some(Ending::EventCancelled) => FanSees::EventCancelled,
            State::Cancelled => FanSees::Cancelled,
            State::Disputed => FanSees::Disputed,
        }
    }

    fn fan_sees_while_paying(&self) -> FanSees {
        let live = self.payments.iter().rfind(|payment| payment.is_live());
        let status = live.map(|payment: &Payment| payment.status);
        match status {
            _ if self.unheard => FanSees::StillConfirming,
            _ if self.kept.is_some() || self.time_is_up || self.ending.is_some() => FanSees::CheckingPayment,
            Some(IntentStatus::Open) => FanSees::Payable,
            Some(IntentStatus::Declined) => FanSees::TryAnotherCard,
            _ => FanSees::CheckingPayment,
        }
    }
}
