//! Refusals that only an operator meets, and how any problem becomes an answer here.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_config::RoomId;
use tidegate_queue::store::StoreError;

use crate::request::problem::{Problem, cases};

/// Mistakes told at once. A body of the size that is read can hold more, and nobody would read them.
const WRONG_MAX: usize = 20;

/// One mistake in what was sent: where, what, and what to send instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(key: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

/// What was sent can be read, and does not fit: every mistake at once.
pub(super) fn unfit(mut wrong: Vec<Wrong>) -> Problem {
    wrong.truncate(WRONG_MAX);
    let said: Vec<String> = wrong
        .iter()
        .map(|wrong| format!("'{}' {}: {}.", wrong.key, wrong.message, wrong.remedy))
        .collect();
    let detail = format!("Nothing was changed. {}", said.join(" "));
    let errors = serde_json::to_value(&wrong).unwrap_or_default();
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unfit-values",
        "Some values do not fit",
        detail,
    )
    .with("errors", errors)
}

/// The visit is over, or never was.
pub(super) fn no_such_visit() -> Problem {
    let detail = "This room has no live visit of this id. It may just have ended.";
    Problem::new(StatusCode::NOT_FOUND, "no-such-visit", "No such visit", detail)
}

/// A method the address does not take. Which it takes stands in `Allow`.
pub(super) fn wrong_method() -> Problem {
    let detail = "This address does not take this method; 'Allow' says which it does.";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
        detail,
    )
}

/// As many streams as there may be are open.
pub(super) fn too_many_streams() -> Problem {
    let detail = "As many streams as this edge holds are open. Close one, or poll the room instead.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-streams",
        "Too many streams",
        detail,
    )
    .retry_after(5)
}

/// The call took too long. What it asked for may have happened all the same.
pub(super) fn too_slow() -> Problem {
    let detail = "This took too long and was given up. Read the room to see whether a change was made.";
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "too-slow",
        "This took too long",
        detail,
    )
    .retry_after(2)
}

/// The store did not do as asked.
pub(super) fn store_failed(room: &RoomId, error: &StoreError) -> Problem {
    tracing::error!(%room, %error, "the store did not do what an operator asked");
    let detail = "The store of this room's line did not answer. Nothing is known to have changed.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "line-unavailable",
        "The store does not answer",
        detail,
    )
    .retry_after(2)
}

/// A body that could not be taken in whole.
pub(super) fn unread(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        cases::body_too_large(super::BODY_MAX)
    } else {
        cases::bad_body("The body broke off.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers: HeaderMap = self.response_headers().into_iter().collect();
        (self.status, headers, self.to_json()).into_response()
    }
}
