//! What follows from the provider's word, and from checks that it is asked in.

use super::moves::{CHECK_EVERY, CHECK_SLOWLY_EVERY, CHECKS_MAX, Move, PAYMENTS_MAX, REVIEW_WITHIN};
use super::{Alert, Effect, Ending, IntentId, IntentStatus, IntentView, Mail, Order, Payment, State};

impl Move {
    pub(super) fn provider_says(&mut self, view: &IntentView) {
        self.order.unheard = false;
        let known = self
            .order
            .payments
            .iter()
            .any(|payment| payment.intent == view.intent);
        if !known && self.order.payments.len() >= PAYMENTS_MAX {
            self.then(Effect::Alert(Alert::TooManyPayments));
            if !matches!(view.status, IntentStatus::Captured | IntentStatus::Cancelled) {
                let (intent, round) = (view.intent.clone(), self.order.round);
                self.then(Effect::CancelIntent { intent, round });
            }
            return;
        }
        if !known {
            self.order.payments.push(Payment::new(view));
        }
        let Ok(payment) = self.payment(&view.intent) else {
            return;
        };
        let news = payment.take_in(view);
        let status = payment.status;
        if news {
            self.order.idle_checks = 0;
        }
        match status {
            IntentStatus::Open | IntentStatus::Declined | IntentStatus::Processing => {
                self.waits(&view.intent, status)
            }
            IntentStatus::Authorised | IntentStatus::Captured if news => self.paid(&view.intent),
            IntentStatus::Cancelled if news => self.gone(&view.intent),
            _ => self.cancel_if_unwanted(&view.intent),
        }
    }

    /// A payment that nobody has paid yet.
    fn waits(&mut self, intent: &IntentId, status: IntentStatus) {
        let order = &self.order;
        let late = order.state == State::Paying && order.kept.is_none() && order.time_is_up;
        let may_still_succeed = status == IntentStatus::Processing && order.idle_checks < CHECKS_MAX;
        if late && order.ending.is_none() && !may_still_succeed {
            self.order.ending = Some(Ending::TimeIsUp);
            self.cancel_unwanted();
        }
        self.cancel_if_unwanted(intent);
    }

    /// A payment was authorised, or captured.
    fn paid(&mut self, intent: &IntentId) {
        let order = &self.order;
        let open_to_it = matches!(order.state, State::Held | State::Paying | State::Expired)
            && matches!(order.ending, None | Some(Ending::TimeIsUp))
            && !self.is_free_of_charge();
        let fits = order
            .payment(intent)
            .is_some_and(|payment| payment.fits(order.total));
        let captured = order
            .payment(intent)
            .is_some_and(|payment| payment.status == IntentStatus::Captured);
        match &order.kept {
            None if open_to_it && (fits || order.state != State::Expired) => {
                self.order.kept = Some(intent.clone());
                self.order.ending = None;
                if fits {
                    self.then(Effect::SellSeats);
                } else {
                    self.review();
                }
                self.cancel_unwanted();
            }
            Some(kept) if kept == intent && captured => self.captured(intent, fits),
            kept => {
                let twice = kept.is_some();
                self.cancel_unwanted();
                self.owe(intent);
                if captured && !twice && self.order.state == State::Expired {
                    self.order.state = State::RefundDue;
                    self.then(Effect::SendMail(Mail::RefundUnderWay));
                } else if captured && twice {
                    self.then(Effect::SendMail(Mail::PaidTwice));
                } else if captured && self.order.state.is_final() {
                    self.then(Effect::SendMail(Mail::RefundUnderWay));
                }
                self.end_if_nothing_is_open();
            }
        }
    }

    /// The payment that was kept is captured now.
    fn captured(&mut self, intent: &IntentId, fits: bool) {
        let ending = self.order.ending;
        match self.order.state {
            State::Review if ending.is_none() && fits => {}
            State::Review if ending.is_none() => self.review(),
            State::Allocated if matches!(ending, None | Some(Ending::CaptureFailed)) => {
                self.order.ending = None;
                if fits {
                    self.then(Effect::IssueTickets);
                } else {
                    self.review();
                }
            }
            State::Held | State::Paying | State::Expired if ending.is_none() && fits => {
                self.then(Effect::SellSeats);
            }
            State::Held | State::Paying if ending.is_none() => self.review(),
            State::Expired if ending.is_none() => self.wind_up(Ending::Rejected),
            _ => {
                self.owe(intent);
                self.end_if_nothing_is_open();
            }
        }
    }

