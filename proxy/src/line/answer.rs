//! An HTTP answer, before any framework sees it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};
use pingora::protocols::http::date::get_cached_date;
use serde::Serialize;

use crate::request::problem::Problem;

/// Status, headers, body.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Header lines, save `Content-Length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// An answer without a body that nobody may keep.
    pub fn empty(status: StatusCode) -> Self {
        let headers = vec![(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        Self {
            status,
            headers,
            body: Bytes::new(),
        }
    }

    /// An answer that sends a browser on with `GET`. The path was judged before.
    pub fn see_other(path: &str) -> Self {
        let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
        Self::empty(StatusCode::SEE_OTHER).header(LOCATION, location)
    }

    /// JSON that nobody may keep.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut answer =
            Self::empty(status).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.body = body.into();
        answer
    }

    /// A value as JSON.
    pub fn of<T: Serialize>(status: StatusCode, value: &T) -> Self {
        // Structs of text and numbers always serialise.
        Self::json(status, serde_json::to_vec(value).unwrap_or_default())
    }

    /// With this status.
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// With this header, replacing one of its name unless it is a cookie.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name != SET_COOKIE {
            self.headers.retain(|(known, _)| *known != name);
        }
        self.headers.push((name, value));
        self
    }

    /// The answer's head as it goes over an HTTP/1.1 connection. The last answer of a connection says so.
    pub fn head(&self, last: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(2_048);
        let mut say = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        let reason = self.status.canonical_reason().unwrap_or_default();
        say(&[
            b"HTTP/1.1 ",
            self.status.as_str().as_bytes(),
            b" ",
            reason.as_bytes(),
        ]);
        for (name, value) in &self.headers {
            say(&[b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()]);
        }
        say(&[b"\r\ndate: ", get_cached_date().as_bytes()]);
        if last {
            say(&[b"\r\nconnection: close"]);
        }
        if self.status != StatusCode::NO_CONTENT {
            say(&[b"\r\ncontent-length: ", self.body.len().to_string().as_bytes()]);
        }
        say(&[b"\r\n\r\n"]);
        out
    }

    /// With these cookies.
    pub fn cookies(mut self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.headers
            .extend(cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
        self
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.status,
            headers: problem.response_headers(),
            body: problem.to_json().into(),
        }
    }
}

impl From<Result<Answer, Problem>> for Answer {
    fn from(result: Result<Answer, Problem>) -> Self {
        result.unwrap_or_else(Answer::from)
    }
}
