//! Before the stream: may it begin, for which fan, and with which answer.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Version};

use super::{Opened, Wire, chunk, say};
use crate::line::identity::{Identity, cookies_of};
use crate::line::places::join_anew;
use crate::line::{Asked, Outcome, is_foreign};
use crate::request::problem::{Problem, cases};
use crate::room::{Resumed, Room};
use crate::shared::Shared;
use crate::wire::handshake;
use crate::wire::message::{self, ToFan};

/// What an event source is told to wait before it reconnects.
const EVENTS_RETRY_MS: u32 = 1_500;

/// Checks an upgrade or an event stream's request, and holds its fan.
pub(in crate::line) async fn open(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
    wire: Wire,
) -> Outcome {
    match try_open(shared, room, asked, wire).await {
        Ok(opened) => Outcome::Stream(Box::new(opened)),
        Err(problem) => {
            shared.metrics.refused(problem.slug);
            problem.into()
        }
    }
}

async fn try_open(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
    wire: Wire,
) -> Result<Opened, Problem> {
    let handshake = match wire {
        Wire::Socket => Some(handshake::read(
            asked.method,
            asked.version,
            asked.headers,
            &asked.site,
            asked.secure,
        )?),
        Wire::Events if *asked.method != Method::GET => return Err(cases::method_not_allowed("GET")),
        Wire::Events if asked.version != Version::HTTP_11 => {
            return Err(cases::bad_request("an event stream needs HTTP/1.1"));
        }
        Wire::Events if is_foreign(asked) => return Err(cases::foreign_origin()),
        Wire::Events => None,
    };
    if shared.is_stopping() {
        return Err(cases::restarting());
    }
    let slot = shared.sockets.take(asked.client).map_err(|full| full.problem())?;
    let offered = handshake.as_ref().and_then(|handshake| handshake.place_token);
    let explicit = offered.is_some() || crate::request::headers::bearer(asked.headers).is_some();
    let ring = shared.ring.load();
    let identity = Identity::read(&ring, room, asked, offered);
    // A token sent on purpose must be good; a stale cookie makes its bearer an arrival.
    let claims = if explicit {
        Some(identity.place(room)?)
    } else {
        identity.place_if_good(room).cloned()
    };
    let resumed = match &claims {
        Some(claims) => room.resume(claims).await,
        None => Resumed::Arrival,
    };
    let fan = match resumed {
        Resumed::Fan(fan) => fan,
        Resumed::Arrival => {
            let identity = Identity::read(&ring, room, asked, None);
            join_anew(shared, room, asked, &identity).await?
        }
    };
    let token = room.place_token(&ring, &fan);
    let cookies = cookies_of(&ring, room, asked.secure, fan.visitor, Some(&token));
    let cookies: Vec<_> = cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)).collect();
    let mut head = match &handshake {
        Some(handshake) => handshake.response_bytes(&cookies),
        None => events_head(&cookies),
    };
    say(
        wire,
        &ToFan::Place {
            number: fan.place.number,
            place_token: &token,
        },
        &mut head,
    );
    Ok(Opened {
        room: room.clone(),
        fan,
        wire,
        head,
        _slot: slot,
    })
}

fn events_head(cookies: &[(HeaderName, HeaderValue)]) -> Vec<u8> {
    let fixed = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONNECTION, HeaderValue::from_static("close")),
        (TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        // Some proxies in front gather answers before they pass them on.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in fixed.iter().chain(cookies) {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    let mut retry = Vec::new();
    message::event_retry(EVENTS_RETRY_MS, &mut retry);
    chunk(&retry, &mut head);
    head
}
