//! The adapter against localstripe (<https://pypi.org/project/localstripe/>), which nobody here wrote: a separate process,
//! one at a time, that knows manual capture, cancel, refunds and signed webhooks, but neither idempotency keys nor search.
//! `scripts/need-localstripe.sh` installs it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_booking::payment::stripe::{Intent, IntentId, NewIntent, Provider, ProviderError, Status};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

use crate::payment_support::{Page, Shop, WEBHOOK_SECRET, browse, key, money, provider_at};

/// Two at a time would write each other's state to the disk.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

struct Localstripe {
    address: SocketAddr,
    _process: Child,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Localstripe {
    async fn start() -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/localstripe");
        let program = if installed.exists() {
            installed.into_os_string()
        } else {
            "localstripe".into()
        };
        let mut process = Command::new(&program)
            .args(["--port", "0", "--from-scratch"])
            .current_dir(folder.path())
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program:?} does not start ({error}); say scripts/need-localstripe.sh")
            });
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let named = tokio::time::timeout(Duration::from_secs(60), async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let port = line
                    .split("http://[::]:")
                    .nth(1)
                    .map(|rest| rest.trim_matches(|c: char| !c.is_ascii_digit()));
                if let Some(port) = port {
                    return port.parse::<u16>().unwrap();
                }
            }
            panic!("localstripe ended without naming its port");
        });
        let port = named.await.expect("localstripe names its port");
        // Its later words have to go somewhere, or it would stop when the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _process: process,
            _folder: folder,
            _turn: turn,
        }
    }

    fn provider(&self) -> Provider {
        provider_at(self.address, "sk_test_12345", Duration::from_secs(20))
    }

    async fn form(&self, path: &str, form: &str) -> Page {
        let answer = browse(
            self.address,
            path,
            Some(form),
            &[("authorization", "Bearer sk_test_12345")],
        )
        .await;
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        answer
    }

    /// What Stripe's script does in a browser: makes a payment method of a card's number and attaches it.
    async fn give_card(&self, id: &IntentId, number: &str) {
        let card =
            format!("type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2040&card[cvc]=123");
        let method = self.form("/v1/payment_methods", &card).await.json();
        let method = method["id"].as_str().unwrap();
        self.form(
            &format!("/v1/payment_intents/{id}"),
            &format!("payment_method={method}"),
        )
        .await;
    }
}

/// It knows no descriptions.
fn new(order: &str) -> NewIntent {
    NewIntent {
        amount: money(5000),
        order: order.to_owned(),
        description: None,
        return_url: Some("http://127.0.0.1:8080/orders/1".into()),
    }
}

async fn made(provider: &Provider, order: &str) -> Intent {
    provider
        .create(&new(order), &key(&format!("{order}/create")))
        .await
        .unwrap()
}

async fn authorised(server: &Localstripe, provider: &Provider, order: &str) -> Intent {
    let made = made(provider, order).await;
    server.give_card(&made.id, "4242424242424242").await;
    provider
        .confirm(&made.id, None, &key(&format!("{order}/confirm")))
        .await
        .unwrap()
}

#[tokio::test]
async fn authorise_capture_and_refund() {
    let server = Localstripe::start().await;
    let provider = server.provider();
    let intent = made(&provider, "order-1").await;
    assert_eq!(
        (intent.status, intent.order.as_deref()),
        (Status::RequiresPaymentMethod, Some("order-1"))
    );
    server.give_card(&intent.id, "4242424242424242").await;
    assert_eq!(
        provider.get(&intent.id).await.unwrap().status,
        Status::RequiresConfirmation
    );
    let held = provider.confirm(&intent.id, None, &key("confirm")).await.unwrap();
    assert_eq!(
        (held.status, held.amount_capturable),
        (Status::RequiresCapture, money(5000))
    );
    let taken = provider.capture(&intent.id, &key("capture")).await.unwrap();
    assert_eq!(
        (taken.status, taken.amount_received),
        (Status::Succeeded, money(5000))
    );
    let again = provider.capture(&intent.id, &key("capture")).await.unwrap();
    assert_eq!(
        again.status,
        Status::Succeeded,
        "done already counts as done, without keys too"
    );
    let late = provider.cancel(&intent.id, &key("cancel")).await;
    assert!(
        matches!(&late, Err(ProviderError::State(now)) if now.status == Status::Succeeded),
        "{late:?}"
    );
    assert_eq!(provider.refunds(&intent.id).await.unwrap(), []);
    let part = provider
        .refund(&intent.id, money(1500), &key("refund"))
        .await
        .unwrap();
    assert!(part.amount == money(1500) && part.status.counts());
    assert_eq!(provider.refunds(&intent.id).await.unwrap(), [part]);
}

