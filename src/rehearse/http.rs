//! A fan's way to the site: its own TCP connections from its own source address, and HTTP/1.1 over them.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::cookies::Jar;

/// How long a connection or an answer may take. A browser waits longer, a fan hardly.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Most of an answer's body that is read.
const BODY_MAX: usize = 4 << 20;

/// Fans that share one source address. An address pair has some 28,000 ports, and an edge counts sockets by address.
const FANS_PER_SOURCE: usize = 64;

/// Source addresses used at least and at most: 127.0.0.1 and following.
const SOURCES: std::ops::RangeInclusive<usize> = 8..=240;

/// A kind of failure, as the report counts it, and how long the server asked to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In few words, without addresses or tokens.
    pub(crate) kind: String,
    /// The status, where there was an answer.
    pub(crate) status: Option<u16>,
    /// `Retry-After`, where it was given in seconds.
    pub(crate) retry_after: Option<Duration>,
    /// The connection could not be made, was reset, or nothing came over it: the edge may be gone.
    pub(crate) edge_gone: bool,
}

impl Failure {
    /// Of this kind, without an answer.
    pub(crate) fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            status: None,
            retry_after: None,
            edge_gone: false,
        }
    }

    /// Of this kind, because the other side is not there.
    pub(crate) fn gone(kind: impl Into<String>) -> Self {
        Self {
            edge_gone: true,
            ..Self::new(kind)
        }
    }

    /// An answer that was not hoped for.
    pub(crate) fn status(during: &str, status: StatusCode, headers: &HeaderMap) -> Self {
        let seconds = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            kind: format!("{during}: status {}", status.as_u16()),
            status: Some(status.as_u16()),
            retry_after: seconds.map(Duration::from_secs),
            edge_gone: false,
        }
    }

    fn io(during: &str, error: &io::Error) -> Self {
        let kind = format!("{during}: {}", error.kind());
        match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::TimedOut => Self::gone(kind),
            // This machine's own trouble, such as too many open files.
            _ => Self::new(kind),
        }
    }
}

/// Where the fans go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    addr: SocketAddr,
    authority: HeaderValue,
    origin: HeaderValue,
    sources: Vec<IpAddr>,
}

impl Target {
    /// A server by address and by the name it is called in the URL. A local one is reached from many addresses.
    pub(crate) fn new(addr: SocketAddr, authority: &str, fans: usize) -> Result<Self, http::Error> {
        let many = fans
            .div_ceil(FANS_PER_SOURCE)
            .clamp(*SOURCES.start(), *SOURCES.end());
        let local = addr.ip().is_loopback() && addr.is_ipv4();
        let sources = if local {
            (1..=many).filter_map(loopback).collect()
        } else {
            Vec::new()
        };
        let origin = HeaderValue::from_str(&format!("http://{authority}"))?;
        Ok(Self {
            addr,
            authority: HeaderValue::from_str(authority)?,
            origin,
            sources,
        })
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// The `Origin` header of this site's own pages.
    pub(crate) fn origin(&self) -> &HeaderValue {
        &self.origin
    }

    /// A fresh connection for one fan. The source port is chosen by the kernel when binding.
    pub(crate) async fn connect(&self, fan: usize) -> Result<TcpStream, Failure> {
        let connecting = async {
            let socket = if self.addr.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            if let Some(source) = self.sources.get(fan % self.sources.len().max(1)) {
                socket.bind(SocketAddr::new(*source, 0))?;
            }
            let stream = socket.connect(self.addr).await?;
            stream.set_nodelay(true)?;
            io::Result::Ok(stream)
        };
        match timeout(ANSWER_WITHIN, connecting).await {
            Ok(connected) => connected.map_err(|error| Failure::io("connect", &error)),
            Err(_) => Err(Failure::gone("connect: timed out")),
        }
    }
}

fn loopback(nth: usize) -> Option<IpAddr> {
    Some(Ipv4Addr::new(127, 0, 0, u8::try_from(nth).ok()?).into())
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers; cookies are already in the jar.
    pub(crate) headers: HeaderMap,
    /// Its body, at most 4 MiB.
    pub(crate) body: Bytes,
}

/// One fan's HTTP client: a jar and at most one connection, kept while it is of use.
pub(crate) struct Client {
    fan: usize,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Without a connection yet.
    pub(crate) fn new(fan: usize) -> Self {
        Self {
            fan,
            connection: None,
        }
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }

    /// Sends a request and reads the answer. `headers` come beside `Host` and the cookies. A kept connection that turns
    /// out to be closed is replaced once.
    pub(crate) async fn send(
        &mut self,
        target: &Target,
        jar: &Jar,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| Failure::new("a path that is no path"))?;
        let all = request.headers_mut();
        all.insert(HOST, target.authority.clone());
        all.insert(USER_AGENT, HeaderValue::from_static("tidegate-rehearse"));
        all.extend(jar.header().map(|cookie| (COOKIE, cookie)));
        all.extend(headers.iter().cloned());

        let kept = self.connection.take();
        if let Some(mut connection) = kept
            && connection.ready().await.is_ok()
            && let Ok(answer) = self.exchange(connection, request.clone()).await
        {
            return Ok(answer);
        }
        let connection = self.connect(target).await?;
        self.exchange(connection, request).await
    }

    async fn connect(&self, target: &Target) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = target.connect(self.fan).await?;
        let (connection, driver) = http1::Builder::new()
            .max_buf_size(16 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::gone("http: handshake"))?;
        // Ends by itself when the sender is dropped or the server closes; failures reach the waiting request.
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn exchange(
        &mut self,
        mut connection: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Failure> {
        let exchanging = async {
            let answer = connection
                .send_request(request)
                .await
                .map_err(|_| Failure::gone("http: broken off"))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, BODY_MAX).collect().await;
            let body = body
                .map_err(|_| Failure::gone("http: body broken off or too large"))?
                .to_bytes();
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        let answer = timeout(ANSWER_WITHIN, exchanging)
            .await
            .map_err(|_| Failure::gone("http: timed out"))??;
        let closes = answer
            .headers
            .get(CONNECTION)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        self.connection = (!closes).then_some(connection);
        Ok(answer)
    }
}
