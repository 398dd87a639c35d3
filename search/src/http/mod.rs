//! How browsers and programs reach the index: two addresses, `/search` and `/health`.
//!
//! Translates and nothing else: what is asked is checked in `request`, what is found comes from `index`.

mod accept;
mod answer;
mod health;
mod page;
mod problem;
mod search;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::service::Current;
use problem::Problem;

/// How long a request waits for its turn at the index before it is told to come back.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// What every handler may use.
#[derive(Clone)]
struct App {
    current: Arc<Current>,
    /// Searches at once: one a core, as they are computation; more would only slow each other down.
    turns: Arc<Semaphore>,
}

/// The service's routes.
pub(crate) fn router(current: Arc<Current>) -> Router {
    let cores = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    Router::new()
        .route("/search", get(search::search))
        .route("/health", get(health::health))
        .fallback(async || {
            Problem::new(
                StatusCode::NOT_FOUND,
                "there are /search?q=&city= and /health here",
            )
        })
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address is read with GET")
                .header("allow", "GET, HEAD")
        })
        .with_state(App {
            current,
            turns: Arc::new(Semaphore::new(cores)),
        })
}
