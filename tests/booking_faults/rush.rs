//! A rush: many fans want the same seats while processes die and the payment provider has a bad day. Afterwards the books
//! balance, no seat has two owners, and whoever paid has a ticket or the money.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_booking::payment::sandbox::Chaos;

use crate::eventually;
use crate::fan::{Fan, PAYS};
use crate::http::{Sent, try_send};
use crate::instance::free_port;
use crate::killed::Shop;

const FANS: usize = 24;
/// Row A of the first showtime.
const SEATS: usize = 12;
const RUSH: Duration = Duration::from_secs(20);
const KILL_EVERY: Duration = Duration::from_millis(1500);

/// One fan's day: asks for two seats side by side, orders, and pays mostly; gives up on what others have.
fn day(at: &[String], pages: &str, began: Instant, over: &AtomicBool, number: usize) -> Vec<Value> {
    let mut fan = Fan::new(&at[number % at.len()]);
    let mut orders = Vec::new();
    let mut turn = number;
    while !over.load(Ordering::Relaxed) {
        turn += 1;
        fan.at.clone_from(&at[turn % at.len()]);
        let first = 1 + (7 * turn) % (SEATS - 1);
        let (one, two) = (format!("A-{first}"), format!("A-{}", first + 1));
        let Ok(held) = fan.reserve(1, &[&one, &two]) else {
            continue;
        };
        if held.status != 201 {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        let hold = held.json()["id"].as_str().unwrap().to_owned();
        // The answer may be lost; then it is asked for again elsewhere.
        let booked = (0..20).find_map(|again| {
            fan.at.clone_from(&at[(turn + again) % at.len()]);
            let booked = fan.book(&hold).ok().filter(|answer| answer.status < 500);
            if booked.is_none() {
                std::thread::sleep(Duration::from_millis(150));
            }
            booked
        });
        let Some(order) = booked
            .filter(|answer| answer.status < 300)
            .map(|answer| answer.json())
        else {
            continue;
        };
        // One in four walks away from the till.
        let url = (!turn.is_multiple_of(4)).then(|| {
            (0..40).find_map(|_| {
                let url = fan.look(&order)?["payment"]["url"].as_str().map(str::to_owned);
                std::thread::sleep(Duration::from_millis(100));
                url
            })
        });
        if let Some(Some(url)) = url {
            let path = &url[url.find("/pay/").unwrap()..];
            let _ = try_send(pages, &Sent::new("POST", path).form(&format!("number={PAYS}")));
        }
        // Tickets are given back until the rush is nearly over, so that the seats change hands again and again.
        if began.elapsed() < RUSH * 3 / 4 {
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(100));
                if fan.look(&order).is_some_and(|order| order["state"] == "issued") {
                    break;
                }
            }
            let path = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
            let _ = fan.post(&path, &serde_json::json!({}));
        }
        orders.push(order);
    }
    orders
}

#[test]
fn books_balance_and_no_seat_has_two_owners_after_a_rush_with_kills_and_chaos() {
    let seed: u64 = std::env::var("TIDEGATE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("seed {seed}; replay with TIDEGATE_SEED={seed}");
    let chaos = Chaos {
        delay_max: Duration::from_secs(2),
        ..Chaos::new(seed)
    };
    let shop = Shop::new("pay_within = \"10s\"\nhold_ttl = \"5s\"\n", Some(chaos));
    let mut instances = [shop.instance(shop.port), shop.instance(free_port())];
    let at: Vec<String> = instances.iter().map(|one| one.address.clone()).collect();
    let pages = shop.provider.pages.to_string();
    let over = AtomicBool::new(false);
    let mut kills = 0;
    let began = Instant::now();
    let orders: usize = std::thread::scope(|scope| {
        let days: Vec<_> = (0..FANS)
            .map(|number| {
                let (at, pages, over) = (&at, &pages, &over);
                scope.spawn(move || day(at, pages, began, over, number))
            })
            .collect();
        while began.elapsed() < RUSH {
            std::thread::sleep(KILL_EVERY);
            let victim = &mut instances[kills % 2];
            victim.kill();
            kills += 1;
            victim.restart();
        }
        over.store(true, Ordering::Relaxed);
        days.into_iter().map(|day| day.join().unwrap().len()).sum()
    });
    // Everything comes to rest: the time for paying is over, and the provider's bad days pass.
    let open = "select count(*) from orders where state not in ('issued', 'expired', 'failed', 'cancelled', 'refunded')";
    eventually("every order comes to rest", Duration::from_secs(200), || {
        (shop.number(open) == 0).then_some(())
    });
    eventually(
        "nothing is set aside at the provider",
        Duration::from_secs(200),
        || {
            let held: i64 = shop.provider.ledger().totals.values().map(|sums| sums.held).sum();
            (held == 0).then_some(())
        },
    );
    shop.balance();
    let half = "select count(*) from orders where state = 'issued' and \
                (select count(*) from ticket where order_id = orders.id and dead_at is null) <> 2";
    assert_eq!(shop.number(half), 0, "orders with half of their tickets");
    let ended = |state: &str| shop.number(&format!("select count(*) from orders where state = '{state}'"));
    let (issued, refunded) = (ended("issued"), ended("refunded"));
    let made = shop.number("select count(*) from orders");
    eprintln!(
        "{kills} kills, {made} orders, {orders} of them answered; {issued} with tickets, {refunded} refunded"
    );
    assert!(
        issued + refunded > 0 && made >= orders as i64,
        "{issued} {refunded} {made} {orders}"
    );
}
