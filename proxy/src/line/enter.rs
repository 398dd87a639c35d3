//! Entering with an admission token, and ending a visit.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tidegate_queue::line::{Entered, Round, VisitId, Visitor};
use tidegate_queue::tokens::{self, Admission};

use super::identity::{Identity, cookies_of, problem_of, visit_cookie};
use super::{Answer, Asked, BODY_MAX};
use crate::request::cookies;
use crate::request::headers::visit_token;
use crate::request::problem::{Problem, cases};
use crate::request::return_to::return_to;
use crate::room::Room;
use crate::shared::Shared;

/// Problems of an admission that was good once.
const TOO_LATE: [&str; 2] = ["token-expired", "turn-is-over"];

/// What `enter` and `here` are sent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    /// The admission token.
    pub(super) token: String,
    /// Where the fan first wanted to go.
    pub(super) return_to: String,
}

/// Whether a body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim())
}

/// Reads a form body.
pub(super) fn form(body: &Bytes) -> Result<Form, Problem> {
    let mut form = Form::default();
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "token" => form.token = value.into_owned(),
            "return_to" => form.return_to = value.into_owned(),
            _ => {}
        }
    }
    Ok(form)
}

fn read(asked: &Asked<'_>, body: &Bytes) -> Result<(Form, bool), Problem> {
    if body.len() > BODY_MAX {
        return Err(cases::body_too_large(BODY_MAX));
    }
    if is_form(asked.headers) {
        return Ok((form(body)?, false));
    }
    match media_type(asked.headers) {
        Some(media) if media.eq_ignore_ascii_case("application/json") => serde_json::from_slice(body)
            .map(|form| (form, true))
            .map_err(|_| {
                cases::bad_body("expected a JSON object with the string members token and return_to")
            }),
        _ => Err(cases::unsupported_media_type(
            "application/json or application/x-www-form-urlencoded",
        )),
    }
}

/// `POST enter`: exchanges the admission token for the visit. A browser that comes too late, back from sleep perhaps, is
/// led to its place again, as people can do nothing with a problem.
pub(super) async fn enter(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
    body: &Bytes,
) -> Result<Answer, Problem> {
    let (form, wants_json) = read(asked, body)?;
    match try_enter(shared, room, asked, &form, wants_json).await {
        Err(problem) if !wants_json && TOO_LATE.contains(&problem.slug) => {
            Ok(Answer::see_other(&return_to(&form.return_to, &shared.prefix)))
        }
        entered => entered,
    }
}

async fn try_enter(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
    form: &Form,
    wants_json: bool,
) -> Result<Answer, Problem> {
    if form.token.is_empty() {
        return Err(cases::bad_body(
            "the admission token is missing: send it as token",
        ));
    }
    let ring = shared.ring.load();
    let claims: Admission = ring
        .verify(&form.token, room.clock.now_ms() / 1_000)
        .map_err(problem_of)?;
    if claims.room != room.config.id.as_str() {
        return Err(cases::wrong_room());
    }
    if claims.round < room.snapshot().round {
        return Err(cases::turn_is_over());
    }
    let identity = Identity::read(&ring, room, asked, None);
    let place_visitor = identity.place_if_good(room).map(|place| place.visitor);
    let known = identity.visitor.or(place_visitor);
    // A browser always has its cookie. A program may keep none: its admission token is what it has.
    let theirs = known.map_or(wants_json, |visitor| visitor == claims.visitor);
    if !theirs {
        return Err(cases::wrong_visitor());
    }
    let (token, lives) = exchange(shared, room, claims.round, claims.visit, claims.visitor).await?;
    if wants_json {
        let body = serde_json::json!({ "visit_token": token, "expires_in_s": lives.as_secs() });
        let cookies = known.and_then(|_| visit_cookie(room, asked.secure, &token, lives));
        return Ok(Answer::of(StatusCode::OK, &body).cookies(cookies));
    }
    let cookie = visit_cookie(room, asked.secure, &token, lives);
    Ok(Answer::see_other(&return_to(&form.return_to, &shared.prefix)).cookies(cookie))
}

/// Makes the grant the visitor's visit, and signs its token. The life is until the hard end.
pub(super) async fn exchange(
    shared: &Shared,
    room: &Room,
    round: Round,
    visit: VisitId,
    visitor: Visitor,
) -> Result<(String, Duration), Problem> {
    let entered = tokio::time::timeout(Duration::from_secs(3), room.inbox.enter(visit, visitor)).await;
    match entered {
        Ok(Ok(Entered::Yes {
            expires_at_ms,
            hard_end_ms,
        })) => {
            let token = room.visit_token(
                &shared.ring.load(),
                round,
                visit,
                visitor,
                (expires_at_ms, hard_end_ms),
            );
            let lives_ms = hard_end_ms.saturating_sub(room.clock.now_ms());
            Ok((token, Duration::from_millis(lives_ms)))
        }
        Ok(Ok(Entered::NotTheirs)) => Err(cases::wrong_visitor()),
        Ok(Ok(Entered::Over)) => Err(cases::turn_is_over()),
        Ok(Err(_)) | Err(_) => Err(cases::store_lost(5)),
    }
}

/// `DELETE visits/me`: ends the visit; the slot is free when this is answered.
pub(super) async fn end(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let names = room.names(asked.secure);
    let token = visit_token(asked.headers)
        .or_else(|| crate::request::headers::bearer(asked.headers))
        .or_else(|| cookies::find(asked.headers, &names.visit))
        .ok_or_else(cases::missing_token)?;
    let claims: tokens::Visit = shared.ring.load().verify(token, 0).map_err(problem_of)?;
    if claims.room != room.config.id.as_str() {
        return Err(cases::wrong_room());
    }
    if claims.round >= room.snapshot().round {
        room.end_visit(claims.visit).await;
    }
    // The place is used up with the visit: both cookies go.
    let gone = [names.clear(&names.visit), names.clear(&names.place)];
    Ok(Answer::empty(StatusCode::NO_CONTENT).cookies(gone.into_iter().flatten()))
}

/// The cookies of someone who went straight through.
pub(super) fn straight_cookies(
    shared: &Shared,
    room: &Room,
    secure: bool,
    visitor: Visitor,
    (token, lives): (&str, Duration),
) -> Vec<http::HeaderValue> {
    let mut cookies = cookies_of(&shared.ring.load(), room, secure, visitor, None);
    cookies.extend(visit_cookie(room, secure, token, lives));
    cookies
}
