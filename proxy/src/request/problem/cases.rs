//! Every problem the edge answers with, in one place: status, type, words.
//!
//! Types are public protocol: add, do not rename. Words are for the person who reads them, in whole sentences, and
//! give nothing away that only the operator should know.

use std::time::Duration;

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use super::Problem;
use crate::request::{hygiene, path, route};
use crate::wire::handshake;

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
const BEARER_INVALID: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

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

// Tokens.

/// No token where one is needed.
pub fn missing_token() -> Problem {
    let detail = "This call needs a token, as a cookie or as 'Authorization: Bearer'.";
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "token-missing",
        "A token is missing",
        detail,
    )
    .header(WWW_AUTHENTICATE, BEARER)
}

/// A token we did not sign, or signed for another purpose.
pub fn forged_token() -> Problem {
    let detail = "The token was not issued for this purpose by this site.";
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "token-invalid",
        "The token is not valid",
        detail,
    )
    .header(WWW_AUTHENTICATE, BEARER_INVALID)
}

/// A token whose time is over.
pub fn expired_token() -> Problem {
    let detail = "The token has expired. If you had a place in line, it is kept: ask for its state again.";
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "token-expired",
        "The token has expired",
        detail,
    )
    .header(WWW_AUTHENTICATE, BEARER_INVALID)
}

/// A token of another room.
pub fn wrong_room() -> Problem {
    let detail = "The token belongs to another room.";
    Problem::new(
        StatusCode::FORBIDDEN,
        "token-wrong-room",
        "The token is for another room",
        detail,
    )
}

/// A token bound to another visitor.
pub fn wrong_visitor() -> Problem {
    let detail = "The token belongs to another visitor.";
    Problem::new(
        StatusCode::FORBIDDEN,
        "token-wrong-visitor",
        "The token is someone else's",
        detail,
    )
}

/// A grant that was undone, or a visit that has ended.
pub fn turn_is_over() -> Problem {
    let detail =
        "This admission was not used in time, or its visit has ended. Ask for the state of your place again.";
    Problem::new(StatusCode::CONFLICT, "turn-is-over", "The turn is over", detail)
}

/// A place that was used, or whose line is over.
pub fn place_is_over() -> Problem {
    let detail = "This place was used or given up, or its line is over. Join again to take a new one.";
    Problem::new(StatusCode::GONE, "place-is-over", "The place is over", detail)
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
pub fn draining() -> Problem {
    let detail = "This server is about to restart. Please try again.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "draining",
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
        .header(WWW_AUTHENTICATE, BEARER)
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

impl From<path::Refused> for Problem {
    fn from(reason: path::Refused) -> Self {
        match reason {
            path::Refused::TooLong => {
                let detail = reason.to_string();
                Self::new(
                    StatusCode::URI_TOO_LONG,
                    "target-too-long",
                    "The address is too long",
                    detail,
                )
            }
            _ => bad_request(reason.to_string()),
        }
    }
}

impl From<hygiene::Refused> for Problem {
    fn from(reason: hygiene::Refused) -> Self {
        match reason {
            hygiene::Refused::Method => {
                let detail = reason.to_string();
                Self::new(
                    StatusCode::NOT_IMPLEMENTED,
                    "method-not-served",
                    "Method not served",
                    detail,
                )
            }
            _ => bad_request(reason.to_string()),
        }
    }
}

impl From<route::Ambiguous> for Problem {
    fn from(reason: route::Ambiguous) -> Self {
        bad_request(reason.to_string())
    }
}

impl From<handshake::Refused> for Problem {
    fn from(reason: handshake::Refused) -> Self {
        use handshake::Refused;
        let detail = reason.to_string();
        match reason {
            Refused::NotGet => method_not_allowed("GET"),
            Refused::ForeignOrigin => foreign_origin(),
            Refused::NotAnUpgrade | Refused::Version => Self::new(
                StatusCode::UPGRADE_REQUIRED,
                "upgrade-required",
                "A websocket is needed",
                detail,
            )
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Refused::Key | Refused::Subprotocol | Refused::PlaceToken => Self::new(
                StatusCode::BAD_REQUEST,
                "bad-handshake",
                "The websocket handshake does not fit",
                detail,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_distinct_and_plain() {
        let all = [
            waiting("/j", 5),
            closed(),
            store_lost(2),
            not_called(),
            missing_token(),
            forged_token(),
            expired_token(),
            wrong_room(),
            wrong_visitor(),
            turn_is_over(),
            place_is_over(),
            too_many_sockets(5),
            too_many_joins(5),
            edge_full(5),
            draining(),
            body_too_large(10),
            foreign_origin(),
            not_found(),
            no_such_room(),
            method_not_allowed("GET"),
            unsupported_media_type("application/json"),
            bad_body("x"),
            bad_request("x"),
            unauthorized(),
            origin_failed(),
            origin_slow(),
            internal(),
            path::Refused::TooLong.into(),
            hygiene::Refused::Method.into(),
            handshake::Refused::Version.into(),
            handshake::Refused::Key.into(),
        ];
        let slugs: std::collections::BTreeSet<_> = all.iter().map(|problem| problem.slug).collect();
        assert_eq!(slugs.len(), all.len());
        for problem in &all {
            assert!(
                problem.slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{}",
                problem.slug
            );
            assert!(problem.status.is_client_error() || problem.status.is_server_error());
            let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("json");
            assert_eq!(json["status"], problem.status.as_u16());
        }
    }

    #[test]
    fn a_waiting_client_learns_where_to_join_and_when() {
        let problem = waiting("/_tidegate/rooms/drop/places", 7);
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("json");
        assert_eq!(
            (json["status"].as_u64(), json["retry_after_s"].as_u64()),
            (Some(503), Some(7))
        );
        assert_eq!(json["join"], "/_tidegate/rooms/drop/places");
    }

    #[test]
    fn refusals_keep_their_reason() {
        assert_eq!(Problem::from(path::Refused::EncodedSlash).status, 400);
        assert_eq!(Problem::from(path::Refused::TooLong).status, 414);
        assert_eq!(Problem::from(hygiene::Refused::TwoLengths).status, 400);
        assert_eq!(Problem::from(handshake::Refused::ForeignOrigin).status, 403);
        assert_eq!(Problem::from(handshake::Refused::Version).status, 426);
        assert_eq!(Problem::from(handshake::Refused::NotGet).status, 405);
    }
}
