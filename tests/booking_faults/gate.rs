//! The way to the payment provider: a sandbox that lives in the test, behind a gate at which one call can be held up,
//! before the provider hears of it or after, and at which it can mishear what is asked of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;
use tidegate_booking::payment::Secret;
use tidegate_booking::payment::sandbox::{
    Chaos, Ledger, LedgerReader, Sandbox, SandboxConfig, WebhookTarget,
};
use tidegate_config::Database;
use tokio::runtime::Runtime;

pub const SECRET_KEY: &str = "sk_test_of_the_tests";
pub const WEBHOOK_SECRET: &str = "whsec_of_the_tests";

/// Where a call is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// Which call: what its path ends with.
type Trap = (&'static str, When);

struct Watch {
    sandbox: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    trap: Mutex<Option<Trap>>,
    caught: Mutex<bool>,
    /// What the provider hears instead of what.
    misheard: Mutex<Option<(String, String)>>,
}

impl Watch {
    fn heard(&self, body: Bytes) -> Bytes {
        match &*self.misheard.lock().unwrap() {
            Some((said, heard)) => String::from_utf8_lossy(&body).replace(said, heard).into(),
            None => body,
        }
    }

    fn holds(&self, path: &str, when: When) -> bool {
        let mut trap = self.trap.lock().unwrap();
        let fits = trap.is_some_and(|(end, at)| path.ends_with(end) && at == when);
        if fits {
            *trap = None;
            *self.caught.lock().unwrap() = true;
        }
        fits
    }
}

/// The provider, as long as the test lives.
pub struct Provider {
    /// Where the booking service finds it: the gate.
    pub address: SocketAddr,
    /// Where fans pay.
    pub pages: SocketAddr,
    watch: Arc<Watch>,
    ledger: LedgerReader,
    runtime: Runtime,
    _folder: TempDir,
}

impl Provider {
    /// A provider that tells `webhook` about payments.
    pub fn start(webhook: &str, chaos: Option<Chaos>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = SandboxConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            book: Database::Sqlite(folder.path().join("sandbox.db")),
            secret_key: Secret::new(SECRET_KEY),
            webhook: Some(WebhookTarget {
                url: webhook.to_owned(),
                secret: Secret::new(WEBHOOK_SECRET),
            }),
            public_url: None,
            pay_within: Duration::from_secs(600),
            chaos,
        };
        let (address, watch, ledger) = runtime.block_on(async {
            let sandbox = Sandbox::start(config).await.unwrap();
            let watch = Arc::new(Watch {
                sandbox: sandbox.local_addr(),
                client: Client::builder(TokioExecutor::new()).build_http(),
                trap: Mutex::new(None),
                caught: Mutex::new(false),
                misheard: Mutex::new(None),
            });
            let ledger = sandbox.ledger();
            tokio::spawn(sandbox.run(std::future::pending()));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let routes = Router::new().fallback(pass).with_state(Arc::clone(&watch));
            tokio::spawn(async move { axum::serve(listener, routes).await });
            (address, watch, ledger)
        });
        Self {
            address,
            pages: watch.sandbox,
            watch,
            ledger,
            runtime,
            _folder: folder,
        }
    }

    /// The next call of this kind is held up for good.
    pub fn hold_up(&self, path_end: &'static str, when: When) {
        *self.watch.trap.lock().unwrap() = Some((path_end, when));
        *self.watch.caught.lock().unwrap() = false;
    }

    /// Whether one was.
    pub fn has_caught(&self) -> bool {
        *self.watch.caught.lock().unwrap()
    }

    /// From now on the provider hears one for the other; as long, so that the body's length stays true.
    pub fn mishears(&self, said: &str, heard: &str) {
        assert_eq!(said.len(), heard.len());
        *self.watch.misheard.lock().unwrap() = Some((said.to_owned(), heard.to_owned()));
    }

    /// Where all the money is.
    pub fn ledger(&self) -> Ledger {
        self.runtime.block_on(self.ledger.read()).unwrap()
    }
}

async fn pass(State(watch): State<Arc<Watch>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if watch.holds(&path, When::Before) {
        return std::future::pending().await;
    }
    let body = watch.heard(to_bytes(body, 1 << 20).await.unwrap());
    let rest = parts.uri.path_and_query().unwrap().to_string();
    parts.uri = format!("http://{}{rest}", watch.sandbox).parse().unwrap();
    let sent = axum::http::Request::from_parts(parts, Full::new(body));
    let Ok(answer) = watch.client.request(sent).await else {
        return axum::http::StatusCode::BAD_GATEWAY.into_response();
    };
    let (parts, body) = answer.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    if watch.holds(&path, When::After) {
        return std::future::pending().await;
    }
    Response::from_parts(parts, Body::from(body))
}
