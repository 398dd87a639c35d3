//! What holds for every request: a deadline, the form of problems, and the headers that fence a page in.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::negotiate::Form;
use super::pages;
use super::problem::Problem;

/// How long one request may take, its body included. Beyond the store's own two seconds for a turn and a fetch of keys.
const REQUEST_WITHIN: Duration = Duration::from_secs(8);

/// Pages bring their own style and script and need nothing else from anywhere.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src data:",
);

/// Gives a request up at its deadline; a transaction under way is rolled back.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::too_slow().into_response(),
    }
}

/// Shows problems as pages to browsers, and adds the headers that every answer has.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let form = Form::wanted(request.headers());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = next.run(request).await;
    if let (Form::Page, Some(problem)) = (form, response.extensions_mut().remove::<Problem>()) {
        let retry_after = response.headers_mut().remove(header::RETRY_AFTER);
        response = pages::problem(&problem);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == pages::HTML);
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if is_page {
        headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        let stored = if reads { "private, no-cache" } else { "no-store" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(stored));
    }
    response
}

/// Ends the visit at the edge: the next fan may come in.
pub(super) const COMMAND: HeaderName = HeaderName::from_static("tidegate-command");

/// Tells the edge's room what is left.
pub(super) const STOCK: HeaderName = HeaderName::from_static("tidegate-stock");
