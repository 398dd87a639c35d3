//! Tickets passed on: against a refund in the same moment, and what both sides are written, on both engines.

use std::time::{Duration, Instant};

use futures_util::future::join;
use hyper::Method;
use serde_json::{Value, json};
use tidegate_booking::domain::order::{Asker, Event, Refused, State};
use tidegate_booking::domain::{AccountId, OrderId, Owner};
use tidegate_booking::store::{Applied, PassedOn, Store};
use tidegate_booking::ticket::Ticket;
use tidegate_config::Secret;
use tokio::net::TcpListener;

use crate::mail_sink::{Read, Sink};
use crate::support::buyer::Buyer;
use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Answer, PASSWORD, Running, config};

const SHOWTIME: i64 = 1;

const FAN_ASKS: Event = Event::RefundAsked(Asker::Fan { in_time: true });

/// A request that waits for a mail server that hangs takes longer than this: a mail may take 20 s.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn shop(on: &TestDatabase) -> Running {
    shop_with_mail(on, None).await
}

async fn shop_with_mail(on: &TestDatabase, smtp_url: Option<String>) -> Running {
    let mut config = config();
    config.database = on.database.clone();
    config.mail.smtp_url = smtp_url.map(Secret::new);
    Running::with(&config).await
}

/// Somebody new with a name and an address.
async fn named<'a>(shop: &'a Running, name: &str) -> Buyer<'a> {
    let email = format!("{name}@example.com");
    let body = json!({"username": name, "password": PASSWORD, "email": email}).to_string();
    let json = ("content-type", "application/json");
    let signed_up = shop.send(Method::POST, "/signup", &[json], &body).await;
    assert_eq!(signed_up.status, 201, "{signed_up:?}");
    Buyer {
        at: shop,
        cookie: signed_up.cookie(),
    }
}

/// The same person, at a service that was started again.
fn again<'a>(shop: &'a Running, before: &Buyer<'_>) -> Buyer<'a> {
    Buyer {
        at: shop,
        cookie: before.cookie.clone(),
    }
}

async fn account(buyer: &Buyer<'_>, what: &str) -> String {
    let account = buyer.get("/account").await.json();
    account[what].as_str().unwrap().to_owned()
}

async fn account_id(buyer: &Buyer<'_>) -> AccountId {
    account(buyer, "id").await.parse().unwrap()
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
        let (fans, friends) = (account_id(&fan).await, account_id(&friend).await);

        let order = id(&fan.buy(SHOWTIME, &["A-1"]).await);
        let bought = ticket(&store, &order).await;
        let passed = store.pass_on(&bought, &fans, &friends).await.unwrap();
        assert!(matches!(passed, PassedOn::Done(_)), "{passed:?}");
        let asked = store.apply(&order, &FAN_ASKS).await.unwrap();
        assert_eq!(asked, Applied::Refused(Refused::TicketGone), "{engine:?}");
        let kept = ticket(&store, &order).await;
        assert!(
            !kept.dead && kept.owner == Owner::account(&friends),
            "{engine:?}: {kept:?}"
        );
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
        let friends = Owner::account(&account_id(&friend).await);
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
        let (fans, friends) = (account_id(&fan).await, account_id(&friend).await);
        let order = id(&fan.buy(SHOWTIME, &["A-1"]).await);
        // Refused every time, as the ticket is the friend's whenever nobody passes it on.
        let mut held = ticket(&store, &order).await;
        for _ in 0..50 {
            let (from, to) = match held.owner == Owner::account(&fans) {
                true => (&fans, &friends),
                false => (&friends, &fans),
            };
            let (passed, asked) = join(store.pass_on(&held, from, to), store.apply(&order, &FAN_ASKS)).await;
            match (passed.unwrap(), asked.unwrap()) {
                (PassedOn::Done(ticket), Applied::Refused(Refused::TicketGone)) => held = ticket,
                (PassedOn::NotPossible, Applied::Taken) => break,
                // The fan had it, or has it again: first the one, then the other.
                (PassedOn::Done(ticket), Applied::Taken) if ticket.owner == Owner::account(&fans) => break,
                (passed, asked) => panic!("{engine:?}: {passed:?}, {asked:?}"),
            }
        }
    }
}

