//! What passes between the edge and an origin: what a forwarded request says about itself, and what the answer to it
//! tells the room.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use tidegate_queue::tokens::{Assertion, KeyRing};

use crate::gatekeeper::Pass;
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

/// Makes a client's request what the origin is to see.
pub fn prepare(request: &mut RequestHeader, pass: &Pass, peer: IpAddr, ring: &KeyRing) -> Result<()> {
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
        Some(before) => format!("{before}, {peer}"),
        None => peer.to_string(),
    };
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

/// 128 random bits in hexadecimal.
fn new_id() -> HeaderValue {
    let digits = HEXLOWER.encode(&rand::random::<[u8; 16]>());
    HeaderValue::try_from(digits).expect("hexadecimal digits are a header value")
}

/// Keeps Tidegate's cookies from the origin.
fn keep_our_cookies(request: &mut RequestHeader) -> Result<()> {
    let ours = |line| !matches!(cookies::without_ours(line), Some(std::borrow::Cow::Borrowed(_)));
    if !request.headers.get_all(COOKIE).iter().any(ours) {
        return Ok(());
    }
    let lines: Vec<HeaderValue> = request.headers.get_all(COOKIE).iter().cloned().collect();
    request.remove_header(&COOKIE);
    for line in &lines {
        if let Some(kept) = cookies::without_ours(line) {
            request.append_header(COOKIE, kept.into_owned())?;
        }
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
pub fn ends_a_visit_elsewhere(response: &ResponseHeader, pass: &Pass) -> bool {
    pass.visit.is_none() && origin::commands(&response.headers).release
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

/// Takes what an origin's answer says to the edge, and makes the rest what the fan is to see.
pub fn heed(response: &mut ResponseHeader, pass: &mut Pass) -> Result<()> {
    if let Some((room, live)) = pass.visit.clone() {
        if let Some(stock) = origin::stock(&response.headers) {
            room.set_stock(stock);
        }
        if origin::commands(&response.headers).release {
            pass.cookies.clear();
            end(&room, &live, pass);
        }
    }
    for name in headers::outbound_to_strip(&response.headers) {
        response.remove_header(&name);
    }
    for cookie in pass.cookies.drain(..) {
        response.append_header(SET_COOKIE, cookie)?;
    }
    Ok(())
}
