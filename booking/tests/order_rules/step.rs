//! Properties of `step` over random histories: events of every kind, repeated, late, in any order, some impossible.
//! After each of them the books balance and nothing has moved back; after the last a provider that answers brings the
//! order to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_booking::domain::Money;
use tidegate_booking::domain::order::{
    Asker, Effect, Event, IntentId, IntentStatus, IntentView, Mail, Order, Payment, Refused, Seats, State,
    ledgers, step, still_wanted,
};

const PRICE: i64 = 5000;

fn intent() -> impl Strategy<Value = IntentId> {
    prop_oneof![6 => Just("pi_1"), 2 => Just("pi_2"), 1 => Just("pi_3")]
        .prop_map(|name| name.parse().unwrap())
}

fn view() -> impl Strategy<Value = IntentView> {
    use IntentStatus::{Authorised, Cancelled, Captured, Declined, Open, Processing};
    let status = prop_oneof![
        2 => Just(Open), 1 => Just(Declined), 1 => Just(Processing), 4 => Just(Authorised), 3 => Just(Captured),
        2 => Just(Cancelled),
    ];
    let amount = prop_oneof![12 => Just(PRICE), 1 => Just(PRICE - 1)];
    let currency = prop_oneof![20 => Just("USD"), 1 => Just("EUR")];
    (intent(), status, amount, currency).prop_map(|(intent, status, amount, currency)| IntentView {
        intent,
        status,
        amount: PRICE,
        currency: currency.parse().unwrap(),
        capturable: if status == Authorised { amount } else { 0 },
        received: if status == Captured { amount } else { 0 },
    })
}

/// `CheckDue` of the round that is due, or of an earlier one, is made of this number when its turn comes.
fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Begin { pay_within: Duration::from_secs(1200) }),
        1 => Just(Event::HoldLost),
        16 => view().prop_map(Event::ProviderSays),
        2 => Just(Event::NoIntentFound),
        2 => Just(Event::ProviderUnreachable),
        6 => (0_u32..3).prop_map(|round| Event::CheckDue { round }),
        8 => Just(Event::SeatsSold),
        2 => Just(Event::SeatsGone),
        1 => intent().prop_map(|intent| Event::CaptureFailed { intent }),
        6 => Just(Event::TicketsIssued),
        1 => Just(Event::MailSent(Mail::Tickets)),
        1 => Just(Event::CallOff),
        1 => any::<bool>().prop_map(|in_time| Event::RefundAsked(Asker::Fan { in_time })),
        1 => Just(Event::RefundAsked(Asker::Organiser)),
        2 => (intent(), prop_oneof![Just(PRICE), Just(PRICE / 2), Just(PRICE * 2)])
            .prop_map(|(intent, total)| Event::Refunded { intent, total }),
        2 => (intent(), 0_u32..3).prop_map(|(intent, attempt)| Event::RefundFailed { intent, attempt }),
        1 => Just(Event::EventCancelled),
        1 => intent().prop_map(|intent| Event::DisputeOpened { intent }),
        1 => (intent(), any::<bool>()).prop_map(|(intent, won)| Event::DisputeClosed { intent, won }),
        1 => any::<bool>().prop_map(|accept| Event::ReviewDecided { accept }),
    ]
}

/// The books as somebody keeps them who sees only events that were taken in, not the order.
#[derive(Default)]
struct Bookkeeper {
    captured: BTreeMap<IntentId, i64>,
    closed: BTreeMap<IntentId, IntentStatus>,
    refunded: BTreeMap<IntentId, i64>,
}

impl Bookkeeper {
    fn sees(&mut self, event: &Event) {
        match event {
            Event::ProviderSays(view) if !self.closed.contains_key(&view.intent) => {
                if matches!(view.status, IntentStatus::Captured | IntentStatus::Cancelled) {
                    self.closed.insert(view.intent.clone(), view.status);
                    self.captured.insert(view.intent.clone(), view.received);
                }
            }
            Event::Refunded { intent, total } => self.gives_back(intent, *total),
            Event::DisputeClosed { intent, won: false } => self.gives_back(intent, i64::MAX),
            _ => {}
        }
    }