#[tokio::test]
async fn cancel_releases_what_is_authorised() {
    let server = Localstripe::start().await;
    let provider = server.provider();
    let held = authorised(&server, &provider, "order-1").await;
    let gone = provider.cancel(&held.id, &key("cancel")).await.unwrap();
    assert_eq!(
        (gone.status, gone.amount_capturable),
        (Status::Canceled, money(0))
    );
    assert_eq!(
        provider.cancel(&held.id, &key("cancel")).await.unwrap().status,
        Status::Canceled
    );
    let late = provider.confirm(&held.id, None, &key("late")).await;
    assert!(
        matches!(&late, Err(ProviderError::State(now)) if now.status == Status::Canceled),
        "{late:?}"
    );
    let unused = made(&provider, "order-2").await;
    assert_eq!(
        provider.cancel(&unused.id, &key("c2")).await.unwrap().status,
        Status::Canceled
    );
}

#[tokio::test]
async fn a_declined_card_is_a_decline_and_a_wrong_call_is_not() {
    let server = Localstripe::start().await;
    let provider = server.provider();
    let intent = made(&provider, "order-1").await;
    // Of the cards that are declined, this is the one that it lets be attached first.
    server.give_card(&intent.id, "4000000000000341").await;
    let no = provider.confirm(&intent.id, None, &key("confirm")).await;
    let Err(ProviderError::Declined(decline)) = no else {
        panic!("{no:?}");
    };
    assert_eq!(decline.text, "The bank declined this card.");
    let now = provider.get(&intent.id).await.unwrap();
    assert_eq!(now.status, Status::RequiresPaymentMethod);
    assert_eq!(now.last_error.unwrap().text, decline.text);
    let none = provider.get(&"pi_none".parse().unwrap()).await;
    assert!(matches!(none, Err(ProviderError::NotFound { .. })), "{none:?}");
    let stranger = provider_at(server.address, "pk_wrong", Duration::from_secs(20));
    let refused = stranger.get(&intent.id).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { status: 401, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_search_the_list_is_walked_to_its_end() {
    let server = Localstripe::start().await;
    let provider = server.provider();
    for number in 0..120 {
        made(&provider, &format!("order-{number}")).await;
    }
    for number in [0, 60, 119] {
        let order = format!("order-{number}");
        let found = provider.find_by_order(&order).await.unwrap();
        assert!(found.certain, "the whole list was seen");
        assert_eq!(found.intents.len(), 1);
        assert_eq!(found.intents[0].order.as_deref(), Some(order.as_str()));
    }
    assert_eq!(provider.find_by_order("order-120").await.unwrap().intents, []);
}

#[tokio::test]
async fn its_webhooks_verify() {
    let server = Localstripe::start().await;
    let (provider, shop) = (server.provider(), Shop::open().await);
    let hook = format!("url={}&secret={WEBHOOK_SECRET}", shop.url());
    server.form("/_config/webhooks/shop", &hook).await;
    let held = authorised(&server, &provider, "order-1").await;
    provider.capture(&held.id, &key("capture")).await.unwrap();
    shop.wait_for(held.id.as_str(), "payment_intent.succeeded").await;
}
