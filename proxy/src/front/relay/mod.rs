//! Requests that only ask, forwarded as they stand: put to the origin over a connection of Pingora's pool, and answered on
//! the client's own.
//!
//! Nearly everything that a room lets through is one of these. Pingora's proxy, which gets the rest, has a request and an
//! answer flow past each other through filters, caches and queues of its own, and that is more work than the gate, the
//! headers and the two connections together. Here one task asks, waits and answers.

mod answer;

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, ErrorType, Result};

use self::answer::Body;
use super::connection::Connection;
use super::head::{self, Head};
use crate::forwarding;
use crate::gatekeeper::Pass;
use crate::line::Answer;
use crate::shared::Shared;
use crate::upstreams::{STUCK_AFTER, Upstreams};

/// Connections to origins kept for the next request, as many as Pingora's own proxy keeps.
const KEPT_MAX: usize = 128;

/// A request as it came.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    /// Its head.
    pub(super) raw: &'a [u8],
    /// The address it came from.
    pub(super) peer: &'a HeaderValue,
    /// Whether its answer goes without its body.
    pub(super) bodiless: bool,
    /// Whether the connection closes after its answer.
    pub(super) last: bool,
}

/// How a request ended.
pub(super) enum Relayed {
    /// It is answered.
    Answered,
    /// The origin gave no answer; this is what to say instead.
    Unanswered(Answer),
    /// The client has gone, or its answer has broken off: nothing can follow on this connection.
    Broken,
}

/// Why there is no answer, or no end of it.
enum Lost {
    /// The client has gone.
    Client,
    /// The origin failed.
    Origin(Box<Error>),
}

impl From<Box<Error>> for Lost {
    fn from(error: Box<Error>) -> Self {
        Self::Origin(error.into_up())
    }
}

/// Forwards requests.
pub(super) struct Relay {
    connector: TransportConnector,
    upstreams: Arc<Upstreams>,
    shared: Arc<Shared>,
}

impl Relay {
    pub(super) fn new(upstreams: Arc<Upstreams>, shared: Arc<Shared>) -> Self {
        Self {
            connector: TransportConnector::new(Some(ConnectorOptions::new(KEPT_MAX))),
            upstreams,
            shared,
        }
    }

    /// Puts a request to the origin, and its answer on the connection that it came from.
    pub(super) async fn relay(&self, connection: &mut Connection, sent: Sent<'_>, mut pass: Pass) -> Relayed {
        let (mut origin, body, server) = match self.ask(connection, sent, &pass).await {
            Ok(answering) => answering,
            Err(Lost::Client) => return Relayed::Broken,
            Err(Lost::Origin(error)) => {
                self.lost(&pass, &error);
                let answer = Answer::from(forwarding::failed(&error));
                // Cookies of a visit that began with this very request must not be lost with the origin's answer.
                return Relayed::Unanswered(answer.cookies(pass.cookies));
            }
        };
        let answered = origin.resp_header().expect("the head of the answer was read");
        if forwarding::ends_a_visit_elsewhere(&answered.headers, &pass)
            && let Ok(head) = Head::read(sent.raw)
        {
            forwarding::end_named_visits(head.headers(), &mut pass, &self.shared).await;
        }
        forwarding::heed(&answered.headers, &mut pass);
        let head = answer::head_of(answered, body, &pass.cookies, sent.last);
        match answer::pass_on(connection, &mut origin, &head, body).await {
            Ok(()) => {
                origin.respect_keepalive();
                if let Some(stream) = origin.reuse().await {
                    self.connector.release_stream(stream, server.reuse_hash(), None);
                }
                Relayed::Answered
            }
            Err(Lost::Client) => Relayed::Broken,
            Err(Lost::Origin(error)) => {
                self.lost(&pass, &error);
                // The client gets as much as came, and no end to it.
                let _ = answer::flush(connection).await;
                Relayed::Broken
            }
        }
    }

    /// Puts a request to the servers of the upstream until one has begun to answer: where no connection can be made, to
    /// each of them once; where one that was kept turns out to be closed, once more over a new one.
    async fn ask(
        &self,
        connection: &mut Connection,
        sent: Sent<'_>,
        pass: &Pass,
    ) -> Result<(HttpSession, Body, &HttpPeer), Lost> {
        let (mut refused, mut anew) = (0, false);
        loop {
            let server = self.upstreams.next(pass.upstream);
            let server = server.ok_or_else(|| Error::new(ErrorType::ConnectNoRoute))?;
            let connected = if anew {
                self.connector
                    .new_stream(server)
                    .await
                    .map(|stream| (stream, false))
            } else {
                self.connector.get_stream(server).await
            };
            let (stream, kept) = match connected {
                Ok(connected) => connected,
                Err(error) => {
                    refused += 1;
                    if refused < self.upstreams.len(pass.upstream) {
                        continue;
                    }
                    return Err(error.into());
                }
            };
            let mut request = head::request(sent.raw)?;
            forwarding::prepare(&mut request, pass, sent.peer, &self.shared.ring.load())?;
            let mut origin = HttpSession::new(stream);
            origin.read_timeout = Some(STUCK_AFTER);
            origin.write_timeout = Some(STUCK_AFTER);
            let asked = match origin.write_request_header(Box::new(request)).await {
                Ok(_) => read_head(connection, &mut origin).await,
                Err(error) => Err(error.into()),
            };
            match asked {
                Ok(()) => {
                    let answered = origin.resp_header().expect("the head of the answer was read");
                    let body = Body::of(answered, sent.bodiless)?;
                    return Ok((origin, body, server));
                }
                // Servers close connections that were kept for long, and this request may have met that on its way.
                Err(Lost::Origin(error)) if kept && origin.resp_header().is_none() && is_closed(&error) => {
                    anew = true
                }
                Err(why) => return Err(why),
            }
        }
    }

    fn lost(&self, pass: &Pass, error: &Error) {
        let upstream = self.upstreams.name(pass.upstream).unwrap_or_default();
        self.shared.metrics.origin_error(upstream);
        tracing::error!(upstream, %error, "an origin has not answered, or not to the end");
    }
}

/// Whether an origin's end of a connection is closed.
fn is_closed(error: &Error) -> bool {
    matches!(
        error.etype(),
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
    )
}

/// Waits for the head of the answer. What comes before it (103, early hints) is passed on.
async fn read_head(connection: &mut Connection, origin: &mut HttpSession) -> Result<(), Lost> {
    loop {
        tokio::select! {
            biased;
            read = origin.read_response() => read?,
            () = connection.gone() => return Err(Lost::Client),
        };
        let answered = origin.resp_header().expect("a head was read");
        match answered.status {
            // The client asked for neither.
            StatusCode::CONTINUE => {}
            StatusCode::SWITCHING_PROTOCOLS => {
                return Err(
                    Error::explain(ErrorType::InvalidHTTPHeader, "it switched protocols unasked").into(),
                );
            }
            status if status.is_informational() => {
                answer::announce(connection, answered).await?;
            }
            _ => return Ok(()),
        }
    }
}
