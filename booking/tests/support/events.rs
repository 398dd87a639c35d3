//! A client of server-sent events, as the standard has it: fields, blank lines, and nothing guessed.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

impl Event {
    /// The count in its id.
    pub fn number(&self) -> u64 {
        self.id.split('.').nth(1).unwrap().parse().unwrap()
    }

    /// Seats it names with their states, sorted.
    pub fn seats(&self) -> Vec<(String, &'static str)> {
        let mut seats = Vec::new();
        for state in ["free", "held", "taken"] {
            for seat in self.data[state].as_array().into_iter().flatten() {
                seats.push((seat.as_str().unwrap().to_owned(), state));
            }
        }
        seats.sort();
        seats
    }
}

/// A stream of them; the connection is cut when it is dropped.
pub struct Events {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    buffer: String,
    connection: AbortHandle,
}

impl Events {
    /// Listens to a showtime, from after the event of this id.
    pub async fn listen(address: SocketAddr, showtime: i64, last: Option<&str>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .uri(format!("/showtimes/{showtime}/seats/stream"))
            .header("host", "x")
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap());
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            buffer: String::new(),
            connection: connection.abort_handle(),
        }
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        let next = tokio::time::timeout(PATIENCE, self.read()).await;
        next.expect("an event in time")
    }

    /// The next event, where one comes in time.
    pub async fn next_within(&mut self, limit: Duration) -> Option<Event> {
        tokio::time::timeout(limit, self.read()).await.ok().flatten()
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", value)) => id = value.to_owned(),
                        Some(("event", value)) => name = value.to_owned(),
                        Some(("data", value)) => data = value.to_owned(),
                        Some(("", _)) => {}
                        Some(("retry", value)) => assert!(value.parse::<u32>().is_ok()),
                        _ => panic!("{line:?} is no field"),
                    }
                }
                self.buffer = rest.to_owned();
                if !data.is_empty() {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Event { id, name, data });
                }
            }
            let frame = self.body.frame().await?.ok()?;
            let bytes = frame.into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
