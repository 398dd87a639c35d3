//! `POST /payments/webhook`: what the payment provider says unasked.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;
use crate::fulfilment::BadNotice;
use crate::payment::webhook::SIGNATURE_HEADER;

/// Most bytes of a notice; Stripe's are below 20 kB.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;

/// Verified over the raw body and written down, each once, before it is answered. A notice that is not the provider's
/// is a 400, which makes a real provider show its operator the error.
pub(super) async fn hear(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let signature = headers
        .get(SIGNATURE_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match app.fulfilment.hear(signature, &body).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(BadNotice::Webhook(why)) => {
            tracing::warn!(%why, "a notice that does not come from the payment provider");
            Err(Problem::bad_request(format!("This notice was not taken: {why}.")))
        }
        Err(BadNotice::Store(error)) => Err(error.into()),
    }
}
