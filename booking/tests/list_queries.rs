//! Lists of orders and tickets ask the database as often for many as for one.

#![allow(clippy::unwrap_used)]

#[path = "support/logged.rs"]
mod logged;
mod support;

use logged::Logged;
use serde_json::Value;
use support::buyer::Buyer;
use support::databases::{ENGINES, TestDatabase};
use support::{Running, config};

/// What is asked of a showtime and of tickets, whoever asks.
const OF_SHOWTIMES: &str = "venue.time_zone";
const OF_TICKETS: &str = "from ticket";

#[tokio::test]
async fn however_many_there_are_showtimes_and_tickets_are_asked_for_once() {
    let queries = Logged::listen(|line| line.target().starts_with("sqlx::query"));
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let mut config = config();
        config.database = on.database.clone();
        let shop = Running::with(&config).await;
        let fan = Buyer::new(&shop).await;
        let mut orders = Vec::new();
        for (showtime, seats) in [(1, ["A-1", "A-2"]), (2, ["A-1", "A-2"]), (3, ["A-1", "A-2"])] {
            orders.push(fan.buy(showtime, &seats).await);
        }
        let asked = |what: &str, said: &[String]| said.iter().filter(|line| line.contains(what)).count();
        queries.take();
        let listed = fan.get("/orders").await.json();
        let said = queries.take();
        assert_eq!(
            (asked(OF_SHOWTIMES, &said), asked(OF_TICKETS, &said)),
            (1, 1),
            "{engine:?}: {said:#?}"
        );
        let page = fan.page("/orders").await;
        queries.take();
        let tickets = fan.page("/tickets").await;
        let said = queries.take();
        assert_eq!(
            (asked(OF_SHOWTIMES, &said), asked(OF_TICKETS, &said)),
            (1, 1),
            "{engine:?}: {said:#?}"
        );
        // And each order is listed with what is its own.
        orders.reverse();
        assert_eq!(listed["orders"], Value::from(orders.clone()));
        for order in &orders {
            let title = order["title"].as_str().unwrap().replace('\'', "&#39;");
            assert!(
                page.text.contains(&title) && tickets.text.contains(&title),
                "{title}"
            );
        }
    }
}
