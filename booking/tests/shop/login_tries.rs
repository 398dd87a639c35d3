//! How often a password may be guessed, when all guesses come in the same moment.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Answer, PASSWORD, Running, config};

/// Wrong tries for one name from one address, as the login's rules have it.
const TRIES: usize = 10;

/// How long the rest of the tries may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const FORGET_AFTER: Duration = Duration::from_secs(900);

async fn log_in(running: &Running, password: &str) -> Answer {
    let body = json!({"username": "ada", "password": password}).to_string();
    let json = ("content-type", "application/json");
    running.send(Method::POST, "/login", &[json], &body).await
}

/// A service with one account, on this database.
async fn with_ada(database: &TestDatabase) -> Running {
    let mut config = config();
    config.database = database.database.clone();
    let running = Running::with(&config).await;
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    let json = ("content-type", "application/json");
    let made = running.send(Method::POST, "/signup", &[json], &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    running
}

/// So many log in at once that not all of them may be counted in the same moment, as long as there are fewer processors
/// than tries: one try is under way on each.
fn crowd() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < TRIES / 2 { 3 * TRIES } else { TRIES / 2 }
}

async fn counted(database: &TestDatabase) -> i64 {
    let mut raw = database.raw().await;
    sqlx::query_scalar("select count(*) from login_failure where failures > 0")
        .fetch_one(&mut raw)
        .await
        .unwrap()
}

#[tokio::test]
async fn of_many_guesses_at_once_no_more_are_looked_at_than_of_as_many_in_a_row() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let running = with_ada(&database).await;
        let guesses: Vec<String> = (0..4 * TRIES).map(|n| format!("battery staple {n}")).collect();
        let answers = join_all(guesses.iter().map(|guess| log_in(&running, guess))).await;
        let mut looked_at = answers.iter().filter(|answer| answer.status == 401).count();
        assert!(looked_at <= TRIES, "{engine:?}: {looked_at}");
        // A machine that is slow lets some of them wait in vain, which costs them no try: they come again.
        let began = Instant::now();
        let mut last = log_in(&running, "battery staple").await;
        while last.status != 429 {
            assert!(began.elapsed() < PATIENCE, "{engine:?}: {last:?}");
            looked_at += usize::from(last.status == 401);
            last = log_in(&running, "battery staple").await;
        }
        assert_eq!(looked_at, TRIES, "{engine:?}");
        log_in(&running, PASSWORD).await.is_problem(429, "too-many-tries");
    }
}

#[tokio::test]
async fn right_passwords_cost_nobody_a_try_however_many_come_at_once() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let running = with_ada(&database).await;
        let answers = join_all((0..crowd()).map(|_| log_in(&running, PASSWORD))).await;
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            // A machine that is slow lets some of them wait in vain.
            answer.is_problem(503, "busy");
        }
        assert_eq!(log_in(&running, PASSWORD).await.status, 200, "{engine:?}");
        assert_eq!(counted(&database).await, 0, "{engine:?}");
    }
}

#[tokio::test]
async fn tries_are_counted_against_all_or_none() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let store = database.open().await;
        let who = [("wide".to_owned(), 100), ("narrow".to_owned(), 3)];
        let tries = join_all((0..20).map(|_| store.count_try(&who, FORGET_AFTER))).await;
        let told: Vec<_> = tries.into_iter().map(Result::unwrap).collect();
        assert_eq!(told.iter().filter(|left| left.is_none()).count(), 3, "{engine:?}");
        for left in told.into_iter().flatten() {
            assert!(left > FORGET_AFTER / 2 && left <= FORGET_AFTER, "{left:?}");
        }
        // The refused ones were not counted against the other either, and one that is given back may be made again.
        let wide = [("wide".to_owned(), 4)];
        assert_eq!(store.tries_are_over(&wide).await.unwrap(), None);
        assert!(store.tries_are_over(&who).await.unwrap().is_some());
        store.give_back_try(&who).await.unwrap();
        assert_eq!(store.count_try(&who, FORGET_AFTER).await.unwrap(), None);
    }
}
