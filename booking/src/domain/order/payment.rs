//! One payment of an order as it was last heard of.

use super::{IntentId, IntentStatus, IntentView};
use crate::domain::{Currency, Money};

use super::moves::REFUND_ATTEMPTS_MAX;

/// One payment of an order. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Payment {
    /// Its name at the provider.
    pub intent: IntentId,
    /// How far it is. Once `Captured` or `Cancelled` it stays so; once `Authorised` it does not go back.
    pub status: IntentStatus,
    /// Of which currency.
    pub currency: Currency,
    /// What it was to bring.
    pub amount: i64,
    /// What was set aside; stays after a void, to know what the fan may have seen on a statement.
    pub authorised: i64,
    /// What was captured.
    pub received: i64,
    /// What of it is to go back and has not.
    pub refund_due: i64,
    /// What of it went back.
    pub refunded: i64,
    /// Which attempt to give back is under way or was the last, from 0.
    pub refund_attempt: u32,
    /// Attempts that failed since somebody last asked for it.
    pub refund_failures: u32,
    /// In which round of checks it was last to be cancelled: once a round is enough.
    pub cancel_round: Option<u32>,
    /// What an operator took it for, although it is not what was asked for.
    pub accepted: Option<i64>,
}

impl Payment {
    pub(super) fn new(view: &IntentView) -> Self {
        Self {
            intent: view.intent.clone(),
            status: IntentStatus::Open,
            currency: view.currency,
            amount: view.amount,
            authorised: 0,
            received: 0,
            refund_due: 0,
            refunded: 0,
            refund_attempt: 0,
            refund_failures: 0,
            cancel_round: None,
            accepted: None,
        }
    }

    /// Takes in what the provider says, unless as much or more is known already. Says whether that is news: the payment
    /// went further than was known.
    pub(super) fn take_in(&mut self, view: &IntentView) -> bool {
        let (known, said) = (stage(self.status), stage(view.status));
        let news = said > known && !self.is_closed();
        let still_open = said == 0 && known == 0;
        if !news && !still_open {
            return false;
        }
        self.status = view.status;
        self.currency = view.currency;
        self.amount = view.amount;
        if view.status == IntentStatus::Authorised {
            self.authorised = view.capturable;
        }
        if view.status == IntentStatus::Captured {
            self.received = view.received;
        }
        news
    }

    /// Whether it may still take money or let it go.
    pub fn is_live(&self) -> bool {
        !self.is_closed()
    }

    fn is_closed(&self) -> bool {
        matches!(self.status, IntentStatus::Captured | IntentStatus::Cancelled)
    }

    /// Whether money is set aside, or was taken.
    pub fn has_paid(&self) -> bool {
        matches!(self.status, IntentStatus::Authorised | IntentStatus::Captured)
    }

    /// Whether there is money to give back and attempts are left.
    pub fn refund_pending(&self) -> bool {
        self.refund_due > 0 && self.refund_failures < REFUND_ATTEMPTS_MAX
    }

    /// What was captured, or else is set aside.
    pub(super) fn brought(&self) -> i64 {
        match self.status {
            IntentStatus::Captured => self.received,
            _ => self.authorised,
        }
    }

    /// Whether it brings what was asked for, or what an operator took for it.
    pub(super) fn fits(&self, total: Money) -> bool {
        let brought = self.brought();
        let right = match self.accepted {
            Some(accepted) => brought == accepted,
            None => brought == total.amount && self.amount == total.amount,
        };
        right && self.currency == total.currency
    }

    pub(super) fn money(&self, amount: i64) -> Money {
        Money {
            amount,
            currency: self.currency,
        }
    }
}

/// Payments go from one stage to the next and never back. Within the first the provider may change its word.
fn stage(status: IntentStatus) -> u8 {
    match status {
        IntentStatus::Open | IntentStatus::Declined | IntentStatus::Processing => 0,
        IntentStatus::Authorised => 1,
        IntentStatus::Captured | IntentStatus::Cancelled => 2,
    }
}
