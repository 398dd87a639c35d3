//! Every row of the case table of booking, at the level of `step`: the test has the row's name, and ends with what the
//! fan sees.

use std::time::Duration;

use IntentStatus::{Authorised, Cancelled, Captured, Declined, Open, Processing};
use tidegate_booking::domain::Money;
use tidegate_booking::domain::order::{
    Alert, Asker, CHECKS_MAX, Effect, Ending, Event, FanSees, IntentId, IntentStatus, IntentView, Mail,
    Order, REFUND_ATTEMPTS_MAX, Refused, Seats, State, ledgers, step, still_wanted,
};

const PRICE: i64 = 5000;
const PAY_WITHIN: Duration = Duration::from_secs(20 * 60);

fn usd(amount: i64) -> Money {
    Money {
        amount,
        currency: "USD".parse().unwrap(),
    }
}

fn intent(name: &str) -> IntentId {
    name.parse().unwrap()
}

fn view(name: &str, status: IntentStatus) -> IntentView {
    IntentView {
        intent: intent(name),
        status,
        amount: PRICE,
        currency: usd(0).currency,
        capturable: if status == Authorised { PRICE } else { 0 },
        received: if status == Captured { PRICE } else { 0 },
    }
}

fn says(name: &str, status: IntentStatus) -> Event {
    Event::ProviderSays(view(name, status))
}

fn cancel(name: &str, round: u32) -> Effect {
    Effect::CancelIntent {
        intent: intent(name),
        round,
    }
}

fn capture(name: &str) -> Effect {
    Effect::Capture {
        intent: intent(name),
        amount: usd(PRICE),
    }
}

fn refund(name: &str, attempt: u32) -> Effect {
    Effect::Refund {
        intent: intent(name),
        amount: usd(PRICE),
        attempt,
    }
}

/// An order and what has happened to it. Every event is taken in twice: the second time nothing may follow.
struct Life(Order);

impl Life {
    fn held() -> Self {
        Self(Order::new(usd(PRICE)).unwrap())
    }

    fn paying() -> Self {
        let mut life = Self::held();
        life.on(Event::Begin {
            pay_within: PAY_WITHIN,
        });
        life.on(says("pi_1", Open));
        life
    }

    fn issued() -> Self {
        let mut life = Self::paying();
        life.all([
            says("pi_1", Authorised),
            Event::SeatsSold,
            says("pi_1", Captured),
            Event::TicketsIssued,
        ]);
        life
    }

    /// Paid in time by nobody, cancelled, and its seats given back.
    fn expired() -> Self {
        let mut life = Self::paying();
        life.check();
        life.all([says("pi_1", Open), says("pi_1", Cancelled)]);
        assert_eq!((life.0.state, life.0.seats), (State::Expired, Seats::LetGo));
        life
    }

    /// What follows, but for the checks that come after everything unfinished.
    fn on(&mut self, event: Event) -> Vec<Effect> {
        let (next, effects) = step(&self.0, &event).unwrap_or_else(|refused| panic!("{event:?}: {refused}"));
        assert!(
            self.0.state.may_become(next.state),
            "{:?} to {:?}",
            self.0.state,
            next.state
        );
        for ledger in ledgers(&next) {
            ledger.check().unwrap();
        }
        let again = step(&next, &event).map(|(after, effects)| (after == next, effects));
        assert!(
            matches!(again, Ok((true, ref none)) if none.is_empty()) || again.is_err(),
            "{event:?}: {again:?}"
        );
        self.0 = next;
        effects
            .into_iter()
            .filter(|effect| !matches!(effect, Effect::CheckAgainAfter { .. }))
            .collect()
    }

    fn all(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.on(event);
        }
    }

    /// The check that is due comes.
    fn check(&mut self) -> Vec<Effect> {
        assert!(self.0.check_due, "{:?}", self.0);
        self.on(Event::CheckDue { round: self.0.round })
    }

    fn is(&self, state: State, sees: FanSees) {
        assert_eq!((self.0.state, self.0.fan_sees()), (state, sees), "{:?}", self.0);
    }
}

