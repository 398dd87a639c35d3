//! With Redis: instances wake each other and know of seats just taken; without it, with a hanging or an emptied one, and
//! with one that is wrong, everything is as it is in the database.

use std::time::{Duration, Instant};

use tidegate_booking::store::Engine;

use crate::support::databases::TestDatabase;
use crate::support::events::Events;
use crate::support::house::{house, map_of};
use crate::support::redis::RedisServer;
use crate::support::{Answer, Running, config};

struct Site {
    // Stopped before the databases go.
    one: Running,
    other: Running,
    fans: Vec<String>,
    redis: RedisServer,
    database: TestDatabase,
}

impl Site {
    async fn new() -> Self {
        let database = TestDatabase::on(Engine::Postgres).await;
        house(&database, &map_of(2, 30)).await;
        let redis = RedisServer::start();
        let mut config = config();
        config.database = database.database.clone();
        config.redis = Some(redis.named());
        let (one, other) = (Running::with(&config).await, Running::with(&config).await);
        let mut fans = Vec::new();
        for _ in 0..3 {
            fans.push(one.fan().await);
        }
        Self {
            one,
            other,
            fans,
            redis,
            database,
        }
    }

    async fn hold(&self, running: &Running, fan: usize, seat: &str) -> Answer {
        running
            .hold(1, &[seat], &[("cookie", self.fans[fan].as_str())])
            .await
    }

