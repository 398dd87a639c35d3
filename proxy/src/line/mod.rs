//! The public protocol under the reserved prefix: joining, polling, answering, entering, leaving, and the stream.
//!
//! Everything here takes what a request asked and returns an [`Answer`]; nothing knows Pingora.

mod answer;
mod enter;
mod identity;
mod page;
mod places;
mod stream;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Version};

use crate::request::host::Authority;
use crate::request::problem::{Problem, cases};
use crate::shared::Shared;

pub use answer::Answer;
pub use identity::Identity;
pub use page::{Arrival, arrive, wait};
pub use stream::{Opened, Wire, run};

/// Largest body taken under the reserved prefix: a form with a token and a path.
pub const BODY_MAX: usize = 8 * 1024;

/// What a request asked, in this project's own words.
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its HTTP version.
    pub version: Version,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The canonical path and the query, as they are forwarded.
    pub target: &'a str,
    /// Which site it was for.
    pub site: Authority<'a>,
    /// Whether the client spoke TLS.
    pub secure: bool,
    /// Whom it came from.
    pub client: IpAddr,
}

/// What becomes of a request under the reserved prefix.
pub enum Outcome {
    /// An answer.
    Answer(Answer),
    /// The connection becomes a stream.
    Stream(Box<Opened>),
}

impl<T: Into<Answer>> From<T> for Outcome {
    fn from(answer: T) -> Self {
        Self::Answer(answer.into())
    }
}

/// Answers a request whose path is under the reserved prefix; `rest` is what follows it.
pub async fn serve(shared: &Arc<Shared>, asked: &Asked<'_>, rest: &str, body: Bytes) -> Outcome {
    if rest == "jwks.json" {
        return jwks(shared, asked.method).into();
    }
    let mut parts = rest.split('/');
    let (Some("rooms"), Some(id), Some(what)) = (parts.next(), parts.next(), parts.next()) else {
        return cases::not_found().into();
    };
    let Some(room) = shared.rooms.get(id) else {
        return cases::no_such_room().into();
    };
    let (first, second) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return cases::not_found().into();
    }
    match (what, first, second) {
        ("line", None, None) => stream::open(shared, room, asked, Wire::Socket).await,
        ("events", None, None) => stream::open(shared, room, asked, Wire::Events).await,
        ("places", None, None) => only(asked, "POST", places::join(shared, room, asked))
            .await
            .into(),
        ("places", Some("me"), None) => match *asked.method {
            Method::GET => places::poll(shared, room, asked).await.into(),
            Method::DELETE => places::leave(shared, room, asked).await.into(),
            _ => cases::method_not_allowed("GET, DELETE").into(),
        },
        ("places", Some("me"), Some("here")) => only(asked, "POST", places::here(shared, room, asked, &body))
            .await
            .into(),
        ("enter", None, None) => only(asked, "POST", enter::enter(shared, room, asked, &body))
            .await
            .into(),
        ("visits", Some("me"), None) => only(asked, "DELETE", enter::end(shared, room, asked))
            .await
            .into(),
        _ => cases::not_found().into(),
    }
}

/// Answers 405 unless the method is the one served; pages of other sites may not change anything.
async fn only(
    asked: &Asked<'_>,
    method: &'static str,
    answer: impl Future<Output = Result<Answer, Problem>>,
) -> Answer {
    if asked.method.as_str() != method {
        return cases::method_not_allowed(method).into();
    }
    if is_foreign(asked) {
        return cases::foreign_origin().into();
    }
    answer.await.unwrap_or_else(Answer::from)
}

/// Whether a page of another site sent this.
fn is_foreign(asked: &Asked<'_>) -> bool {
    let Some(origin) = asked.headers.get(http::header::ORIGIN) else {
        return false;
    };
    !origin
        .to_str()
        .is_ok_and(|origin| crate::request::host::is_same_origin(origin, &asked.site, asked.secure))
}

fn jwks(shared: &Shared, method: &Method) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return cases::method_not_allowed("GET, HEAD").into();
    }
    // Origins may keep the keys for a minute: a rotated key signs only after they have had time to see it in practice,
    // and an unknown `kid` makes them ask again.
    Answer::json(
        http::StatusCode::OK,
        shared.ring.load().jwks().as_bytes().to_vec(),
    )
    .header(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("public, max-age=60"),
    )
}