    fn gives_back(&mut self, intent: &IntentId, total: i64) {
        let captured = self.captured.get(intent).copied().unwrap_or(0);
        let refunded = self.refunded.entry(intent.clone()).or_default();
        *refunded = (*refunded).max(total.min(captured));
    }
}

/// Whether the payment that counts is captured or cancelled: the kept one, or else all there are.
fn cannot_be_paid(order: &Order) -> bool {
    match order.kept_payment() {
        Some(kept) => !kept.is_live(),
        None => order.payments.iter().all(|payment| !payment.is_live()),
    }
}

/// What must hold of every step.
fn check_step(before: &Order, event: &Event, after: &Order, effects: &[Effect]) -> Result<(), TestCaseError> {
    prop_assert!(
        before.state.may_become(after.state),
        "{} became {}",
        before.state,
        after.state
    );
    prop_assert!(!before.state.is_final() || before.state == after.state);
    prop_assert!(
        before.seats != Seats::LetGo || after.seats != Seats::Kept,
        "seats that were let go are not kept"
    );
    prop_assert_eq!(
        after.is_unfinished() && !after.check_due,
        false,
        "nobody would come back"
    );
    let sold = matches!(after.state, State::Allocated | State::Issued);
    prop_assert!(
        !sold || after.seats == Seats::Sold,
        "{} without seats",
        after.state
    );
    let provider_ended_it = matches!(event, Event::ProviderSays(_) | Event::NoIntentFound);
    for effect in effects {
        match effect {
            Effect::ReleaseSeats if before.state == State::Paying => {
                prop_assert!(cannot_be_paid(after), "released with a payment open");
                let heard_of = !before.payments.is_empty() && cannot_be_paid(before);
                let known = provider_ended_it || heard_of || before.total.amount == 0;
                prop_assert!(known, "released by {event:?}");
            }
            Effect::Capture { intent, amount } => {
                prop_assert_eq!(after.state, State::Allocated);
                prop_assert_eq!(after.kept.as_ref(), Some(intent));
                prop_assert_eq!(amount.amount, after.payment(intent).unwrap().authorised);
            }
            Effect::IssueTickets => {
                let paid = after
                    .kept_payment()
                    .is_none_or(|kept| kept.status == IntentStatus::Captured);
                prop_assert!(paid && after.state == State::Allocated);
            }
            Effect::Refund { intent, amount, .. } => {
                let payment = after.payment(intent).unwrap();
                prop_assert!(0 < amount.amount && amount.amount <= payment.received - payment.refunded);
            }
            Effect::CancelIntent { intent, .. } => prop_assert!(after.payment(intent).unwrap().is_live()),
            _ => {}
        }
        prop_assert!(
            still_wanted(after, effect),
            "{effect:?} is not wanted as soon as it is decided"
        );
    }
    let keys: Vec<String> = effects.iter().map(Effect::key).collect();
    let mut different = keys.clone();
    different.sort();
    different.dedup();
    prop_assert_eq!(keys.len(), different.len(), "the same thing twice: {:?}", effects);
    Ok(())
}

fn check_books(order: &Order, keeper: &Bookkeeper) -> Result<(), TestCaseError> {
    let books = ledgers(order);
    for book in &books {
        prop_assert!(book.check().is_ok(), "{:?}", book.check());
        prop_assert!(
            order.is_unfinished() || (book.pending == 0 && book.authorised == 0),
            "{book:?}"
        );
    }
    let sum = |amounts: &BTreeMap<IntentId, i64>| amounts.values().sum::<i64>();
    prop_assert_eq!(
        books.iter().map(|book| book.captured).sum::<i64>(),
        sum(&keeper.captured)
    );
    prop_assert_eq!(
        books.iter().map(|book| book.refunded).sum::<i64>(),
        sum(&keeper.refunded)
    );
    if order.state == State::Issued {
        let of_kept = |amounts: &BTreeMap<IntentId, i64>| {
            order
                .kept
                .as_ref()
                .and_then(|kept| amounts.get(kept))
                .copied()
                .unwrap_or(0)
        };
        let left = of_kept(&keeper.captured) - of_kept(&keeper.refunded);
        prop_assert_eq!(order.issued, left, "issued is not what was captured and kept");
    }
    Ok(())
}

