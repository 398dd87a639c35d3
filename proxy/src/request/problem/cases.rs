//! Every problem the edge answers with, in one place: status, type, words.
//!
//! Types are public protocol: add, do not rename. Words are for the person who reads them, in whole sentences, and
//! give nothing away that only the operator should know.

use std::time::Duration;

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;

use super::Problem;

mod tokens;

pub use tokens::*;

/// Whether a room takes somebody again is decided by people, so that asking more often is of no use.
const NO_PLACES_AGAIN_AFTER_S: u32 = 30;

// Waiting.

/// A guarded request without a visit that cannot be shown a page. `join` is the URL to `POST` to.
pub fn waiting(join: &str, retry_after_s: u32) -> Problem {
    let detail =
        "This site is busy and holds a line. Join it at the URL in 'join', then come back with a visit.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "waiting",
        "There is a line",
        detail,
    )
    .retry_after(retry_after_s)
    .with("join", join)
}

/// The room is closed: no line to join.
pub fn closed() -> Problem {
    let detail = "This room is closed, and its line with it.";
    Problem::new(StatusCode::GONE, "closed", "The room is closed", detail)
}

/// A guarded request in a room that is closed: nothing to join, but the site may open again.
pub fn closed_for_now() -> Problem {
    Problem {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..closed()
    }
    .retry_after(NO_PLACES_AGAIN_AFTER_S)
}

/// The room gives no new places: an operator lets it run empty.
pub fn draining() -> Problem {
    let detail = "This line takes nobody new at present. Whoever has a place keeps it.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "draining",
        "The line takes nobody new",
        detail,
    )
    .retry_after(NO_PLACES_AGAIN_AFTER_S)
}

/// The line's store is out of reach and the request cannot be held.
pub fn store_lost(retry_after_s: u32) -> Problem {
    let detail = "The line stands still for a moment. Places are safe; please try again shortly.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "line-unavailable",
        "The line stands still",
        detail,
    )
    .retry_after(retry_after_s)
}

/// `here` from a place that has not been called.
pub fn not_called() -> Problem {
    let detail = "This place has not been called yet. Go on polling; it keeps its turn.";
    Problem::new(StatusCode::CONFLICT, "not-called", "Not called yet", detail)
}

// Limits.

/// Too many line sockets or streams from one address.
pub fn too_many_sockets(retry_after_s: u32) -> Problem {
    let detail = "Too many connections wait from this address. Poll instead, or close one.";
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-sockets",
        "Too many waiting connections",
        detail,
    )
    .retry_after(retry_after_s)
}

/// Too many joins without a place token from one address.
pub fn too_many_joins(retry_after_s: u32) -> Problem {
    let detail = "Too many joined from this address within a minute. Please come back shortly.";
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-joins",
        "Too many joins",
        detail,
    )
    .retry_after(retry_after_s)
}

/// This edge holds as many sockets as it may.
pub fn edge_full(retry_after_s: u32) -> Problem {
    let detail =
        "This server holds as many waiting connections as it can. Poll instead, or try again shortly.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "edge-full",
        "No room for another connection",
        detail,
    )
    .retry_after(retry_after_s)
}

/// This edge is going down and takes nothing new.
pub fn restarting() -> Problem {
    let detail = "This server is about to restart. Please try again.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "restarting",
        "The server is restarting",
        detail,
    )
    .retry_after(1)
}

/// A body longer than the call allows.
pub fn body_too_large(bytes_max: usize) -> Problem {
    let detail = format!("The body may have at most {bytes_max} bytes.");
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        detail,
    )
    .with("bytes_max", bytes_max)
}

/// A request head longer than is taken.
pub fn head_too_large(bytes_max: usize) -> Problem {
    let detail = format!("The request line and its headers may have at most {bytes_max} bytes together.");
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head-too-large",
        "The request head is too large",
        detail,
    )
    .with("bytes_max", bytes_max)
}

/// A request head of more lines than are taken.
pub fn too_many_header_lines(lines_max: usize) -> Problem {
    let detail = format!("The request may have at most {lines_max} header lines.");
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "too-many-header-lines",
        "The request has too many header lines",
        detail,
    )
    .with("lines_max", lines_max)
}

/// A request head that was begun and not finished.
pub fn head_too_slow(within: Duration) -> Problem {
    let seconds = within.as_secs();
    let detail = format!("The request line and its headers have to arrive within {seconds} seconds.");
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "head-too-slow",
        "The request took too long to arrive",
        detail,
    )
}

/// A body that was begun and not finished.
pub fn body_too_slow(within: Duration) -> Problem {
    let seconds = within.as_secs();
    let detail = format!("The body has to arrive within {seconds} seconds.");
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "body-too-slow",
        "The request took too long to arrive",
        detail,
    )
}

// What was asked.

/// A cross-site call to a protocol address.
pub fn foreign_origin() -> Problem {
    let detail = "Pages of other sites may not use this line.";
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "Foreign origin", detail)
}

/// Nothing under the reserved prefix, or no route, has this path.
pub fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "Not found",
        "There is nothing at this address.",
    )
}

/// A room that is not configured here.
pub fn no_such_room() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-such-room",
        "No such room",
        "There is no room of this name.",
    )
}

/// A method the address does not know; `allow` is what it does (`"GET, DELETE"`).
pub fn method_not_allowed(allow: &'static str) -> Problem {
    let detail = format!("This address takes {allow}.");
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
        detail,
    )
    .allow(allow)
}

/// A body of a type the call does not read; `accepted` is what it does.
pub fn unsupported_media_type(accepted: &'static str) -> Problem {
    let detail = format!("This address reads {accepted}.");
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported-media-type", "Unsupported media type", detail)
}

/// A body or form that does not say what it should; `detail` names the field.
pub fn bad_body(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad-body",
        "The body makes no sense",
        detail,
    )
}

/// A request header that could be read in two ways, or not at all.
pub fn bad_request(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad-request",
        "The request cannot be read safely",
        detail,
    )
}

/// The admin API without its token.
pub fn unauthorized() -> Problem {
    let detail = "This call needs the admin token as 'Authorization: Bearer'.";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not authorized", detail)
        .header(WWW_AUTHENTICATE, tokens::BEARER)
}

// What stands behind.

/// The origin could not be reached or broke off.
pub fn origin_failed() -> Problem {
    let detail = "The site behind this gate did not answer. Please try again shortly.";
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "origin-failed",
        "The site did not answer",
        detail,
    )
    .retry_after(2)
}

/// The origin took too long.
pub fn origin_slow() -> Problem {
    let detail = "The site behind this gate took too long to answer. Please try again shortly.";
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "origin-slow",
        "The site is slow",
        detail,
    )
    .retry_after(2)
}

/// Our own mistake.
pub fn internal() -> Problem {
    let detail = "Something went wrong here. It was logged.";
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong",
        detail,
    )
}

#[cfg(test)]
mod tests;
