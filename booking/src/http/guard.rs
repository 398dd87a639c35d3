//! What holds for every request: a deadline, the form of problems, and the headers that fence a page in.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tidegate_config::LoginFor;

use super::App;
use super::input::own_path;
use super::negotiate::Form;
use super::pages;
use super::problem::Problem;
use crate::store::StoreError;

/// How long one request may take until somebody is answered, its body included. Beyond the store's own two seconds for a
/// turn and a fetch of keys.
const REQUEST_WITHIN: Duration = Duration::from_secs(8);

/// Pages bring their own style and script and need nothing else from anywhere.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src data:",
);

/// Carries a request out to its end in a task of its own, whoever leaves meanwhile: what was begun is finished, and an
/// answer that is to be kept is kept. At the deadline whoever still waits is told so. What a task waits for has its own
/// bounds; of the tasks there are as many as connections, and beyond that whoever comes is told to come back.
pub(super) async fn to_the_end(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&app.under_way).try_acquire_owned() else {
        return Problem::from(StoreError::Busy).into_response();
    };
    let work = tokio::spawn(async move {
        let _permit = permit;
        next.run(request).await
    });
    match tokio::time::timeout(REQUEST_WITHIN, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(%error, "a request was not carried out to its end");
            Problem::internal().into_response()
        }
        Err(_) => Problem::too_slow().into_response(),
    }
}

/// What stays open where everything needs a login: the way to one, and what machines ask.
const OPEN: [&str; 10] = [
    "/signup",
    "/login",
    "/logout",
    "/password/forgot",
    "/password/reset",
    "/jwks.json",
    "/openapi.json",
    "/tickets/keys.json",
    "/payments/webhook",
    "/health",
];

/// Where the configuration says so, lets nobody in without a login.
pub(super) async fn login(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.login == LoginFor::All && !OPEN.contains(&request.uri().path()) {
        let headers = request.headers().clone();
        if let Err(problem) = app.somebody(&headers).await {
            return problem.into_response();
        }
    }
    next.run(request).await
}

/// The login page, and back from there to where a browser was: the page it asked for, or the one it sent a form from.
fn to_login(asked: &Uri, reads: bool, referer: Option<&HeaderValue>) -> Response {
    let back = if reads {
        asked
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned()
    } else {
        let from = referer.and_then(|from| from.to_str().ok()?.parse::<Uri>().ok());
        match from.as_ref().and_then(Uri::path_and_query) {
            Some(path) => own_path(path.as_str()),
            None => own_path(&page_of(asked.path())),
        }
    };
    let query: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, format!("/login?return_to={query}"))],
    )
        .into_response()
}

/// The page on which a form stands, where the browser does not say: `/showtimes/7` for `/showtimes/7/holds`.
fn page_of(path: &str) -> String {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(kind), Some(one), Some(_)) => format!("/{kind}/{one}"),
        _ => "/".to_owned(),
    }
}

/// Shows problems as pages to browsers, and adds the headers that every answer has.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let form = Form::wanted(request.headers());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let (asked, referer) = (
        request.uri().clone(),
        request.headers().get(header::REFERER).cloned(),
    );
    let mut response = next.run(request).await;
    if let (Form::Page, Some(problem)) = (form, response.extensions_mut().remove::<Problem>()) {
        let retry_after = response.headers_mut().remove(header::RETRY_AFTER);
        response = match problem.kind {
            Problem::LOGIN_NEEDED => to_login(&asked, reads, referer.as_ref()),
            _ => pages::problem(&problem),
        };
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
