//! Seats as everyone sees them: the stream of changes, whoever comes, leaves and comes back, on both engines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tidegate_booking::store::Engine;

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::events::{Event, Events};
use crate::support::house::{SHOWTIME, claimed, hold, house, instance, map_of, release};
use crate::support::{Answer, Running};

const LONG: Duration = Duration::from_secs(1000);
const SEATS: &str = "/showtimes/1/seats";

async fn get(running: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    running.send(Method::GET, path, headers, "").await
}

/// Waits for the event in which a seat becomes that.
async fn until(events: &mut Events, seat: &str, state: &str) -> Event {
    loop {
        let event = events.next().await.expect("the stream goes on");
        if event
            .seats()
            .iter()
            .any(|(name, to)| name == seat && *to == state)
        {
            return event;
        }
    }
}

/// What a client knows that folds events.
fn fold(known: &mut BTreeMap<String, &'static str>, event: &Event) {
    if event.name == "seats" {
        *known = claimed(&event.data);
    }
    for (seat, state) in event.seats() {
        match state {
            "free" => known.remove(&seat),
            state => known.insert(seat, state),
        };
    }
}

#[tokio::test]
async fn a_change_reaches_a_listener_of_another_instance_in_time() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let map = map_of(2, 10);
        let store = house(&database, &map).await;
        let running = instance(&database).await;
        assert!(hold(&store, &map, 1, &["R2-9"], LONG).await);
        let mut events = Events::listen(running.address, 1, None).await;
        assert_eq!(events.status, 200);
        assert_eq!(events.headers["content-type"], "text/event-stream");
        assert_eq!(events.headers["cache-control"], "no-store");
        let first = events.next().await.unwrap();
        assert_eq!(
            (first.name.as_str(), &first.data["claimed"]),
            ("seats", &json!({"R2": "........h"}))
        );
        let mut late = Vec::new();
        for round in 0..10 {
            // At any moment between two questions.
            tokio::time::sleep(Duration::from_millis(13 * round)).await;
            assert!(hold(&store, &map, 2, &["R1-1", "R1-2", "FLOOR-3"], LONG).await);
            let committed_at = Instant::now();
            let event = events.next().await.unwrap();
            late.push(committed_at.elapsed());
            assert_eq!(event.name, "change");
            assert_eq!(
                event.data,
                json!({"stock": {"free": 66, "held": 4, "taken": 0}, "held": ["R1-1", "R1-2"], "left": {"FLOOR": 49}})
            );
            release(&store, 2).await;
            let committed_at = Instant::now();
            let event = events.next().await.unwrap();
            late.push(committed_at.elapsed());
            assert_eq!(
                event.data,
                json!({"stock": {"free": 69, "held": 1, "taken": 0}, "free": ["R1-1", "R1-2"], "left": {"FLOOR": 50}})
            );
        }
        late.sort();
        println!(
            "{engine:?}: from the commit to the listener, median {:?}, most {:?}",
            late[10], late[19]
        );
        assert!(late[19] < Duration::from_millis(200), "{late:?}");
        // What becomes of a hold on its way to a ticket.
        let mut raw = database.raw().await;
        for (state, seen) in [("paying", None), ("sold", Some("taken"))] {
            let text = format!(
                "update claim set state = '{state}', changed = (select 1 + max(changed) from claim) \
                 where seat = 'R2-9'"
            );
            let text = match engine {
                Engine::Sqlite => text.replace(
                    "(select 1 + max(changed) from claim)",
                    "(select token from fence)",
                ),
                Engine::Postgres => text.replace(
                    "(select 1 + max(changed) from claim)",
                    "cast(cast(pg_current_xact_id() as text) as bigint)",
                ),
            };
            sqlx::raw_sql(AssertSqlSafe(text))
                .execute(&mut raw)
                .await
                .unwrap();
            match seen {
                None => assert!(events.next_within(Duration::from_millis(300)).await.is_none()),
                Some(state) => drop(until(&mut events, "R2-9", state).await),
            }
        }
    }
}

