//! The bounds: listeners, showtimes, and how far behind a listener may be.

use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tidegate_config::Database;

use super::*;
use crate::domain::{AccountId, Category, HoldId, SeatLimit, parse_plan};
use crate::store::{SeedEvent, SeedVenue, Which};

/// Three showtimes in a house of four seats.
async fn live(listeners_max: usize, showtimes_max: usize) -> (Arc<Live>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Database::Sqlite("booking.db".into());
    let store = Store::open(&file, folder.path()).await.expect("a database");
    let venue = SeedVenue {
        key: "v".into(),
        name: "V".into(),
        city: "C".into(),
        country: "L".into(),
        time_zone: ("UTC".into(), jiff::tz::TimeZone::UTC),
        currency: "USD".parse().expect("a currency"),
        map: parse_plan("Stalls/1=1x4").expect("a plan"),
    };
    let event = SeedEvent {
        category: Category::Theatre,
        title: "T".into(),
        credit: String::new(),
        description: "D".into(),
        venue: 0,
        prices: vec![100],
        shows: (3..6).map(|day| (day, jiff::civil::time(20, 0, 0, 0))).collect(),
    };
    let seeded = store.seed(&[venue], &[event], Timestamp::now()).await;
    seeded.expect("a house");
    let live = Live::with(store, None, listeners_max, showtimes_max).expect("no Redis");
    (live, folder)
}

async fn toggle(live: &Live, held: &mut bool) {
    let owner = Owner::account(&AccountId::from_bits(1));
    let seat: Seat = "A-1".parse().expect("a seat");
    *held = !*held;
    if *held {
        let (id, ttl) = (HoldId::from_bits(rand::random()), Duration::from_secs(100));
        let done = live
            .store
            .hold(ShowtimeId(1), &[seat], &owner, id, ttl, SeatLimit(4))
            .await;
        done.expect("it is free");
    } else {
        let done = live.store.release(ShowtimeId(1), &owner, &Which::All).await;
        done.expect("it is held");
    }
}

fn refused(listened: Result<Listener, ListenError>) {
    assert!(matches!(listened.err(), Some(ListenError::Full)));
}

#[tokio::test]
async fn no_more_listeners_than_places() {
    let (live, _folder) = live(2, 3).await;
    let first = live.listen(ShowtimeId(1), None).await.expect("a place");
    let _second = live.listen(ShowtimeId(2), None).await.expect("a place");
    refused(live.listen(ShowtimeId(1), None).await);
    drop(first);
    let again = live.listen(ShowtimeId(1), None).await;
    assert!(again.is_ok(), "a place is free again");
    drop(again);
    let nothing = live.listen(ShowtimeId(9), None).await;
    assert!(matches!(nothing.err(), Some(ListenError::NoShowtime)));
    assert!(
        live.listen(ShowtimeId(1), None).await.is_ok(),
        "and took no place"
    );
    live.stop();
    refused(live.listen(ShowtimeId(1), None).await);
}

#[tokio::test]
async fn showtimes_that_nobody_listens_to_make_room() {
    let (live, _folder) = live(9, 2).await;
    let seen = async |id| live.seats(ShowtimeId(id)).await.expect("an answer").is_some();
    let _first = live.listen(ShowtimeId(1), None).await.expect("a place");
    assert!(seen(2).await && seen(3).await && !seen(4).await);
    assert_eq!(live.boards().len(), 2);
    assert!(live.boards().contains_key(&ShowtimeId(1)), "listened to");
    let second = live.listen(ShowtimeId(2), None).await.expect("room for it");
    refused(live.listen(ShowtimeId(3), None).await);
    assert!(seen(3).await, "it can be looked at all the same");
    assert_eq!(live.boards().len(), 2);
    drop(second);
    assert!(live.listen(ShowtimeId(3), None).await.is_ok());
}

#[tokio::test]
async fn who_is_too_far_behind_is_cut_and_who_reads_is_not() {
    let (live, _folder) = live(9, 3).await;
    let mut slow = live.listen(ShowtimeId(1), None).await.expect("a place");
    let mut quick = live.listen(ShowtimeId(1), None).await.expect("a place");
    let text = |bytes: Option<bytes::Bytes>| {
        String::from_utf8(bytes.expect("the stream goes on").to_vec()).expect("text")
    };
    for first in ["retry: ", "id: "] {
        assert!(text(quick.next().await).starts_with(first));
    }
    let mut held = false;
    for _ in 0..seen::BEHIND_MAX + 1 {
        toggle(&live, &mut held).await;
        live.changed(ShowtimeId(1));
        assert!(text(quick.next().await).contains("event: change"));
    }
    for _ in 0..2 {
        assert!(slow.next().await.is_some(), "what it was to be told first");
    }
    assert_eq!(slow.next().await, None);
    live.stop();
    assert_eq!(quick.next().await, None, "the service stops");
}