    async fn release(&self, running: &Running, fan: usize) {
        let path = "/showtimes/1/holds/me?stay=true";
        let cookie = ("cookie", self.fans[fan].as_str());
        let answer = running.send(hyper::Method::DELETE, path, &[cookie], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn key(&self, seat: &str) -> Option<String> {
        self.redis
            .command(&["GET", &format!("tidegate-booking:{{1}}:{seat}")])
    }

    /// Waits until a seat is known there, or is not.
    async fn until_known(&self, seat: &str, known: bool) {
        let begun = Instant::now();
        while self.key(seat).is_some() != known {
            assert!(begun.elapsed() < Duration::from_secs(10), "{seat} known: {known}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Holds seat after seat until one is known: the instance is connected again.
    async fn until_connected(&self, running: &Running, mut seat: u32) {
        let begun = Instant::now();
        loop {
            let name = format!("R2-{seat}");
            self.release(running, 2).await;
            assert_eq!(self.hold(running, 2, &name).await.status, 201);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if self.key(&name).is_some() {
                return self.release(running, 2).await;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "never connected");
            seat = seat % 30 + 1;
        }
    }

    /// The truth of the rows, and of nothing else: one owner a seat, whatever Redis does.
    async fn each_seat_has_one_owner(&self, seat: &str) {
        let (one, other) = tokio::join!(self.hold(&self.one, 0, seat), self.hold(&self.other, 1, seat));
        let mut answers = [one.status.as_u16(), other.status.as_u16()];
        answers.sort_unstable();
        assert_eq!(answers, [201, 409], "{one:?} {other:?}");
        self.release(&self.one, 0).await;
        self.release(&self.other, 1).await;
    }
}

#[tokio::test]
async fn a_seat_just_taken_is_refused_without_the_database_and_a_lie_is_found_out() {
    let site = Site::new().await;
    site.until_connected(&site.one, 1).await;
    site.until_connected(&site.other, 2).await;
    assert_eq!(site.hold(&site.one, 0, "R1-1").await.status, 201);
    site.until_known("R1-1", true).await;
    let first = site.key("R1-1");
    let left_ms: i64 = site.redis.command(&["PTTL", "tidegate-booking:{1}:R1-1"]);
    assert!(
        (470_000..=480_000).contains(&left_ms),
        "as long as the hold: {left_ms}"
    );
    assert_eq!(
        site.hold(&site.one, 0, "R1-1").await.status,
        201,
        "one's own is none"
    );
    // The first goes to the database, which now forgets the claim; the next is not asked.
    site.hold(&site.other, 1, "R1-1")
        .await
        .is_problem(409, "seats-taken");
    let mut raw = site.database.raw().await;
    sqlx::query("delete from claim").execute(&mut raw).await.unwrap();
    let refused = site.hold(&site.other, 1, "R1-1").await;
    assert_eq!(
        refused.is_problem(409, "seats-taken")["seats"],
        serde_json::json!(["R1-1"])
    );
    // What Redis says is checked now and then.
    let begun = Instant::now();
    while site.hold(&site.other, 1, "R1-1").await.status != 201 {
        assert!(begun.elapsed() < Duration::from_secs(4), "the lie lives");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Its key names the new holder, and only the holder's release takes it away.
    let begun = Instant::now();
    while site.key("R1-1") == first {
        assert!(begun.elapsed() < Duration::from_secs(5), "the key still lies");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let holder = site.key("R1-1").unwrap();
    site.release(&site.one, 0).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.key("R1-1"), Some(holder));
    site.release(&site.other, 1).await;
    site.until_known("R1-1", false).await;
}

#[tokio::test]
async fn instances_wake_each_other_at_once() {
    let site = Site::new().await;
    site.until_connected(&site.one, 1).await;
    let mut events = Events::listen(site.other.address, 1, None).await;
    events.next().await.unwrap();
    let mut quick = 0;
    for round in 1..=15 {
        let seat = format!("R1-{}", round % 2 + 1);
        tokio::time::sleep(Duration::from_millis(150 + 7 * round)).await;
        site.release(&site.one, 0).await;
        while events.next_within(Duration::from_millis(150)).await.is_some() {}
        assert_eq!(site.hold(&site.one, 0, &seat).await.status, 201);
        let answered_at = Instant::now();
        let event = events.next().await.unwrap();
        assert_eq!(event.seats(), [(seat, "held")]);
        quick += u32::from(answered_at.elapsed() < Duration::from_millis(45));
    }
    // By asking every 100 ms alone, fewer than half would be so quick.
    println!("{quick} of 15 changes were seen elsewhere within 45 ms");
    assert!(quick >= 12, "{quick} of 15");
}

#[tokio::test]
async fn everything_stays_right_when_redis_forgets_dies_or_hangs() {
    let mut site = Site::new().await;
    site.until_connected(&site.one, 1).await;
    site.until_connected(&site.other, 2).await;
    let mut events = Events::listen(site.other.address, 1, None).await;
    events.next().await.unwrap();

    // It forgets.
    assert_eq!(site.hold(&site.one, 0, "R1-1").await.status, 201);
    site.until_known("R1-1", true).await;
    let _: String = site.redis.command(&["FLUSHALL"]);
    site.hold(&site.other, 1, "R1-1")
        .await
        .is_problem(409, "seats-taken");
    site.each_seat_has_one_owner("R1-2").await;

    // It dies.
    assert_eq!(site.hold(&site.one, 0, "R1-3").await.status, 201);
    site.redis.kill();
    while events.next_within(Duration::from_millis(400)).await.is_some() {}
    let asked_at = Instant::now();
    site.hold(&site.other, 1, "R1-3")
        .await
        .is_problem(409, "seats-taken");
    site.each_seat_has_one_owner("R1-4").await;
    assert!(
        asked_at.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked_at.elapsed()
    );
    while events.next_within(Duration::from_millis(400)).await.is_some() {}
    assert_eq!(site.hold(&site.one, 0, "R1-5").await.status, 201);
    let answered_at = Instant::now();
    assert_eq!(
        events.next().await.unwrap().seats(),
        [("R1-5".to_owned(), "held")]
    );
    assert!(
        answered_at.elapsed() < Duration::from_millis(250),
        "{:?}",
        answered_at.elapsed()
    );
    site.release(&site.one, 0).await;

    // It is back, and of use.
    site.redis.restart();
    site.until_connected(&site.one, 3).await;
    site.until_connected(&site.other, 4).await;

    // It hangs, with a release that it does not hear of.
    assert_eq!(site.hold(&site.one, 0, "R1-6").await.status, 201);
    site.until_known("R1-6", true).await;
    site.redis.freeze();
    let asked_at = Instant::now();
    site.hold(&site.other, 1, "R1-6")
        .await
        .is_problem(409, "seats-taken");
    assert!(
        asked_at.elapsed() < Duration::from_millis(500),
        "{:?}",
        asked_at.elapsed()
    );
    site.release(&site.one, 0).await;
    site.each_seat_has_one_owner("R1-7").await;
    assert_eq!(site.hold(&site.other, 1, "R1-6").await.status, 201, "it is free");
    site.release(&site.other, 1).await;
    // Give it time to give up what was on its way, so that the release is lost for good.
    tokio::time::sleep(Duration::from_millis(600)).await;
    site.redis.thaw();
    let begun = Instant::now();
    while site.hold(&site.one, 2, "R1-6").await.status != 201 {
        assert!(begun.elapsed() < Duration::from_secs(4), "kept from everyone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site.release(&site.one, 2).await;
    site.until_connected(&site.one, 5).await;
    site.each_seat_has_one_owner("R1-8").await;
}

#[tokio::test]
async fn a_service_starts_and_sells_without_the_redis_it_is_told_of() {
    let database = TestDatabase::on(Engine::Sqlite).await;
    house(&database, &map_of(1, 5)).await;
    let mut redis = RedisServer::start();
    let mut config = config();
    config.database = database.database.clone();
    config.redis = Some(redis.named());
    redis.kill();
    let running = Running::with(&config).await;
    assert_eq!(running.hold(1, &["R1-1"], &[]).await.status, 201);
    running
        .hold(1, &["R1-1"], &[])
        .await
        .is_problem(409, "seats-taken");
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start();
    let mut named = redis.named();
    named.url.tls = true;
    named.tls_ca = Some(folder.path().join("none.pem"));
    let mut config = config();
    config.redis = Some(named);
    let why = tidegate_booking::start(&config, folder.path())
        .await
        .err()
        .unwrap();
    let why = why.to_string();
    assert!(
        why.contains("booking.redis_tls_ca") && why.contains("none.pem"),
        "{why}"
    );
}
