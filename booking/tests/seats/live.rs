//! Seats as everyone sees them: the compact document and its cache, and the page, on both engines.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use hyper::Method;
use serde_json::json;
use tidegate_booking::store::Engine;
use tidegate_config::LoginFor;

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::house::{fill_at_random, hold, house, instance, map_of, release};
use crate::support::{Answer, Running, config};

const LONG: Duration = Duration::from_secs(1000);
const SEATS: &str = "/showtimes/1/seats";

async fn get(running: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    running.send(Method::GET, path, headers, "").await
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
