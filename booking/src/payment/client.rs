//! One HTTP request and its answer, with a deadline and a bound on the answer's size. Knows nothing of payments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::RETRY_AFTER;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;

/// Most bytes of an answer. A page of a hundred intents has about 250 kB.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Connections kept open to one server while nothing is asked.
const IDLE_MAX: usize = 16;

/// How long an unused connection is kept; providers close theirs after about a minute.
const IDLE_WITHIN: Duration = Duration::from_secs(30);

/// Longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// An HTTP client for one purpose.
#[derive(Clone)]
pub(super) struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadline: Duration,
}

/// What a server answered.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// When it asks to be asked again.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl Client {
    /// Every request must be answered in full within `deadline`. Where `tls` is asked for, this machine's own
    /// certificates are trusted; a machine without any is an error.
    pub(super) fn new(deadline: Duration, tls: bool) -> std::io::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(deadline));
        let provider = ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let connector = if tls {
            builder
                .with_provider_and_native_roots(provider)?
                .https_only()
                .enable_http1()
                .wrap_connector(http)
        } else {
            // Nothing is trusted where nothing but plain HTTP is spoken, so that no certificates need be there.
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(std::io::Error::other)?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder
                .with_tls_config(config)
                .https_or_http()
                .enable_http1()
                .wrap_connector(http)
        };
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE_WITHIN)
            .build(connector);
        Ok(Self { inner, deadline })
    }

    /// Sends it once. An error says what went wrong on the way; whether the server carried the request out is unknown
    /// then.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let asked = async {
            let answer = self.inner.request(request).await.map_err(|error| root(&error))?;
            let status = answer.status();
            let retry_after = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body
                .map_err(|error| format!("its answer broke off: {error}"))?
                .to_bytes();
            Ok(Reply {
                status,
                retry_after,
                body,
            })
        };
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(reply) => reply,
            Err(_) => Err(format!("no answer within {:?}", self.deadline)),
        }
    }
}

/// The innermost cause, which is the one that says something: "connection refused" and not "client error".
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
