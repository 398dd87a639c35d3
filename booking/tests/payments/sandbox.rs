//! The adapter against the sandbox, over HTTP: every card, keys, search, refunds and races.

use std::collections::BTreeMap;

use tidegate_booking::payment::stripe::{ProviderError, Status};

use crate::payment_support::{Running, Setup, Shop, authorised, key, made, money, new_intent};

#[tokio::test]
async fn a_card_that_pays_is_authorised_and_taken_and_every_step_is_told() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::open().await);
    let setup = Setup {
        webhook_url: Some(shop.url()),
        ..Setup::default()
    };
    let sandbox = Running::start(&folder, setup).await;
    let provider = sandbox.provider();
    let made = made(&provider, "order-1").await;
    assert_eq!(made.status, Status::RequiresPaymentMethod);
    assert_eq!(
        (made.amount, made.amount_capturable, made.amount_received),
        (money(5000), money(0), money(0))
    );
    assert_eq!(made.order.as_deref(), Some("order-1"));
    let page = format!("http://{}/pay/{}", sandbox.address, made.id);
    assert_eq!(made.next_action_url, Some(page));
    let secret = made.client_secret.clone().unwrap();
    assert!(
        !format!("{made:?}").contains(&secret),
        "the secret is not for logs"
    );

    let confirmed = provider
        .confirm(&made.id, Some("pm_card_visa"), &key("c"))
        .await
        .unwrap();
    assert_eq!(confirmed.status, Status::RequiresCapture);
    assert_eq!(
        (confirmed.amount_capturable, confirmed.amount_received),
        (money(5000), money(0))
    );
    assert_eq!(confirmed.next_action_url, None);
    let taken = provider.capture(&made.id, &key("k")).await.unwrap();
    assert_eq!(taken.status, Status::Succeeded);
    assert_eq!(
        (taken.amount_capturable, taken.amount_received),
        (money(0), money(5000))
    );
    assert_eq!(provider.get(&made.id).await.unwrap(), taken);
    let kinds = shop.wait_for(made.id.as_str(), "payment_intent.succeeded").await;
    for kind in [
        "payment_intent.created",
        "payment_intent.amount_capturable_updated",
    ] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind} in {kinds:?}");
    }
}

#[tokio::test]
async fn every_other_card_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();

    let declined = made(&provider, "declined").await;
    let refusal = provider
        .confirm(&declined.id, Some("pm_card_visa_chargeDeclined"), &key("d"))
        .await;
    let Err(ProviderError::Declined(decline)) = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(
        (decline.code.as_str(), decline.text),
        ("generic_decline", "The bank declined this card.")
    );
    let now = provider.get(&declined.id).await.unwrap();
    assert_eq!(
        (now.status, now.last_error),
        (Status::RequiresPaymentMethod, Some(decline))
    );
    // Another card may follow.
    let paid = provider
        .confirm(&declined.id, Some("pm_card_visa"), &key("d2"))
        .await
        .unwrap();
    assert_eq!((paid.status, paid.last_error), (Status::RequiresCapture, None));

    let asks = made(&provider, "asks").await;
    let asked = provider
        .confirm(&asks.id, Some("pm_card_authenticationRequired"), &key("a"))
        .await
        .unwrap();
    assert_eq!(asked.status, Status::RequiresAction);
    assert!(asked.next_action_url.unwrap().ends_with(asks.id.as_str()));

    let silent = made(&provider, "silent").await;
    let asked = provider
        .confirm(&silent.id, Some("pm_card_neverAnswers"), &key("n"))
        .await
        .unwrap();
    assert_eq!(asked.status, Status::Processing);
    assert_eq!(
        provider
            .cancel(&silent.id, &key("n-cancel"))
            .await
            .unwrap()
            .status,
        Status::Canceled
    );

    let broken = made(&provider, "broken").await;
    let held = provider
        .confirm(&broken.id, Some("pm_card_chargeCustomerFail"), &key("f"))
        .await
        .unwrap();
    assert_eq!(held.status, Status::RequiresCapture);
    let refusal = provider.capture(&broken.id, &key("f-capture")).await;
    assert!(matches!(refusal, Err(ProviderError::Declined(_))), "{refusal:?}");
    let ledger = sandbox.ledger().await;
    let entry = ledger
        .intents
        .iter()
        .find(|entry| entry.id == broken.id.as_str())
        .unwrap();
    assert_eq!(
        (entry.sums.authorised, entry.sums.captured, entry.sums.cancelled),
        (5000, 0, 5000)
    );
    assert_eq!(
        provider
            .cancel(&broken.id, &key("f-cancel"))
            .await
            .unwrap()
            .status,
        Status::Canceled
    );

    let unknown = made(&provider, "unknown").await;
    let refusal = provider
        .confirm(&unknown.id, Some("pm_card_gold"), &key("u"))
        .await;
    assert!(
        matches!(refusal, Err(ProviderError::NotFound { .. })),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn one_key_is_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();
    let (new, once) = (new_intent("order-1", 5000), key("order-1/create"));
    let twenty = (0..20).map(|_| {
        let (provider, new, once) = (provider.clone(), new.clone(), once.clone());
        tokio::spawn(async move { provider.create(&new, &once).await.unwrap().id })
    });
    let mut ids = Vec::new();
    for task in twenty.collect::<Vec<_>>() {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "twenty calls with one key make one payment");
    let other = provider.create(&new_intent("order-1", 5001), &once).await;
    let Err(ProviderError::Refused {
        status: 400, code, ..
    }) = &other
    else {
        panic!("{other:?}");
    };
    assert_eq!(code, "idempotency_error");
    // A refusal is kept as well: the same key keeps saying what it said.
    let id = &ids[0];
    let early = provider.refund(id, money(100), &key("refund")).await;
    assert!(
        matches!(early, Err(ProviderError::Refused { status: 400, .. })),
        "{early:?}"
    );
    provider
        .confirm(id, Some("pm_card_visa"), &key("confirm"))
        .await
        .unwrap();
    provider.capture(id, &key("capture")).await.unwrap();
    let again = provider.refund(id, money(100), &key("refund")).await;
    assert_eq!(again, early);
    let refund = provider.refund(id, money(100), &key("refund-2")).await.unwrap();
    let same = provider.refund(id, money(100), &key("refund-2")).await.unwrap();
    assert_eq!(refund, same);
    assert_eq!(sandbox.ledger().await.intents[0].sums.refunded, 100);
    // What was wrong with the request itself is not kept.
    let wrong = provider.confirm(id, Some("pm_none"), &key("x")).await;
    assert!(matches!(wrong, Err(ProviderError::NotFound { .. })), "{wrong:?}");
    let state = provider.confirm(id, Some("pm_card_visa"), &key("x")).await;
    assert!(
        matches!(&state, Err(ProviderError::State(now)) if now.status == Status::Succeeded),
        "{state:?}"
    );
}

