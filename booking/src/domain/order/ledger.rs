//! Where the money of an order is. The books must balance at any moment, for one order and for all.

use super::{Order, State};
use crate::domain::Currency;

/// An order's money in one currency, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Which.
    pub currency: Currency,
    /// Set aside at the provider, neither captured nor voided.
    pub authorised: i64,
    /// Taken.
    pub captured: i64,
    /// For which tickets are out.
    pub issued: i64,
    /// Given back.
    pub refunded: i64,
    /// To be given back.
    pub refund_due: i64,
    /// Taken, and the order still on its way to tickets or to a refund. Nothing as soon as the order has come to rest.
    pub pending: i64,
}

/// Books that do not balance: captured is not issued + refunded + refund due (+ pending).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("captured is not issued + refunded + refund due: {0:?}")]
pub struct Unbalanced(pub Ledger);

impl Ledger {
    /// Whether captured = issued + refunded + refund due, with what is on its way counted too.
    pub fn check(&self) -> Result<(), Unbalanced> {
        let amounts = [
            self.authorised,
            self.captured,
            self.issued,
            self.refunded,
            self.refund_due,
            self.pending,
        ];
        let sum = self.issued + self.refunded + self.refund_due + self.pending;
        if sum == self.captured && amounts.iter().all(|amount| *amount >= 0) {
            Ok(())
        } else {
            Err(Unbalanced(*self))
        }
    }

    /// Whether all of it has come to rest: nothing set aside, nothing on its way, nothing due.
    pub fn is_settled(&self) -> bool {
        self.authorised == 0 && self.pending == 0 && self.refund_due == 0
    }
}

/// An order's books: one ledger, and one more for each foreign currency that somebody paid in.
pub fn ledgers(order: &Order) -> Vec<Ledger> {
    let mut books = vec![empty(order.total.currency)];
    for payment in &order.payments {
        let at = books
            .iter()
            .position(|book| book.currency == payment.currency)
            .unwrap_or_else(|| {
                books.push(empty(payment.currency));
                books.len() - 1
            });
        let book = &mut books[at];
        if payment.is_live() {
            book.authorised += payment.authorised;
        }
        book.captured += payment.received;
        book.refunded += payment.refunded;
        book.refund_due += payment.refund_due;
        let on_its_way = matches!(
            order.state,
            State::Held | State::Paying | State::Review | State::Allocated | State::Expired
        );
        if on_its_way && order.kept.as_ref() == Some(&payment.intent) {
            book.pending += payment.received - payment.refunded - payment.refund_due;
        }
    }
    books[0].issued = order.issued;
    books
}

fn empty(currency: Currency) -> Ledger {
    Ledger {
        currency,
        authorised: 0,
        captured: 0,
        issued: 0,
        refunded: 0,
        refund_due: 0,
        pending: 0,
    }
}
