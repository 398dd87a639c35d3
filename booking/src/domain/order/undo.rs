//! What undoes an order that was paid: refunds, cancelled events, disputes, and an operator's decision.

use super::moves::{Move, REFUND_ATTEMPTS_MAX, Refused};
use super::{Alert, Dispute, Effect, Ending, IntentId, Mail, Payment, Seats, State};

impl Move {
    /// Gives back whatever of a payment was captured and is not on its way back.
    pub(super) fn owe(&mut self, intent: &IntentId) {
        let Ok(payment) = self.payment(intent) else { return };
        if payment.refund_due == 0 && payment.received > payment.refunded {
            payment.refund_due = payment.received - payment.refunded;
            self.ask_refund(intent);
        }
    }

    fn ask_refund(&mut self, intent: &IntentId) {
        let Ok(payment) = self.payment(intent) else { return };
        let (amount, attempt) = (payment.money(payment.refund_due), payment.refund_attempt);
        self.then(Effect::Refund {
            intent: intent.clone(),
            amount,
            attempt,
        });
    }

    pub(super) fn repeat_refunds(&mut self) {
        let asked: Vec<IntentId> = self.effects.iter().filter_map(refund_of).cloned().collect();
        for intent in self.intents(Payment::refund_pending) {
            if !asked.contains(&intent) {
                self.ask_refund(&intent);
            }
        }
    }

    /// Refunds that were given up have new attempts.
    pub(super) fn try_refunds_again(&mut self) {
        for intent in self.intents(|payment| payment.refund_due > 0 && !payment.refund_pending()) {
            if let Ok(payment) = self.payment(&intent) {
                payment.refund_failures = 0;
            }
            self.ask_refund(&intent);
        }
    }

    /// Takes tickets and seats away and gives the money back. Nothing to give back is given back at once.
    pub(super) fn give_back(&mut self, mail: Mail) {
        self.order.issued = 0;
        self.then(Effect::KillTickets);
        self.let_go();
        if let Some(kept) = self.order.kept.clone() {
            self.owe(&kept);
        }
        let owed = self.order.payments.iter().any(|payment| payment.refund_due > 0);
        self.order.state = if owed { State::RefundDue } else { State::Refunded };
        self.then(Effect::SendMail(mail));
    }

    pub(super) fn refunded(&mut self, intent: &IntentId, total: i64) -> Result<(), Refused> {
        let kept = self.is_kept(intent);
        let payment = self.payment(intent)?;
        let total = total.min(payment.received);
        if total <= payment.refunded {
            return Ok(());
        }
        payment.refunded = total;
        let left = payment.received - total;
        let foreign = payment.refund_due == 0;
        if !foreign {
            payment.refund_due = left;
        }
        self.order.idle_checks = 0;
        let all_done = self.order.payments.iter().all(|payment| payment.refund_due == 0);
        if self.order.state == State::RefundDue {
            if all_done {
                self.order.state = State::Refunded;
                self.then(Effect::SendMail(Mail::Refunded));
            }
        } else if kept && foreign && left == 0 && !self.order.state.is_final() {
            self.give_back(Mail::Refunded);
        } else if kept && foreign {
            self.order.issued = self.order.issued.min(left);
            self.then(Effect::Alert(Alert::PartlyRefunded));
        }
        Ok(())
    }

    pub(super) fn refund_failed(&mut self, intent: &IntentId, attempt: u32) -> Result<(), Refused> {
        let payment = self.payment(intent)?;
        if payment.refund_due > 0 && payment.refund_attempt == attempt {
            payment.refund_attempt += 1;
            payment.refund_failures += 1;
            if payment.refund_failures >= REFUND_ATTEMPTS_MAX {
                self.then(Effect::Alert(Alert::RefundFails));
            }
        }
        Ok(())
    }

    pub(super) fn event_cancelled(&mut self) {
        if self.order.ending == Some(Ending::EventCancelled) {
            return;
        }
        match self.order.state {
            State::Held | State::Paying | State::Review | State::Allocated => {
                self.wind_up(Ending::EventCancelled)
            }
            State::Expired if self.order.goes_on() => self.wind_up(Ending::EventCancelled),
            State::Expired => self.order.ending = Some(Ending::EventCancelled),
            State::Issued => {
                self.order.ending = Some(Ending::EventCancelled);
                self.give_back(Mail::EventCancelled);
            }
            State::Disputed => {
                self.order.ending = Some(Ending::EventCancelled);
                self.then(Effect::KillTickets);
            }
            State::Failed | State::RefundDue | State::Refunded | State::Cancelled => {}
        }
    }

    pub(super) fn dispute_opened(&mut self, intent: &IntentId) -> Result<(), Refused> {
        self.payment(intent)?;
        if self.order.dispute != Dispute::None || !self.is_kept(intent) {
            return Ok(());
        }
        self.order.dispute = Dispute::Open;
        self.then(Effect::Alert(Alert::Disputed));
        if matches!(self.order.state, State::Issued | State::RefundDue) {
            self.order.state = State::Disputed;
        }
        Ok(())
    }

    pub(super) fn dispute_closed(&mut self, intent: &IntentId, won: bool) -> Result<(), Refused> {
        let kept = self.is_kept(intent);
        let payment = self.payment(intent)?;
        if !won && payment.received > payment.refunded {
            payment.refunded = payment.received;
            payment.refund_due = 0;
            if kept && !self.order.state.is_final() {
                self.give_back(Mail::Refunded);
            }
        }
        if kept {
            self.order.dispute = Dispute::Closed;
        }
        if kept && self.order.state == State::Disputed {
            self.undisputed();
        }
        Ok(())
    }

    /// The money stays: the order goes back to where it was.
    fn undisputed(&mut self) {
        let owed = self.order.payments.iter().any(|payment| payment.refund_due > 0);
        match self.order.ending {
            Some(Ending::EventCancelled) if self.order.issued > 0 => self.give_back(Mail::EventCancelled),
            _ if self.order.seats == Seats::Sold => self.order.state = State::Issued,
            _ if owed => self.order.state = State::RefundDue,
            _ => self.order.state = State::Refunded,
        }
    }

    pub(super) fn review_decided(&mut self, accept: bool) -> Result<(), Refused> {
        let total = self.order.total;
        let decided =
            self.order.ending.is_some() || self.order.kept_payment().is_some_and(|p| p.accepted.is_some());
        let Some(kept) = self
            .order
            .kept
            .clone()
            .filter(|_| self.order.state == State::Review || decided)
        else {
            return Err(self.not_now());
        };
        if decided {
            return Ok(());
        }
        if !accept {
            self.wind_up(Ending::Rejected);
            return Ok(());
        }
        let payment = self.payment(&kept)?;
        if payment.currency != total.currency {
            return Err(Refused::OtherCurrency);
        }
        payment.accepted = Some(payment.brought());
        if self.order.seats == Seats::Sold {
            self.order.state = State::Allocated;
            self.capture_or_issue();
        } else {
            self.then(Effect::SellSeats);
        }
        Ok(())
    }
}

fn refund_of(effect: &Effect) -> Option<&IntentId> {
    match effect {
        Effect::Refund { intent, .. } => Some(intent),
        _ => None,
    }
}