#[tokio::test]
async fn both_sides_are_written_later_and_once_though_the_mail_server_hangs_and_the_service_dies() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", hangs.local_addr().unwrap());
        let first = shop_with_mail(&on, Some(url)).await;
        let (giver, friend) = (named(&first, "giver").await, named(&first, "friend").await);
        let done = giver.buy(SHOWTIME, &["A-1"]).await;
        let transfer = format!("{}/transfer", done["tickets"][0]["url"].as_str().unwrap());
        let began = Instant::now();
        let passed = giver.post(&transfer, &json!({"username": "friend"})).await;
        assert_eq!(passed.status, 200, "{passed:?}");
        assert!(began.elapsed() < AT_ONCE, "{engine:?}: {:?}", began.elapsed());

        let mut sink = Sink::start(&[]).await;
        let second = shop_with_mail(&on, sink.url("smtp", "", "")).await;
        let friend = again(&second, &friend);
        // Dropped, it does nothing more; what it had begun is done by the other.
        drop(first);
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(sink.mail().await);
        }
        // One more of each: had anything come twice, it would have come before these.
        let back = friend.post(&transfer, &json!({"username": "giver"})).await;
        assert_eq!(back.status, 200, "{back:?}");
        for _ in 0..2 {
            told.push(sink.mail().await);
        }
        let ticket = done["tickets"][0]["id"].as_str().unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|taken| (&taken.to[0], Read::new(&taken.bytes)))
            .collect();
        let mut told: Vec<_> = told
            .iter()
            .map(|(to, mail)| {
                let papers = mail
                    .parts()
                    .iter()
                    .filter(|part| part.0 == "application/pdf")
                    .count();
                (to.as_str(), mail.headers("message-id")[0].to_owned(), papers)
            })
            .collect();
        let id = |what: &str| format!("<{what}@example.com>");
        let mut expected = [
            (
                "ada@example.com",
                id(&format!("mail-tickets-{}", done["id"].as_str().unwrap())),
                1,
            ),
            ("giver@example.com", id(&format!("ticket-sent-{ticket}-1")), 0),
            (
                "friend@example.com",
                id(&format!("ticket-received-{ticket}-1")),
                1,
            ),
            ("friend@example.com", id(&format!("ticket-sent-{ticket}-2")), 0),
            ("giver@example.com", id(&format!("ticket-received-{ticket}-2")), 1),
        ];
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "{engine:?}");
    }
}

#[tokio::test]
async fn who_has_passed_a_ticket_on_again_gets_no_paper_of_it() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        // Nobody takes mail yet.
        let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", hangs.local_addr().unwrap());
        let first = shop_with_mail(&on, Some(url)).await;
        let (giver, friend) = (named(&first, "giver").await, named(&first, "friend").await);
        named(&first, "third").await;
        let done = giver.buy(SHOWTIME, &["A-1"]).await;
        let transfer = format!("{}/transfer", done["tickets"][0]["url"].as_str().unwrap());
        for (from, to) in [(&giver, "friend"), (&friend, "third")] {
            let passed = from.post(&transfer, &json!({"username": to})).await;
            assert_eq!(passed.status, 200, "{passed:?}");
        }
        let mut sink = Sink::start(&[]).await;
        let _second = shop_with_mail(&on, sink.url("smtp", "", "")).await;
        drop(first);
        let mut told = Vec::new();
        for _ in 0..4 {
            let taken = sink.mail().await;
            let mail = Read::new(&taken.bytes);
            let what = mail.headers("message-id")[0].to_owned();
            told.push((taken.to[0].clone(), what.contains("received")));
        }
        let all = [
            ("ada", false),
            ("giver", false),
            ("friend", false),
            ("third", true),
        ];
        let mut all = all.map(|(to, received)| (format!("{to}@example.com"), received));
        told.sort();
        all.sort();
        assert_eq!(told, all, "{engine:?}");
    }
}
