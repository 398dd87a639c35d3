//! The life of the sandbox: payments that end, restarts, webhooks that are refused, chaos, and who is let in.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_booking::payment::sandbox::{Chaos, Sandbox};
use tidegate_booking::payment::stripe::{ProviderError, Status};

use crate::payment_support::{
    Running, SECRET_KEY, Setup, Shop, authorised, browse, eventually, key, made, money, new_intent,
    provider_at,
};

#[tokio::test]
async fn a_payment_nobody_confirms_ends_and_says_so() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::open().await);
    let setup = Setup {
        webhook_url: Some(shop.url()),
        pay_within: Duration::from_secs(2),
        ..Setup::default()
    };
    let sandbox = Running::start(&folder, setup).await;
    let provider = sandbox.provider();
    let kept = authorised(&provider, "kept").await;
    let left = made(&provider, "left").await;
    shop.wait_for(left.id.as_str(), "payment_intent.canceled").await;
    assert_eq!(provider.get(&left.id).await.unwrap().status, Status::Canceled);
    let late = provider
        .confirm(&left.id, Some("pm_card_visa"), &key("late"))
        .await;
    assert!(
        matches!(&late, Err(ProviderError::State(now)) if now.status == Status::Canceled),
        "{late:?}"
    );
    assert_eq!(
        provider.get(&kept.id).await.unwrap().status,
        Status::RequiresCapture
    );
    assert_eq!(
        shop.kinds_of(kept.id.as_str()).last().unwrap(),
        "payment_intent.amount_capturable_updated"
    );
}

#[tokio::test]
async fn a_restart_keeps_payments_keys_and_unsent_webhooks() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::open().await);
    let setup = Setup {
        webhook_url: Some(shop.url()),
        ..Setup::default()
    };
    shop.refuse(u32::MAX);
    let sandbox = Running::start(&folder, setup.clone()).await;
    let held = authorised(&sandbox.provider(), "order-1").await;
    eventually("a webhook is refused", async || {
        (shop.refused() > 2).then_some(())
    })
    .await;
    sandbox.stop().await;

    shop.refuse(0);
    let sandbox = Running::start(&folder, setup).await;
    let provider = sandbox.provider();
    let again = provider.get(&held.id).await.unwrap();
    assert_eq!(
        (again.status, again.amount_capturable),
        (Status::RequiresCapture, money(5000))
    );
    assert_eq!(provider.find_by_order("order-1").await.unwrap().intents, [again]);
    assert_eq!(
        made(&provider, "order-1").await.id,
        held.id,
        "the key outlives the process"
    );
    shop.wait_for(held.id.as_str(), "payment_intent.amount_capturable_updated")
        .await;
    assert_eq!(
        provider.capture(&held.id, &key("k")).await.unwrap().status,
        Status::Succeeded
    );
}

#[tokio::test]
async fn a_webhook_that_is_refused_comes_again() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::open().await);
    let setup = Setup {
        webhook_url: Some(shop.url()),
        ..Setup::default()
    };
    let sandbox = Running::start(&folder, setup).await;
    shop.refuse(3);
    let id = made(&sandbox.provider(), "order-1").await.id;
    shop.wait_for(id.as_str(), "payment_intent.created").await;
    assert_eq!(shop.refused(), 3);
}

/// A shop that does what a shop must: repeats what it does not know the outcome of with the same key.
async fn insist<T>(
    what: &str,
    mut call: impl AsyncFnMut() -> Result<T, ProviderError>,
) -> Result<T, ProviderError> {
    for _ in 0..60 {
        match call().await {
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(5)).await,
            definite => return definite,
        }
    }
    panic!("{what}: no definite answer in sixty attempts");
}

