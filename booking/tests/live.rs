//! Seats as everyone sees them: the compact document and its cache, and the stream of changes, on both engines.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use hyper::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use support::databases::{ENGINES, TestDatabase};
use support::events::{Event, Events};
use support::house::{SHOWTIME, claimed, fill_at_random, hold, house, instance, map_of, release};
use support::{Answer, Running, config};
use tidegate_booking::store::Engine;
use tidegate_config::LoginFor;

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
async fn the_document_is_small_shared_and_the_same_until_something_changes() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let map = map_of(2, 10);
        house(&database, &map).await;
        let (one, other) = (instance(&database).await, instance(&database).await);
        let first = get(&one, SEATS, &[]).await;
        assert_eq!(first.status, 200, "{first:?}");
        assert_eq!(first.header("cache-control"), Some("public, max-age=1"));
        let vary: Vec<_> = first.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept-Encoding", "Accept"]);
        let row = json!({"row": "R1", "seats": 10, "x": -450, "y": 100});
        let document = first.json();
        assert_eq!(document["sections"][0]["rows"][0], row);
        assert_eq!(document["sections"][0]["price"]["amount"], 5000);
        assert_eq!(document["open"][0]["capacity"], 50);
        assert_eq!(
            (&document["claimed"], &document["left"]),
            (&json!({}), &json!({"FLOOR": 50}))
        );
        let tag = first.header("etag").unwrap();
        let elsewhere = get(&other, SEATS, &[]).await;
        assert_eq!(
            (elsewhere.header("etag"), &elsewhere.text),
            (Some(tag), &first.text),
            "on every instance"
        );
        for known in [tag, &format!("\"x\", {tag}"), "*"] {
            let same = get(&one, SEATS, &[("if-none-match", known)]).await;
            assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""), "{known}");
            assert_eq!(same.header("etag"), Some(tag));
            assert_eq!(same.header("cache-control"), Some("public, max-age=1"));
        }

        let held = one.hold(1, &["R1-3"], &[]).await;
        assert_eq!(held.status, 201, "{held:?}");
        // What an instance did itself it shows at once; of others it may be a second behind.
        let changed = get(&one, SEATS, &[("if-none-match", tag)]).await;
        assert_eq!(
            (changed.status.as_u16(), &changed.json()["claimed"]),
            (200, &json!({"R1": "..h"}))
        );
        let stock = json!({"free": 69, "held": 1, "taken": 0});
        assert_eq!(changed.json()["stock"], stock);
        assert_eq!(changed.header("tidegate-stock"), Some("free=69, held=1"));
        let asked_at = Instant::now();
        while get(&other, SEATS, &[]).await.header("etag") != changed.header("etag") {
            assert!(
                asked_at.elapsed() < Duration::from_secs(3),
                "the other shows it, too"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        get(&one, "/showtimes/2/seats", &[])
            .await
            .is_problem(404, "not-found");
        get(&one, "/showtimes/2/seats/stream", &[])
            .await
            .is_problem(404, "not-found");
    }
}

