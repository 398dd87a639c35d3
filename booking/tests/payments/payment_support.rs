//! What the payment tests share: a sandbox of a test's own, a shop that takes webhooks, and a small browser.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use tempfile::TempDir;
use tidegate_booking::payment::Secret;
use tidegate_booking::payment::sandbox::{
    Chaos, Ledger, LedgerReader, Sandbox, SandboxConfig, SandboxRunError, WebhookTarget,
};
use tidegate_booking::payment::stripe::{IdempotencyKey, Intent, NewIntent, Provider, ProviderConfig};
use tidegate_booking::payment::webhook::{WebhookEvent, verify};
use tidegate_config::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const SECRET_KEY: &str = "sk_test_sandbox";
pub const WEBHOOK_SECRET: &str = "whsec_test";

pub fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

pub fn money(amount: i64) -> tidegate_booking::domain::Money {
    tidegate_booking::domain::Money {
        amount,
        currency: "USD".parse().unwrap(),
    }
}

pub fn new_intent(order: &str, amount: i64) -> NewIntent {
    NewIntent {
        amount: money(amount),
        order: order.to_owned(),
        description: Some("Two seats".into()),
        return_url: None,
    }
}

pub fn provider_at(address: SocketAddr, secret_key: &str, call_within: Duration) -> Provider {
    Provider::new(&ProviderConfig {
        api_base: format!("http://{address}"),
        secret_key: Secret::new(secret_key),
        call_within,
    })
    .unwrap()
}

/// Waits until `look` brings something; says `what` if it never does.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = Duration::from_secs(20);
    let waited = tokio::time::timeout(patience, async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("never happened within {patience:?}: {what}"))
}

#[derive(Clone)]
pub struct Setup {
    pub pay_within: Duration,
    pub webhook_url: Option<String>,
    pub chaos: Option<Chaos>,
    pub public_url: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            pay_within: Duration::from_secs(600),
            webhook_url: None,
            chaos: None,
            public_url: None,
        }
    }
}

impl Setup {
    pub fn config(self, file: PathBuf) -> SandboxConfig {
        SandboxConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            book: Database::Sqlite(file),
            secret_key: Secret::new(SECRET_KEY),
            webhook: self.webhook_url.map(|url| WebhookTarget {
                url,
                secret: Secret::new(WEBHOOK_SECRET),
            }),
            public_url: self.public_url,
            pay_within: self.pay_within,
            chaos: self.chaos,
        }
    }
}

/// A sandbox that runs, with a file of its own.
pub struct Running {
    pub address: SocketAddr,
    ledger: LedgerReader,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), SandboxRunError>>,
}

impl Running {
    pub async fn start(folder: &TempDir, setup: Setup) -> Self {
        let sandbox = Sandbox::start(setup.config(folder.path().join("sandbox.db")))
            .await
            .unwrap();
        let (address, ledger) = (sandbox.local_addr(), sandbox.ledger());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(sandbox.run(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            ledger,
            stop: Some(stop),
            task,
        }
    }

    pub fn provider(&self) -> Provider {
        provider_at(self.address, SECRET_KEY, Duration::from_secs(10))
    }

    pub async fn ledger(&self) -> Ledger {
        self.ledger.read().await.unwrap()
    }

    pub async fn stop(mut self) {
        self.stop.take().map(|stop| stop.send(()));
        let ended = tokio::time::timeout(Duration::from_secs(20), &mut self.task).await;
        ended.unwrap().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A shop's end of the webhooks: checks each, keeps it, and answers what it is told to.
#[derive(Clone)]
pub struct Shop {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    events: Mutex<Vec<WebhookEvent>>,
    refused: Mutex<u32>,
    refuse: Mutex<u32>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap().take() {
            task.abort();
        }
    }
}

impl Shop {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            events: Mutex::default(),
            refused: Mutex::default(),
            refuse: Mutex::default(),
            task: Mutex::default(),
        });
        let weak = Arc::downgrade(&inner);
        let routes = Router::new().route("/webhook", post(take)).with_state(weak);
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        *inner.task.lock().unwrap() = Some(task);
        Self { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// Answers the next so many with 503.
    pub fn refuse(&self, next: u32) {
        *self.inner.refuse.lock().unwrap() = next;
    }

    pub fn refused(&self) -> u32 {
        *self.inner.refused.lock().unwrap()
    }

    pub fn events(&self) -> Vec<WebhookEvent> {
        self.inner.events.lock().unwrap().clone()
    }

    pub fn kinds_of(&self, intent: &str) -> Vec<String> {
        let of_it = |event: &&WebhookEvent| event.intent.as_ref().is_some_and(|id| id.as_str() == intent);
        self.events()
            .iter()
            .filter(of_it)
            .map(|event| event.kind.clone())
            .collect()
    }

    pub async fn wait_for(&self, intent: &str, kind: &str) -> Vec<String> {
        eventually(&format!("{kind} of {intent}"), async || {
            let kinds = self.kinds_of(intent);
            kinds.iter().any(|seen| seen == kind).then_some(kinds)
        })
        .await
    }
}

async fn take(State(shop): State<std::sync::Weak<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(shop) = shop.upgrade() else {
        return StatusCode::GONE;
    };
    let header = headers
        .get("stripe-signature")
        .map_or("", |value| value.to_str().unwrap());
    let event = match verify(&[Secret::new(WEBHOOK_SECRET)], header, &body, Timestamp::now()) {
        Ok(event) => event,
        Err(why) => {
            eprintln!("a webhook that does not verify: {why}");
            return StatusCode::BAD_REQUEST;
        }
    };
    let mut refuse = shop.refuse.lock().unwrap();
    if *refuse > 0 {
        *refuse -= 1;
        *shop.refused.lock().unwrap() += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    shop.events.lock().unwrap().push(event);
    StatusCode::OK
}

/// A payment of $50 for the order.
pub async fn made(provider: &Provider, order: &str) -> Intent {
    let create = key(&format!("{order}/create"));
    provider.create(&new_intent(order, 5000), &create).await.unwrap()
}

/// The same, confirmed with the card that pays.
pub async fn authorised(provider: &Provider, order: &str) -> Intent {
    let made = made(provider, order).await;
    let confirm = key(&format!("{order}/confirm"));
    provider
        .confirm(&made.id, Some("pm_card_visa"), &confirm)
        .await
        .unwrap()
}

/// What came back from a page or a call.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A form posted, or a page read where there is no form. Follows nothing.
pub async fn browse(address: SocketAddr, path: &str, form: Option<&str>, headers: &[(&str, &str)]) -> Page {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if form.is_some() {
        request = request
            .method(Method::POST)
            .header("content-type", "application/x-www-form-urlencoded");
    }
    let body = Full::new(Bytes::from(form.unwrap_or_default().to_owned()));
    let answer = tokio::time::timeout(
        Duration::from_secs(20),
        client.request(request.body(body).unwrap()),
    );
    let (parts, body) = answer.await.unwrap().unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Page {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}
