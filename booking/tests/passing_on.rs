//! Tickets passed on: against a refund in the same moment, on both engines.

#![allow(clippy::unwrap_used)]

mod support;

use futures_util::future::join;
use serde_json::{Value, json};
use support::buyer::Buyer;
use support::databases::{ENGINES, TestDatabase};
use support::{Answer, Running, config};
use tidegate_booking::domain::order::{Asker, Event, Refused, State};
use tidegate_booking::domain::{OrderId, Owner};
use tidegate_booking::store::{Applied, PassedOn, Store};
use tidegate_booking::ticket::Ticket;

const SHOWTIME: i64 = 1;

const FAN_ASKS: Event = Event::RefundAsked(Asker::Fan { in_time: true });

async fn shop(on: &TestDatabase) -> Running {
    let mut config = config();
    config.database = on.database.clone();
    Running::with(&config).await
}

async fn account(buyer: &Buyer<'_>, what: &str) -> String {
    let account = buyer.get("/account").await.json();
    account[what].as_str().unwrap().to_owned()
}

async fn owner(buyer: &Buyer<'_>) -> Owner {
    Owner::account(&account(buyer, "id").await.parse().unwrap())
}

/// The one ticket of an order, as it stands.
async fn ticket(store: &Store, order: &OrderId) -> Ticket {
    let mut tickets = store.tickets_of_order(order).await.unwrap();
    assert_eq!(tickets.len(), 1, "{tickets:?}");
    tickets.remove(0)
}

fn id(order: &Value) -> OrderId {
    order["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_was_passed_on_cannot_be_given_back_and_what_was_given_back_not_passed_on() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on).await;
        let store = on.open().await;
        let (fan, friend) = (Buyer::new(&shop).await, Buyer::new(&shop).await);
        let (fans, friends) = (owner(&fan).await, owner(&friend).await);

        let order = id(&fan.buy(SHOWTIME, &["A-1"]).await);
        let bought = ticket(&store, &order).await;
        let passed = store.pass_on(&bought, &fans, &friends).await.unwrap();
        assert!(matches!(passed, PassedOn::Done(_)), "{passed:?}");
        let asked = store.apply(&order, &FAN_ASKS).await.unwrap();
        assert_eq!(asked, Applied::Refused(Refused::TicketGone), "{engine:?}");
        let kept = ticket(&store, &order).await;
        assert!(!kept.dead && kept.owner == friends, "{engine:?}: {kept:?}");
        let state = store.order(&order).await.unwrap().unwrap().order.state;
        assert_eq!(state, State::Issued, "{engine:?}");

        // Given back to the buyer, it is the buyer's to give back.
        let returned = store.pass_on(&kept, &friends, &fans).await.unwrap();
        assert!(matches!(returned, PassedOn::Done(_)), "{returned:?}");
        assert_eq!(store.apply(&order, &FAN_ASKS).await.unwrap(), Applied::Taken);
        let void = ticket(&store, &order).await;
        let late = store.pass_on(&void, &fans, &friends).await.unwrap();
        assert_eq!(late, PassedOn::NotPossible, "{engine:?}");
    }
}

/// Of the refund and the transfer one is done, and the other told why not.
fn one_of(refund: &Answer, transfer: &Answer) -> bool {
    match (refund.status.as_u16(), transfer.status.as_u16()) {
        (200, _) => {
            transfer.is_problem(409, "ticket-spent");
            true
        }
        (_, 200) => {
            refund.is_problem(409, "no-refund");
            false
        }
        _ => panic!("both refused: {refund:?}, {transfer:?}"),
    }
}

#[tokio::test]
async fn of_a_refund_and_a_transfer_in_the_same_moment_one_is_done() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on).await;
        let store = on.open().await;
        let friend = Buyer::new(&shop).await;
        let friends = owner(&friend).await;
        let to = json!({"username": account(&friend, "username").await});
        for seat in ["A-1", "A-2", "A-3", "A-4", "B-1", "B-2", "B-3", "B-4"] {
            let fan = Buyer::new(&shop).await;
            let done = fan.buy(SHOWTIME, &[seat]).await;
            let cancel = format!("{}/cancel", done["url"].as_str().unwrap());
            let transfer = format!("{}/transfer", done["tickets"][0]["url"].as_str().unwrap());
            let nothing = json!({});
            let (refund, transfer) = join(fan.post(&cancel, &nothing), fan.post(&transfer, &to)).await;
            let refunded = one_of(&refund, &transfer);
            let ticket = ticket(&store, &id(&done)).await;
            assert_eq!(
                (ticket.dead, ticket.owner == friends),
                (refunded, !refunded),
                "{engine:?}: {ticket:?}"
            );
        }
    }
}

#[tokio::test]
async fn neither_waits_for_the_other_in_a_circle() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on).await;
        let store = on.open().await;
        let (fan, friend) = (Buyer::new(&shop).await, Buyer::new(&shop).await);
        let (fans, friends) = (owner(&fan).await, owner(&friend).await);
        let order = id(&fan.buy(SHOWTIME, &["A-1"]).await);
        // Refused every time, as the ticket is the friend's whenever nobody passes it on.
        let mut held = ticket(&store, &order).await;
        for _ in 0..50 {
            let (from, to) = match held.owner == fans {
                true => (&fans, &friends),
                false => (&friends, &fans),
            };
            let (passed, asked) = join(store.pass_on(&held, from, to), store.apply(&order, &FAN_ASKS)).await;
            match (passed.unwrap(), asked.unwrap()) {
                (PassedOn::Done(ticket), Applied::Refused(Refused::TicketGone)) => held = ticket,
                (PassedOn::NotPossible, Applied::Taken) => break,
                // The fan had it, or has it again: first the one, then the other.
                (PassedOn::Done(ticket), Applied::Taken) if ticket.owner == fans => break,
                (passed, asked) => panic!("{engine:?}: {passed:?}, {asked:?}"),
            }
        }
    }
}
