//! The stream of a waiting fan, over a websocket or as server-sent events: one small task on the raw connection.
//!
//! Nothing is queued for a fan. The task is woken, looks at the shared snapshot and at its fan, and writes what has
//! changed; so a slow reader holds no memory, and one that never reads is let go at the write deadline. Fifteen
//! thousand of these wait on one edge: at rest a task holds its connection, its fan and one timer, and no buffer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Version};
use rand::Rng;
use tidegate_queue::line::VisitId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::identity::{Identity, cookies_of};
use super::places::join_anew;
use super::{Asked, Outcome};
use crate::request::problem::{Problem, cases};
use crate::room::{Fan, Resumed, Room, Snapshot, Standing};
use crate::shared::{Shared, SocketSlot};
use crate::wire::frame::{self, CloseCode, Decoder, Event};
use crate::wire::handshake;
use crate::wire::message::{self, FromFan, NotUnderstood, State, ToFan};

/// A write that takes longer ends the stream: the other side does not read.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// A stream with nothing to say says so this often, so that nothing in between takes it for dead.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A socket that has answered no ping for this long is gone.
const SILENT_MAX: Duration = Duration::from_secs(70);
/// At shutdown everyone is told within this, at a moment of their own, so that not all come back at once.
const GOODBYE_WITHIN_MS: u64 = 1_000;
/// Bytes read at once; a fan says little.
const READ: usize = 1_024;
/// What an event source is told to wait before it reconnects.
const EVENTS_RETRY_MS: u32 = 1_500;

/// How a stream is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A websocket speaking `tidegate.v1`.
    Socket,
    /// Server-sent events.
    Events,
}

/// A stream that may begin as soon as the connection is taken over.
pub struct Opened {
    room: Arc<Room>,
    fan: Arc<Fan>,
    wire: Wire,
    /// The answer that begins the stream, and the place.
    head: Vec<u8>,
    _slot: SocketSlot,
}