#[tokio::test]
async fn a_slow_commit_is_not_missed() {
    let database = TestDatabase::on(Engine::Postgres).await;
    let map = map_of(2, 10);
    let store = house(&database, &map).await;
    let running = instance(&database).await;
    let mut events = Events::listen(running.address, 1, None).await;
    events.next().await.unwrap();
    // It gets its number first, and commits last.
    let mut slow = database.raw().await;
    sqlx::query("begin").execute(&mut slow).await.unwrap();
    let insert = "insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at, changed) values \
         (1, 'R1-1', 'sold', 'account:x', 'h', 1, 0, cast(cast(pg_current_xact_id() as text) as bigint))";
    sqlx::query(insert).execute(&mut slow).await.unwrap();
    for fan in 2..6 {
        let seat = format!("R1-{fan}");
        assert!(hold(&store, &map, fan, &[&seat], LONG).await);
        let event = events.next().await.unwrap();
        assert_eq!(event.seats(), [(seat, "held")], "once, however often it is read");
    }
    assert!(events.next_within(Duration::from_millis(400)).await.is_none());
    sqlx::query("commit").execute(&mut slow).await.unwrap();
    let event = events.next().await.unwrap();
    assert_eq!(event.seats(), [("R1-1".to_owned(), "taken")]);
}

#[tokio::test]
async fn a_hold_that_ends_by_itself_is_noticed() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let map = map_of(2, 10);
        let store = house(&database, &map).await;
        let running = instance(&database).await;
        let mut events = Events::listen(running.address, 1, None).await;
        events.next().await.unwrap();
        let ttl = Duration::from_millis(900);
        let asked_at = Instant::now();
        assert!(hold(&store, &map, 1, &["R1-4", "R1-5"], ttl).await);
        let answered_at = Instant::now();
        assert!(hold(&store, &map, 2, &["R1-6"], LONG).await);
        let last = until(&mut events, "R1-6", "held").await.id;
        let event = until(&mut events, "R1-4", "free").await;
        assert_eq!(
            event.seats(),
            [("R1-4".to_owned(), "free"), ("R1-5".to_owned(), "free")]
        );
        assert!(asked_at.elapsed() >= ttl, "not before its time");
        let late = answered_at.elapsed() - ttl;
        println!("{engine:?}: noticed {late:?} after its end");
        assert!(late < Duration::from_millis(250), "{late:?}");
        // Who was away hears of it as well, here and from another instance.
        let other = instance(&database).await;
        for address in [running.address, other.address] {
            let mut back = Events::listen(address, 1, Some(&last)).await;
            let event = back.next().await.unwrap();
            assert_eq!(event.name, "change");
            assert!(event.seats().contains(&("R1-5".to_owned(), "free")), "{event:?}");
            assert!(!event.seats().iter().any(|(seat, _)| seat == "R2-1"));
        }
    }
}

/// 16 writers hold and release; a listener comes and goes, and nothing is lost or told twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_hears_exactly_what_was_missed() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let map = map_of(4, 20);
        let store = house(&database, &map).await;
        let (one, other) = (instance(&database).await, instance(&database).await);
        let stop = Arc::new(AtomicBool::new(false));
        let held = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..16)
            .map(|fan| {
                let (store, map, stop, held) = (store.clone(), map.clone(), stop.clone(), held.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let seats: Vec<String> = (0..2)
                            .map(|_| format!("R{}-{}", rand::random_range(1..=4), rand::random_range(1..=20)))
                            .collect();
                        let seats: Vec<&str> = seats.iter().map(String::as_str).collect();
                        if hold(&store, &map, fan, &seats, LONG).await {
                            held.fetch_add(1, Ordering::Relaxed);
                        }
                        tokio::time::sleep(Duration::from_millis(rand::random_range(0..30))).await;
                        if rand::random_bool(0.7) {
                            release(&store, fan).await;
                        }
                    }
                })
            })
            .collect();

        // One listener always comes back to the same instance, one to either.
        let steady = tokio::spawn(listen_on_and_off(vec![one.address], stop.clone(), true));
        let roaming = tokio::spawn(listen_on_and_off(
            vec![one.address, other.address],
            stop.clone(),
            false,
        ));
        tokio::time::sleep(Duration::from_secs(4)).await;
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        let truth: BTreeMap<String, &str> = store
            .claims(SHOWTIME)
            .await
            .unwrap()
            .into_iter()
            .map(|claim| (claim.seat.to_string(), "held"))
            .collect();
        for (who, listener) in [("steady", steady), ("roaming", roaming)] {
            let (mut known, last, events, address) = listener.await.unwrap();
            let mut rest = Events::listen(address, 1, Some(&last)).await;
            let begun = Instant::now();
            while known != truth {
                assert!(
                    begun.elapsed() < Duration::from_secs(5),
                    "{who} on {engine:?}: {known:?} is not {truth:?}"
                );
                if let Some(event) = rest.next_within(Duration::from_millis(500)).await {
                    fold(&mut known, &event);
                }
            }
            println!("{engine:?}: the {who} listener heard {events} events of {held:?} holds");
            assert!(events > 20, "{events} events: nothing was proved");
        }
    }
}

type Heard = (
    BTreeMap<String, &'static str>,
    String,
    usize,
    std::net::SocketAddr,
);

