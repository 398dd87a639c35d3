//! Error answers as problem documents (RFC 9457): one shape for every client, stable `type`s to program against.
//!
//! The reason a fan or a program can act on stands in `detail`; what went wrong inside is logged where it is handled
//! and never shown. [`cases`] has one constructor for each thing that can be answered so.

pub mod cases;
mod refusals;

use std::borrow::Cow;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// The media type of the body.
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What the problem types begin with; the slug follows.
pub const TYPE_PREFIX: &str = "urn:tidegate:problem:";

/// One error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The last part of `type`, part of the public protocol.
    pub slug: &'static str,
    /// What kind of problem it is, the same for each of its kind.
    pub title: &'static str,
    /// What is wrong this time, and what to do about it.
    pub detail: Cow<'static, str>,
    /// Seconds after which asking again makes sense, also sent as `Retry-After`.
    pub retry_after_s: Option<u32>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem without extras. Callers outside [`cases`] should rather add a case there.
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (members, headers) = (Vec::new(), Vec::new());
        Self {
            status,
            slug,
            title,
            detail: detail.into(),
            retry_after_s: None,
            members,
            headers,
        }
    }

    /// Asks the client to come back after so many seconds; at least 1.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// Adds a member to the document.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// Adds a response header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn allow(self, methods: &'static str) -> Self {
        self.header(ALLOW, HeaderValue::from_static(methods))
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        // Maps with string keys and plain values always serialise; an empty document beats a panic all the same.
        serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec())
    }

    /// The headers that go with it, save `Content-Length`.
    pub fn response_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![
            (CONTENT_TYPE, MEDIA_TYPE),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        headers.extend(
            self.retry_after_s
                .map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))),
        );
        headers.extend(self.headers.iter().cloned());
        headers
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("{TYPE_PREFIX}{}", self.slug))?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(seconds) = self.retry_after_s {
            map.serialize_entry("retry_after_s", &seconds)?;
        }
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_and_its_headers() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "x", "X", "it \"is\" so")
            .retry_after(0)
            .with("join", "/a")
            .allow("GET");
        let json: Value = serde_json::from_slice(&problem.to_json()).expect("json");
        let wanted = serde_json::json!({
            "type": "urn:tidegate:problem:x", "title": "X", "status": 503, "detail": "it \"is\" so",
            "retry_after_s": 1, "join": "/a",
        });
        assert_eq!(json, wanted);
        let headers: http::HeaderMap = problem.response_headers().into_iter().collect();
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(headers[RETRY_AFTER], "1");
        assert_eq!(headers[ALLOW], "GET");
    }
}
