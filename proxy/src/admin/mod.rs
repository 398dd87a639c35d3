//! The operator's side of an edge, on a listener of its own: rooms with their figures, changes of them, probes and
//! metrics.
//!
//! Everything under `/api/` needs the admin token as `Authorization: Bearer`. The probes, the metrics and the API's
//! description do not, so that a supervisor and Prometheus can be pointed here without a secret: they change nothing
//! and name no fan, and the listener is the loopback one unless the operator says otherwise.
//!
//! A change goes to the line's store, which has it for every edge with its next tick, and is written to the log under
//! the target `audit`. Nothing here knows a fan's token or tells a visitor's whole id.
//!
//! | module | owns |
//! |---|---|
//! | [`serve()`] | connections: how many, how long, how they end |
//! | `guard` | the token, the deadline and the headers of every answer |
//! | `room_view` | a room as JSON |
//! | `rooms` | reading and changing rooms |
//! | `change` | what a `PATCH` may say |
//! | `visits` | live visits, and ending one |
//! | `stream` | a room's figures every second |
//! | `probes` | `/live`, `/ready`, `/metrics` |
//! | `openapi` | the description of all of it |
//! | `problems` | refusals that only an operator meets |

mod change;
mod extract;
mod guard;
mod openapi;
mod probes;
mod problems;
mod room_view;
mod rooms;
mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Json, Router};
use tokio::sync::{Semaphore, watch};

use crate::metrics::Metrics;
use crate::request::problem::cases;
use crate::room::Room;

pub use serve::serve;

/// Bytes of a request's body. The longest notice, every character escaped, is a fifth of it.
const BODY_MAX: usize = 16 * 1024;

/// Streams of figures at once, each with a picture of its room every second.
const STREAMS_MAX: usize = 32;

/// What the operator's side of an edge may read and change.
pub struct AdminState {
    rooms: Arc<BTreeMap<String, Arc<Room>>>,
    metrics: Arc<Metrics>,
    token: guard::Token,
    readiness: probes::Readiness,
}

impl AdminState {
    /// The rooms by their ids, what is counted, the admin token, and whether the edge takes requests: false while it
    /// starts and once it drains.
    pub fn new(
        rooms: Arc<BTreeMap<String, Arc<Room>>>,
        metrics: Arc<Metrics>,
        token: String,
        ready: Arc<AtomicBool>,
    ) -> Self {
        let (token, readiness) = (guard::Token::new(&token), probes::Readiness::new(ready));
        Self {
            rooms,
            metrics,
            token,
            readiness,
        }
    }
}

/// What every handler may use.
struct Admin {
    state: AdminState,
    streams: Arc<Semaphore>,
    shutdown: watch::Receiver<bool>,
}

type Shared = Arc<Admin>;

fn router(state: AdminState, shutdown: watch::Receiver<bool>) -> Router {
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let admin = Arc::new(Admin {
        state,
        streams,
        shutdown,
    });
    let collect = |calls: Vec<(&'static str, MethodRouter<Shared>)>| {
        calls.into_iter().fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
    };
    // The token comes before everything else under /api/: whoever lacks it does not even learn what exists.
    let api = collect(api_calls())
        .fallback(|| async { cases::not_found() })
        .method_not_allowed_fallback(|| async { problems::wrong_method() })
        .layer(from_fn_with_state(admin.clone(), guard::need_token));
    collect(open_calls())
        .nest("/api", api)
        .fallback(|| async { cases::not_found() })
        .method_not_allowed_fallback(|| async { problems::wrong_method() })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(guard::deadline))
        .layer(from_fn(guard::finish))
        .with_state(admin)
}

/// Calls that need no token.
fn open_calls() -> Vec<(&'static str, MethodRouter<Shared>)> {
    vec![
        ("/live", get(probes::live)),
        ("/ready", get(probes::ready)),
        ("/metrics", get(probes::metrics)),
        ("/openapi.json", get(|| async { Json(openapi::document()) })),
    ]
}

/// Calls under `/api`.
fn api_calls() -> Vec<(&'static str, MethodRouter<Shared>)> {
    vec![
        ("/v1/rooms", get(rooms::list)),
        ("/v1/rooms/{room}", get(rooms::one).patch(rooms::patch)),
        ("/v1/rooms/{room}/pause", post(rooms::pause)),
        ("/v1/rooms/{room}/resume", post(rooms::resume)),
        ("/v1/rooms/{room}/drain", post(rooms::drain)),
        ("/v1/rooms/{room}/close", post(rooms::close)),
        ("/v1/rooms/{room}/visits", get(visits::list)),
        ("/v1/rooms/{room}/visits/{visit}", delete(visits::end)),
        ("/v1/rooms/{room}/stream", get(stream::stream)),
    ]
}
