//! The calls over HTTP: who asks, with which key, and what chaos makes of it.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http_body_util::{BodyExt, Limited};

use super::calls::{Fields, read};
use super::chaos::CallFate;
use super::desk::{Answer, Desk, Keyed};
use super::refusal::Refusal;
use super::{ledger, pay};
use crate::payment::Secret;

/// Most bytes of a form. A payment with all its metadata has about 30 kB.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest idempotency key, as at Stripe.
const KEY_LEN_MAX: usize = 255;

/// What every handler may use.
pub(super) struct Front {
    pub(super) desk: Desk,
    pub(super) secret_key: Secret,
}

/// The pages on which fans pay.
pub(super) fn pages(front: Arc<Front>) -> Router {
    Router::new()
        .route("/pay/{intent}", get(pay::show).post(pay::pay))
        .route("/pay/{intent}/step", get(pay::show_step).post(pay::step))
        .with_state(front)
}

/// All calls and pages.
pub(super) fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/v1/{*call}", any(call))
        .route("/sandbox/ledger", get(show_ledger))
        .route("/health", get(|| async { "ok\n" }))
        .fallback(|| async { Answer::from(Refusal::no_such_address()) })
        .with_state(Arc::clone(&front))
        .merge(pages(front))
}

async fn call(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match asked(&front, parts, body).await {
        Ok(answer) => answer.into_response(),
        Err(refusal) => Answer::from(refusal).into_response(),
    }
}

async fn asked(front: &Front, parts: Parts, body: Body) -> Result<Answer, Refusal> {
    front.knows(&parts.headers)?;
    let posts = parts.method == Method::POST;
    let fields = if posts {
        Fields::parse(&whole(body).await?)
    } else {
        Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())
    };
    let key = if posts { key(&parts.headers)? } else { None };
    let keyed = key.map(|key| Keyed {
        key,
        request: format!("{} {}", parts.uri.path(), fields.canonical()),
    });
    let fate = front.desk.faults.call();
    if fate == CallFate::Fails {
        return Err(Refusal::broken());
    }
    let call = read(&parts.method, parts.uri.path(), fields)?;
    let answer = front.desk.carry_out(call, keyed.as_ref()).await;
    match fate {
        CallFate::AnswerLost => return Err(Refusal::broken()),
        CallFate::Late(by) => tokio::time::sleep(by).await,
        CallFate::Well | CallFate::Fails => {}
    }
    Ok(answer)
}

impl Front {
    /// Whether the caller has the secret key.
    fn knows(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let given = given.ok_or_else(Refusal::wrong_key)?;
        verify_slices_are_equal(given.as_bytes(), self.secret_key.expose().as_bytes())
            .map_err(|_| Refusal::wrong_key())
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_LEN_MAX).contains(&key.len()));
    let why = "it must have 1 to 255 visible characters";
    let key = key.ok_or_else(|| Refusal::invalid("Idempotency-Key", why))?;
    Ok(Some(key.to_owned()))
}

/// A request's body, if it is not too long.
pub(super) async fn whole(body: Body) -> Result<Vec<u8>, Refusal> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let why = "it is too long or broke off";
    Ok(body
        .map_err(|_| Refusal::invalid("body", why))?
        .to_bytes()
        .to_vec())
}

async fn show_ledger(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = front.knows(&headers) {
        return Answer::from(refusal).into_response();
    }
    match ledger::read(&front.desk).await {
        Ok(ledger) => axum::Json(ledger).into_response(),
        Err(error) => {
            tracing::error!(%error, "the sandbox's ledger cannot be read");
            Answer::from(Refusal::broken()).into_response()
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (self.status, kind, self.body).into_response();
        if self.replayed {
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert("idempotent-replayed", yes);
        }
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        if response.status() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
