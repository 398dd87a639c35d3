//! What a supervisor, a load balancer and Prometheus ask, without the token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;

/// How long a store may be out of reach before this edge asks for its traffic to go elsewhere. A restart or failover
/// of the store is over by then, and until then fans are better served by a page that holds still than by none.
const STORE_LOST_MAX: Duration = Duration::from_secs(30);

/// Whether the edge should be sent requests.
pub(super) struct Readiness {
    ready: Arc<AtomicBool>,
    /// Since when some store has been seen out of reach. Only probes look, so it counts from the first that saw it.
    lost_since: Mutex<Option<Instant>>,
}

impl Readiness {
    pub(super) fn new(ready: Arc<AtomicBool>) -> Self {
        Self {
            ready,
            lost_since: Mutex::new(None),
        }
    }

    fn check(&self, now: Instant, store_lost: bool) -> Result<(), &'static str> {
        let mut since = self.lost_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if store_lost { since.or(Some(now)) } else { None };
        if !self.ready.load(Ordering::Relaxed) {
            return Err("the edge is starting or shutting down");
        }
        match *since {
            Some(since) if now.duration_since(since) >= STORE_LOST_MAX => {
                Err("the store of a room does not answer")
            }
            _ => Ok(()),
        }
    }
}

/// The process answers: nothing else is asked, so that a supervisor never restarts an edge for its store's sake.
pub(super) async fn live() -> &'static str {
    "live\n"
}

pub(super) async fn ready(State(admin): State<Shared>) -> (StatusCode, String) {
    let store_lost = admin.state.rooms.values().any(|room| !room.snapshot().store_up);
    match admin.state.readiness.check(Instant::now(), store_lost) {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

pub(super) async fn metrics(State(admin): State<Shared>) -> impl IntoResponse {
    for room in admin.state.rooms.values() {
        admin
            .state
            .metrics
            .limits(&room.config.id, &room.snapshot().settings);
    }
    let (content_type, text) = admin.state.metrics.render();
    ([(CONTENT_TYPE, content_type)], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_store_is_forgiven_for_a_while_and_forgotten_when_it_is_back() {
        let ready = Arc::new(AtomicBool::new(true));
        let (readiness, start) = (Readiness::new(ready.clone()), Instant::now());
        let almost = STORE_LOST_MAX - Duration::from_millis(1);
        assert!(readiness.check(start, true).is_ok());
        assert!(readiness.check(start + almost, true).is_ok());
        assert!(readiness.check(start + STORE_LOST_MAX, true).is_err());
        assert!(readiness.check(start + STORE_LOST_MAX, false).is_ok());
        assert!(readiness.check(start + STORE_LOST_MAX + almost, true).is_ok());
        ready.store(false, Ordering::Relaxed);
        assert!(readiness.check(start, false).is_err());
    }
}