#[tokio::test]
async fn chaos_with_a_seed_ends_in_agreement() {
    let seed = 20_261_122;
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::open().await);
    let chaos = Chaos {
        fail_call: 0.2,
        lose_answer: 0.2,
        late_answer: 0.05,
        late_by: Duration::from_secs(3),
        delay_max: Duration::from_millis(300),
        ..Chaos::new(seed)
    };
    let setup = Setup {
        webhook_url: Some(shop.url()),
        chaos: Some(chaos),
        ..Setup::default()
    };
    let sandbox = Running::start(&folder, setup).await;
    let provider = provider_at(sandbox.address, SECRET_KEY, Duration::from_millis(1500));
    // The orders run beside each other on this thread.
    let (here, mut orders) = (tokio::task::LocalSet::new(), tokio::task::JoinSet::new());
    let _here = here.enter();
    for number in 0..40_i64 {
        let provider = provider.clone();
        orders.spawn_local(async move {
            let order = format!("order-{number}");
            let keyed = |step: &str| key(&format!("{order}/{step}"));
            let new = new_intent(&order, 1000 + number);
            let id = insist("create", async || provider.create(&new, &keyed("create")).await)
                .await
                .unwrap()
                .id;
            let confirm = insist("confirm", async || {
                provider
                    .confirm(&id, Some("pm_card_visa"), &keyed("confirm"))
                    .await
            });
            assert_eq!(confirm.await.unwrap().status, Status::RequiresCapture);
            let (mut captured, mut refunded) = (0, 0);
            if number % 3 == 0 {
                insist("cancel", async || provider.cancel(&id, &keyed("cancel")).await)
                    .await
                    .unwrap();
            } else {
                insist("capture", async || provider.capture(&id, &keyed("capture")).await)
                    .await
                    .unwrap();
                captured = 1000 + number;
                if number % 2 == 0 {
                    insist("refund", async || {
                        provider.refund(&id, money(400), &keyed("refund")).await
                    })
                    .await
                    .unwrap();
                    refunded = 400;
                }
            }
            let found = insist("find", async || provider.find_by_order(&order).await)
                .await
                .unwrap();
            assert_eq!(found.intents.len(), 1, "{order} has one payment");
            (order, (captured, refunded))
        });
    }
    let ours: BTreeMap<String, (i64, i64)> = here.run_until(orders.join_all()).await.into_iter().collect();
    let ledger = sandbox.ledger().await;
    let theirs: BTreeMap<String, (i64, i64)> = ledger
        .intents
        .iter()
        .map(|entry| {
            (
                entry.order.clone().unwrap(),
                (entry.sums.captured, entry.sums.refunded),
            )
        })
        .collect();
    assert_eq!(ours, theirs, "seed {seed}");
    assert_eq!(ledger.intents.len(), 40, "seed {seed}");
    assert_eq!(
        ledger.totals["usd"].held, 0,
        "seed {seed}: every authorisation ended"
    );
    let events = eventually("most webhooks", async || {
        Some(shop.events()).filter(|all| all.len() > 60)
    })
    .await;
    let different: std::collections::BTreeSet<_> = events.iter().map(|event| &event.id).collect();
    assert!(different.len() < events.len(), "seed {seed}: some came twice");
}

#[tokio::test]
async fn what_stops_a_start_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let why_not = async |setup: Setup, file: &str| {
        let sandbox = Sandbox::start(setup.config(folder.path().join(file))).await;
        sandbox.err().expect("it must not start").to_string()
    };
    std::fs::write(
        folder.path().join("plain"),
        "this is a diary, and no database at all",
    )
    .unwrap();
    assert!(
        why_not(Setup::default(), "plain")
            .await
            .contains("not a database")
    );
    assert!(why_not(Setup::default(), "plain/x.db").await.contains("folder"));
    let mut setup = Setup {
        webhook_url: Some("127.0.0.1/hook".into()),
        ..Setup::default()
    };
    assert!(why_not(setup.clone(), "a.db").await.contains("webhook address"));
    setup.webhook_url = None;
    setup.pay_within = Duration::ZERO;
    assert!(why_not(setup.clone(), "a.db").await.contains("time to pay"));
    let mut chaos = Chaos::new(1);
    chaos.lose_answer = 1.5;
    let setup = Setup {
        chaos: Some(chaos),
        ..Setup::default()
    };
    assert!(why_not(setup, "a.db").await.contains("lose_answer"));
    let running = Running::start(&folder, Setup::default()).await;
    let mut config = Setup::default().config(folder.path().join("b.db"));
    config.listen = running.address;
    let why = Sandbox::start(config).await.err().unwrap().to_string();
    assert!(why.contains(&running.address.to_string()), "{why}");
    assert!(!folder.path().join("b.db").exists(), "nothing is left behind");
}

#[tokio::test]
async fn strangers_see_nothing_but_the_pay_page() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let id = authorised(&sandbox.provider(), "order-1").await.id;
    let paths = [
        "/v1/payment_intents".to_owned(),
        format!("/v1/payment_intents/{id}"),
        "/sandbox/ledger".into(),
    ];
    for path in &paths {
        for headers in [
            &[][..],
            &[("authorization", "Bearer sk_test_sandboxx")],
            &[("authorization", "Basic x")],
        ] {
            let answer = browse(sandbox.address, path, None, headers).await;
            assert_eq!(answer.status, 401, "{path} {answer:?}");
            assert!(answer.json()["error"]["message"].is_string());
        }
    }
    let bearer = format!("Bearer {SECRET_KEY}");
    let mine = [("authorization", bearer.as_str())];
    let ledger = browse(sandbox.address, "/sandbox/ledger", None, &mine)
        .await
        .json();
    assert_eq!(ledger["totals"]["usd"]["held"], 5000);
    assert_eq!(ledger["intents"][0]["order"], "order-1");
    for (path, form, status) in [
        ("/v1/payment_intents/pi_none", None, 404),
        ("/v1/payment_intents/pi_none/capture", Some(""), 404),
        ("/v1/charges", None, 404),
        ("/v1/payment_intents?limit=0", None, 400),
        ("/v1/payment_intents?starting_after=pi_none", None, 404),
        ("/v1/payment_intents/search?query=x", None, 400),
        ("/v1/payment_intents", Some("amount=%00&currency=%ff"), 400),
        (
            "/v1/payment_intents",
            Some("amount=1&currency=usd&capture_method=manual&metadata[return_url]=javascript:alert(1)"),
            400,
        ),
    ] {
        let answer = browse(sandbox.address, path, form, &mine).await;
        assert_eq!(answer.status, status, "{path} {answer:?}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    let long = "x".repeat(70_000);
    assert_eq!(
        browse(sandbox.address, "/v1/payment_intents", Some(&long), &mine)
            .await
            .status,
        400
    );
}