#[test]
fn two_fans_one_seat() {
    let (mut first, mut second) = (Life::held(), Life::held());
    assert!(
        first
            .on(Event::Begin {
                pay_within: PAY_WITHIN
            })
            .contains(&Effect::KeepSeats)
    );
    // The second fan's claim has gone to the first: its beginning is rolled back, and it takes this in instead.
    assert_eq!(second.on(Event::HoldLost), []);
    second.is(State::Expired, FanSees::Expired);
    first.is(State::Paying, FanSees::CheckingPayment);
}

#[test]
fn one_seat_of_a_group_is_gone() {
    let mut life = Life::expired();
    // One event for the group: there is no order with some of its seats.
    assert_eq!(life.on(says("pi_2", Authorised)), [Effect::SellSeats]);
    assert_eq!(life.on(Event::SeatsGone), [cancel("pi_2", life.0.round)]);
    assert_eq!(life.0.seats, Seats::LetGo);
}

#[test]
fn hold_expires_before_payment() {
    let mut life = Life::held();
    life.is(State::Held, FanSees::SeatsHeld);
    assert_eq!(life.on(Event::HoldLost), []);
    life.is(State::Expired, FanSees::Expired);
    let late = step(
        &life.0,
        &Event::Begin {
            pay_within: PAY_WITHIN,
        },
    );
    assert_eq!(
        late,
        Err(Refused::NotNow {
            state: State::Expired,
            event: "begin"
        })
    );
}

#[test]
fn double_click_retry() {
    let mut life = Life::held();
    let effects = life.on(Event::Begin {
        pay_within: PAY_WITHIN,
    });
    assert_eq!(
        effects,
        [Effect::KeepSeats, Effect::CreateIntent { amount: usd(PRICE) }]
    );
    // `on` has begun a second time and seen nothing follow; later clicks change nothing either.
    life.on(says("pi_1", Open));
    assert_eq!(
        life.on(Event::Begin {
            pay_within: PAY_WITHIN
        }),
        []
    );
    assert_eq!(life.0.payments.len(), 1);
}

