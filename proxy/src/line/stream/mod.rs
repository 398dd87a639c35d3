//! The stream of a waiting fan, over a websocket or as server-sent events: one small task on the raw connection.
//!
//! Nothing is queued for a fan. The task is woken, looks at the shared snapshot and at its fan, and writes what has
//! changed; so a slow reader holds no memory, and one that never reads is let go at the write deadline. Fifteen
//! thousand of these wait on one edge: at rest a task holds its connection and its fan, no timer and no buffer.
//!
//! | module | does |
//! |---|---|
//! | [`open`] | checks the request, holds its fan, makes the answer that begins the stream |
//! | [`run`] | the task: waits, has things said and heard, ends |
//! | [`tell`] | what has changed for the fan since it was last told |
//! | [`hear`] | what the fan says |

mod hear;
mod open;
mod run;
mod tell;

use std::sync::Arc;

use crate::room::{Fan, Room};
use crate::shared::SocketSlot;
use crate::wire::frame;
use crate::wire::message::{self, ToFan};

pub(super) use open::open;
pub use run::run;

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

/// One chunk of a chunked body (RFC 9112, section 7.1).
fn chunk(payload: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("{:x}\r\n", payload.len()).into_bytes());
    out.extend(payload);
    out.extend(b"\r\n");
}

/// Appends a frame in the stream's own form.
fn say(wire: Wire, frame: &ToFan<'_>, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(320);
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

/// Appends a sign of life.
fn keep_alive(wire: Wire, out: &mut Vec<u8>) {
    match wire {
        Wire::Socket => frame::ping(b"", out),
        Wire::Events => chunk(message::EVENT_KEEP_ALIVE, out),
    }
}
