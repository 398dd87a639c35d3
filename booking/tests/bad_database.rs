//! Databases that are not as they should be: newer than the program, half brought up to date, locked, read-only. What is
//! wrong is said where it shows, and nothing is lost.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use sqlx::{Connection, Executor};
use support::buyer::Buyer;
use support::databases::{ENGINES, TestDatabase};
use support::{Running, config};
use tidegate_booking::store::{Engine, Store};

async fn shop(on: &TestDatabase) -> Running {
    let mut config = config();
    config.database = on.database.clone();
    Running::with(&config).await
}

async fn refused(on: &TestDatabase) -> String {
    let opened = Store::open(&on.database, on.folder.path()).await;
    opened.expect_err("this database cannot be used").to_string()
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        on.open().await.close().await;
        let mut raw = on.raw().await;
        let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                     select 9999, 'of tomorrow', success, checksum, execution_time from _sqlx_migrations \
                     where version = 1";
        raw.execute(newer).await.unwrap();
        let said = refused(&on).await;
        assert!(
            said.contains("newer tidegate") && said.contains("9999") && said.contains("backup"),
            "{engine:?}: {said}"
        );
    }
}

#[tokio::test]
async fn tables_that_are_half_made_are_named() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        on.open().await.close().await;
        let mut raw = on.raw().await;
        raw.execute("update _sqlx_migrations set success = false where version = 1")
            .await
            .unwrap();
        let said = refused(&on).await;
        assert!(
            said.contains("up to date") && said.contains('1'),
            "{engine:?}: {said}"
        );
    }
}

#[tokio::test]
async fn what_is_no_database_is_not_overwritten() {
    let on = TestDatabase::on(Engine::Sqlite).await;
    let file = on.folder.path().join("booking.db");
    let text = "my only copy of a novel".repeat(1000);
    std::fs::write(&file, &text).unwrap();
    let said = refused(&on).await;
    assert!(said.contains("booking.db"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_locked_database_is_busy_for_as_long_as_it_is_locked() {
    let on = TestDatabase::on(Engine::Sqlite).await;
    let shop = shop(&on).await;
    let fan = Buyer::new(&shop).await;
    let mut raw = on.raw().await;
    raw.execute("begin immediate").await.unwrap();
    let seats = json!({"showtime": 1, "seats": ["A-1"]});
    let refused = fan.post("/reserve", &seats).await;
    refused.is_problem(503, "busy");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    raw.execute("rollback").await.unwrap();
    assert_eq!(fan.post("/reserve", &seats).await.status, 201);
}

#[tokio::test]
async fn a_read_only_database_says_so_and_loses_nothing() {
    let on = TestDatabase::on(Engine::Postgres).await;
    let shop = shop(&on).await;
    let fan = Buyer::new(&shop).await;
    let hold = fan.hold(1, &["A-1"]).await;
    let mut raw = on.raw().await;
    let read_only = |on: bool| {
        // For connections that are made from now on; those that are there are ended.
        format!(
            "do $$ begin execute format('alter database %I set default_transaction_read_only = {on}', \
             current_database()); end $$; select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()"
        )
    };
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only(true)))
        .execute(&mut raw)
        .await
        .unwrap();
    let body = json!({"hold": hold, "email": "ada@example.com"});
    let mut answer = fan.post("/book", &body).await;
    // The first calls may meet connections that were just ended.
    for _ in 0..40 {
        if answer.text.contains("unwritable") {
            break;
        }
        assert!(answer.status.is_server_error(), "{answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = fan.post("/book", &body).await;
    }
    answer.is_problem(503, "unwritable");
    let seen = fan.get(&format!("/holds/{hold}")).await;
    assert_eq!(seen.status, 200, "reading goes on: {seen:?}");
    raw.close().await.unwrap();
    let mut raw = on.raw().await;
    raw.execute("set default_transaction_read_only = off")
        .await
        .unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only(false)))
        .execute(&mut raw)
        .await
        .unwrap();
    let mut booked = fan.post("/book", &body).await;
    for _ in 0..40 {
        if booked.status == 201 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        booked = fan.post("/book", &body).await;
    }
    assert_eq!(booked.status, 201, "{booked:?}");
}
