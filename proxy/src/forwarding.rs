//! What passes between the edge and an origin: what a forwarded request says about itself, and what the answer to it
//! tells the room.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorSource, ErrorType, OrErr, Result};
use tidegate_queue::tokens::{Assertion, KeyRing};

use crate::gatekeeper::Pass;
use crate::request::problem::{Problem, cases};
use crate::request::{cookies, headers, origin};
use crate::room::{Live, Room};
use crate::shared::Shared;

// As they are written: Pingora keeps the spelling of names, and takes one that is spelled out as it is.
const ASSERTION: &str = "Tidegate-Assertion";
/// The account behind a request, on routes that ask for a user. As all of our names it is taken off what comes in.
const USER: &str = "Tidegate-User";
const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
const FORWARDED_HOST: &str = "X-Forwarded-Host";
/// A fan's request carries its id through everything behind the edge.
const REQUEST_ID: &str = "X-Request-Id";
/// Longest request id taken over from a trusted proxy.
const REQUEST_ID_MAX: usize = 128;
/// An assertion lives at least this long, so that an origin's clock need not be exact.
const ASSERTION_MIN_S: u64 = 15;

/// Makes a request what the origin is to see, once what is about the client's connection has been taken off.
pub fn prepare(request: &mut RequestHeader, pass: &Pass, peer: &HeaderValue, ring: &KeyRing) -> Result<()> {
    for name in headers::inbound_to_strip(&request.headers, pass.peer_is_trusted) {
        request.remove_header(&name);
    }
    if let Some(target) = &pass.target {
        request.set_raw_path(target.as_bytes())?;
    }
    if request.version == Version::HTTP_10 {
        request.set_version(Version::HTTP_11);
    }
    keep_our_cookies(request)?;
    if let Some((room, live)) = &pass.visit
        && let Some(assertion) = assertion(ring, room, live)
    {
        request.insert_header(ASSERTION, assertion)?;
    }
    if let Some(user) = &pass.user {
        request.insert_header(USER, user.clone())?;
    }
    let before = request.headers.get(headers::X_FORWARDED_FOR);
    let chain = match before.and_then(|value| value.to_str().ok()) {
        Some(before) => HeaderValue::try_from(format!("{before}, {}", peer.to_str().unwrap_or_default())),
        None => Ok(peer.clone()),
    };
    let chain = chain.or_err(ErrorType::InvalidHTTPHeader, "addresses are visible ASCII")?;
    request.insert_header(FORWARDED_FOR, chain)?;
    let scheme = if pass.secure { "https" } else { "http" };
    request.insert_header(FORWARDED_PROTO, HeaderValue::from_static(scheme))?;
    if let Some(host) = request.headers.get(HOST).cloned()
        && !request.headers.contains_key(headers::X_FORWARDED_HOST)
    {
        request.insert_header(FORWARDED_HOST, host)?;
    }
    let known = request.headers.get(REQUEST_ID);
    if !known.is_some_and(|id| pass.peer_is_trusted && id.len() <= REQUEST_ID_MAX) {
        request.insert_header(REQUEST_ID, new_id())?;
    }
    Ok(())
}

/// An address as headers say it.
pub fn address(ip: IpAddr) -> HeaderValue {
    HeaderValue::try_from(ip.to_string()).expect("an address is visible ASCII")
}

/// 128 random bits in hexadecimal.
fn new_id() -> HeaderValue {
    let digits = HEXLOWER.encode(&rand::random::<[u8; 16]>());
    HeaderValue::try_from(digits).expect("hexadecimal digits are a header value")
}

/// Keeps Tidegate's cookies from the origin.
fn keep_our_cookies(request: &mut RequestHeader) -> Result<()> {
    let lines = request.headers.get_all(COOKIE).iter();
    let kept: Vec<Option<Cow<'_, HeaderValue>>> = lines.map(cookies::without_ours).collect();
    if kept.iter().all(|line| matches!(line, Some(Cow::Borrowed(_)))) {
        return Ok(());
    }
    let kept: Vec<HeaderValue> = kept.into_iter().flatten().map(Cow::into_owned).collect();
    request.remove_header(&COOKIE);
    for line in kept {
        request.append_header(COOKIE, line)?;
    }
    Ok(())
}

/// The edge's word for the visit, made once per renewal.
fn assertion(ring: &KeyRing, room: &Room, live: &Live) -> Option<HeaderValue> {
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    live.assertion(now_s, || {
        let left_s = live.expires_at_ms().saturating_sub(room.clock.now_ms()) / 1_000;
        let exp = now_s + left_s.max(ASSERTION_MIN_S);
        let claims = Assertion {
            room: room.config.id.as_str().to_owned(),
            round: live.round,
            epoch: live.id.place.epoch,
            number: live.id.place.number,
            visitor: live.visitor,
            visit: live.id,
            iat: now_s,
            exp,
        };
        let token = ring.sign(&claims);
        HeaderValue::try_from(token).ok().map(|value| (exp, value))
    })
}

/// Whether an answer on a free route says that the fan is done: an order whose page needs no turn ends the visit in which
/// its seats were chosen.
pub fn ends_a_visit_elsewhere(answered: &HeaderMap, pass: &Pass) -> bool {
    pass.visit.is_none() && origin::commands(answered).release
}

/// Ends the visits that the request's own cookies name.
pub async fn end_named_visits(asked: &HeaderMap, pass: &mut Pass, shared: &Shared) {
    for room in shared.rooms.values() {
        let names = room.names(pass.secure);
        let Some(token) = cookies::find(asked, &names.visit) else {
            continue;
        };
        if let Some((live, _)) = room.visit(&shared.ring.load(), token).await {
            end(room, &live, pass);
        }
    }
}

fn end(room: &Room, live: &Live, pass: &mut Pass) {
    room.visits.end(live.id, room.clock.now_ms());
    room.inbox.end(live.id);
    let names = room.names(pass.secure);
    let gone = [names.clear(&names.visit), names.clear(&names.place)];
    pass.cookies.extend(gone.into_iter().flatten());
}

/// Takes what an origin's answer says to the edge. The fan is to see the rest of it, and the cookies of the pass.
pub fn heed(answered: &HeaderMap, pass: &mut Pass) {
    if let Some((room, live)) = &pass.visit
        && answered.keys().any(headers::is_ours)
    {
        if let Some(stock) = origin::stock(answered) {
            room.set_stock(stock);
        }
        if origin::commands(answered).release {
            let (room, live) = (room.clone(), live.clone());
            pass.cookies.clear();
            end(&room, &live, pass);
        }
    }
}

/// Makes an answer that was [heeded](heed) what the fan is to see.
pub fn show(response: &mut ResponseHeader, pass: &mut Pass) -> Result<()> {
    for name in headers::outbound_to_strip(&response.headers) {
        response.remove_header(&name);
    }
    for cookie in pass.cookies.drain(..) {
        response.append_header(SET_COOKIE, cookie)?;
    }
    Ok(())
}

/// What to tell a fan whose request could not be forwarded, or was not answered.
pub fn failed(error: &Error) -> Problem {
    match (error.esource(), error.etype()) {
        (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout) => {
            cases::origin_slow()
        }
        (ErrorSource::Upstream, _) | (_, ErrorType::ConnectRefused | ErrorType::ConnectError) => {
            cases::origin_failed()
        }
        _ => cases::internal(),
    }
}
