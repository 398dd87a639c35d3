//! kill -9 at every step: whatever was under way, the fan has the tickets in the end and has paid for them once.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AnyConnection, Connection, Row};
use tidegate_booking::store::Engine;
use tokio::runtime::Runtime;

use crate::databases::TestDatabase;
use crate::eventually;
use crate::fan::{Fan, PATIENCE, PAYS};
use crate::gate::{Provider, When};
use crate::instance::{Instance, free_port};

const SHOWTIME: i64 = 1;
const SEATS: [&str; 2] = ["A-1", "A-2"];

/// Where the process dies.
enum Step {
    /// While it writes to this table, in the call that the fan makes at that moment.
    Writing(&'static str, Call),
    /// While the payment provider is asked for this.
    Asking(&'static str, When),
    /// It is dead when the fan pays.
    Away,
}

/// What is under way when it dies.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    Reserve,
    Book,
    Pay,
}

/// Everything that one of these tests needs.
pub struct Shop {
    pub runtime: Runtime,
    pub on: TestDatabase,
    pub provider: Provider,
    pub port: u16,
    pub more: String,
}

impl Shop {
    pub fn new(more: &str, chaos: Option<tidegate_booking::payment::sandbox::Chaos>) -> Self {
        let runtime = Runtime::new().unwrap();
        let on = runtime.block_on(TestDatabase::on(Engine::Postgres));
        let port = free_port();
        let webhook = format!("http://127.0.0.1:{port}/payments/webhook");
        let provider = Provider::start(&webhook, chaos);
        Self {
            runtime,
            on,
            provider,
            port,
            more: more.to_owned(),
        }
    }

    pub fn instance(&self, port: u16) -> Instance {
        Instance::start(port, &self.on.database, &self.provider, &self.more)
    }

    pub fn number(&self, query: &str) -> i64 {
        self.runtime.block_on(async {
            let mut raw = self.on.raw().await;
            let query = sqlx::query(sqlx::AssertSqlSafe(query.to_owned()));
            let row = query.fetch_one(&mut raw).await.unwrap();
            raw.close().await.unwrap();
            row.get(0)
        })
    }

    pub fn text(&self, query: &str) -> String {
        self.runtime.block_on(async {
            let mut raw = self.on.raw().await;
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()));
            let text = query.fetch_one(&mut raw).await.unwrap();
            raw.close().await.unwrap();
            text
        })
    }

    /// Nobody writes to the table until the connection is closed.
    pub fn lock(&self, table: &str) -> AnyConnection {
        self.runtime.block_on(async {
            let mut raw = self.on.raw().await;
            let lock = format!("begin; lock table {table} in share mode");
            sqlx::raw_sql(sqlx::AssertSqlSafe(lock))
                .execute(&mut raw)
                .await
                .unwrap();
            raw
        })
    }

    pub fn unlock(&self, lock: AnyConnection) {
        self.runtime.block_on(lock.close()).unwrap();
    }

    /// Waits until somebody waits for the table.
    pub fn until_blocked(&self, table: &str) {
        let waiting = format!(
            "select count(*) from pg_locks join pg_class on pg_class.oid = relation \
             where relname = '{table}' and not granted"
        );
        eventually(&format!("somebody writes to {table}"), PATIENCE, || {
            (self.number(&waiting) > 0).then_some(())
        });
    }

    /// The books: what was taken is what tickets are out for and what went back, and nothing is set aside any more.
    pub fn balance(&self) {
        for (currency, sums) in self.provider.ledger().totals {
            assert_eq!(sums.held, 0, "{currency} is still set aside: {sums:?}");
            let issued = self.number(&format!(
                "select cast(coalesce(sum((cast(doc as json) ->> 'issued')::bigint), 0) as bigint) from orders \
                 where lower(cast(doc as json) -> 'total' ->> 'currency') = '{currency}'"
            ));
            assert_eq!(sums.captured, issued + sums.refunded, "{currency}: {sums:?}");
        }
        let doubled = "select count(*) from (select 1 from ticket where dead_at is null \
                       group by showtime_id, seat having count(*) > 1) as twice";
        assert_eq!(self.number(doubled), 0, "seats with two tickets");
        let unowned = "select count(*) from ticket left join claim on claim.showtime_id = ticket.showtime_id \
                       and claim.seat = ticket.seat and claim.state = 'sold' and claim.order_id = ticket.order_id \
                       where dead_at is null and claim.seat is null";
        assert_eq!(self.number(unowned), 0, "tickets for seats that are not theirs");
    }
}