#[test]
fn pays_in_the_last_second() {
    let held = Order::new(usd(PRICE)).unwrap();
    let (order, effects) = step(
        &held,
        &Event::Begin {
            pay_within: PAY_WITHIN,
        },
    )
    .unwrap();
    assert!(effects.contains(&Effect::CheckAgainAfter {
        round: order.round,
        after: PAY_WITHIN
    }));
    let mut life = Life(order);
    life.on(says("pi_1", Open));
    life.is(State::Paying, FanSees::Payable);
    // The hold's own end means nothing any more.
    assert!(matches!(
        step(&life.0, &Event::HoldLost),
        Err(Refused::NotNow { .. })
    ));
    assert_eq!(life.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    assert_eq!(life.on(Event::SeatsSold), [capture("pi_1")]);
    life.is(State::Allocated, FanSees::TicketsComing);
}

#[test]
fn crash_before_the_provider_call() {
    let mut life = Life::held();
    life.on(Event::Begin {
        pay_within: PAY_WITHIN,
    });
    // What was recorded is still to be done, and under the same key, however often.
    let create = Effect::CreateIntent { amount: usd(PRICE) };
    assert!(still_wanted(&life.0, &create));
    assert_eq!(create.key(), "create");
    life.on(says("pi_1", Open));
    assert!(!still_wanted(&life.0, &create));
    life.is(State::Paying, FanSees::Payable);
}

#[test]
fn crash_after_the_provider_call() {
    let mut life = Life::held();
    life.on(Event::Begin {
        pay_within: PAY_WITHIN,
    });
    life.is(State::Paying, FanSees::CheckingPayment);
    assert_eq!(life.check(), [Effect::FindIntents]);
    assert_eq!(life.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    assert_eq!(life.on(Event::SeatsSold), [capture("pi_1")]);

    let mut nothing = Life::held();
    nothing.on(Event::Begin {
        pay_within: PAY_WITHIN,
    });
    assert_eq!(nothing.on(Event::NoIntentFound), [], "the time is not up");
    nothing.check();
    assert_eq!(nothing.on(Event::NoIntentFound), [Effect::ReleaseSeats]);
    nothing.is(State::Expired, FanSees::Expired);
}

#[test]
fn paid_crash_before_our_write() {
    let mut life = Life::paying();
    // The fan has paid, the webhook and the return page came to nothing: the reconciler asks.
    assert_eq!(life.check(), [Effect::ReadIntent(intent("pi_1"))]);
    life.is(State::Paying, FanSees::CheckingPayment);
    assert_eq!(life.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    life.all([Event::SeatsSold, says("pi_1", Captured), Event::TicketsIssued]);
    life.is(State::Issued, FanSees::Tickets);
}

#[test]
fn webhook_never_comes_comes_twice_out_of_order_before_our_commit() {
    let mut life = Life::paying();
    assert_eq!(life.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    assert_eq!(life.on(says("pi_1", Open)), [], "an older reading");
    life.on(Event::SeatsSold);
    assert_eq!(life.on(says("pi_1", Captured)), [Effect::IssueTickets]);
    assert_eq!(life.on(says("pi_1", Authorised)), [], "an older reading");
    assert_eq!(life.on(says("pi_1", Cancelled)), [], "captured is captured");
    life.on(Event::TicketsIssued);
    life.is(State::Issued, FanSees::Tickets);
    // Before our commit: the order is still held when its payment is heard of.
    let mut early = Life::held();
    assert_eq!(early.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    assert_eq!(early.on(Event::SeatsSold), [capture("pi_1")]);
}

#[test]
fn provider_unreachable_at_the_deadline() {
    let mut life = Life::paying();
    for check in 1..=CHECKS_MAX + 3 {
        let effects = life.check();
        assert!(effects.contains(&Effect::ReadIntent(intent("pi_1"))));
        assert_eq!(
            effects.contains(&Effect::Alert(Alert::NoProgress)),
            check == CHECKS_MAX,
            "check {check}"
        );
        assert_eq!(life.on(Event::ProviderUnreachable), []);
        life.is(State::Paying, FanSees::StillConfirming);
        assert_eq!(life.0.seats, Seats::Kept);
    }
    assert_eq!(life.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    // A provider that does not know itself is waited for as long, and then cancelled.
    let mut processing = Life::paying();
    for _ in 1..CHECKS_MAX {
        processing.check();
        assert_eq!(processing.on(says("pi_1", Processing)), []);
    }
    processing.check();
    assert_eq!(
        processing.on(says("pi_1", Processing)),
        [cancel("pi_1", processing.0.round)]
    );
}

#[test]
fn cancel_races_success() {
    let mut life = Life::paying();
    life.check();
    let cancel = cancel("pi_1", life.0.round);
    assert_eq!(life.on(says("pi_1", Declined)), std::slice::from_ref(&cancel));
    assert!(still_wanted(&life.0, &cancel));
    // The fan was quicker than the cancel.
    assert_eq!(life.on(says("pi_1", Authorised)), [Effect::SellSeats]);
    assert!(!still_wanted(&life.0, &cancel));
    assert_eq!(life.on(Event::SeatsSold), [capture("pi_1")]);
    life.all([says("pi_1", Captured), Event::TicketsIssued]);
    life.is(State::Issued, FanSees::Tickets);
    // The cancel was quicker than the fan.
    let mut life = Life::paying();
    life.check();
    life.on(says("pi_1", Open));
    assert_eq!(life.0.seats, Seats::Kept, "until the cancel is confirmed");
    assert_eq!(life.on(says("pi_1", Cancelled)), [Effect::ReleaseSeats]);
    life.is(State::Expired, FanSees::Expired);
}

#[test]
fn paid_after_release_same_seats_free() {
    let mut life = Life::expired();
    assert_eq!(life.on(says("pi_2", Authorised)), [Effect::SellSeats]);
    life.is(State::Expired, FanSees::CheckingPayment);
    assert_eq!(life.on(Event::SeatsSold), [capture("pi_2")]);
    life.all([says("pi_2", Captured), Event::TicketsIssued]);
    life.is(State::Issued, FanSees::Tickets);
}

#[test]
fn paid_after_release_seats_gone() {
    let mut void = Life::expired();
    void.on(says("pi_2", Authorised));
    let round = void.0.round;
    assert_eq!(void.on(Event::SeatsGone), [cancel("pi_2", round)]);
    assert_eq!(
        void.on(says("pi_2", Cancelled)),
        [Effect::SendMail(Mail::NotCharged)]
    );
    void.is(State::Expired, FanSees::NotCharged);

    let mut refunded = Life::expired();
    refunded.on(says("pi_2", Captured));
    let effects = refunded.on(Event::SeatsGone);
    assert_eq!(
        effects,
        [refund("pi_2", 0), Effect::SendMail(Mail::RefundUnderWay)]
    );
    assert_eq!(effects[0].key(), "refund:pi_2:0");
    refunded.is(State::RefundDue, FanSees::RefundPending);
    refunded.on(Event::Refunded {
        intent: intent("pi_2"),
        total: PRICE,
    });
    refunded.is(State::Refunded, FanSees::Refunded);
}

#[test]
fn paid_twice() {
    let mut life = Life::paying();
    life.all([says("pi_1", Authorised), Event::SeatsSold]);
    assert_eq!(life.on(says("pi_2", Authorised)), [cancel("pi_2", life.0.round)]);
    assert_eq!(
        life.on(says("pi_2", Cancelled)),
        [Effect::SendMail(Mail::PaidTwice)]
    );
    assert_eq!(life.on(says("pi_1", Captured)), [Effect::IssueTickets]);
    life.on(Event::TicketsIssued);
    // And one that was captured by somebody else goes back.
    assert_eq!(
        life.on(says("pi_3", Captured)),
        [refund("pi_3", 0), Effect::SendMail(Mail::PaidTwice)]
    );
    life.on(Event::Refunded {
        intent: intent("pi_3"),
        total: PRICE,
    });
    life.is(State::Issued, FanSees::Tickets);
    let book = ledgers(&life.0)[0];
    assert_eq!(
        (book.captured, book.issued, book.refunded),
        (2 * PRICE, PRICE, PRICE)
    );
    assert!(book.is_settled());
}

#[test]
fn amount_or_currency_differs() {
    let euros = IntentView {
        currency: "EUR".parse().unwrap(),
        ..view("pi_1", Authorised)
    };
    let less = IntentView {
        capturable: PRICE - 1,
        ..view("pi_1", Authorised)
    };
    for wrong in [euros.clone(), less.clone()] {
        let mut life = Life::paying();
        assert_eq!(
            life.on(Event::ProviderSays(wrong)),
            [Effect::Alert(Alert::AmountDiffers)]
        );
        life.is(State::Review, FanSees::UnderReview);
        assert!(matches!(
            step(&life.0, &Event::SeatsSold),
            Err(Refused::NotNow { .. })
        ));
        assert_eq!(
            life.on(Event::ReviewDecided { accept: false }),
            [cancel("pi_1", life.0.round)]
        );
        let effects = life.on(says("pi_1", Cancelled));
        assert_eq!(effects, [Effect::ReleaseSeats, Effect::SendMail(Mail::Declined)]);
        life.is(State::Failed, FanSees::Declined);
    }
    // Another currency cannot be taken; another amount can.
    let mut life = Life::paying();
    life.on(Event::ProviderSays(euros));
    assert_eq!(
        step(&life.0, &Event::ReviewDecided { accept: true }),
        Err(Refused::OtherCurrency)
    );
    let mut life = Life::paying();
    life.on(Event::ProviderSays(less.clone()));
    assert_eq!(
        life.on(Event::ReviewDecided { accept: true }),
        [Effect::SellSeats]
    );
    let capture = Effect::Capture {
        intent: intent("pi_1"),
        amount: usd(PRICE - 1),
    };
    assert_eq!(life.on(Event::SeatsSold), [capture]);
    // Nobody decides: the authorisation ends all the same.
    let mut life = Life::paying();
    life.on(Event::ProviderSays(less));
    assert_eq!(life.check(), [cancel("pi_1", life.0.round)]);
}

#[test]
fn capture_fails() {
    let mut life = Life::paying();
    life.all([says("pi_1", Authorised), Event::SeatsSold]);
    let effects = life.on(Event::CaptureFailed {
        intent: intent("pi_1"),
    });
    assert_eq!(effects, [cancel("pi_1", life.0.round)]);
    assert!(!still_wanted(&life.0, &capture("pi_1")));
    let effects = life.on(says("pi_1", Cancelled));
    assert!(effects.contains(&Effect::ReleaseSeats) && effects.contains(&Effect::SendMail(Mail::Declined)));
    life.is(State::Failed, FanSees::Declined);
    // It had worked after all: the provider's word wins, and the seats were kept.
    let mut life = Life::paying();
    life.all([says("pi_1", Authorised), Event::SeatsSold]);
    life.on(Event::CaptureFailed {
        intent: intent("pi_1"),
    });
    assert_eq!(life.on(says("pi_1", Captured)), [Effect::IssueTickets]);
    life.on(Event::TicketsIssued);
    life.is(State::Issued, FanSees::Tickets);
}

#[test]
fn issue_pdf_or_mail_fails() {
    let mut life = Life::paying();
    life.all([says("pi_1", Authorised), Event::SeatsSold, says("pi_1", Captured)]);
    life.is(State::Allocated, FanSees::TicketsComing);
    for _ in 0..3 {
        assert_eq!(life.check(), [Effect::IssueTickets]);
        assert!(still_wanted(&life.0, &Effect::IssueTickets));
    }
    assert_eq!(life.on(Event::TicketsIssued), [Effect::SendMail(Mail::Tickets)]);
    life.is(State::Issued, FanSees::Tickets);
    assert!(!life.0.mailed, "the tickets do not wait for the mail");
    assert!(still_wanted(&life.0, &Effect::SendMail(Mail::Tickets)));
}

#[test]
fn mail_accepted_then_crash() {
    let mut life = Life::issued();
    // The mail goes again under the same key, of which its Message-ID is made.
    assert_eq!(Effect::SendMail(Mail::Tickets).key(), "mail:tickets");
    assert_eq!(life.on(Event::MailSent(Mail::Tickets)), []);
    assert_eq!(life.on(Event::MailSent(Mail::Tickets)), []);
    assert!(life.0.mailed);
    life.is(State::Issued, FanSees::Tickets);
}

#[test]
fn refund_fails() {
    let mut life = Life::issued();
    let too_late = Event::RefundAsked(Asker::Fan { in_time: false });
    assert_eq!(step(&life.0, &too_late), Err(Refused::TooLate));
    let effects = life.on(Event::RefundAsked(Asker::Fan { in_time: true }));
    let undone = [Effect::KillTickets, Effect::ReleaseSeats, refund("pi_1", 0)];
    assert_eq!(effects[..3], undone);
    for attempt in 0..REFUND_ATTEMPTS_MAX {
        let effects = life.on(Event::RefundFailed {
            intent: intent("pi_1"),
            attempt,
        });
        life.is(State::RefundDue, FanSees::RefundPending);
        if attempt + 1 < REFUND_ATTEMPTS_MAX {
            assert!(life.check().contains(&refund("pi_1", attempt + 1)), "a new key");
        } else {
            assert_eq!(effects, [Effect::Alert(Alert::RefundFails)]);
        }
    }
    assert!(!life.0.is_unfinished(), "it waits for somebody");
    let again = life.on(Event::RefundAsked(Asker::Organiser));
    assert_eq!(again, [refund("pi_1", REFUND_ATTEMPTS_MAX)]);
    let effects = life.on(Event::Refunded {
        intent: intent("pi_1"),
        total: PRICE,
    });
    assert_eq!(effects, [Effect::SendMail(Mail::Refunded)]);
    life.is(State::Refunded, FanSees::Refunded);
}

#[test]
fn event_cancelled() {
    let mut held = Life::held();
    held.on(Event::EventCancelled);
    held.is(State::Cancelled, FanSees::EventCancelled);

    let mut paying = Life::paying();
    assert_eq!(paying.on(Event::EventCancelled), [cancel("pi_1", paying.0.round)]);
    assert_eq!(
        paying.on(says("pi_1", Authorised)),
        [],
        "it is too late for the provider's word to win"
    );
    let effects = paying.on(says("pi_1", Cancelled));
    assert_eq!(
        effects,
        [Effect::ReleaseSeats, Effect::SendMail(Mail::EventCancelled)]
    );
    paying.is(State::Cancelled, FanSees::EventCancelled);

    let mut issued = Life::issued();
    let effects = issued.on(Event::EventCancelled);
    let mail = Effect::SendMail(Mail::EventCancelled);
    assert_eq!(
        effects,
        [Effect::KillTickets, Effect::ReleaseSeats, refund("pi_1", 0), mail]
    );
    issued.on(Event::Refunded {
        intent: intent("pi_1"),
        total: PRICE,
    });
    issued.is(State::Refunded, FanSees::Refunded);

    // Between the capture being asked for and its answer.
    let mut allocated = Life::paying();
    allocated.all([says("pi_1", Authorised), Event::SeatsSold, Event::EventCancelled]);
    assert!(!still_wanted(&allocated.0, &capture("pi_1")));
    let effects = allocated.on(says("pi_1", Captured));
    assert!(effects.contains(&refund("pi_1", 0)), "{effects:?}");
    allocated.is(State::RefundDue, FanSees::RefundPending);

    // A payment that comes after the end of the event does not get its seats again.
    let mut late = Life::expired();
    late.on(Event::EventCancelled);
    assert_eq!(late.on(says("pi_2", Authorised)), [cancel("pi_2", late.0.round)]);
    assert_eq!(late.0.ending, Some(Ending::EventCancelled));
}

/// Not a row of the table, but of the states: disputes.
#[test]
fn dispute_opened_and_closed() {
    let opened = || Event::DisputeOpened {
        intent: intent("pi_1"),
    };
    let closed = |won| Event::DisputeClosed {
        intent: intent("pi_1"),
        won,
    };
    let mut won = Life::issued();
    assert_eq!(won.on(opened()), [Effect::Alert(Alert::Disputed)]);
    won.is(State::Disputed, FanSees::Disputed);
    assert_eq!(
        step(&won.0, &Event::RefundAsked(Asker::Organiser)),
        Err(Refused::Disputed)
    );
    assert_eq!(won.on(closed(true)), []);
    won.is(State::Issued, FanSees::Tickets);
    assert_eq!(won.on(opened()), [], "the word of its opening came late");

    let mut lost = Life::issued();
    lost.on(opened());
    let effects = lost.on(closed(false));
    assert_eq!(effects[..2], [Effect::KillTickets, Effect::ReleaseSeats]);
    lost.is(State::Refunded, FanSees::Refunded);

    let mut cancelled = Life::issued();
    cancelled.all([opened(), Event::EventCancelled, closed(true)]);
    cancelled.is(State::RefundDue, FanSees::RefundPending);
}

/// Not a row of the table: a total of nothing needs no provider.
#[test]
fn free_of_charge() {
    let mut life = Life(Order::new(usd(0)).unwrap());
    assert_eq!(
        life.on(Event::Begin {
            pay_within: PAY_WITHIN
        }),
        [Effect::KeepSeats, Effect::SellSeats]
    );
    assert_eq!(life.on(Event::SeatsSold), [Effect::IssueTickets]);
    life.on(Event::TicketsIssued);
    life.is(State::Issued, FanSees::Tickets);
    life.on(Event::RefundAsked(Asker::Organiser));
    life.is(State::Refunded, FanSees::Refunded);
    let mut gone = Life(Order::new(usd(0)).unwrap());
    gone.all([
        Event::Begin {
            pay_within: PAY_WITHIN,
        },
        Event::SeatsGone,
    ]);
    assert_eq!(gone.0.state, State::Expired);
}