/// What a provider and a store that answer bring back for an effect.
fn answer(order: &Order, effect: &Effect, seats_free: bool) -> Option<Event> {
    let said = |payment: &Payment, status, capturable, received| {
        Event::ProviderSays(IntentView {
            intent: payment.intent.clone(),
            status,
            amount: payment.amount,
            currency: payment.currency,
            capturable,
            received,
        })
    };
    Some(match effect {
        Effect::SellSeats if seats_free => Event::SeatsSold,
        Effect::SellSeats => Event::SeatsGone,
        Effect::FindIntents => Event::NoIntentFound,
        Effect::ReadIntent(intent) => {
            let payment = order.payment(intent)?;
            said(payment, payment.status, payment.authorised, payment.received)
        }
        Effect::CancelIntent { intent, .. } => said(order.payment(intent)?, IntentStatus::Cancelled, 0, 0),
        Effect::Capture { intent, amount } => {
            said(order.payment(intent)?, IntentStatus::Captured, 0, amount.amount)
        }
        Effect::Refund { intent, amount, .. } => {
            let total = order.payment(intent)?.refunded + amount.amount;
            Event::Refunded {
                intent: intent.clone(),
                total,
            }
        }
        Effect::IssueTickets => Event::TicketsIssued,
        _ => return None,
    })
}

/// Lets everything answer, check after check, until nothing is unfinished.
fn come_to_rest(mut order: Order, seats_free: bool) -> Result<Order, TestCaseError> {
    for _ in 0..16 {
        if !order.is_unfinished() {
            return Ok(order);
        }
        let (next, mut effects) = step(&order, &Event::CheckDue { round: order.round }).unwrap();
        order = next;
        while !effects.is_empty() {
            let effect = effects.remove(0);
            if !still_wanted(&order, &effect) {
                continue;
            }
            if let Some(event) = answer(&order, &effect, seats_free) {
                let taken = step(&order, &event);
                prop_assert!(
                    taken.is_ok(),
                    "{event:?} after {effect:?} for {order:?}: {taken:?}"
                );
                let (next, more) = taken.unwrap();
                order = next;
                effects.extend(more);
            }
        }
    }
    Err(TestCaseError::fail(format!(
        "it does not come to rest: {order:?}"
    )))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_history_keeps_the_books_and_comes_to_rest(
        total in prop_oneof![9 => Just(PRICE), 1 => Just(0)],
        history in proptest::collection::vec(event(), 1..40),
        seats_free in any::<bool>(),
    ) {
        let mut order = Order::new(Money { amount: total, currency: "USD".parse().unwrap() }).unwrap();
        let mut keeper = Bookkeeper::default();
        for mut event in history {
            if let Event::CheckDue { round } = &mut event {
                *round = order.round.saturating_sub(*round);
            }
            // A refusal changes nothing by its type.
            if let Ok((next, effects)) = step(&order, &event) {
                keeper.sees(&event);
                check_step(&order, &event, &next, &effects)?;
                check_books(&next, &keeper)?;
                match step(&next, &event) {
                    Ok((after, effects)) => {
                        prop_assert_eq!(&after, &next, "{:?} twice changes the order", event);
                        prop_assert_eq!(effects, [], "{:?} twice", event);
                    }
                    Err(refused) => prop_assert_ne!(refused, Refused::UnknownPayment),
                }
                let stored = serde_json::to_string(&next).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Order>(&stored).unwrap(), &next);
                order = next;
            }
        }
        let rest = come_to_rest(order, seats_free)?;
        for book in ledgers(&rest) {
            prop_assert!(book.check().is_ok());
            // What is still due has had all its attempts and waits for somebody.
            prop_assert!(book.authorised == 0 && book.pending == 0, "{:?} {:?}", book, rest);
        }
    }
}

#[test]
fn a_total_below_nothing_is_refused() {
    assert!(
        Order::new(Money {
            amount: -1,
            currency: "USD".parse().unwrap()
        })
        .is_err()
    );
}

#[test]
fn states_are_written_as_they_are_read() {
    for state in State::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    assert!("lost".parse::<State>().is_err());
}
