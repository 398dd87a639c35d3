//! The task of one stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::hear::{Said, decode, hear};
use super::tell::{Next, Told, compose};
use super::{Opened, Wire, keep_alive};
use crate::room::{Fan, Room};
use crate::shared::Shared;
use crate::wire::frame::{self, CloseCode, Decoder};

/// A write that takes longer ends the stream: the other side does not read.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// A stream with nothing to say says so this often, so that nothing in between takes it for dead; a socket that nothing
/// is heard from is asked this often whether it is there, whatever it is told meanwhile.
pub(super) const PING_EVERY: Duration = Duration::from_secs(20);
/// A socket that has answered no ping for this long is gone.
const SILENT_MAX: Duration = Duration::from_secs(70);
/// At shutdown everyone is told within this, at a moment of their own, so that not all come back at once.
const GOODBYE_WITHIN_MS: u64 = 1_000;

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
    let (mut wrote_at, mut heard_at, mut asked_at) = (Instant::now(), Instant::now(), Instant::now());
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
        let now = Instant::now();
        if wire == Wire::Socket && now.duration_since(heard_at) > SILENT_MAX {
            return;
        }
        let quiet_since = match wire {
            Wire::Socket => heard_at.max(asked_at),
            Wire::Events => wrote_at,
        };
        if now.duration_since(quiet_since) >= PING_EVERY {
            asked_at = now;
            keep_alive(wire, &mut out);
        }
        if let Next::Close(code, reason) = next {
            say_goodbye(&shared, wire, code, reason, &mut io, out).await;
            return;
        }
        if !out.is_empty() {
            wrote_at = now;
            if !write(&mut io, std::mem::take(&mut out)).await {
                return;
            }
        }
        let Next::Wait(wait) = next else { return };
        room.reminders.remind(&fan, wait.min(PING_EVERY));
        let said = tokio::select! {
            // Who was woken looks before listening again: a frame costs one poll of the connection and not two.
            biased;
            () = woken => continue,
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

async fn write<S: AsyncWrite + Unpin>(io: &mut S, bytes: Vec<u8>) -> bool {
    let written = async {
        io.write_all(&bytes).await?;
        io.flush().await
    };
    // Nearly always it is taken at once, and then this timer is never made.
    matches!(pingora::time::timeout(WRITE_WITHIN, written).await, Ok(Ok(())))
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
