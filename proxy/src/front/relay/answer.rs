//! An origin's answer, put on the client's connection: which of its headers go along, and how its body ends.

use std::io;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::date::get_cached_date;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::time::timeout;
use pingora::{Error, ErrorType, Result};
use tokio::io::AsyncWriteExt;

use super::Lost;
use crate::front::connection::Connection;
use crate::request::headers::{is_ours, list};

/// A client who takes nothing of a piece of an answer, 64 KB at most, for so long has gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// A head of an answer is seldom longer.
const HEAD_BYTES: usize = 1_024;

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// There is none.
    None,
    /// After so many bytes.
    Length,
    /// With its last chunk.
    Chunked,
}

impl Body {
    /// How the body behind an origin's head ends for the client. Nothing but chunks is taken for a transfer coding, as
    /// nothing else was asked for.
    pub(super) fn of(answered: &ResponseHeader, bodiless: bool) -> Result<Self> {
        if bodiless || matches!(answered.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::None);
        }
        let mut codings = list(&answered.headers, &TRANSFER_ENCODING);
        match (codings.next(), codings.next()) {
            (None, _) if answered.headers.contains_key(CONTENT_LENGTH) => Ok(Self::Length),
            // Where nothing says so, the end of the connection is the end of the body.
            (None, _) => Ok(Self::Chunked),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            _ => Error::e_explain(
                ErrorType::InvalidHTTPHeader,
                "a transfer coding that nobody asked for",
            ),
        }
    }
}

/// Writes the answer as the origin sends it. While the origin is waited for, the client has all that came so far.
pub(super) async fn pass_on(
    connection: &mut Connection,
    origin: &mut HttpSession,
    head: &[u8],
    body: Body,
) -> Result<(), Lost> {
    put(connection, &[head]).await?;
    loop {
        let read = tokio::select! {
            biased;
            read = origin.read_body_ref() => read?,
            () = connection.gone() => return Err(Lost::Client),
        };
        match read {
            // A chunk that is empty would be the last.
            Some([]) => {}
            Some(piece) if body == Body::Chunked => {
                let size = format!("{:x}\r\n", piece.len());
                put(connection, &[size.as_bytes(), piece, b"\r\n"]).await?;
            }
            Some(piece) => put(connection, &[piece]).await?,
            None => break,
        }
    }
    if body == Body::Chunked {
        put(connection, &[b"0\r\n\r\n"]).await?;
    }
    flush(connection).await
}

/// Passes on what an origin says before its answer. It leaves with the next [`flush`], or while the origin is waited for.
pub(super) async fn announce(connection: &mut Connection, announced: &ResponseHeader) -> Result<(), Lost> {
    let mut head = BytesMut::with_capacity(HEAD_BYTES);
    say(&mut head, announced);
    head.put_slice(b"\r\n");
    put(connection, &[&head]).await
}

/// Gives the client all that came so far.
pub(super) async fn flush(connection: &mut Connection) -> Result<(), Lost> {
    taken(connection.flush()).await
}

/// Writes pieces on the client's connection.
async fn put(connection: &mut Connection, pieces: &[&[u8]]) -> Result<(), Lost> {
    taken(async {
        for piece in pieces {
            connection.write_all(piece).await?;
        }
        Ok(())
    })
    .await
}

async fn taken(written: impl Future<Output = io::Result<()>>) -> Result<(), Lost> {
    match timeout(TAKEN_WITHIN, written).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Lost::Client),
    }
}

/// The head of the answer as the client is to see it.
pub(super) fn head_of(
    answered: &ResponseHeader,
    body: Body,
    cookies: &[HeaderValue],
    last: bool,
) -> BytesMut {
    let mut head = BytesMut::with_capacity(HEAD_BYTES);
    say(&mut head, answered);
    let mut line = |name: &str, value: &[u8]| {
        for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
            head.put_slice(piece);
        }
    };
    match (body, answered.headers.get(CONTENT_LENGTH)) {
        (Body::Chunked, _) => line("transfer-encoding", b"chunked"),
        // However often it was said, which was checked to be the same each time.
        (_, Some(length)) if answered.status != StatusCode::NO_CONTENT => {
            line(
                "content-length",
                length.as_bytes().split(|&b| b == b',').next().unwrap_or_default(),
            );
        }
        _ => {}
    }
    if !answered.headers.contains_key(DATE) {
        line("date", get_cached_date().as_bytes());
    }
    for cookie in cookies {
        line("set-cookie", cookie.as_bytes());
    }
    if last {
        line("connection", b"close");
    }
    head.put_slice(b"\r\n");
    head
}

/// Says what an origin said first: the status, and every header that is meant for the client.
fn say(head: &mut BytesMut, answered: &ResponseHeader) {
    let reason = answered.get_reason_phrase().unwrap_or_default();
    for piece in ["HTTP/1.1 ", answered.status.as_str(), " ", reason, "\r\n"] {
        head.put_slice(piece.as_bytes());
    }
    let named = |name: &HeaderName| list(&answered.headers, &CONNECTION).any(|option| name == option);
    let lines = answered.headers.iter().zip(answered.case_header_iter());
    for ((name, value), (spelled, _)) in lines {
        if !stays_here(name) && !named(name) {
            for piece in [spelled.as_slice(), b": ", value.as_bytes(), b"\r\n"] {
                head.put_slice(piece);
            }
        }
    }
}

/// Whether a header is about the connection to the origin, or for the edge (RFC 9110, section 7.6.1).
fn stays_here(name: &HeaderName) -> bool {
    matches!(
        *name,
        CONNECTION | CONTENT_LENGTH | TRANSFER_ENCODING | TRAILER | UPGRADE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
        || is_ours(name)
}