#[tokio::test]
async fn a_payment_is_found_by_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();
    let names = [
        "order-1",
        "order-10",
        r#"o'r\d"er"#,
        "Order-1",
        "' or metadata['x']:'",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let once = key(&format!("create-{number}"));
        provider.create(&new_intent(name, 5000), &once).await.unwrap();
    }
    for name in names {
        let found = provider.find_by_order(name).await.unwrap();
        let orders: Vec<_> = found
            .intents
            .iter()
            .map(|intent| intent.order.as_deref())
            .collect();
        assert_eq!(orders, [Some(name)]);
        assert!(!found.certain, "a search may lag");
    }
    assert_eq!(provider.find_by_order("order-2").await.unwrap().intents, []);
    let second = provider
        .create(&new_intent("order-1", 5000), &key("again"))
        .await
        .unwrap();
    let found = provider.find_by_order("order-1").await.unwrap().intents;
    assert_eq!(found.len(), 2, "paid twice is seen as such");
    assert_eq!(found[0].id, second.id);
}

#[tokio::test]
async fn refunds_come_in_parts_and_never_exceed_what_was_taken() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::open().await);
    let setup = Setup {
        webhook_url: Some(shop.url()),
        ..Setup::default()
    };
    let sandbox = Running::start(&folder, setup).await;
    let provider = sandbox.provider();
    let id = authorised(&provider, "order-1").await.id;
    assert!(
        provider.refund(&id, money(1), &key("early")).await.is_err(),
        "nothing is taken yet"
    );
    provider.capture(&id, &key("capture")).await.unwrap();
    assert_eq!(provider.refunds(&id).await.unwrap(), []);
    let first = provider.refund(&id, money(1500), &key("r1")).await.unwrap();
    let second = provider.refund(&id, money(3500), &key("r2")).await.unwrap();
    assert!(first.status.counts() && second.amount == money(3500));
    let over = provider.refund(&id, money(1), &key("r3")).await;
    let Err(ProviderError::Refused {
        status: 400, code, ..
    }) = &over
    else {
        panic!("{over:?}");
    };
    assert_eq!(code, "charge_already_refunded");
    assert_eq!(provider.refunds(&id).await.unwrap(), [second, first]);
    let none = provider.refund(&id, money(0), &key("r4")).await;
    assert!(
        matches!(none, Err(ProviderError::Refused { status: 0, .. })),
        "{none:?}"
    );
    shop.wait_for(id.as_str(), "charge.refunded").await;
    let totals = sandbox.ledger().await.totals["usd"];
    assert_eq!(
        (totals.authorised, totals.captured, totals.refunded, totals.held),
        (5000, 5000, 5000, 0)
    );

    // More refunds than fit on a page of the list.
    let many = authorised(&provider, "order-2").await.id;
    provider.capture(&many, &key("capture-2")).await.unwrap();
    for number in 0..100 {
        provider
            .refund(&many, money(1), &key(&format!("many-{number}")))
            .await
            .unwrap();
    }
    assert_eq!(provider.refunds(&many).await.unwrap().len(), 100);
}

#[tokio::test]
async fn cancel_races_capture_and_one_of_them_wins() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();
    let mut wins = BTreeMap::new();
    for round in 0..30 {
        let order = format!("order-{round}");
        let id = authorised(&provider, &order).await.id;
        let (take, release) = (key(&format!("{order}/capture")), key(&format!("{order}/cancel")));
        let first = round % 2 == 0;
        let (captured, cancelled) = if first {
            tokio::join!(provider.capture(&id, &take), provider.cancel(&id, &release))
        } else {
            let (cancelled, captured) =
                tokio::join!(provider.cancel(&id, &release), provider.capture(&id, &take));
            (captured, cancelled)
        };
        let (won, lost) = match (captured, cancelled) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("{both:?}"),
        };
        let ProviderError::State(now) = lost else {
            panic!("{lost:?}")
        };
        assert_eq!(*now, won, "the loser is told what happened");
        *wins.entry(won.status.to_string()).or_insert(0) += 1;
        // Asked again, the winner's call is done already.
        let again = match won.status {
            Status::Succeeded => provider.capture(&id, &key(&format!("{order}/again"))).await,
            _ => provider.cancel(&id, &key(&format!("{order}/again"))).await,
        };
        assert_eq!(again.unwrap(), won);
    }
    println!("won: {wins:?}");
    let totals = sandbox.ledger().await.totals["usd"];
    assert_eq!(totals.authorised, totals.captured + totals.cancelled);
    assert_eq!((totals.authorised, totals.held), (30 * 5000, 0));
}
