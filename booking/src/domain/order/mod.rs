//! An order's life, from held seats to tickets or to money back, as one pure function.
//!
//! [`step`] takes the order as it is stored and one [`Event`], and answers with the order as it is to be stored and
//! the [`Effect`]s that follow. It reads no clock, knows no database and calls nobody; whoever calls it
//!
//! 1. opens a transaction and reads the order, locked against other writers;
//! 2. calls `step`; a [`Refused`] rolls back and changes nothing;
//! 3. carries out the effects for which [`Effect::within_transaction`] holds, on the claims and tickets. What
//!    [`Effect::SellSeats`] comes to is itself an event ([`Event::SeatsSold`] or [`Event::SeatsGone`]) and is taken in
//!    before the commit, so that the claims `sold`, the order `allocated` and what is to be captured are one write.
//!    [`Effect::KeepSeats`] that finds fewer claims than seats rolls everything back, and the order takes in
//!    [`Event::HoldLost`] instead;
//! 4. writes the order and the remaining effects, each under [`Effect::key`], to the outbox, and commits. An entry whose
//!    key is there already is due again: a check found that its answer had not come.
//!
//! The outbox carries its entries out at least once, those of one order one after another, asks [`still_wanted`]
//! before each, and brings what came of it back as an event. The answer of every call to the provider is
//! [`Event::ProviderSays`] with what the provider says now: webhook, return page and reconciler differ only in when
//! they ask. While anything is unfinished exactly one check is due ([`Effect::CheckAgainAfter`]); when its time has
//! come the reconciler brings [`Event::CheckDue`]. So nothing that a lost message left behind stays behind. One thing
//! an order cannot know: a payment that names it and of which no word ever came. For those the reconciler lists the
//! provider's live payments now and then, and brings each as [`Event::ProviderSays`].

mod effect;
mod event;
mod fan;
mod ledger;
mod moves;
mod payment;
mod provider;
mod state;
mod transfer;
mod undo;

pub use effect::{Alert, Effect, Mail, still_wanted};
pub use event::{Asker, BadIntentId, Event, IntentId, IntentStatus, IntentView};
pub use fan::FanSees;
pub use ledger::{Ledger, Unbalanced, ledgers};
pub use moves::{
    CHECK_EVERY, CHECK_SLOWLY_EVERY, CHECKS_MAX, PAYMENTS_MAX, REFUND_ATTEMPTS_MAX, REVIEW_WITHIN, Refused,
    step,
};
pub use payment::Payment;
pub use state::{BadState, Ending, Seats, State};
pub use transfer::{Side, Transfer};

use super::Money;

/// Everything `step` has to remember of an order. Which seats, whose and under which token is the store's to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Order {
    /// Where it stands.
    pub state: State,
    /// What has to be paid, fixed when the order is made.
    pub total: Money,
    /// What became of its claims.
    pub seats: Seats,
    /// Why it is being wound up, from the moment that this was decided; kept afterwards as the reason.
    pub ending: Option<Ending>,
    /// Whether the time for paying is over.
    pub time_is_up: bool,
    /// The payment that pays for this order: the first that was authorised or captured. All others are ended.
    pub kept: Option<IntentId>,
    /// Every payment that was heard of, at most [`PAYMENTS_MAX`].
    pub payments: Vec<Payment>,
    /// Minor units for which tickets are out, of the order's currency.
    pub issued: i64,
    /// The number of the latest check; a check with another number is an old one.
    pub round: u32,
    /// Whether that check is still to come.
    pub check_due: bool,
    /// Checks in a row that brought nothing new, counted up to [`CHECKS_MAX`].
    pub idle_checks: u32,
    /// Whether the provider could not be reached when it was last asked.
    pub unheard: bool,
    /// Whether the bank took the payment up with us: never, now, or in the past.
    pub dispute: Dispute,
    /// Whether the mail with the tickets was accepted by a mail server.
    pub mailed: bool,
}

/// A dispute over the kept payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispute {
    /// None was heard of.
    None,
    /// The bank has not decided.
    Open,
    /// The bank has decided; a late word of its opening changes nothing.
    Closed,
}

/// Why an order cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order's total is not negative")]
pub struct BadTotal;

impl Order {
    /// An order over seats that are held. A total of nothing is paid by nobody: its seats are sold when payment begins.
    pub fn new(total: Money) -> Result<Self, BadTotal> {
        if total.amount < 0 {
            return Err(BadTotal);
        }
        Ok(Self {
            state: State::Held,
            total,
            seats: Seats::Kept,
            ending: None,
            time_is_up: false,
            kept: None,
            payments: Vec::new(),
            issued: 0,
            round: 0,
            check_due: false,
            idle_checks: 0,
            unheard: false,
            dispute: Dispute::None,
            mailed: false,
        })
    }

    /// The payment of this name.
    pub fn payment(&self, intent: &IntentId) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.intent == *intent)
    }

    /// The payment that pays for this order.
    pub fn kept_payment(&self) -> Option<&Payment> {
        self.payment(self.kept.as_ref()?)
    }

    /// Whether anything is still to come of the order without anybody asking for it: a payment that is neither
    /// cancelled nor captured, seats that are neither sold nor let go, tickets to be issued, money to be given back.
    pub fn is_unfinished(&self) -> bool {
        let on_its_way = match self.state {
            State::Paying | State::Review | State::Allocated => true,
            State::Held | State::Expired => self.kept.is_some() && self.ending.is_none(),
            _ => false,
        };
        on_its_way
            || self
                .payments
                .iter()
                .any(|payment| payment.is_live() || payment.refund_pending())
    }

    /// Whether it is paid for, and nothing speaks against going on with it.
    pub(crate) fn goes_on(&self) -> bool {
        let paid = self.kept_payment().is_some_and(Payment::has_paid);
        self.ending.is_none() && (paid || self.total.amount == 0)
    }

    /// Whether it is paid for with the right amount, and its seats are still to be sold to it.
    pub(crate) fn awaits_seats(&self) -> bool {
        let begun = match self.state {
            State::Paying | State::Review => true,
            State::Held | State::Expired => self.kept.is_some(),
            _ => false,
        };
        let fits = self.kept_payment().is_none_or(|payment| payment.fits(self.total));
        begun && fits && self.goes_on() && self.seats != Seats::Sold
    }

    /// Whether its tickets can be written: the money is here, and the seats are its own.
    pub(crate) fn can_be_issued(&self) -> bool {
        let captured = |payment: &Payment| payment.status == IntentStatus::Captured;
        let paid = self.total.amount == 0 || self.kept_payment().is_some_and(captured);
        self.state == State::Allocated && self.ending.is_none() && paid
    }

    /// Whether there is still to be a payment and none is there.
    pub(crate) fn lacks_payment(&self) -> bool {
        let to_be_paid = self.state == State::Paying && self.ending.is_none() && !self.time_is_up;
        to_be_paid && self.kept.is_none() && !self.payments.iter().any(Payment::is_live)
    }

    /// Whether a payment of this name, as it stands, is one to be cancelled: the order does not wait for one, is being
    /// wound up or is over, or another payment was kept.
    pub(crate) fn is_unwanted(&self, intent: &IntentId) -> bool {
        match &self.kept {
            Some(kept) if kept != intent => true,
            Some(_) => self.ending.is_some() || self.state == State::RefundDue || self.state.is_final(),
            None => self.state != State::Paying || self.ending.is_some() || self.total.amount == 0,
        }
    }
}
