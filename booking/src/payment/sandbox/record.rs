//! One payment's life, as a pure state machine: what is asked, at what time, and what follows. No clock, no file, no
//! HTTP. Amounts are in the provider's units.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cards::Card;
use super::refusal::{Fault, Refusal};
use crate::payment::stripe::Status;

/// How long an authorisation holds unless it is taken: a week, as with cards at Stripe.
const AUTHORISATION_MS: i64 = 7 * 24 * 3600 * 1000;

/// Most refunds of one payment.
const REFUNDS_MAX: usize = 100;

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) created_s: i64,
    pub(super) amount: i64,
    /// In small letters.
    pub(super) currency: String,
    pub(super) description: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) client_secret: String,
    pub(super) status: Status,
    pub(super) card: Option<Card>,
    pub(super) last_error: Option<Fault>,
    /// All that was ever authorised; what is not captured or released of it is still held.
    pub(super) authorised: i64,
    pub(super) captured: i64,
    pub(super) released: i64,
    pub(super) refunds: Vec<RefundRecord>,
    /// When it dies by itself, in milliseconds since 1970.
    pub(super) ends_at_ms: Option<i64>,
    pub(super) cancellation_reason: Option<String>,
}

/// Money paid back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefundRecord {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) created_s: i64,
}

/// What a step has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// What is told by webhook.
    pub(super) event: &'static str,
    /// The bank's no: the step was taken and the answer is an error all the same.
    pub(super) declined: Option<Fault>,
}

impl Done {
    fn event(event: &'static str) -> Self {
        Self {
            event,
            declined: None,
        }
    }
}

/// The time, and how long an unconfirmed payment lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) now_ms: i64,
    pub(super) pay_within_ms: i64,
}

impl Clock {
    pub(super) fn now_s(self) -> i64 {
        self.now_ms / 1000
    }
}

impl Record {
    /// A card is charged.
    pub(super) fn confirm(&mut self, card: Card, clock: Clock) -> Result<Done, Refusal> {
        if !matches!(
            self.status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
        ) {
            return Err(Refusal::wrong_state(self.status, "confirm"));
        }
        self.card = Some(card);
        self.last_error = None;
        Ok(match card {
            Card::Pays | Card::CaptureFails => self.authorise(clock),
            Card::Declines => self.decline(Fault::declined()),
            Card::Asks => {
                self.status = Status::RequiresAction;
                Done::event("payment_intent.requires_action")
            }
            Card::NeverAnswers => {
                self.status = Status::Processing;
                self.ends_at_ms = None;
                Done::event("payment_intent.processing")
            }
        })
    }

    /// The fan has answered at the bank.
    pub(super) fn answer(&mut self, approved: bool, clock: Clock) -> Result<Done, Refusal> {
        match (self.status, approved) {
            (Status::RequiresAction, true) => Ok(self.authorise(clock)),
            (Status::RequiresAction, false) => Ok(self.decline(Fault::not_authenticated())),
            _ => Err(Refusal::wrong_state(self.status, "approve")),
        }
    }

    /// All that is authorised is taken.
    pub(super) fn capture(&mut self, clock: Clock) -> Result<Done, Refusal> {
        if self.status != Status::RequiresCapture {
            return Err(Refusal::wrong_state(self.status, "capture"));
        }
        if self.card == Some(Card::CaptureFails) {
            self.released += self.amount;
            self.ends_at_ms = Some(clock.now_ms + clock.pay_within_ms);
            return Ok(self.decline(Fault::declined()));
        }
        self.captured = self.amount;
        self.status = Status::Succeeded;
        self.ends_at_ms = None;
        Ok(Done::event("payment_intent.succeeded"))
    }

    /// It is given up. So is one whose bank never answers: otherwise it could never end.
    pub(super) fn cancel(&mut self, reason: Option<&str>) -> Result<Done, Refusal> {
        if self.status.is_final() {
            return Err(Refusal::wrong_state(self.status, "cancel"));
        }
        if self.status == Status::RequiresCapture {
            self.released += self.amount;
        }
        self.status = Status::Canceled;
        self.ends_at_ms = None;
        self.cancellation_reason = reason.map(str::to_owned);
        Ok(Done::event("payment_intent.canceled"))
    }

    /// Some of what was taken is paid back; all that is left where no amount is given.
    pub(super) fn refund(&mut self, id: String, amount: Option<i64>, clock: Clock) -> Result<Done, Refusal> {
        if self.status != Status::Succeeded {
            return Err(Refusal::wrong_state(self.status, "refund"));
        }
        let left = self.captured - self.refunded();
        let amount = amount.unwrap_or(left);
        if amount > left || left == 0 {
            return Err(Refusal::too_much(left));
        }
        if self.refunds.len() >= REFUNDS_MAX {
            return Err(Refusal::invalid(
                "payment_intent",
                "it has been refunded too many times",
            ));
        }
        self.refunds.push(RefundRecord {
            id,
            amount,
            created_s: clock.now_s(),
        });
        Ok(Done::event("charge.refunded"))
    }

