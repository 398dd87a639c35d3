//! What goes wrong, as RFC 9457 problem documents. The page for browsers is made of the same fields on the way out. What
//! other layers refuse is put into these words in `told`.

mod told;

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::domain::Seat;
use crate::ticket::BadTicket;
use told::sentence;

/// A refused or failed request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The last part of the problem's type; a program can rely on it.
    pub(crate) kind: &'static str,
    /// The same for every problem of the kind.
    pub(crate) title: &'static str,
    /// About this one, for a person.
    pub(crate) detail: String,
    /// Further members of the document.
    pub(crate) more: Map<String, Value>,
    /// When trying again makes sense, in seconds.
    pub(crate) retry_after_s: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            more: Map::new(),
            retry_after_s: None,
        }
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(crate) fn wrong_method() -> Self {
        let detail = "This address does not take requests of this method.";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong-method",
            "Wrong method",
            detail,
        )
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be read",
            detail,
        )
    }

    pub(crate) fn unsupported_body() -> Self {
        let detail = "Send application/json or application/x-www-form-urlencoded.";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-body",
            "Unsupported body",
            detail,
        )
    }

    pub(crate) fn no_json() -> Self {
        Self {
            detail: "This call takes JSON: send the body as application/json.".to_owned(),
            ..Self::unsupported_body()
        }
    }

    pub(crate) fn body_too_large(bytes_max: usize) -> Self {
        let detail = format!("A body may have at most {bytes_max} bytes.");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            detail,
        )
    }

    pub(crate) fn too_slow() -> Self {
        let detail = "This takes too long. It may still be carried out: look, or ask again with the same Idempotency-Key.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-slow", "Too slow", detail).retry_after(2)
    }

    /// The kind of a problem that logging in solves; pages lead there by themselves.
    pub(crate) const LOGIN_NEEDED: &str = "login-needed";

    pub(crate) fn login_needed() -> Self {
        let detail = "Log in first: POST /login with `username` and `password`, or POST /signup.";
        Self::new(
            StatusCode::UNAUTHORIZED,
            Self::LOGIN_NEEDED,
            "Please log in",
            detail,
        )
    }

    pub(crate) fn wrong_login() -> Self {
        let detail = "The name or the password is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, "wrong-login", "Not logged in", detail)
    }

    pub(crate) fn wrong_password() -> Self {
        let detail = "This is not the account's password. Nothing was changed.";
        Self::new(
            StatusCode::FORBIDDEN,
            "wrong-password",
            "Not the password",
            detail,
        )
    }

    pub(crate) fn too_many_logins(left: Duration) -> Self {
        let minutes = left.as_secs().div_ceil(60).max(1);
        let detail = format!("Too many tries. Wait {minutes} min, then try again.");
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-tries",
            "Too many tries",
            detail,
        );
        problem.retry_after(u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1))
    }

    pub(crate) fn reset_over() -> Self {
        let detail = "This link is no longer good: it was used, or its time is over. Ask for a new one.";
        Self::new(StatusCode::GONE, "reset-over", "An old link", detail)
    }

    pub(crate) fn name_taken() -> Self {
        let detail = "This name is taken. Choose another.";
        Self::new(StatusCode::CONFLICT, "name-taken", "The name is taken", detail)
    }

    pub(crate) fn bad_field(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-field",
            "Something is missing or wrong",
            detail,
        )
    }

    pub(crate) fn cross_site() -> Self {
        let detail = "This can only be done from this site's own pages.";
        Self::new(StatusCode::FORBIDDEN, "cross-site", "From another site", detail)
    }

    /// `alternative`: seats to offer, which are free as far as is known.
    pub(crate) fn seats_taken(seats: &[Seat], alternative: &[Seat]) -> Self {
        let names_of = |seats: &[Seat]| -> Vec<String> { seats.iter().map(Seat::to_string).collect() };
        let names = names_of(seats);
        let detail = match names.as_slice() {
            [one] => format!("Seat {one} was just taken. Nothing was held for you."),
            many => format!(
                "Seats {} were just taken. Nothing was held for you.",
                many.join(", ")
            ),
        };
        let mut problem = Self::new(StatusCode::CONFLICT, "seats-taken", "Just taken", detail);
        problem.more.insert("seats".into(), names.into());
        if !alternative.is_empty() {
            problem
                .more
                .insert("alternative".into(), names_of(alternative).into());
        }
        problem
    }

    pub(crate) fn over_limit(has: u32, asked: u32, limit: u32) -> Self {
        let detail = format!(
            "At most {limit} seats per fan: you already hold {has} here, and {asked} more would be too many."
        );
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut problem = Self::new(status, "too-many-seats", "Too many seats", detail);
        problem.more.insert("has".into(), has.into());
        problem.more.insert("limit".into(), limit.into());
        problem
    }

    pub(crate) fn started() -> Self {
        let detail = "This showtime has begun; its seats can no longer be held.";
        Self::new(StatusCode::CONFLICT, "started", "Already begun", detail)
    }

    pub(crate) fn too_many_listeners() -> Self {
        let detail =
            "As many as can be served are watching seats. Ask for the seats without a stream, or try again.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-listeners",
            "No more streams at the moment",
            detail,
        )
        .retry_after(10)
    }

    pub(crate) fn extended_before() -> Self {
        let detail = "A hold can be made longer once, and this one was.";
        Self::new(
            StatusCode::CONFLICT,
            "extended-before",
            "Not a second time",
            detail,
        )
    }

    pub(crate) fn cancelled() -> Self {
        let detail = "This showtime was called off.";
        Self::new(StatusCode::CONFLICT, "cancelled", "Called off", detail)
    }

    pub(crate) fn not_enough(left: u32) -> Self {
        let detail = match left {
            0 => "There is nothing left that fits. Try another section or showtime.".to_owned(),
            left => format!("Only {left} of these are left."),
        };
        let mut problem = Self::new(StatusCode::CONFLICT, "not-enough", "Not enough seats", detail);
        problem.more.insert("left".to_owned(), left.into());
        problem
    }

    pub(crate) fn unreadable_seats(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-seats",
            "These seats cannot be held",
            detail,
        )
    }

    pub(crate) fn hold_lost(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-hold", "No such hold", detail)
    }

    pub(crate) fn role_needed(who: &str) -> Self {
        let detail = format!("This is for {who}. Ask an operator for the role.");
        Self::new(
            StatusCode::FORBIDDEN,
            "role-needed",
            "Not for this account",
            detail,
        )
    }

    pub(crate) fn not_yours(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-yours", "Not yours", detail)
    }

    pub(crate) fn ticket_spent() -> Self {
        let detail = "This ticket cannot be passed on: it was used, refunded, or passed on already.";
        Self::new(
            StatusCode::CONFLICT,
            "ticket-spent",
            "Not possible any more",
            detail,
        )
    }

    pub(crate) fn ticket_void() -> Self {
        let detail = "This ticket is void: its order was refunded or called off.";
        Self::new(StatusCode::CONFLICT, "ticket-void", "Void", detail)
    }

    pub(crate) fn ticket_superseded() -> Self {
        let detail = "This code is an old one: the ticket was passed on, and only its newest code counts.";
        Self::new(StatusCode::CONFLICT, "ticket-superseded", "An old code", detail)
    }

    pub(crate) fn ticket_used(seconds_ago: i64) -> Self {
        let when = match seconds_ago {
            ..120 => format!("{seconds_ago} s ago"),
            120..7200 => format!("{} min ago", seconds_ago / 60),
            _ => format!("{} h ago", seconds_ago / 3600),
        };
        let detail = format!("Somebody came in with this ticket {when}.");
        let mut problem = Self::new(StatusCode::CONFLICT, "ticket-used", "Used before", detail);
        problem
            .more
            .insert("used_seconds_ago".to_owned(), seconds_ago.into());
        problem
    }

    /// A code that opens no gate, in the words for the staff.
    pub(crate) fn bad_ticket(why: BadTicket) -> Self {
        let (status, kind) = match why {
            BadTicket::OtherShowtime(_) => (StatusCode::CONFLICT, "other-showtime"),
            BadTicket::Superseded => (StatusCode::CONFLICT, "ticket-superseded"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "bad-ticket"),
        };
        Self::new(status, kind, "Do not let in", sentence(&why.to_string()))
    }

    pub(crate) fn key_reused() -> Self {
        let detail =
            "This Idempotency-Key came with another request before. Take a new one for each new request.";
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The key was used before",
            detail,
        )
    }

    pub(crate) fn key_in_use() -> Self {
        let detail = "The first request with this Idempotency-Key is still under way. Ask again in a moment.";
        let problem = Self::new(
            StatusCode::CONFLICT,
            "idempotency-key-in-use",
            "Still under way",
            detail,
        );
        problem.retry_after(1)
    }

    pub(crate) fn internal() -> Self {
        let detail = "Something failed on our side. Nothing was changed.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our fault", detail)
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        let mut members = self.more.clone();
        members.insert(
            "type".into(),
            format!("urn:tidegate:problem:{}", self.kind).into(),
        );
        members.insert("title".into(), self.title.into());
        members.insert("status".into(), self.status.as_u16().into());
        members.insert("detail".into(), self.detail.clone().into());
        Value::Object(members)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document().to_string();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        // The outermost layer makes a page of it where a browser asked.
        response.extensions_mut().insert(self);
        response
    }
}
