//! Tokens that are missing, or not what they should be.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use super::Problem;

pub(super) const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
const BEARER_INVALID: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

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

/// A route asks for a user, and none is behind the request. `login` is the page to log in at; `sent` says whether there
/// was a token, which is then not valid.
pub fn login_needed(login: &str, sent: bool) -> Problem {
    let (detail, challenge) = if sent {
        (
            "The user token has expired or is not this site's. Log in again.",
            BEARER_INVALID,
        )
    } else {
        (
            "Log in first, and send the user token as the login's cookie or as 'Authorization: Bearer'.",
            BEARER,
        )
    };
    Problem::new(StatusCode::UNAUTHORIZED, "login-needed", "Please log in", detail)
        .header(WWW_AUTHENTICATE, challenge)
        .with("login", login)
}

/// A user token that cannot be judged: the keys of those who sign them could not be read for too long.
pub fn users_unknown(retry_after_s: u32) -> Problem {
    let detail = "Who is logged in cannot be told at the moment. Please try again shortly.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "users-unknown",
        "Logins cannot be checked",
        detail,
    )
    .retry_after(retry_after_s)
}