fn killed(step: Step) {
    let shop = Shop::new("", None);
    let mut instance = shop.instance(shop.port);
    let fan = Fan::new(&instance.address);
    let pages = shop.provider.pages.to_string();
    let order = |hold: &str| -> Value { fan.order(hold).unwrap() };
    match step {
        Step::Writing(table, call) => {
            let hold = (call != Call::Reserve).then(|| fan.hold(SHOWTIME, &SEATS).unwrap());
            let made = (call == Call::Pay).then(|| order(hold.as_deref().unwrap()));
            let lock = shop.lock(table);
            let other = fan.clone();
            let at = pages.clone();
            let calling = std::thread::spawn(move || match call {
                Call::Reserve => drop(other.reserve(SHOWTIME, &SEATS)),
                Call::Book => drop(other.book(&hold.unwrap())),
                Call::Pay => other.pay(&at, &made.unwrap(), PAYS),
            });
            shop.until_blocked(table);
            instance.kill();
            shop.unlock(lock);
            calling.join().unwrap();
        }
        Step::Asking(path_end, when) => {
            let hold = fan.hold(SHOWTIME, &SEATS).unwrap();
            shop.provider.hold_up(path_end, when);
            let other = fan.clone();
            let at = pages.clone();
            let calling = std::thread::spawn(move || {
                let booked = other.book(&hold);
                if path_end.ends_with("capture") {
                    other.pay(&at, &booked.unwrap().json(), PAYS);
                }
            });
            eventually("the provider is asked", PATIENCE, || {
                shop.provider.has_caught().then_some(())
            });
            instance.kill();
            calling.join().unwrap();
        }
        Step::Away => {
            let made = order(&fan.hold(SHOWTIME, &SEATS).unwrap());
            let url = made["payment"]["url"].as_str().unwrap().to_owned();
            instance.kill();
            let path = &url[url.find("/pay/").unwrap()..];
            let form = crate::http::Sent::new("POST", path).form(&format!("number={PAYS}"));
            assert!(crate::http::try_send(&pages, &form).unwrap().status < 400);
        }
    }
    instance.restart();
    // The fan tries again what was cut off: the same seats, the same hold, the same order.
    let orders = fan.get("/orders").unwrap().json();
    let made = match orders["orders"].as_array().unwrap().first() {
        Some(order) => order.clone(),
        None => order(&fan.hold(SHOWTIME, &SEATS).unwrap()),
    };
    let now = eventually("the order goes on", PATIENCE, || {
        let now = fan.look(&made)?;
        let goes_on = now["state"] != "paying" || now["payment"]["url"].is_string();
        goes_on.then_some(now)
    });
    if now["state"] == "paying" && now["status"] == "payable" {
        fan.pay(&pages, &made, PAYS);
    }
    let done = fan.until(&made, &["issued"], PATIENCE);
    assert_eq!(done["tickets"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!(shop.number("select count(*) from orders"), 1);
    assert_eq!(
        shop.number("select count(*) from ticket where dead_at is null"),
        2
    );
    let ledger = shop.provider.ledger();
    let taken: i64 = ledger.totals.values().map(|sums| sums.captured).sum();
    assert_eq!(done["total"]["amount"], taken, "{ledger:?}");
    // A second payment that a lost answer left behind is ended by the next check at the latest.
    eventually("nothing is set aside", Duration::from_secs(90), || {
        let held: i64 = shop.provider.ledger().totals.values().map(|sums| sums.held).sum();
        (held == 0).then_some(())
    });
    shop.balance();
}

#[test]
fn while_the_hold_is_written() {
    killed(Step::Writing("claim", Call::Reserve));
}

#[test]
fn while_the_order_is_written() {
    killed(Step::Writing("orders", Call::Book));
}

#[test]
fn while_what_is_to_be_done_is_written() {
    killed(Step::Writing("outbox", Call::Book));
}

#[test]
fn before_the_provider_hears_of_the_payment() {
    killed(Step::Asking("/payment_intents", When::Before));
}

#[test]
fn after_the_provider_made_the_payment() {
    killed(Step::Asking("/payment_intents", When::After));
}

#[test]
fn when_the_fan_pays_nobody_is_there() {
    killed(Step::Away);
}

#[test]
fn while_the_seats_are_sold() {
    killed(Step::Writing("claim", Call::Pay));
}

#[test]
fn before_the_money_is_taken() {
    killed(Step::Asking("/capture", When::Before));
}

#[test]
fn after_the_money_was_taken() {
    killed(Step::Asking("/capture", When::After));
}

#[test]
fn while_the_tickets_are_written() {
    killed(Step::Writing("ticket", Call::Pay));
}
