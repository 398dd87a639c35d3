//! Clients that hang up, at any moment: what was begun for them is ended, and nobody else hears of it.

#![allow(clippy::unwrap_used)]

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use support::databases::TestDatabase;
use tidegate_booking::domain::{AccountId, EventId, Owner, ShowtimeId};
use tidegate_booking::store::{Engine, Which};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_leaves_no_transaction_behind() {
    let database = TestDatabase::on(Engine::Postgres).await;
    let store = database.open().await;
    let owner = Owner::account(&AccountId::from_bits(1));
    for polls in 1..=40 {
        dropped_after(polls, store.event(EventId(1))).await;
        dropped_after(polls, store.release(ShowtimeId(1), &owner, &Which::All)).await;
    }
    let mut raw = database.raw().await;
    let began = Instant::now();
    loop {
        let query = "select count(*) from pg_stat_activity where datname = current_database() \
                     and state like 'idle in transaction%'";
        let open: i64 = sqlx::query_scalar(query).fetch_one(&mut raw).await.unwrap();
        if open == 0 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{open} connections are inside transactions that nobody ends"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..40 {
        store.release(ShowtimeId(1), &owner, &Which::All).await.unwrap();
    }
}
