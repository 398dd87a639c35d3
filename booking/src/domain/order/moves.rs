//! The one function that moves an order, and what its parts share: winding up, letting go, checking again.

use std::time::Duration;

use super::{Asker, Effect, Ending, Event, IntentId, IntentStatus, Mail, Order, Payment, Seats, State};

/// Payments of one order that are kept account of. One is normal, two happen; more mean that something is broken, and
/// are cancelled without an account.
pub const PAYMENTS_MAX: usize = 8;

/// From the end of the time for paying to the next check; doubles with every check that brings nothing new.
pub const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Checks are never further apart than this.
pub const CHECK_SLOWLY_EVERY: Duration = Duration::from_secs(15 * 60);

/// After this many checks in a row without news an operator is told: a quarter of an hour after the time was up.
pub const CHECKS_MAX: u32 = 5;

/// Attempts to give money back before an operator is told and has to ask again.
pub const REFUND_ATTEMPTS_MAX: u32 = 8;

/// How long an order waits for an operator's decision. Authorisations live for seven days at most providers, so that
/// a day leaves time to void.
pub const REVIEW_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Why an event was not taken in. Nothing has changed, and the transaction it came in is to be rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It makes no sense where the order stands.
    #[error("{event} is not possible for an order that is {state}")]
    NotNow {
        /// Where it stands.
        state: State,
        /// The event's name.
        event: &'static str,
    },
    /// It names a payment that this order does not have.
    #[error("the order has no such payment")]
    UnknownPayment,
    /// The tickets are out: the order can be refunded, not called off.
    #[error("the tickets are out; ask for a refund")]
    TicketsOut,
    /// The organiser's rules do not allow it any more.
    #[error("it is too late to ask for the money back")]
    TooLate,
    /// Somebody came in with a ticket, or was given one: the store found that where it takes the fan's wish in.
    #[error("a ticket of this order was used or passed on, so that it cannot be given back")]
    TicketGone,
    /// The bank decides.
    #[error("the payment is disputed; the bank decides")]
    Disputed,
    /// What was paid cannot be taken for what was asked for.
    #[error("paid in another currency; it can only be given back")]
    OtherCurrency,
}

/// Takes an event in: the order as it is to be stored and what is to be done, or why not. An event that was taken in
/// before changes nothing and has no effects.
pub fn step(order: &Order, event: &Event) -> Result<(Order, Vec<Effect>), Refused> {
    let mut to = Move {
        order: order.clone(),
        effects: Vec::new(),
        event: event.name(),
    };
    match event {
        Event::Begin { pay_within } => to.begin(*pay_within)?,
        Event::HoldLost => to.hold_lost()?,
        Event::ProviderSays(view) => to.provider_says(view),
        Event::NoIntentFound => to.no_intent_found(),
        Event::ProviderUnreachable => to.order.unheard = to.order.is_unfinished(),
        Event::CheckDue { round } => to.check_due(*round),
        Event::SeatsSold => to.seats_sold()?,
        Event::SeatsGone => to.seats_gone()?,
        Event::CaptureFailed { intent } => to.capture_failed(intent)?,
        Event::TicketsIssued => to.tickets_issued()?,
        Event::MailSent(mail) => to.order.mailed |= *mail == Mail::Tickets,
        Event::CallOff => to.call_off()?,
        Event::RefundAsked(asker) => to.refund_asked(*asker)?,
        Event::Refunded { intent, total } => to.refunded(intent, *total)?,
        Event::RefundFailed { intent, attempt } => to.refund_failed(intent, *attempt)?,
        Event::EventCancelled => to.event_cancelled(),
        Event::DisputeOpened { intent } => to.dispute_opened(intent)?,
        Event::DisputeClosed { intent, won } => to.dispute_closed(intent, *won)?,
        Event::ReviewDecided { accept } => to.review_decided(*accept)?,
    }
    if to.order.is_unfinished() && !to.order.check_due {
        to.check_after(CHECK_EVERY);
    }
    Ok((to.order, to.effects))
}

/// An order on its way from one state to the next.
pub(super) struct Move {
    pub(super) order: Order,
    pub(super) effects: Vec<Effect>,
    event: &'static str,
}

