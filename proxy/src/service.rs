//! Pingora's callbacks, translated, for requests that have a body, upgrade, or are unusual in another way. What only asks is
//! forwarded without them ([`crate::front`]).
//!
//! Nothing is decided here: [`crate::gatekeeper`] does, in front of Pingora where it can.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::time::timeout;

use crate::forwarding;
use crate::front;
use crate::gatekeeper::{Gatekeeper, Head, Pass, Step};
use crate::line::{Answer, BODY_MAX};
use crate::request::headers::names_token;
use crate::request::problem::{Problem, cases};
use crate::upstreams::{STUCK_AFTER, Upstreams};

/// A body under the reserved prefix is a few hundred bytes.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What is known of one request between callbacks.
#[derive(Default)]
pub struct Context {
    /// What was decided in front of Pingora, until the request begins; what was decided, from then on.
    pass: Option<Pass>,
    attempts: usize,
}

/// The proxy application.
pub struct Service {
    gatekeeper: Arc<Gatekeeper>,
    upstreams: Arc<Upstreams>,
}

impl Service {
    /// Forwards to `upstreams` what `gatekeeper` lets pass.
    pub fn new(gatekeeper: Arc<Gatekeeper>, upstreams: Arc<Upstreams>) -> Self {
        Self {
            gatekeeper,
            upstreams,
        }
    }

    /// Has the request judged, and reads the body of one that is for Tidegate itself. Says too whether another request may
    /// follow on the connection: where this one was not understood, nobody knows where the next one begins.
    async fn step(&self, session: &mut Session) -> (Step, bool) {
        let peer = peer(session);
        let raw = match session.as_downstream() {
            ServerSession::H1(http1) => http1.get_headers_raw_bytes(),
            _ => Bytes::new(),
        };
        let sent = head(session.req_header(), &raw, peer);
        let judged = match self.gatekeeper.judge(&sent) {
            Ok(judged) => judged,
            Err(problem) => return (problem.into(), false),
        };
        if !self.gatekeeper.is_ours(&judged) {
            return (self.gatekeeper.step(&sent, &judged, Bytes::new()).await, true);
        }
        let kept = session.req_header().clone();
        let body = match timeout(BODY_WITHIN, read_body(session)).await {
            Ok(Ok(body)) => body,
            Ok(Err(problem)) => return (problem.into(), false),
            Err(_) => return (cases::body_too_slow(BODY_WITHIN).into(), false),
        };
        let sent = head(&kept, &raw, peer);
        match self.gatekeeper.judge(&sent) {
            Ok(judged) => (self.gatekeeper.step(&sent, &judged, body).await, true),
            Err(problem) => (problem.into(), false),
        }
    }
}

fn peer(session: &Session) -> IpAddr {
    let address = session.client_addr().and_then(|address| address.as_inet());
    address.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

fn head<'a>(header: &'a RequestHeader, raw: &'a [u8], peer: IpAddr) -> Head<'a> {
    Head {
        method: &header.method,
        version: header.version,
        uri: &header.uri,
        target: header.raw_path(),
        headers: &header.headers,
        raw,
        peer,
    }
}

/// Reads the body of a request under the reserved prefix, whole and bounded.
async fn read_body(session: &mut Session) -> std::result::Result<Bytes, Problem> {
    if matches!(session.req_header().method, Method::GET | Method::HEAD) {
        return Ok(Bytes::new());
    }
    if names_token(&session.req_header().headers, &EXPECT, "100-continue") {
        // Whoever asks first waits for this. Where it cannot be written, nothing will be read either.
        let _ = session.as_downstream_mut().write_continue_response().await;
    }
    let mut body = BytesMut::new();
    while let Some(part) = session.read_request_body().await.map_err(|_| unreadable_body())? {
        body.extend_from_slice(&part);
        if body.len() > BODY_MAX {
            return Err(cases::body_too_large(BODY_MAX));
        }
    }
    Ok(body.freeze())
}

fn unreadable_body() -> Problem {
    cases::bad_request("the body ends too early, or its chunks are malformed")
}

/// Writes an answer of ours; after the last one the connection closes.
async fn respond(session: &mut Session, answer: Answer, cookies: Vec<HeaderValue>, last: bool) -> Result<()> {
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 4))?;
    for (name, value) in answer.headers {
        header.append_header(name, value)?;
    }
    for cookie in cookies {
        header.append_header(SET_COOKIE, cookie)?;
    }
    if answer.status != StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, answer.body.len())?;
    }
    let head = session.req_header();
    let bodiless = head.method == Method::HEAD || answer.body.is_empty();
    let unread = head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
    if last || unread && !session.as_downstream_mut().is_body_done() {
        // A body that nobody reads is not taken for the next request.
        session.set_keepalive(None);
    }
    session.write_response_header(Box::new(header), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(answer.body), true).await?;
    }
    Ok(())
}

