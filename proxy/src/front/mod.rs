//! The connection before any framework sees it: heads are read here against one deadline, what Tidegate answers itself
//! is answered on the spot, what only asks is forwarded (`relay`), and the rest goes to Pingora's proxy with what was read.
//!
//! It is here for four things that Pingora's own accept loop does not give. A head that trickles in byte by byte is cut
//! off as a whole, not restarted by every byte. One that cannot be read is told so in a problem document. The waiting
//! page, the answer to most of a surge, costs one read, one write and no proxy session. And a socket that begins to wait
//! is simply handed on.

mod connection;
mod head;
mod heads;
mod relay;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
// Shared and coarse, and made only once there is something to wait for.
use pingora::time::timeout;
use tokio::io::AsyncWriteExt;

use self::connection::Connection;
use self::head::Head;
use self::heads::{Ended, Heads, IDLE_MAX};
use self::relay::{Relay, Relayed, Sent};
use crate::forwarding;
use crate::gatekeeper::{Gatekeeper, Pass, Step};
use crate::line::{self, Answer};
use crate::request::problem::Problem;
use crate::service::Service;
use crate::upstreams::Upstreams;

/// An answer that is not taken within this ends the connection.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// After its last answer a connection is read for so long and so far before it is dropped: what was under way when the
/// answer left, over the worst of networks.
const UNREAD_WITHIN: Duration = Duration::from_secs(1);
const UNREAD_BYTES_MAX: usize = 1024 * 1024;

/// Every public connection begins here.
pub struct Front {
    gatekeeper: Arc<Gatekeeper>,
    relay: Relay,
    proxy: Arc<HttpProxy<Service>>,
    in_flight: Arc<AtomicUsize>,
}