    /// Its time is over, if it is.
    pub(super) fn expire(&mut self, clock: Clock) -> Option<Done> {
        let over = self.ends_at_ms.is_some_and(|ends_at| ends_at <= clock.now_ms);
        over.then(|| self.cancel(Some("expired")).ok()).flatten()
    }

    pub(super) fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    fn authorise(&mut self, clock: Clock) -> Done {
        self.status = Status::RequiresCapture;
        self.authorised += self.amount;
        self.ends_at_ms = Some(clock.now_ms + AUTHORISATION_MS);
        Done::event("payment_intent.amount_capturable_updated")
    }

    fn decline(&mut self, fault: Fault) -> Done {
        self.status = Status::RequiresPaymentMethod;
        self.last_error = Some(fault.clone());
        Done {
            event: "payment_intent.payment_failed",
            declined: Some(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAY_WITHIN_MS: i64 = 600_000;

    fn clock(now_ms: i64) -> Clock {
        Clock {
            now_ms,
            pay_within_ms: PAY_WITHIN_MS,
        }
    }

    fn record() -> Record {
        Record {
            id: "pi_1".into(),
            created_s: 0,
            amount: 5000,
            currency: "usd".into(),
            description: None,
            metadata: BTreeMap::new(),
            client_secret: String::new(),
            status: Status::RequiresPaymentMethod,
            card: None,
            last_error: None,
            authorised: 0,
            captured: 0,
            released: 0,
            refunds: Vec::new(),
            ends_at_ms: Some(PAY_WITHIN_MS),
            cancellation_reason: None,
        }
    }

    fn card() -> impl Strategy<Value = Card> {
        proptest::sample::select(Card::ALL.to_vec())
    }

    #[derive(Clone, Debug)]
    enum Step {
        Confirm(Card),
        Answer(bool),
        Capture,
        Cancel,
        Refund(Option<i64>),
        Wait(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            card().prop_map(Step::Confirm),
            any::<bool>().prop_map(Step::Answer),
            Just(Step::Capture),
            Just(Step::Cancel),
            proptest::option::of(1..6000_i64).prop_map(Step::Refund),
            (0..PAY_WITHIN_MS * 2).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever is asked in whatever order: money is neither made nor lost, and what has ended stays ended.
        #[test]
        fn the_sums_agree_after_every_step(steps in proptest::collection::vec(step(), 1..30)) {
            let (mut record, mut now_ms) = (record(), 0);
            for step in steps {
                let before = record.clone();
                let done = match step {
                    Step::Confirm(card) => record.confirm(card, clock(now_ms)).is_ok(),
                    Step::Answer(yes) => record.answer(yes, clock(now_ms)).is_ok(),
                    Step::Capture => record.capture(clock(now_ms)).is_ok(),
                    Step::Cancel => record.cancel(None).is_ok(),
                    Step::Refund(amount) => record.refund("re_1".into(), amount, clock(now_ms)).is_ok(),
                    Step::Wait(ms) => {
                        now_ms += ms;
                        record.expire(clock(now_ms)).is_some()
                    }
                };
                if !done {
                    prop_assert_eq!(&record, &before, "a refusal changes nothing");
                }
                let open = if record.status == Status::RequiresCapture { record.amount } else { 0 };
                prop_assert_eq!(record.authorised, record.captured + record.released + open);
                prop_assert!(record.refunded() <= record.captured);
                prop_assert_eq!(record.captured > 0, record.status == Status::Succeeded);
                if before.status.is_final() {
                    prop_assert_eq!(record.status, before.status);
                }
            }
        }
    }

    #[test]
    fn what_is_not_confirmed_in_time_dies_and_what_is_does_not() {
        let mut waiting = record();
        assert_eq!(waiting.expire(clock(PAY_WITHIN_MS - 1)), None);
        assert!(waiting.expire(clock(PAY_WITHIN_MS)).is_some());
        assert_eq!(waiting.status, Status::Canceled);
        let mut confirmed = record();
        confirmed.confirm(Card::Pays, clock(0)).expect("an authorisation");
        assert_eq!(confirmed.expire(clock(PAY_WITHIN_MS * 2)), None);
        assert!(
            confirmed.expire(clock(AUTHORISATION_MS)).is_some(),
            "a week is the end of it"
        );
        assert_eq!((confirmed.released, confirmed.captured), (5000, 0));
    }
}
