//! The line socket as a fan sees it: frames in, answers out, with small buffers and a bound on everything.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN, UPGRADE};
use http::{Request, Uri};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::cookies::Jar;
use super::http::{ANSWER_WITHIN, Failure, Target};

/// The subprotocol.
const PROTOCOL: &str = "tidegate.v1";

/// Longest frame a fan accepts; the protocol's are under 1 kB.
const FRAME_MAX: usize = 16 * 1024;

/// How long a frame may take to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// A frame from the server. What is not known is passed over, so that later versions may say more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Frame {
    /// The fan's place.
    Place {
        /// The token that carries it.
        place_token: String,
    },
    /// Where the fan stands now.
    Position {
        /// Present fans before this one.
        #[serde(default)]
        ahead: Option<u64>,
        /// At least and at most this many seconds.
        #[serde(default)]
        wait_s: Option<(f64, f64)>,
        /// `waiting`, `paused`, `before_sale`, `sold_out` or `closed`.
        #[serde(default)]
        state: String,
    },
    /// Are you here?
    Called,
    /// The turn has come.
    Admitted {
        /// To be spent at `enter`.
        admission_token: String,
        /// The path to post it to.
        enter: String,
        /// How long it is good for.
        expires_in_s: u64,
    },
    /// The room is switched off.
    Open,
    /// Anything else.
    #[serde(other)]
    Unknown,
}

/// What comes down the socket.
#[derive(Debug)]
pub(crate) enum Event {
    /// A frame.
    Frame(Frame),
    /// The answer to a ping.
    Pong,
    /// A text that is no frame.
    Nonsense,
    /// The end.
    Gone(Failure),
}

/// One fan's line socket.
pub(crate) struct LineSocket {
    stream: WebSocketStream<TcpStream>,
}

impl LineSocket {
    /// Opens it, with the fan's cookies; also returns the answer's headers, which may set more.
    pub(crate) async fn open(
        target: &Target,
        fan: usize,
        path: &str,
        jar: &Jar,
    ) -> Result<(Self, HeaderMap), Failure> {
        let stream = target.connect(fan).await?;
        let request = upgrade(target, path, jar)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(512)
            .write_buffer_size(0)
            .max_write_buffer_size(FRAME_MAX)
            .max_message_size(Some(FRAME_MAX))
            .max_frame_size(Some(FRAME_MAX));
        let opening = client_async_with_config(request, stream, Some(config));
        match timeout(ANSWER_WITHIN, opening).await {
            Ok(Ok((stream, answer))) => Ok((Self { stream }, answer.headers().clone())),
            Ok(Err(Error::Http(answer))) => {
                Err(Failure::status("line socket", answer.status(), answer.headers()))
            }
            Ok(Err(_)) => Err(Failure::gone("line socket: handshake broken off")),
            Err(_) => Err(Failure::gone("line socket: handshake timed out")),
        }
    }

    /// The next event. Safe to drop before it is ready.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_or(Event::Nonsense, Event::Frame);
                }
                Some(Ok(Message::Pong(_))) => return Event::Pong,
                Some(Ok(Message::Close(close))) => {
                    let code =
                        close.map_or_else(|| "without a code".to_owned(), |close| close.code.to_string());
                    return Event::Gone(Failure::new(format!("line socket: closed {code}")));
                }
                Some(Ok(Message::Binary(_))) => return Event::Nonsense,
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Event::Gone(Failure::gone("line socket: broken off")),
            }
        }
    }

    /// Answers a call.
    pub(crate) async fn here(&mut self) -> Result<(), Failure> {
        self.write(Message::text(r#"{"type":"here"}"#)).await
    }

    /// Asks for a pong.
    pub(crate) async fn ping(&mut self) -> Result<(), Failure> {
        self.write(Message::Ping(bytes::Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Failure> {
        let written = timeout(WRITE_WITHIN, self.stream.send(message)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::gone("line socket: broken off")),
            Err(_) => Err(Failure::gone("line socket: write timed out")),
        }
    }
}

fn upgrade(target: &Target, path: &str, jar: &Jar) -> Result<Request<()>, Failure> {
    let no_path = |_| Failure::new("a path that is no path");
    let authority = target.authority().to_str().unwrap_or_default();
    let uri: Uri = format!("ws://{authority}{path}").parse().map_err(no_path)?;
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    let key = HeaderValue::from_str(&generate_key()).map_err(|_| Failure::new("line socket: no key"))?;
    let headers = request.headers_mut();
    headers.insert(HOST, target.authority().clone());
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    headers.insert("sec-websocket-key", key);
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(PROTOCOL));
    headers.insert(ORIGIN, target.origin().clone());
    headers.extend(jar.header().map(|cookie| (COOKIE, cookie)));
    Ok(request)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_the_protocol_writes_them() {
        let read = |text: &str| serde_json::from_str::<Frame>(text).unwrap();
        assert_eq!(
            read(
                r#"{"type":"position","state":"waiting","ahead":1204,"wait_s":[95,160],"rate_per_min":600,"notice":null}"#
            ),
            Frame::Position {
                ahead: Some(1204),
                wait_s: Some((95.0, 160.0)),
                state: "waiting".into()
            }
        );
        let later =
            r#"{"type":"position","state":"before_sale","ahead":null,"wait_s":null,"opens_at":"soon"}"#;
        assert_eq!(
            read(later),
            Frame::Position {
                ahead: None,
                wait_s: None,
                state: "before_sale".into()
            }
        );
        assert_eq!(
            read(r#"{"type":"place","number":41207,"place_token":"t"}"#),
            Frame::Place {
                place_token: "t".into()
            }
        );
        assert_eq!(read(r#"{"type":"called"}"#), Frame::Called);
        assert_eq!(read(r#"{"type":"open"}"#), Frame::Open);
        assert_eq!(read(r#"{"type":"confetti","how":"much"}"#), Frame::Unknown);
    }
}
