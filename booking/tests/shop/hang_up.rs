//! Clients that hang up, at any moment: what was begun for them is ended, and nobody else hears of it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::AnyConnection;
use tidegate_booking::domain::{AccountId, EventId, Owner, ShowtimeId};
use tidegate_booking::store::{Engine, Which};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::buyer::Buyer;
use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Running, config};

/// Lets a call come as far as so many polls bring it, and drops it there.
async fn dropped_after(polls: usize, call: impl Future) {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Pending if left > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

async fn open_transactions(raw: &mut AnyConnection) -> i64 {
    let query = "select count(*) from pg_stat_activity where datname = current_database() \
                 and state like 'idle in transaction%'";
    sqlx::query_scalar(query).fetch_one(raw).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_leaves_no_transaction_behind() {
    let database = TestDatabase::on(Engine::Postgres).await;
    let store = database.open().await;
    let owner = Owner::account(&AccountId::from_bits(1));
    let mut raw = database.raw().await;
    for polls in 1..=20 {
        // Several at once, so that no later call ends by chance what an earlier one left open.
        let reads = (0..4).map(|_| dropped_after(polls, store.event(EventId(1))));
        let writes = (0..4).map(|_| dropped_after(polls, store.release(ShowtimeId(1), &owner, &Which::All)));
        tokio::join!(join_all(reads), join_all(writes));
        let began = Instant::now();
        while let open @ 1.. = open_transactions(&mut raw).await {
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "{open} connections are inside transactions that nobody ends, after {polls} polls"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for _ in 0..40 {
        store.release(ShowtimeId(1), &owner, &Which::All).await.unwrap();
    }
}

/// A service on a database of its own.
async fn shop(on: &TestDatabase) -> Running {
    let mut config = config();
    config.database = on.database.clone();
    Running::with(&config).await
}

/// Two of the best seats under a key, and the socket is closed before the answer.
async fn hang_up(shop: &Running, fan: &Buyer<'_>, key: &str, body: &str, after: Duration) {
    let mut socket = TcpStream::connect(shop.address).await.unwrap();
    let head = format!(
        "POST /reserve HTTP/1.1\r\nhost: x\r\ncookie: {}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        fan.cookie,
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_client_left_is_answered_when_it_is_made_again() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on).await;
        let fan = Buyer::new(&shop).await;
        let wish = json!({"showtime": 1, "best_available": {"quantity": 2}});
        for round in 0..24 {
            let key = format!("key-{round}");
            let after = Duration::from_millis(round % 6);
            hang_up(&shop, &fan, &key, &wish.to_string(), after).await;
            let began = Instant::now();
            let told = loop {
                let told = fan
                    .post_with("/reserve", &wish, &[("idempotency-key", &key)])
                    .await;
                if told.status != 409 {
                    break told;
                }
                assert!(began.elapsed() < Duration::from_secs(5), "{round}: {told:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            assert_eq!(told.status, 201, "{told:?}");
            let mine = fan.get("/showtimes/1/holds/me").await.json();
            let holds = mine["holds"].as_array().unwrap();
            assert_eq!(holds.len(), 1, "round {round}: {mine}");
            assert_eq!(holds[0]["id"], told.json()["id"]);
            let path = "/showtimes/1/holds/me/release?stay=true";
            assert_eq!(fan.post(path, &json!({})).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_hold_whose_answer_died_with_its_process_is_found() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on).await;
        let fan = Buyer::new(&shop).await;
        let wish = json!({"showtime": 1, "best_available": {"quantity": 2}});
        let key = [("idempotency-key", "key")];
        let first = fan.post_with("/reserve", &wish, &key).await;
        let mut raw = on.raw().await;
        let lost = "update idempotency set answer = null, expires_at = expires_at - 24 * 3600 * 1000";
        sqlx::query(lost).execute(&mut raw).await.unwrap();
        // Another call's end forgets what is old, and this one not.
        fan.post_with("/reserve", &json!({}), &[("idempotency-key", "other")])
            .await;
        let again = fan.post_with("/reserve", &wish, &key).await;
        assert_eq!(
            (again.status.as_u16(), again.header("idempotent-replayed")),
            (201, None)
        );
        assert_eq!(again.json()["id"], first.json()["id"]);
        let mine = fan.get("/showtimes/1/holds/me").await.json();
        assert_eq!(mine["holds"].as_array().unwrap().len(), 1, "{mine}");
        let told = fan.post_with("/reserve", &wish, &key).await;
        assert_eq!(told.header("idempotent-replayed"), Some("true"));
    }
}
