//! What a fan says, one read at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::Wire;
use crate::wire::frame::{self, CloseCode, Decoder, Event};
use crate::wire::message::{FromFan, NotUnderstood};

/// Bytes read at once; a fan says little.
const READ: usize = 1_024;

/// What a fan said in one read.
#[derive(Default)]
pub(super) struct Said {
    pub(super) here: bool,
    pub(super) leave: bool,
    pub(super) close: Option<(CloseCode, &'static str)>,
    pub(super) echo: Vec<u8>,
    pub(super) gone: bool,
}

/// Reads once. The buffer is on the stack of one poll, so that a task at rest does not carry it.
pub(super) async fn hear<S: AsyncRead + Unpin>(io: &mut S, decoder: &mut Decoder, wire: Wire) -> Said {
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

/// Takes in bytes that a socket sent.
pub(super) fn decode(decoder: &mut Decoder, bytes: &[u8]) -> Said {
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
