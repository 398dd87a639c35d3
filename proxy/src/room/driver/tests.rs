//! A driver whose store fails in ways that none should.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_queue::line::{Change, Entered, Place, Reply, Request, Settings, Turn, Visit, VisitId, Visitor};
use tidegate_queue::store::{LineStore, MemoryStore, Round, StoreError, SystemMoment};
use tokio::sync::watch;

use super::Driver;
use crate::metrics::Metrics;
use crate::room::for_tests::config;
use crate::room::{Joined, Room, Turn as FansTurn};

/// A line that panics as often as it is told to, and remembers who came back.
struct Panicking {
    line: MemoryStore,
    panics: AtomicU32,
    back: Mutex<Vec<Place>>,
}

#[async_trait::async_trait]
impl LineStore for Panicking {
    async fn tick(&self, request: &Request) -> Result<Arc<Reply>, StoreError> {
        let left = |panics: u32| panics.checked_sub(1);
        if self
            .panics
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_ok()
        {
            panic!("on purpose");
        }
        self.back.lock().extend(&request.back);
        self.line.tick(request).await
    }

    fn nonce(&self) -> u32 {
        self.line.nonce()
    }

    async fn configure(&self, change: Change) -> Result<Arc<Settings>, StoreError> {
        self.line.configure(change).await
    }

    async fn turn(&self, round: Round) -> Result<(), StoreError> {
        self.line.turn(round).await
    }

    async fn visit(&self, id: VisitId) -> Result<Option<Visit>, StoreError> {
        self.line.visit(id).await
    }

    async fn visits(&self, most: usize) -> Result<Vec<(VisitId, Visit)>, StoreError> {
        self.line.visits(most).await
    }
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what}, at last");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn waits(room: &Room) -> Place {
    match room.join().await {
        Joined::Waiting { round, place, ahead } => {
            room.hold_new(place, round, Visitor(7), ahead);
            place
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_is_a_store_out_of_reach_until_another_driver_has_told_who_is_here() {
    let (config, metrics) = (config(), Arc::new(Metrics::new()));
    let line = MemoryStore::volatile(Settings::from(&config), 1, Arc::new(SystemMoment::default()));
    let store = Arc::new(Panicking {
        line,
        panics: AtomicU32::new(0),
        back: Mutex::default(),
    });
    let room = Room::new(config, store.clone(), 1_000).expect("a room");
    let (shutdown, stopped) = watch::channel(false);
    let mut driver = Driver::new(room.clone(), metrics.clone(), 1);
    driver.begin().await.expect("a store that answers");
    let driving = tokio::spawn(driver.run(stopped));
    for _ in 0..2 {
        assert!(matches!(room.join().await, Joined::Straight { .. }));
    }
    let first = waits(&room).await;

    store.panics.store(1, Ordering::Relaxed);
    until("the room is told", || !room.snapshot().store_up).await;
    let (_, text) = metrics.render();
    assert!(
        text.contains("tidegate_driver_panics_total{room=\"drop\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("tidegate_store_up{room=\"drop\"} 0\n"), "{text}");
    let second = waits(&room).await;
    assert!(
        second > first && second.epoch.is_stamp(),
        "{second}, of this edge's own"
    );

    until("the line is gone on with", || room.snapshot().store_up).await;
    until("everyone who is held is told", || {
        let back = store.back.lock();
        back.contains(&first) && back.contains(&second)
    })
    .await;
    until("both are in line", || room.snapshot().figures.waiting == 2).await;
    shutdown.send_replace(true);
    driving.await.expect("it stops in order");
}

#[tokio::test]
async fn a_turn_that_the_line_says_is_over_holds_no_fan_back() {
    let (config, metrics) = (config(), Arc::new(Metrics::new()));
    let line = MemoryStore::volatile(Settings::from(&config), 1, Arc::new(SystemMoment::default()));
    let room = Room::new(config, Arc::new(line), 1_000).expect("a room");
    let (shutdown, stopped) = watch::channel(false);
    let mut driver = Driver::new(room.clone(), metrics, 1);
    driver.begin().await.expect("a store that answers");
    let driving = tokio::spawn(driver.run(stopped));
    for _ in 0..2 {
        assert!(matches!(room.join().await, Joined::Straight { .. }));
    }
    let place = waits(&room).await;
    let fan = room.fans.get(place).expect("held");
    // The grant was undone, and the note of it missed.
    let visit = VisitId { place, turn: Turn(1) };
    fan.has_turn(FansTurn {
        visit,
        hard_end_ms: u64::MAX,
    });
    let entered = room.inbox.enter(visit, fan.visitor).await;
    assert_eq!(entered, Ok(Entered::Over));
    assert_eq!(
        fan.turn(),
        None,
        "the next call and the next turn are heard again"
    );
    assert!(!fan.has_answered());
    shutdown.send_replace(true);
    driving.await.expect("it stops in order");
}
