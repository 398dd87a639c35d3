//! `Idempotency-Key` on writing calls: the same call again, under the same key, is answered as it was the first time.
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>)

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::App;
use super::problem::Problem;
use crate::domain::HoldId;
use crate::store::Remembered;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is the one of an earlier call.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Longest key, as at Stripe.
const KEY_LEN_MAX: usize = 255;

/// Most bytes of a body that is compared: no writing call of this service takes more.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024 + 1024;

/// Most bytes of an answer that is kept.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long answers are kept: as long as anybody repeats a call.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// After this long a call whose process died may be made again. A living process carries every call out to its end and
/// says how it was answered, clients or no clients; this is beyond what the longest of them may wait for.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// Calls whose answers carry a login; they are made again rather than kept.
const NOT_KEPT: [&str; 5] = [
    "/login",
    "/signup",
    "/logout",
    "/password/reset",
    "/payments/webhook",
];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// What a call under a key names after itself. The work and its answer are not written in one transaction, so a process
/// that is killed in between leaves work that nobody was told of; the call that is made again looks for it under its name.
#[derive(Clone, Copy)]
struct Named {
    bits: u128,
    again: bool,
}

/// The name of the hold that a request makes, and whether there may be one of that name already.
pub(super) fn hold_name(request: &Request) -> (HoldId, bool) {
    match request.extensions().get::<Named>() {
        Some(named) => (HoldId::from_bits(named.bits), named.again),
        None => (HoldId::from_bits(rand::random()), false),
    }
}

/// Keeps the answer of the first call under a key, and repeats it.
pub(super) async fn once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let keyed = request.headers().get(&KEY).filter(|_| writes).cloned();
    match keyed {
        Some(key) if !NOT_KEPT.contains(&request.uri().path()) => {
            match keep(&app, key, request, next).await {
                Ok(response) => response,
                Err(problem) => problem.into_response(),
            }
        }
        _ => next.run(request).await,
    }
}

async fn keep(app: &App, key: HeaderValue, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_LEN_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    let key = key.ok_or_else(|| {
        Problem::bad_request(format!(
            "`Idempotency-Key` must have 1 to {KEY_LEN_MAX} visible ASCII characters."
        ))
    })?;
    let owner = app.somebody(request.headers()).await?.owner();
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::body_too_large(BODY_BYTES_MAX))?;
    let mut asked = Sha256::new();
    for part in [
        parts.method.as_str(),
        parts.uri.path(),
        parts.uri.query().unwrap_or_default(),
    ] {
        asked.update(part.as_bytes());
        asked.update([0]);
    }
    asked.update(&body);
    let fingerprint = STANDARD_NO_PAD.encode(asked.finalize());
    let fresh: u128 = rand::random();
    let seed = format!("{fresh:032x}");
    let remembered = app
        .store
        .remember(&owner, key, &fingerprint, &seed, GIVEN_UP_AFTER);
    let named = match remembered.await? {
        Remembered::First => Named {
            bits: fresh,
            again: false,
        },
        Remembered::Again(before) => Named {
            bits: u128::from_str_radix(&before, 16).unwrap_or(fresh),
            again: true,
        },
        Remembered::UnderWay => return Err(Problem::key_in_use()),
        Remembered::Otherwise => return Err(Problem::key_reused()),
        Remembered::Answered(answer) => return repeated(&answer),
    };
    parts.extensions.insert(named);
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    // What failed on our side, or is to be asked again, is not the answer.
    let is_answer = !parts.status.is_server_error() && parts.status != StatusCode::TOO_MANY_REQUESTS;
    let body = to_bytes(body, ANSWER_BYTES_MAX).await.ok();
    match body.as_ref().and_then(|body| std::str::from_utf8(body).ok()) {
        Some(text) if is_answer => {
            let told = |name: &HeaderName| *name != header::SET_COOKIE && *name != header::CONTENT_LENGTH;
            let headers = parts.headers.iter().filter(|(name, _)| told(name));
            let kept = Kept {
                status: parts.status.as_u16(),
                headers: headers
                    .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
                    .collect(),
                body: text.to_owned(),
            };
            let answer = serde_json::to_string(&kept).expect("an answer is texts and a number");
            app.store.keep_answer(&owner, key, &answer, KEPT_FOR).await?;
        }
        _ => app.store.forget_call(&owner, key).await?,
    }
    let body = body.ok_or_else(Problem::internal)?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn repeated(answer: &str) -> Result<Response, Problem> {
    let kept: Kept = serde_json::from_str(answer).map_err(|_| Problem::internal())?;
    let status = StatusCode::from_u16(kept.status).map_err(|_| Problem::internal())?;
    let mut response = (status, kept.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