    /// A payment was cancelled: by us, by the provider, or by the passing of time.
    fn gone(&mut self, intent: &IntentId) {
        let authorised = self
            .order
            .payment(intent)
            .is_some_and(|payment| payment.authorised > 0);
        // Nothing was set aside: the provider's own time to pay ran out, or the fan gave up there.
        let too_late = self.order.time_is_up || !authorised;
        let without_word = match (self.order.state, too_late) {
            (State::Review, _) => Ending::Rejected,
            (State::Paying, true) | (State::Expired, _) => Ending::TimeIsUp,
            _ => Ending::CaptureFailed,
        };
        match &self.order.kept {
            Some(kept) if kept == intent => {
                self.order.ending.get_or_insert(without_word);
            }
            Some(_) if authorised => self.then(Effect::SendMail(Mail::PaidTwice)),
            None if self.order.state == State::Expired && authorised => {
                self.then(Effect::SendMail(Mail::NotCharged));
            }
            None if self.order.state == State::Paying
                && !self.order.payments.iter().any(Payment::is_live) =>
            {
                self.order.ending.get_or_insert(without_word);
            }
            _ => {}
        }
        self.end_if_nothing_is_open();
    }

    /// The provider knows of no payment: once the time is up, or the order is to end, there is nothing to wait for.
    pub(super) fn no_intent_found(&mut self) {
        self.order.unheard = false;
        let Order {
            state,
            ending,
            time_is_up,
            ref payments,
            ..
        } = self.order;
        if state == State::Paying && payments.is_empty() && (time_is_up || ending.is_some()) {
            self.end(ending.unwrap_or(Ending::TimeIsUp));
        }
    }

    fn review(&mut self) {
        self.order.state = State::Review;
        if let Some(kept) = self.order.kept.clone()
            && let Ok(payment) = self.payment(&kept)
        {
            payment.accepted = None;
        }
        self.then(Effect::Alert(Alert::AmountDiffers));
        self.check_after(REVIEW_WITHIN);
    }

    /// The check is due: whatever is unfinished is asked about or asked for again, under the same keys.
    pub(super) fn check_due(&mut self, round: u32) {
        if round != self.order.round || !self.order.check_due {
            return;
        }
        self.order.check_due = false;
        if !self.order.is_unfinished() {
            return;
        }
        let idle_before = self.order.idle_checks;
        self.order.idle_checks = (idle_before + 1).min(CHECKS_MAX);
        let after = (CHECK_EVERY * (1 << idle_before)).min(CHECK_SLOWLY_EVERY);
        self.check_after(after);
        if idle_before < CHECKS_MAX && self.order.idle_checks == CHECKS_MAX {
            self.then(Effect::Alert(Alert::NoProgress));
        }
        self.go_on();
        self.cancel_unwanted();
        self.repeat_refunds();
    }

    /// The next thing on the way to tickets, once more.
    fn go_on(&mut self) {
        let goes_on = self.order.goes_on();
        match self.order.state {
            State::Review if self.order.ending.is_none() => self.wind_up(Ending::Rejected),
            _ if self.order.awaits_seats() => self.then(Effect::SellSeats),
            State::Allocated if goes_on => self.capture_or_issue(),
            State::Paying => {
                self.order.time_is_up = true;
                if self.order.payments.is_empty() {
                    self.then(Effect::FindIntents);
                } else if !self.order.payments.iter().any(Payment::is_live) {
                    self.end(self.order.ending.unwrap_or(Ending::TimeIsUp));
                }
                if self.order.ending.is_none() {
                    for intent in self.intents(Payment::is_live) {
                        self.then(Effect::ReadIntent(intent));
                    }
                }
            }
            _ => {}
        }
    }
}