impl Front {
    /// In front of `proxy`; requests under way are counted in `in_flight`.
    pub fn new(
        gatekeeper: Arc<Gatekeeper>,
        upstreams: Arc<Upstreams>,
        proxy: HttpProxy<Service>,
        in_flight: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            relay: Relay::new(upstreams, gatekeeper.shared().clone()),
            gatekeeper,
            proxy: Arc::new(proxy),
            in_flight,
        }
    }

    /// Answers one request after another until either side is done.
    async fn converse(&self, stream: Stream, shutdown: &ShutdownWatch) {
        let mut connection = Connection::new(stream);
        let Some(peer) = connection.peer() else {
            return; // it is gone already
        };
        let address = LazyLock::new(|| forwarding::address(peer));
        let mut stopped = shutdown.clone();
        let stopped = pin!(stopped.wait_for(|stopped| *stopped));
        let mut heads = Heads::new(stopped);
        loop {
            let len = match heads.next(&mut connection).await {
                Ok(len) => len,
                Err(Ended::Gone) => return,
                Err(Ended::Refused(problem)) => {
                    self.refuse(connection, problem).await;
                    return;
                }
            };
            let _flight = Flight::new(&self.in_flight);
            let goes_on = match self.look(&heads.read[..len], peer).await {
                Looked::Answer {
                    answer,
                    bodiless,
                    last,
                } => {
                    heads.read.advance(len);
                    write(&mut connection, &answer, bodiless, last).await && !last
                }
                Looked::Stream(opened) => {
                    let early = heads.read[len..].to_vec();
                    let shared = self.gatekeeper.shared().clone();
                    tokio::spawn(line::run(connection.into_stream(), opened, shared, early));
                    return;
                }
                Looked::Forward { pass, bodiless, last } => {
                    let mut read = std::mem::take(&mut heads.read);
                    connection.hand_on(len as u64, &mut read);
                    let sent = Sent {
                        raw: &read,
                        peer: &address,
                        bodiless,
                        last,
                    };
                    // Boxed: the future of a connection at rest stays small.
                    let written = match Box::pin(self.relay.relay(&mut connection, sent, *pass)).await {
                        Relayed::Answered => true,
                        Relayed::Unanswered(answer) => write(&mut connection, &answer, bodiless, last).await,
                        Relayed::Broken => return,
                    };
                    heads.read = connection.next();
                    written && !last
                }
                Looked::Pass { pass, body } => {
                    let mut read = std::mem::take(&mut heads.read);
                    if let Some(body) = body {
                        connection.hand_on(body.saturating_add(len as u64), &mut read);
                    }
                    let mut session = ServerSession::new_http1(Box::new(connection));
                    // Behind a body that only its chunks end, the next request is not taken for an offence.
                    session.set_pipelining_enabled(body.is_none());
                    session.set_pipelined_prefix(read);
                    session.set_connection_user_context(pass.map(|pass| Box::new(pass) as _));
                    let Some(back) = self.have_proxied(session, shutdown).await else {
                        return;
                    };
                    connection = back;
                    heads.read = connection.next();
                    true
                }
            };
            if !goes_on {
                close(connection).await;
                return;
            }
        }
    }

    /// Has Pingora's proxy do the rest, and gets the connection back unless it is closed.
    async fn have_proxied(&self, mut session: ServerSession, shutdown: &ShutdownWatch) -> Option<Connection> {
        session.set_keepalive((!*shutdown.borrow()).then_some(IDLE_MAX.as_secs()));
        let reused = self.proxy.process_new_http(session, shutdown).await?;
        // What comes back is what went in.
        let back = reused.consume().0.into_any().downcast::<Connection>();
        back.ok().map(|connection| *connection)
    }

    /// Looks at a request, unless Pingora has to read it anyway.
    async fn look(&self, raw: &[u8], peer: IpAddr) -> Looked {
        let shared = self.gatekeeper.shared();
        let head = match Head::read(raw) {
            Ok(head) => head,
            Err(problem) => {
                shared.metrics.request("refused");
                return Looked::Answer {
                    answer: problem.into(),
                    bodiless: false,
                    last: true,
                };
            }
        };
        let sent = head.as_sent(raw, peer);
        // After a head that has two readings nobody knows where the next one begins.
        let (step, believed) = match self.gatekeeper.judge(&sent) {
            // Bodies are Pingora's to read.
            Ok(judged) if head.has_body() && self.gatekeeper.is_ours(&judged) => {
                return Looked::Pass {
                    pass: None,
                    body: body_bytes(sent.headers),
                };
            }
            Ok(judged) => (self.gatekeeper.step(&sent, &judged, Bytes::new()).await, true),
            Err(problem) => (problem.into(), false),
        };
        match step {
            Step::Forward(pass) if head.only_asks() => Looked::Forward {
                pass: Box::new(pass),
                bodiless: head.is_answered_bodiless(),
                last: shared.is_stopping() || !head.keeps_alive(),
            },
            Step::Forward(pass) => Looked::Pass {
                pass: Some(pass),
                body: body_bytes(sent.headers),
            },
            Step::Stream(opened) => Looked::Stream(opened),
            Step::Answer(answer) => {
                // A body that nobody reads is not taken for the next request.
                let last = !believed || shared.is_stopping() || !head.keeps_alive() || head.has_body();
                let bodiless = head.is_answered_bodiless();
                Looked::Answer {
                    answer,
                    bodiless,
                    last,
                }
            }
        }
    }

    /// Says what is wrong with a head, and closes.
    async fn refuse(&self, mut connection: Connection, problem: Problem) {
        self.gatekeeper.shared().metrics.request("refused");
        if write(&mut connection, &problem.into(), false, true).await {
            close(connection).await;
        }
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        self.converse(stream, shutdown).await;
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// What a look at a request came to.
enum Looked {
    /// Its answer, written without the body to `HEAD`; after the last one the connection closes.
    Answer {
        answer: Answer,
        bodiless: bool,
        last: bool,
    },
    /// Its connection becomes a stream.
    Stream(Box<line::Opened>),
    /// It is forwarded here; the rest is said of its answer as above.
    Forward {
        pass: Box<Pass>,
        bodiless: bool,
        last: bool,
    },
    /// It goes to Pingora, with what has been decided if it was looked at, and with the length of its body.
    Pass { pass: Option<Pass>, body: Option<u64> },
}

/// The length of the body behind a head that was judged; nothing where only the body itself says where it ends.
fn body_bytes(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let length = headers.get(CONTENT_LENGTH);
    length.map_or(Some(0), |length| length.to_str().ok()?.parse().ok())
}

/// The answer to the request that was handed on in `session` agrees on another protocol: what comes from now on is none of
/// ours to keep back.
pub(crate) fn switch_protocol(session: &ServerSession) {
    let stream = session.stream().map(|stream| (**stream).as_any());
    if let Some(connection) = stream.and_then(|stream| stream.downcast_ref::<Connection>()) {
        connection.switch();
    }
}

/// Writes an answer; false when it was not taken in time.
async fn write(connection: &mut Connection, answer: &Answer, bodiless: bool, last: bool) -> bool {
    let written = async {
        connection.write_all(&answer.head(last)).await?;
        if !bodiless {
            connection.write_all(&answer.body).await?;
        }
        connection.flush().await
    };
    matches!(timeout(WRITE_WITHIN, written).await, Ok(Ok(())))
}

/// Closes after the last answer. What the client goes on sending is read for a moment: a connection that is closed over
/// unread bytes is reset, and the answer is lost with it (RFC 9112, section 9.6).
async fn close(mut connection: Connection) {
    let _ = timeout(WRITE_WITHIN, connection.shutdown()).await;
    let unread = async {
        let mut unread = BytesMut::new();
        let mut left = UNREAD_BYTES_MAX;
        while let Ok(read @ 1..) = connection.read_some(&mut unread).await
            && read < left
        {
            left -= read;
            unread.clear();
        }
    };
    let _ = timeout(UNREAD_WITHIN, unread).await;
}

/// Counts a request under way until dropped.
struct Flight(Arc<AtomicUsize>);

impl Flight {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