/// What to tell a client over whose request forwarding it failed; nothing to one who has gone.
fn what_the_client_did(error: &ErrorType) -> Option<Problem> {
    match error {
        ErrorType::ReadTimedout => Some(cases::body_too_slow(STUCK_AFTER)),
        // Malformed chunks are an error of the framework's own making.
        ErrorType::Custom(_) | ErrorType::InvalidHTTPHeader => Some(unreadable_body()),
        _ => None,
    }
}

#[async_trait]
impl ProxyHttp for Service {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {
        // Pages are compressed once at start, and origins compress their own: no module is needed.
    }

    fn on_connection_reuse(&self, _: &mut Session, ctx: &mut Context, handed: Box<dyn Any + Send + Sync>) {
        // This is how what was decided in front of Pingora comes to its callbacks.
        ctx.pass = handed.downcast::<Pass>().ok().map(|pass| *pass);
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        if session.req_header().headers.contains_key(TRANSFER_ENCODING) {
            // What comes behind such a body is read with it and lost: the client is told to ask for that again.
            session.set_keepalive(None);
        }
        if ctx.pass.is_some() {
            return Ok(false);
        }
        let (step, believed) = self.step(session).await;
        let answer = match step {
            Step::Forward(pass) => {
                ctx.pass = Some(pass);
                return Ok(false);
            }
            Step::Answer(answer) => answer,
            // Streams begin with a bodiless GET, and those were looked at before.
            Step::Stream(_) => cases::bad_request("a stream begins with a GET that has no body").into(),
        };
        respond(session, answer, Vec::new(), !believed).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        let upstream = ctx.pass.as_ref().map(|pass| pass.upstream);
        let server = upstream
            .and_then(|upstream| self.upstreams.next(upstream))
            .ok_or_else(|| Error::new(ErrorType::ConnectNoRoute))?;
        Ok(Box::new(server.clone()))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let ring = self.gatekeeper.shared().ring.load();
        match &ctx.pass {
            Some(pass) => forwarding::prepare(request, pass, &forwarding::address(peer(session)), &ring),
            None => Err(Error::new(ErrorType::InternalError)),
        }
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            front::switch_protocol(session.as_downstream());
        }
        let Some(pass) = ctx.pass.as_mut() else {
            return Ok(());
        };
        if forwarding::ends_a_visit_elsewhere(&response.headers, pass) {
            forwarding::end_named_visits(&session.req_header().headers, pass, self.gatekeeper.shared()).await;
        }
        forwarding::heed(&response.headers, pass);
        forwarding::show(response, pass)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        // Nothing was sent yet: another server of the upstream may be tried, once each.
        ctx.attempts += 1;
        let servers = ctx
            .pass
            .as_ref()
            .map_or(0, |pass| self.upstreams.len(pass.upstream));
        error.set_retry(ctx.attempts < servers);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let gone = FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
        if *error.esource() == ErrorSource::Downstream {
            let Some(problem) = what_the_client_did(error.etype()) else {
                return gone;
            };
            if session.response_written().is_some() {
                return gone;
            }
            let error_code = problem.status.as_u16();
            let written = respond(session, problem.into(), Vec::new(), true).await;
            return FailToProxy {
                error_code: if written.is_ok() { error_code } else { 0 },
                ..gone
            };
        }
        let problem = forwarding::failed(error);
        let pass = ctx.pass.take().unwrap_or_default();
        if let Some(name) = self.upstreams.name(pass.upstream) {
            self.gatekeeper.shared().metrics.origin_error(name);
        }
        let error_code = problem.status.as_u16();
        // Cookies of a visit that began with this very request must not be lost with the origin's answer.
        let written = respond(session, problem.into(), pass.cookies, true).await;
        FailToProxy {
            error_code: if written.is_ok() { error_code } else { 0 },
            ..gone
        }
    }

    fn suppress_error_log(&self, _: &Session, _ctx: &Context, error: &Error) -> bool {
        // Clients leave streams and send nonsense; neither is for an operator to act on.
        *error.esource() == ErrorSource::Downstream
    }

    fn request_summary(&self, session: &Session, _ctx: &Context) -> String {
        // No address, cookie or query stands in a log.
        let head = session.req_header();
        format!("{} {}", head.method, head.uri.path())
    }
}
