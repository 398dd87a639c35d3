//! The sandbox's hosted pages, as a browser without scripts sees them.

use sqlx::Connection;
use tidegate_booking::payment::stripe::{Intent, NewIntent, Provider, Status};

use crate::payment_support::{Page, Running, Setup, browse, key, money};

const BACK: &str = "http://127.0.0.1:8080/orders/17?from=pay";

async fn made(provider: &Provider, order: &str) -> Intent {
    let new = NewIntent {
        amount: money(4550),
        order: order.to_owned(),
        description: Some("Two seats for <i>Hamlet</i>".into()),
        return_url: Some(BACK.into()),
    };
    provider
        .create(&new, &key(&format!("create-{}", order.len())))
        .await
        .unwrap()
}

async fn pay(sandbox: &Running, intent: &Intent, number: &str) -> Page {
    let form = format!("number={number}");
    browse(sandbox.address, &format!("/pay/{}", intent.id), Some(&form), &[]).await
}

#[tokio::test]
async fn the_page_shows_what_is_paid_and_lets_no_html_in() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let order = r#"<script>alert("1")</script>"#;
    let intent = made(&sandbox.provider(), order).await;
    let page = browse(sandbox.address, &format!("/pay/{}", intent.id), None, &[]).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("$45.50") && page.text.contains("4242 4242 4242 4242"),
        "{}",
        page.text
    );
    assert!(page.text.contains("10 more minutes"), "{}", page.text);
    assert!(
        !page.text.contains("<script") && !page.text.contains("<i>"),
        "{}",
        page.text
    );
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:8080"),
        "{policy}"
    );
    let odd = NewIntent {
        amount: money(100),
        order: "odd".into(),
        description: None,
        return_url: Some("http://a;script-src'unsafe-inline'/".into()),
    };
    let odd = sandbox.provider().create(&odd, &key("odd")).await.unwrap();
    let page = browse(sandbox.address, &format!("/pay/{}", odd.id), None, &[]).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("script-src"), "{policy}");
    let missing = browse(sandbox.address, "/pay/pi_none", None, &[]).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("no such payment"));
}

#[tokio::test]
async fn a_good_card_pays_and_leads_back_to_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();
    let intent = made(&provider, "order").await;
    let paid = pay(&sandbox, &intent, "4242+4242-4242+4242").await;
    let back = format!("{BACK}&payment_intent={}&redirect_status=succeeded", intent.id);
    assert_eq!((paid.status, paid.location()), (303, back.as_str()));
    assert_eq!(
        provider.get(&intent.id).await.unwrap().status,
        Status::RequiresCapture
    );
    // A second click changes nothing and leads to the same place.
    let again = pay(&sandbox, &intent, "4000000000000002").await;
    assert_eq!((again.status, again.location()), (303, back.as_str()));
    let page = browse(sandbox.address, &format!("/pay/{}", intent.id), None, &[]).await;
    assert!(
        page.text.contains("authorised") && page.text.contains("Back to the order"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_bad_card_stays_on_the_page_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();
    let intent = made(&provider, "order").await;
    let none = pay(&sandbox, &intent, "1234").await;
    assert_eq!(none.status, 422);
    assert!(none.text.contains("none of the test cards"), "{}", none.text);
    let declined = pay(&sandbox, &intent, "4000000000000002").await;
    assert_eq!(declined.status, 402);
    assert!(declined.text.contains("declined this card") && declined.text.contains("another card"));
    let paid = pay(&sandbox, &intent, "4242424242424242").await;
    assert_eq!(paid.status, 303);
    let ended = made(&provider, "ended!").await;
    provider.cancel(&ended.id, &key("x")).await.unwrap();
    let late = pay(&sandbox, &ended, "4242424242424242").await;
    assert!(late.location().ends_with("redirect_status=failed"), "{late:?}");
    let page = browse(sandbox.address, &format!("/pay/{}", ended.id), None, &[]).await;
    assert!(page.text.contains("This payment has ended"), "{}", page.text);
}

#[tokio::test]
async fn a_card_that_asks_is_approved_or_refused_on_a_page_between() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let provider = sandbox.provider();
    let intent = made(&provider, "order").await;
    let (at, step) = (format!("/pay/{}", intent.id), format!("/pay/{}/step", intent.id));
    // Nothing to approve yet.
    assert_eq!(browse(sandbox.address, &step, None, &[]).await.location(), at);
    let asked = pay(&sandbox, &intent, "4000002500003155").await;
    assert_eq!((asked.status, asked.location()), (303, step.as_str()));
    assert_eq!(browse(sandbox.address, &at, None, &[]).await.location(), step);
    let question = browse(sandbox.address, &step, None, &[]).await;
    assert!(
        question.text.contains("Approve") && question.text.contains("Refuse"),
        "{}",
        question.text
    );
    assert_eq!(
        browse(sandbox.address, &step, Some("answer=maybe"), &[])
            .await
            .location(),
        step
    );
    let refused = browse(sandbox.address, &step, Some("answer=refuse"), &[]).await;
    assert_eq!(refused.status, 402);
    assert!(
        refused.text.contains("confirmation was not given"),
        "{}",
        refused.text
    );
    let now = provider.get(&intent.id).await.unwrap();
    assert_eq!(
        now.last_error.unwrap().code,
        "payment_intent_authentication_failure"
    );
    pay(&sandbox, &intent, "4000002500003155").await;
    let approved = browse(sandbox.address, &step, Some("answer=approve"), &[]).await;
    assert!(approved.location().starts_with(BACK), "{approved:?}");
    assert_eq!(
        provider.get(&intent.id).await.unwrap().status,
        Status::RequiresCapture
    );
    let silent = made(&provider, "silent").await;
    let waits = pay(&sandbox, &silent, "4000000000007775").await;
    assert!(
        waits.location().ends_with("redirect_status=processing"),
        "{waits:?}"
    );
}

#[tokio::test]
async fn a_book_that_cannot_be_written_to_is_told_and_the_card_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Running::start(&folder, Setup::default()).await;
    let intent = made(&sandbox.provider(), "order").await;
    let url = format!("sqlite:{}", folder.path().join("sandbox.db").display());
    let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
    let mut run = async |statement: &'static str| {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    };
    run("create trigger full before update on intent begin select raise(abort, 'full'); end").await;
    let refused = pay(&sandbox, &intent, "4242424242424242").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after") && refused.text.contains("nothing was charged"));
    run("drop trigger full").await;
    assert_eq!(pay(&sandbox, &intent, "4242424242424242").await.status, 303);
}