/// Checks an upgrade or an event stream's request, and holds its fan.
pub(super) async fn open(shared: &Arc<Shared>, room: &Arc<Room>, asked: &Asked<'_>, wire: Wire) -> Outcome {
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
    let site = asked
        .site
        .as_ref()
        .ok_or_else(|| cases::bad_request("the request names no host"))?;
    let handshake = match wire {
        Wire::Socket => Some(handshake::read(
            asked.method,
            asked.version,
            asked.headers,
            site,
            asked.secure,
        )?),
        Wire::Events if *asked.method != Method::GET => return Err(cases::method_not_allowed("GET")),
        Wire::Events if asked.version != Version::HTTP_11 => {
            return Err(cases::bad_request("an event stream needs HTTP/1.1"));
        }
        Wire::Events if super::is_foreign(asked) => return Err(cases::foreign_origin()),
        Wire::Events => None,
    };
    if shared.is_stopping() {
        return Err(cases::edge_full(1));
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
        Resumed::StoreLost => return Err(cases::store_lost(5)),
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

/// One chunk of a chunked body (RFC 9112, section 7.1).
fn chunk(payload: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("{:x}\r\n", payload.len()).into_bytes());
    out.extend(payload);
    out.extend(b"\r\n");
}

/// Appends a frame in the stream's own form.
fn say(wire: Wire, frame: &ToFan<'_>, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(192);
    match wire {
        Wire::Socket => {
            frame.json(&mut payload);
            frame::text(&payload, out);
        }
        Wire::Events => {
            frame.event(&mut payload);
            chunk(&payload, out);
        }
    }
}

/// What the fan was told last.
#[derive(Default)]
struct Told {
    standing: Option<(Standing, u64)>,
    called: bool,
    admitted: Option<VisitId>,
    open: bool,
}

/// What comes after writing.
enum Next {
    /// Wait for something to happen, at most so long.
    Wait(Duration),
    /// Say goodbye.
    Close(CloseCode, &'static str),
}

/// What a fan said in one read.
#[derive(Default)]
struct Said {
    here: bool,
    leave: bool,
    close: Option<(CloseCode, &'static str)>,
    echo: Vec<u8>,
    gone: bool,
}

/// Runs the stream on its connection until either side ends it. `early` was read with the request.
pub async fn run<S>(mut io: S, opened: Box<Opened>, shared: Arc<Shared>, early: Vec<u8>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Opened {
        room,
        fan,
        wire,
        head: mut out,
        _slot,
    } = *opened;
    let _connected = fan.connect();
    let mut decoder = Decoder::default();
    let mut told = Told::default();
    let (mut wrote_at, mut heard_at) = (Instant::now(), Instant::now());
    if !early.is_empty() && wire == Wire::Socket {
        let said = decode(&mut decoder, &early);
        if heed(&room, &fan, &said) {
            return;
        }
    }
    loop {
        let woken = fan.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let next = compose(&shared, &room, &fan, wire, &mut told, &mut out);
        if out.is_empty() && wrote_at.elapsed() >= PING_EVERY {
            keep_alive(wire, &mut out);
        }
        if let Next::Close(code, reason) = next {
            say_goodbye(&shared, wire, code, reason, &mut io, out).await;
            return;
        }
        if !out.is_empty() {
            wrote_at = Instant::now();
            if !write(&mut io, std::mem::take(&mut out)).await {
                return;
            }
        }
        let Next::Wait(wait) = next else { return };
        let said = tokio::select! {
            () = woken => continue,
            () = tokio::time::sleep(wait.min(PING_EVERY)) => {
                if wire == Wire::Socket && heard_at.elapsed() > SILENT_MAX {
                    return;
                }
                continue;
            }
            said = hear(&mut io, &mut decoder, wire) => said,
        };
        heard_at = Instant::now();
        if heed(&room, &fan, &said) {
            return;
        }
        out = said.echo;
        if let Some((code, reason)) = said.close {
            say_goodbye(&shared, wire, code, reason, &mut io, out).await;
            return;
        }
    }
}

/// Does what the fan asked for; true when the stream is over without a word.
fn heed(room: &Room, fan: &Fan, said: &Said) -> bool {
    fan.seen();
    if said.here && room.is_called(fan) {
        room.answer(fan);
    }
    if said.leave {
        room.leave(fan.place);
    }
    said.gone
}

/// Appends what has changed since the fan was last told.
fn compose(shared: &Shared, room: &Room, fan: &Fan, wire: Wire, told: &mut Told, out: &mut Vec<u8>) -> Next {
    if shared.is_stopping() {
        return Next::Close(CloseCode::RESTART, "restarting: come back to the same place");
    }
    if fan.is_spent() {
        return Next::Close(CloseCode::NORMAL, "this place is used");
    }
    let snapshot = room.snapshot();
    let begun = out.len();
    if snapshot.is_off() {
        if !std::mem::replace(&mut told.open, true) {
            say(wire, &ToFan::Open, out);
            shared.metrics.frames(1);
        }
        return Next::Wait(PING_EVERY);
    }
    told.open = false;
    if let Some(turn) = fan.turn() {
        if told.admitted != Some(turn.visit) {
            told.admitted = Some(turn.visit);
            let (token, expires_in_s) = room.admission(&shared.ring.load(), fan, turn);
            let enter = shared.enter_path(room);
            say(
                wire,
                &ToFan::Admitted {
                    admission_token: &token,
                    enter: &enter,
                    expires_in_s,
                },
                out,
            );
            shared.metrics.admitted_pushed(&room.config.id);
            shared.metrics.frames(1);
        }
        return Next::Wait(PING_EVERY);
    }
    told.admitted = None;
    let standing = snapshot.standing(fan, room.stock(), room.config.sold_out_by_stock);
    let said = (standing, snapshot.settings.version);
    if told.standing != Some(said) {
        told.standing = Some(said);
        say(wire, &ToFan::Position(standing.position(&snapshot)), out);
    }
    let asks = standing.state == State::Waiting && room.is_called(fan) && !fan.has_answered();
    if asks && !told.called {
        say(wire, &ToFan::Called, out);
    }
    told.called = asks;
    if out.len() > begun {
        shared.metrics.frames(1);
    }
    Next::Wait(Snapshot::update_after(standing.ahead, rand::rng().random()))
}

fn keep_alive(wire: Wire, out: &mut Vec<u8>) {
    match wire {
        Wire::Socket => frame::ping(b"", out),
        Wire::Events => chunk(message::EVENT_KEEP_ALIVE, out),
    }
}

async fn write<S: AsyncWrite + Unpin>(io: &mut S, bytes: Vec<u8>) -> bool {
    let written = async {
        io.write_all(&bytes).await?;
        io.flush().await
    };
    matches!(tokio::time::timeout(WRITE_WITHIN, written).await, Ok(Ok(())))
}

async fn say_goodbye<S>(
    shared: &Shared,
    wire: Wire,
    code: CloseCode,
    reason: &'static str,
    io: &mut S,
    mut out: Vec<u8>,
) where
    S: AsyncWrite + Unpin,
{
    if shared.is_stopping() {
        let jitter_ms = rand::rng().random_range(0..GOODBYE_WITHIN_MS);
        tokio::time::sleep(Duration::from_millis(jitter_ms)).await;
    }
    match wire {
        Wire::Socket => frame::close(code, reason, &mut out),
        Wire::Events => out.extend(b"0\r\n\r\n"),
    }
    // Whether they hear it or not, the stream is over.
    if write(io, out).await {
        let _ = tokio::time::timeout(WRITE_WITHIN, io.shutdown()).await;
    }
}

/// Reads once. The buffer is on the stack of one poll, so that a task at rest does not carry it.
async fn hear<S: AsyncRead + Unpin>(io: &mut S, decoder: &mut Decoder, wire: Wire) -> Said {
    poll_fn(|cx| poll_hear(Pin::new(io), cx, decoder, wire)).await
}

fn poll_hear<S: AsyncRead>(
    io: Pin<&mut S>,
    cx: &mut Context<'_>,
    decoder: &mut Decoder,
    wire: Wire,
) -> Poll<Said> {
    let mut bytes = [0; READ];
    let mut buffer = ReadBuf::new(&mut bytes);
    match io.poll_read(cx, &mut buffer) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Poll::Ready(match wire {
            Wire::Socket => decode(decoder, buffer.filled()),
            // An event stream has nothing to say after its request.
            Wire::Events => Said::default(),
        }),
        Poll::Ready(_) => Poll::Ready(Said {
            gone: true,
            ..Said::default()
        }),
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8]) -> Said {
    let mut said = Said::default();
    let result = decoder.decode(bytes, |event| match event {
        Event::Text(text) => match FromFan::parse(text) {
            Ok(FromFan::Here) => said.here = true,
            Ok(FromFan::Leave) => said.leave = true,
            Err(_) => said.close = Some((NotUnderstood::CODE, "tidegate.v1 has here and leave")),
        },
        // Many pings in one read are answered once, with the last payload (RFC 6455, section 5.5.3).
        Event::Ping(payload) => {
            said.echo.clear();
            frame::pong(payload, &mut said.echo);
        }
        Event::Pong(_) => {}
        Event::Close(code) => said.close = Some((code.unwrap_or(CloseCode::NORMAL), "")),
    });
    if let Err(code) = result {
        said.close = Some((code, "this is not the protocol spoken here"));
    }
    said
}
