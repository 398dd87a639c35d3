//! An entry of the outbox that this program cannot read: it waits, longer each time, and keeps nothing else waiting.

#![allow(clippy::unwrap_used)]

#[path = "support/logged.rs"]
mod logged;
mod support;

use std::time::{Duration, Instant};

use logged::Logged;
use sqlx::{AnyConnection, Row};
use support::buyer::Buyer;
use support::databases::{ENGINES, TestDatabase};
use support::{Running, config};
use tracing::Level;

const SHOWTIME: i64 = 1;

/// From the first try to the third: half a second, and then a whole one.
const TWO_PAUSES: Duration = Duration::from_millis(1500);

/// Puts an entry behind all others of an order, due since long ago.
async fn put(raw: &mut AnyConnection, order: &str, key: &str, effect: &str) {
    let put = "insert into outbox (order_id, key, number, effect, made_at, due_at) \
               select $1, $2, max(number) + 1, $3, 0, 0 from outbox where order_id = $1";
    let put = sqlx::query(put).bind(order).bind(key).bind(effect);
    put.execute(raw).await.unwrap();
}

/// How often an entry was tried, and whether it is done.
async fn standing(raw: &mut AnyConnection, key: &str) -> (i64, bool) {
    let query = "select tries, case when done_at is null then 0 else 1 end from outbox where key = $1";
    let row = sqlx::query(query).bind(key).fetch_one(raw).await.unwrap();
    (row.get(0), row.get::<i64, _>(1) == 1)
}

#[tokio::test]
async fn what_cannot_be_read_waits_longer_and_longer_and_is_said_once() {
    let errors = Logged::listen(|line| *line.level() == Level::ERROR);
    for engine in ENGINES {
        errors.take();
        let on = TestDatabase::on(engine).await;
        let mut config = config();
        config.database = on.database.clone();
        let shop = Running::with(&config).await;
        let fan = Buyer::new(&shop).await;
        let done = fan.buy(SHOWTIME, &["A-1"]).await;
        let order = done["id"].as_str().unwrap();
        let mut raw = on.raw().await;
        let began = Instant::now();
        put(&mut raw, order, "later", r#"{"from_a_later_program":1}"#).await;
        put(&mut raw, order, "alert:disputed", r#"{"alert":"disputed"}"#).await;
        let (mut tries, mut other_is_done) = (0, false);
        while tries < 3 || !other_is_done {
            assert!(
                began.elapsed().as_secs() < 20,
                "{engine:?}: {tries} {other_is_done}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
            (tries, _) = standing(&mut raw, "later").await;
            (_, other_is_done) = standing(&mut raw, "alert:disputed").await;
        }
        assert!(began.elapsed() >= TWO_PAUSES, "{engine:?}: {:?}", began.elapsed());
        let said = errors.take();
        let said: Vec<_> = said.iter().filter(|text| text.contains("cannot read")).collect();
        assert_eq!(said.len(), 1, "{engine:?}: {said:?}");
        assert!(said[0].contains(order) && said[0].contains("later"), "{said:?}");
    }
}