async fn listen_on_and_off(
    addresses: Vec<std::net::SocketAddr>,
    stop: Arc<AtomicBool>,
    exact: bool,
) -> Heard {
    let mut known = BTreeMap::new();
    let (mut last, mut number, mut heard): (Option<String>, u64, usize) = (None, 0, 0);
    let mut turn = 0;
    loop {
        let address = addresses[turn % addresses.len()];
        turn += 1;
        let mut events = Events::listen(address, 1, last.as_deref()).await;
        for _ in 0..rand::random_range(1..6) {
            let Some(event) = events.next_within(Duration::from_millis(500)).await else {
                break;
            };
            assert!(
                last.is_none() || event.name == "change",
                "who comes back at once is not told everything again"
            );
            if exact {
                assert!(
                    last.is_none() || event.number() == number + 1,
                    "{} after {number}",
                    event.id
                );
                number = event.number();
                if event.name == "change" {
                    for (seat, state) in event.seats() {
                        let before = known.get(&seat).copied().unwrap_or("free");
                        assert_ne!(before, state, "{seat} is told to be what it was");
                    }
                }
            }
            fold(&mut known, &event);
            last = Some(event.id.clone());
            heard += 1;
        }
        if stop.load(Ordering::Relaxed) {
            return (known, last.unwrap(), heard, address);
        }
        drop(events);
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..200))).await;
    }
}

#[tokio::test]
async fn an_id_that_means_nothing_here_begins_anew() {
    let database = TestDatabase::on(Engine::Sqlite).await;
    let map = map_of(2, 10);
    let store = house(&database, &map).await;
    let running = instance(&database).await;
    assert!(hold(&store, &map, 1, &["R1-1"], LONG).await);
    let mut events = Events::listen(running.address, 1, None).await;
    let id = events.next().await.unwrap().id;
    let part = |at: usize| id.split('.').nth(at).unwrap().to_owned();
    let future = format!("00000001.7.{}.{}", 1_i64 << 40, part(3));
    let other_clock = format!("00000001.7.{}.{}", part(2), i64::MAX - 1);
    for last in ["", "17", "a.b.c.d", "0.0.-1.-1", &future, &other_clock] {
        let mut back = Events::listen(running.address, 1, Some(last)).await;
        let first = back.next().await.unwrap();
        assert_eq!(
            (first.name.as_str(), &first.data["claimed"]),
            ("seats", &json!({"R1": "h"})),
            "{last}"
        );
    }
    // The last one is known: there is nothing to tell until something changes.
    let mut back = Events::listen(running.address, 1, Some(&id)).await;
    assert!(back.next_within(Duration::from_millis(300)).await.is_none());
    release(&store, 1).await;
    assert_eq!(back.next().await.unwrap().seats(), [("R1-1".to_owned(), "free")]);
}

#[tokio::test]
async fn a_change_of_the_map_is_told_as_a_whole() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let map = map_of(2, 10);
        let store = house(&database, &map).await;
        let running = instance(&database).await;
        assert!(hold(&store, &map, 1, &["R2-2"], LONG).await);
        let mut events = Events::listen(running.address, 1, None).await;
        events.next().await.unwrap();
        let mut raw = database.raw().await;
        let change = "update seat_row set seats = 12 where label = 'R1'; \
             update meta set catalogue_version = catalogue_version + 1";
        sqlx::raw_sql(change).execute(&mut raw).await.unwrap();
        let event = events.next().await.unwrap();
        assert_eq!(
            (event.name.as_str(), &event.data["stock"]["free"]),
            ("seats", &json!(71))
        );
        assert_eq!(event.data["claimed"], json!({"R2": ".h"}));
        let document = get(&running, SEATS, &[]).await.json();
        assert_eq!(document["sections"][0]["rows"][0]["seats"], 12);
        // A change elsewhere in the catalogue is none here.
        sqlx::query("update meta set catalogue_version = catalogue_version + 1")
            .execute(&mut raw)
            .await
            .unwrap();
        assert!(events.next_within(Duration::from_millis(400)).await.is_none());
        release(&store, 1).await;
        assert_eq!(
            events.next().await.unwrap().seats(),
            [("R2-2".to_owned(), "free")]
        );
    }
}

#[tokio::test]
async fn streams_end_when_the_service_stops_and_do_not_hold_it_up() {
    let running = Running::new().await;
    let mut events = Events::listen(running.address, 1, None).await;
    events.next().await.unwrap();
    let begun = Instant::now();
    let (ended, _folder) = running.stop().await;
    ended.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(events.next().await.is_none(), "the stream ends");
}
