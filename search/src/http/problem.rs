//! Errors as callers see them: problem+json (RFC 9457), saying what to do.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::request::ParameterError;

/// Seconds after which a caller may ask again when there is no index yet or no turn.
const RETRY_AFTER_S: &str = "1";

/// One problem. `type` is left out, which stands for `about:blank`: the status says what kind of problem it is.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(serialize_with = "as_number")]
    pub(super) status: StatusCode,
    title: &'static str,
    pub(super) detail: String,
    /// The parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
    #[serde(skip)]
    pub(super) header: Option<(&'static str, &'static str)>,
}

impl Problem {
    /// A problem whose detail says what to do.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem");
        Self {
            status,
            title,
            detail: detail.into(),
            parameter: None,
            header: None,
        }
    }

    /// The request lacks nothing, but this is not the moment.
    pub(super) fn not_now(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).header("retry-after", RETRY_AFTER_S)
    }

    /// Something broke inside; the cause is in the log.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "search failed; try again, and tell the operator if it stays so",
        )
    }

    /// Adds a header to the answer.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, error.remedy);
        problem.parameter = Some(error.parameter);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(&self)).into_response();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = self.header {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