impl Move {
    pub(super) fn then(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn not_now(&self) -> Refused {
        Refused::NotNow {
            state: self.order.state,
            event: self.event,
        }
    }

    pub(super) fn is_kept(&self, intent: &IntentId) -> bool {
        self.order.kept.as_ref() == Some(intent)
    }

    pub(super) fn is_free_of_charge(&self) -> bool {
        self.order.total.amount == 0
    }

    pub(super) fn payment(&mut self, intent: &IntentId) -> Result<&mut Payment, Refused> {
        let found = self
            .order
            .payments
            .iter_mut()
            .find(|payment| payment.intent == *intent);
        found.ok_or(Refused::UnknownPayment)
    }

    pub(super) fn intents(&self, which: impl Fn(&Payment) -> bool) -> Vec<IntentId> {
        let chosen = self.order.payments.iter().filter(|payment| which(payment));
        chosen.map(|payment| payment.intent.clone()).collect()
    }

    fn begin(&mut self, pay_within: Duration) -> Result<(), Refused> {
        match self.order.state {
            State::Held if self.order.ending.is_some() => return Err(self.not_now()),
            State::Held if self.is_free_of_charge() => {
                self.order.state = State::Paying;
                self.then(Effect::KeepSeats);
                self.then(Effect::SellSeats);
            }
            State::Held => {
                self.order.state = State::Paying;
                self.then(Effect::KeepSeats);
                if self.order.lacks_payment() {
                    self.then(Effect::CreateIntent {
                        amount: self.order.total,
                    });
                }
                self.check_after(pay_within);
            }
            State::Expired | State::Failed | State::Cancelled => return Err(self.not_now()),
            _ => {}
        }
        Ok(())
    }

    fn hold_lost(&mut self) -> Result<(), Refused> {
        match self.order.state {
            State::Held if self.order.kept.is_none() => {
                self.order.seats = Seats::LetGo;
                self.order.ending = Some(Ending::TimeIsUp);
                self.order.state = State::Expired;
                self.cancel_unwanted();
            }
            State::Held | State::Paying | State::Review => return Err(self.not_now()),
            _ => {}
        }
        Ok(())
    }

    fn seats_sold(&mut self) -> Result<(), Refused> {
        if self.order.awaits_seats() {
            self.order.seats = Seats::Sold;
            self.order.state = State::Allocated;
            self.capture_or_issue();
        } else if self.order.seats != Seats::Sold {
            return Err(self.not_now());
        }
        Ok(())
    }

    fn seats_gone(&mut self) -> Result<(), Refused> {
        if self.order.ending == Some(Ending::SeatsGone) {
            return Ok(());
        }
        if !self.order.awaits_seats() {
            return Err(self.not_now());
        }
        self.wind_up(Ending::SeatsGone);
        Ok(())
    }

    /// With the seats sold: takes the money, or hands out the tickets where it was taken.
    pub(super) fn capture_or_issue(&mut self) {
        match self.order.kept_payment() {
            Some(payment) if payment.status == IntentStatus::Authorised => {
                let (intent, amount) = (payment.intent.clone(), payment.money(payment.authorised));
                self.then(Effect::Capture { intent, amount });
            }
            _ => self.then(Effect::IssueTickets),
        }
    }

    fn tickets_issued(&mut self) -> Result<(), Refused> {
        if self.order.can_be_issued() {
            self.order.issued = self
                .order
                .kept_payment()
                .map_or(0, |payment| payment.received - payment.refunded);
            self.order.state = State::Issued;
            self.order.idle_checks = 0;
            self.then(Effect::SendMail(Mail::Tickets));
        } else if !matches!(self.order.state, State::Issued | State::Disputed) {
            return Err(self.not_now());
        }
        Ok(())
    }

    fn capture_failed(&mut self, intent: &IntentId) -> Result<(), Refused> {
        let authorised = self.payment(intent)?.status == IntentStatus::Authorised;
        let waited_for = self.order.state == State::Allocated && self.order.ending.is_none();
        if authorised && waited_for && self.is_kept(intent) {
            self.wind_up(Ending::CaptureFailed);
        }
        Ok(())
    }

    fn call_off(&mut self) -> Result<(), Refused> {
        use Ending::{CalledOff, EventCancelled, Rejected, SeatsGone};
        match self.order.state {
            State::Held | State::Paying | State::Review | State::Allocated => {
                let over = [CalledOff, EventCancelled, Rejected, SeatsGone];
                if !self.order.ending.is_some_and(|ending| over.contains(&ending)) {
                    self.wind_up(CalledOff);
                }
            }
            State::Issued | State::Disputed => return Err(Refused::TicketsOut),
            _ => {}
        }
        Ok(())
    }

    /// Decides that the order is to end, has its payments cancelled or given back, and ends it at once where there is
    /// nothing to wait for.
    pub(super) fn wind_up(&mut self, ending: Ending) {
        self.order.ending = Some(ending);
        self.cancel_unwanted();
        if let Some(kept) = self.order.kept.clone() {
            self.owe(&kept);
        }
        let creating = self.order.state == State::Paying && !self.is_free_of_charge();
        if creating && self.order.payments.is_empty() {
            self.then(Effect::FindIntents);
        } else {
            self.end_if_nothing_is_open();
        }
    }

    /// Ends an order that is being wound up as soon as no payment can bring its price any more: the kept one where
    /// there is one, or else all. Until then its seats stay its own.
    pub(super) fn end_if_nothing_is_open(&mut self) {
        let open = |payment: &Payment| payment.is_live();
        let waits = match self.order.kept_payment() {
            Some(kept) => open(kept),
            None => self.order.payments.iter().any(open),
        };
        let running = matches!(
            self.order.state,
            State::Held | State::Paying | State::Review | State::Allocated
        );
        let late = self.order.state == State::Expired && self.order.kept.is_some();
        match self.order.ending {
            Some(ending) if !waits && (running || late) => self.end(ending),
            _ => {}
        }
    }

    /// Ends an order of which no payment is open: seats go, and a mail says why.
    pub(super) fn end(&mut self, ending: Ending) {
        self.order.ending = Some(ending);
        let owed = self.order.payments.iter().any(|payment| payment.refund_due > 0);
        let authorised = self.order.payments.iter().any(|payment| payment.authorised > 0);
        if self.order.state == State::Allocated {
            self.then(Effect::KillTickets);
        }
        self.let_go();
        self.order.state = match self.order.state {
            _ if owed => State::RefundDue,
            State::Expired => State::Expired,
            _ => ending.leads_to(),
        };
        self.order.idle_checks = 0;
        let mail = match ending {
            Ending::EventCancelled => Some(Mail::EventCancelled),
            _ if owed => Some(Mail::RefundUnderWay),
            Ending::TimeIsUp | Ending::SeatsGone => authorised.then_some(Mail::NotCharged),
            Ending::CalledOff => Some(Mail::CalledOff),
            Ending::CaptureFailed | Ending::Rejected => Some(Mail::Declined),
        };
        if let Some(mail) = mail {
            self.then(Effect::SendMail(mail));
        }
    }

    pub(super) fn let_go(&mut self) {
        if self.order.seats != Seats::LetGo {
            self.order.seats = Seats::LetGo;
            self.then(Effect::ReleaseSeats);
        }
    }

    /// Cancels every payment that is not to be had, once a round.
    pub(super) fn cancel_unwanted(&mut self) {
        for intent in self.intents(Payment::is_live) {
            self.cancel_if_unwanted(&intent);
        }
    }

    pub(super) fn cancel_if_unwanted(&mut self, intent: &IntentId) {
        let live = self.order.payment(intent).is_some_and(Payment::is_live);
        if !live || !self.order.is_unwanted(intent) {
            return;
        }
        if !self.order.check_due {
            self.check_after(CHECK_EVERY);
        }
        let round = self.order.round;
        if let Ok(payment) = self.payment(intent)
            && payment.cancel_round != Some(round)
        {
            payment.cancel_round = Some(round);
            self.then(Effect::CancelIntent {
                intent: intent.clone(),
                round,
            });
        }
    }

    /// Sets the next check, in place of one that may be due.
    pub(super) fn check_after(&mut self, after: Duration) {
        self.order.round = self.order.round.saturating_add(1);
        self.order.check_due = true;
        self.then(Effect::CheckAgainAfter {
            round: self.order.round,
            after,
        });
    }

    pub(super) fn refund_asked(&mut self, asker: Asker) -> Result<(), Refused> {
        match (self.order.state, asker) {
            (State::Issued, Asker::Fan { in_time: false }) => return Err(Refused::TooLate),
            (State::Issued, _) => self.give_back(Mail::RefundUnderWay),
            (State::Disputed, _) => return Err(Refused::Disputed),
            (State::Held | State::Paying | State::Review | State::Allocated, _) => return Err(self.not_now()),
            (_, Asker::Organiser) => self.try_refunds_again(),
            (_, Asker::Fan { .. }) => {}
        }
        Ok(())
    }
}
