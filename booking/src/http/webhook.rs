//! `POST /payments/webhook`: what the payment provider says unasked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::{App, input};
use crate::fulfilment::BadNotice;
use crate::payment::webhook::SIGNATURE_HEADER;

/// Most bytes of a notice; Stripe's are below 20 kB.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Verified over the raw body and written down, each once, before it is answered. A notice that is not the provider's
/// is a 400, which makes a real provider show its operator the error.
pub(super) async fn hear(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = input::whole_within(request.into_body(), BODY_BYTES_MAX).await?;
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