#[tokio::test]
async fn nothing_personal_is_in_what_is_shared() {
    let running = Running::new().await;
    let held = running.hold(1, &["A-2"], &[]).await;
    let cookie = held.cookie();
    let mine = [("cookie", cookie.as_str())];
    let shared = get(&running, SEATS, &[]).await;
    let as_owner = get(&running, SEATS, &mine).await;
    assert_eq!(as_owner.text, shared.text, "whoever asks");
    let personal = get(&running, "/showtimes/1/seats?mine=true", &mine).await;
    assert_eq!(personal.json()["mine"], json!(["A-2"]));
    assert_eq!(personal.json()["claimed"], json!({"A": ".h"}));
    assert_eq!(personal.header("cache-control"), Some("private, no-cache"));
    assert_eq!(personal.header("etag"), None);
    let nobody = get(&running, "/showtimes/1/seats?mine=true", &[]).await;
    assert_eq!(nobody.json()["mine"], json!([]));

    let mut all_log_in = config();
    all_log_in.login = LoginFor::All;
    let closed = Running::with(&all_log_in).await;
    let cookie = closed.fan().await;
    let answer = get(&closed, SEATS, &[("cookie", &cookie)]).await;
    assert_eq!(answer.header("cache-control"), Some("private, max-age=1"));
    get(&closed, SEATS, &[]).await.is_problem(401, "login-needed");
    get(&closed, "/showtimes/1/seats/stream", &[])
        .await
        .is_problem(401, "login-needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_seats_are_small_and_quick_while_they_change() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let map = map_of(200, 100);
        let store = house(&database, &map).await;
        let claims = fill_at_random(&database, &map).await;
        let running = instance(&database).await;
        let plain = get(&running, SEATS, &[]).await;
        let stock = &plain.json()["stock"];
        let gone = stock["held"].as_u64().unwrap() + stock["taken"].as_u64().unwrap();
        assert_eq!(gone as usize, claims);
        assert_eq!(plain.header("content-encoding"), None);
        let packed = Packed::get(&running).await;
        assert_eq!(packed.unpacked(), plain.text);
        println!(
            "{engine:?}: 20,000 seats are {} bytes, {} compressed",
            plain.text.len(),
            packed.0.len()
        );
        assert!(packed.0.len() < 60_000, "{} bytes", packed.0.len());

        // Somebody holds and releases all the while, as another instance does.
        let done = Arc::new(AtomicBool::new(false));
        let free = plain.json()["claimed"]["R1"].as_str().unwrap().find('.').unwrap();
        let seat = format!("R1-{}", free + 1);
        let writer = tokio::spawn({
            let (store, map, done) = (store.clone(), map.clone(), Arc::clone(&done));
            async move {
                while !done.load(Ordering::Relaxed) {
                    assert!(hold(&store, &map, 1, &[&seat], LONG).await);
                    release(&store, 1).await;
                }
            }
        });
        // A machine that is busy with something else may try again.
        let mut quick = false;
        for _ in 0..5 {
            let (mut took, begun) = (Vec::new(), Instant::now());
            while begun.elapsed() < Duration::from_secs(2) {
                let asked_at = Instant::now();
                Packed::get(&running).await;
                took.push(asked_at.elapsed());
            }
            took.sort();
            let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
            println!(
                "{engine:?}: {} answers, median {median:?}, p99 {p99:?}",
                took.len()
            );
            quick = p99 < Duration::from_millis(20);
            if quick {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.await.unwrap();
        assert!(quick, "the slowest in a hundred answers took too long each time");
    }
}

/// The compressed document.
struct Packed(Vec<u8>);

impl Packed {
    async fn get(running: &Running) -> Self {
        let (headers, body) = running.bytes(SEATS, &[("accept-encoding", "gzip, br")]).await;
        assert_eq!(headers["content-encoding"], "gzip");
        Self(body.to_vec())
    }

    fn unpacked(&self) -> String {
        let mut text = String::new();
        GzDecoder::new(&self.0[..]).read_to_string(&mut text).unwrap();
        text
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_look_at_once_one_asks_the_database() {
    let database = TestDatabase::on(Engine::Postgres).await;
    let map = map_of(2, 10);
    let store = house(&database, &map).await;
    let running = Arc::new(instance(&database).await);
    get(&running, SEATS, &[]).await;
    assert!(hold(&store, &map, 1, &["R1-1"], LONG).await);
    // Nobody can read claims now: whoever asks for them waits.
    let mut raw = database.raw().await;
    sqlx::query("begin").execute(&mut raw).await.unwrap();
    sqlx::query("lock table claim in access exclusive mode")
        .execute(&mut raw)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let askers: Vec<_> = (0..40)
        .map(|_| {
            let running = Arc::clone(&running);
            tokio::spawn(async move { get(&running, SEATS, &[]).await })
        })
        .collect();
    let mut other = database.raw().await;
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
         and datname = current_database()";
    let begun = Instant::now();
    let mut seen: i64 = 0;
    while begun.elapsed() < Duration::from_millis(500) {
        let now: i64 = sqlx::query_scalar(waiting).fetch_one(&mut other).await.unwrap();
        seen = seen.max(now);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sqlx::query("rollback").execute(&mut raw).await.unwrap();
    for asker in askers {
        let answer = asker.await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["claimed"]),
            (200, &json!({"R1": "h"}))
        );
    }
    assert_eq!(seen, 1, "questions at once");
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

#[tokio::test]
async fn the_page_says_what_its_script_needs() {
    let running = Running::new().await;
    let held = running.hold(1, &["A-2"], &[]).await;
    assert_eq!(held.status, 201);
    let page = running.page("/showtimes/1").await.text;
    assert!(page.contains("data-live"), "{page}");
    assert!(
        page.contains("<i class=\"seat held\" data-seat=\"A-2\""),
        "{page}"
    );
    let amount = page.split("<fieldset data-amount=\"").nth(1).unwrap();
    assert!(amount.split('"').next().unwrap().parse::<i64>().unwrap() > 0);
}
