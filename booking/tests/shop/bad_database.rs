//! Databases that are not as they should be: newer than the program, older, half brought up to date, locked, read-only. What is
//! wrong is said where it shows, and nothing is lost.

use std::time::Duration;

use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::{Connection, Executor};
use tidegate_booking::domain::{AccountId, EventId, HoldId, HoldOutcome, Owner, Seat, SeatLimit, ShowtimeId};
use tidegate_booking::store::{Engine, Store};

use crate::support::buyer::Buyer;
use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Running, config};

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

/// The tables as they were after so many steps.
async fn at_step(on: &TestDatabase, engine: Engine, steps: usize) {
    let folder = match engine {
        Engine::Sqlite => "migrations/sqlite",
        Engine::Postgres => "migrations/postgres",
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let older = tempfile::tempdir().unwrap();
    for file in &files[..steps] {
        std::fs::copy(file, older.path().join(file.file_name().unwrap())).unwrap();
    }
    if engine == Engine::Sqlite {
        std::fs::write(on.folder.path().join("booking.db"), "").unwrap();
    }
    let mut raw = on.raw().await;
    let migrator = Migrator::new(older.path()).await.unwrap();
    migrator.run_direct(None, &mut raw, false).await.unwrap();
    raw.close().await.unwrap();
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_with_all_that_is_in_it() {
    // In a year nobody sees.
    let starts_at = 4_000_000_000_i64;
    for (engine, steps) in [
        (Engine::Sqlite, 1),
        (Engine::Sqlite, 3),
        (Engine::Postgres, 1),
        (Engine::Postgres, 2),
    ] {
        let on = TestDatabase::on(engine).await;
        at_step(&on, engine, steps).await;
        let mut raw = on.raw().await;
        let filled = format!(
            "insert into venue (id, name, city, country, time_zone, currency, capacity) \
             values (3, 'Bell Hall', 'Chico', 'United States', 'UTC', 'USD', 4); \
             insert into seat_row (venue_id, position, section, level, label, seats) values (3, 0, 'Stalls', 1, 'A', 4); \
             insert into event (id, venue_id, category, title, credit, description) \
             values (5, 3, 'concert', 'Ghost', '', 'D'); \
             insert into price (event_id, level, amount) values (5, 1, 4500); \
             insert into showtime (id, event_id, starts_at) values (7, 5, {starts_at}); \
             insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at) values \
             (7, 'A-1', 'sold', 'account:0', '0', 1, 0), (7, 'A-2', 'held', 'account:1', '1', 2, {starts_at}000), \
             (7, 'A-3', 'held', 'account:2', '2', 3, 0)"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(filled))
            .execute(&mut raw)
            .await
            .unwrap();
        raw.close().await.unwrap();

        let store = on.open().await;
        let showtime = store.showtime(ShowtimeId(7)).await.unwrap().unwrap();
        assert_eq!(showtime.event.event.title, "Ghost");
        let stock = showtime.map.stock(&store.claims(ShowtimeId(7)).await.unwrap());
        assert_eq!(
            (stock.free, stock.held, stock.taken),
            (2, 1, 1),
            "{engine:?} after step {steps}"
        );
        let feed = store.changes(0, 10).await.unwrap();
        assert!(
            feed.changes.iter().any(|change| change.event.id == EventId(5)),
            "{engine:?} after step {steps}"
        );
        // And it can be used.
        let (fan, seats) = (
            Owner::account(&AccountId::from_bits(9)),
            ["A-3", "A-4"].map(|seat| seat.parse().unwrap()),
        );
        let asked = |seats: &[Seat], id| {
            let (store, fan, seats) = (store.clone(), fan.clone(), seats.to_vec());
            async move {
                let held = store.hold(
                    ShowtimeId(7),
                    &seats,
                    &fan,
                    id,
                    Duration::from_secs(60),
                    SeatLimit(4),
                );
                held.await.unwrap()
            }
        };
        let held = asked(&seats, HoldId::from_bits(9)).await;
        assert!(matches!(held, HoldOutcome::Held(_)), "{held:?}");
        let taken = ["A-1", "A-2"].map(|seat| seat.parse().unwrap());
        let refused = asked(&taken, HoldId::from_bits(10)).await;
        assert_eq!(refused, HoldOutcome::JustTaken(taken.to_vec()));
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
