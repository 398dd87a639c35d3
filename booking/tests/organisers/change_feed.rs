//! The change feed: every change in the order of commits, and none missed by whoever reads on while others write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_booking::domain::draft::{EventChange, EventDraft, VenueDraft};
use tidegate_booking::domain::{Account, AccountId, EventId, Organiser, Role};
use tidegate_booking::store::{Engine, Store, StoredAccount};

use crate::organiser_support::{Shop, event, venue};
use crate::support::databases::{ENGINES, TestDatabase};

const WRITERS: usize = 8;
const EVENTS_EACH: usize = 25;

/// An organiser who stands in the store, as what is theirs refers to them.
async fn organiser(store: &Store) -> Organiser {
    let account = Account {
        id: AccountId::from_bits(rand::random()),
        username: format!("o-{:08x}", rand::random::<u32>()),
        email: None,
        location: None,
        role: Role::Organiser,
    };
    let stored = StoredAccount {
        folded: account.username.clone(),
        account: account.clone(),
        password: String::new(),
    };
    assert!(store.create_account(&stored).await.unwrap());
    Organiser::of(&account).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_sees_every_version_in_order_while_eight_write() {
    for engine in ENGINES {
        reads_while_others_write(engine).await;
    }
}

async fn reads_while_others_write(engine: Engine) {
    let database = TestDatabase::on(engine).await;
    let store = database.open().await;
    let by = organiser(&store).await;
    let hall = store
        .create_venue(&by, &VenueDraft::read(&venue()).unwrap())
        .await
        .unwrap();
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, by, writing) = (store.clone(), by.clone(), Arc::clone(&writing));
            tokio::spawn(async move {
                let mut made = Vec::new();
                for at in 0..EVENTS_EACH {
                    let mut body = event(hall.0);
                    body["title"] = json!(format!("{writer}/{at}"));
                    let draft = EventDraft::read(&body).unwrap();
                    made.push(store.create_event(&by, &draft).await.unwrap());
                }
                writing.fetch_sub(1, Ordering::SeqCst);
                made
            })
        })
        .collect();
    let began = Instant::now();
    let (mut seen, mut after, mut while_writing) = (Vec::new(), 0, 0);
    loop {
        let last_round = writing.load(Ordering::SeqCst) == 0;
        let page = store.changes(after, 7).await.unwrap();
        for change in &page.changes {
            assert_eq!(change.version, after + 1, "{engine:?}: a version was passed over");
            after = change.version;
            seen.push(change.event.id);
        }
        assert_eq!(page.next_after, after);
        while_writing += usize::from(!last_round && !page.changes.is_empty());
        if last_round && !page.more {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{engine:?}: still reading"
        );
    }
    assert!(
        while_writing > 3,
        "{engine:?}: it was read {while_writing} times only while others wrote"
    );
    let mut made = BTreeSet::new();
    for writer in writers {
        made.extend(writer.await.unwrap());
    }
    assert_eq!(
        made.len(),
        WRITERS * EVENTS_EACH,
        "{engine:?}: two events have one number"
    );
    assert_eq!(seen.iter().copied().collect::<BTreeSet<EventId>>(), made);
    assert_eq!(seen.len(), made.len(), "{engine:?}: an event was told of twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_that_follows_the_feed_ends_up_like_the_catalogue() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let store = database.open().await;
        let by = organiser(&store).await;
        let hall = store
            .create_venue(&by, &VenueDraft::read(&venue()).unwrap())
            .await
            .unwrap();
        let mut events = Vec::new();
        for _ in 0..4 {
            let draft = EventDraft::read(&event(hall.0)).unwrap();
            events.push(store.create_event(&by, &draft).await.unwrap());
        }
        let writing = Arc::new(AtomicUsize::new(WRITERS));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, by, writing, events) =
                    (store.clone(), by.clone(), Arc::clone(&writing), events.clone());
                tokio::spawn(async move {
                    for at in 0..EVENTS_EACH {
                        let change = EventChange {
                            title: Some(format!("{writer}/{at}")),
                            ..EventChange::default()
                        };
                        let id = events[(writer + at) % events.len()];
                        store.change_event(&by, id, &change).await.unwrap();
                    }
                    writing.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        let (mut copy, mut after) = (BTreeMap::new(), 0);
        loop {
            let last_round = writing.load(Ordering::SeqCst) == 0;
            let page = store.changes(after, 3).await.unwrap();
            for change in page.changes {
                assert!(change.version > after, "{engine:?}: versions go back");
                after = change.version;
                copy.insert(change.event.id, change.event.title);
            }
            if last_round && !page.more {
                break;
            }
        }
        for writer in writers {
            writer.await.unwrap();
        }
        for id in &events {
            let there = store.event(*id).await.unwrap().unwrap();
            assert_eq!(copy[id], there.event.title, "{engine:?}");
        }
        let changes = (events.len() + WRITERS * EVENTS_EACH) as i64;
        assert_eq!(after, changes, "{engine:?}: a change got no version, or two");
    }
}

#[tokio::test]
async fn from_zero_the_feed_is_the_whole_catalogue_page_by_page() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let (mut after, mut ids) = (0, BTreeSet::new());
        loop {
            let page = shop
                .running
                .get(&format!("/changes?after={after}&limit=150"))
                .await
                .json();
            for event in page["events"].as_array().unwrap() {
                assert!(event["version"].as_i64().unwrap() > after);
                after = event["version"].as_i64().unwrap();
                assert_eq!(event["cancelled"], false);
                assert!(ids.insert(event["id"].as_i64().unwrap()));
            }
            assert_eq!(page["next_after"], after);
            if page["more"] == false {
                break;
            }
        }
        let listed = shop.running.get("/events?limit=200").await.json();
        for event in listed["events"].as_array().unwrap() {
            assert!(ids.contains(&event["id"].as_i64().unwrap()), "{engine:?}");
        }
        assert!(ids.len() >= 600, "{engine:?}: {} events", ids.len());
        for beyond in [after, after + 1_000] {
            let nothing = shop.running.get(&format!("/changes?after={beyond}")).await.json();
            assert_eq!(
                nothing,
                json!({"events": [], "next_after": beyond, "more": false})
            );
        }
    }
}

#[tokio::test]
async fn the_version_that_lists_carry_moves_with_every_change() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let hall = shop.venue(&ada).await;
        let tag = async || {
            shop.running
                .get("/events")
                .await
                .header("etag")
                .unwrap()
                .to_owned()
        };
        let mut tags = vec![tag().await];
        let made = shop.event(&ada, hall).await;
        tags.push(tag().await);
        shop.patch(
            &format!("/events/{}", made["id"]),
            &ada,
            &json!({"title": "Other"}),
        )
        .await;
        tags.push(tag().await);
        shop.post(
            &format!("/showtimes/{}/cancel", made["showtimes"][0]["id"]),
            &ada,
            &json!({}),
        )
        .await;
        tags.push(tag().await);
        shop.post(&format!("/events/{}/cancel", made["id"]), &ada, &json!({}))
            .await;
        tags.push(tag().await);
        let different: BTreeSet<&String> = tags.iter().collect();
        assert_eq!(different.len(), tags.len(), "{engine:?}: {tags:?}");
    }
}
