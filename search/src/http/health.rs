//! `GET /health`: whether there is an index, how much is in it and how old it is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::App;
use super::problem::Problem;

/// The state of the index. Ages are in seconds.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    documents: usize,
    /// Since the catalogue was read for this index.
    age_s: i64,
    /// Since booking last said that this still is its catalogue. Growing means that booking cannot be reached.
    confirmed_s: i64,
}

/// 200 with the state, 503 until the first index is there.
pub(super) async fn health(State(app): State<App>) -> Response {
    let Some(snapshot) = app.current.snapshot() else {
        return Problem::not_now("the catalogue has not been read yet; booking may still be starting")
            .into_response();
    };
    let now = Timestamp::now();
    let age_s = |at: Timestamp| (now.as_second() - at.as_second()).max(0);
    let read_at = snapshot.read_at();
    let health = Health {
        status: "ok",
        documents: snapshot.len(),
        age_s: age_s(read_at),
        confirmed_s: age_s(app.current.confirmed_at().unwrap_or(read_at)),
    };
    ([("cache-control", "no-store")], Json(health)).into_response()
}
