//! Pingora's callbacks, translated: what a request asks is read, the gate decides, the answer is written.
//!
//! Nothing is decided here. A connection that becomes a stream is taken out of Pingora's session, which goes on with an
//! empty one; every callback after that must not look at the request any more.

use std::io::Cursor;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tidegate_config::{Config, Guard, Upstream};
use tidegate_queue::tokens::Assertion;

use crate::edge::StartError;
use crate::gate::{Facts, Guarded, Verdict, decide};
use crate::line::{self, Answer, Arrival, Asked, BODY_MAX, Outcome};
use crate::request::asks::{Asks, asks};
use crate::request::problem::{Problem, cases};
use crate::request::route::Matcher;
use crate::request::{client, cookies, headers, hygiene, origin, path, raw};
use crate::room::{Live, Room};
use crate::shared::Shared;

/// An origin that does not take a connection within this is down.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// An origin that says nothing for so long is stuck.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// A fan's request carries its id through everything behind the edge.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken over from a trusted proxy.
const REQUEST_ID_MAX: usize = 128;

/// The servers of every upstream.
pub struct Upstreams(Vec<(String, Vec<SocketAddr>, AtomicUsize)>);

impl Upstreams {
    /// Looks up the addresses of all servers.
    pub fn resolve(upstreams: &[Upstream]) -> std::result::Result<Self, StartError> {
        let mut resolved = Vec::new();
        for upstream in upstreams {
            let mut servers = Vec::new();
            for server in &upstream.servers {
                let failed = |source| StartError::Upstream {
                    upstream: upstream.name.clone(),
                    server: server.clone(),
                    source,
                };
                servers.extend(server.to_socket_addrs().map_err(failed)?);
            }
            resolved.push((upstream.name.clone(), servers, AtomicUsize::new(0)));
        }
        Ok(Self(resolved))
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, ..)| known == name)
    }

    /// The next server in turn.
    fn next(&self, upstream: usize) -> Option<SocketAddr> {
        let (_, servers, turn) = self.0.get(upstream)?;
        let index = turn.fetch_add(1, Ordering::Relaxed) % servers.len().max(1);
        servers.get(index).copied()
    }
}

/// A route as the gatekeeper needs it.
struct Target {
    upstream: usize,
    room: Option<Arc<Room>>,
}

/// What is known of one request between callbacks.
#[derive(Default)]
pub struct Context {
    upstream: usize,
    visit: Option<(Arc<Room>, Arc<Live>)>,
    cookies: Vec<HeaderValue>,
    /// The canonical target, where it differs from what the client wrote.
    target: Option<String>,
    secure: bool,
    client: Option<IpAddr>,
    peer_is_trusted: bool,
    attempts: u8,
    taken: bool,
    flight: Option<Flight>,
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

/// The proxy application.
pub struct Gatekeeper {
    shared: Arc<Shared>,
    matcher: Matcher,
    targets: Vec<Target>,
    upstreams: Upstreams,
    in_flight: Arc<AtomicUsize>,
}

/// What becomes of a request once it was looked at.
enum Step {
    /// Pingora forwards it.
    Forward,
    /// It is answered here.
    Answer(Answer),
    /// Its connection becomes a stream.
    Stream(Box<line::Opened>),
}

impl From<Problem> for Step {
    fn from(problem: Problem) -> Self {
        Self::Answer(problem.into())
    }
}

impl Gatekeeper {
    /// Compiles the routes.
    pub fn new(
        shared: Arc<Shared>,
        config: &Config,
        upstreams: Upstreams,
        in_flight: Arc<AtomicUsize>,
    ) -> std::result::Result<Self, StartError> {
        let matcher = Matcher::compile(&config.routes)?;
        let target = |route: &tidegate_config::Route| Target {
            // The configuration was validated: upstream and room exist.
            upstream: upstreams.index(&route.upstream).unwrap_or(usize::MAX),
            room: match &route.guard {
                Guard::Room(id) => shared.rooms.get(id.as_str()).cloned(),
                Guard::Free => None,
            },
        };
        let targets = config.routes.iter().map(target).collect();
        Ok(Self {
            shared,
            matcher,
            targets,
            upstreams,
            in_flight,
        })
    }

    /// Reads the request and decides what becomes of it.
    async fn look(&self, session: &mut Session, ctx: &mut Context) -> Step {
        let peer = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(|address| address.ip());
        let peer = peer.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let shared = &self.shared;
        if let Err(refused) = check_raw(session) {
            return self.refuse(refused.into());
        }
        let header = session.req_header();
        let canonical = match path::canonicalise(header.raw_path()) {
            Ok(canonical) => canonical,
            Err(refused) => return self.refuse(refused.into()),
        };
        let checked = hygiene::check(
            header.version,
            &header.method,
            &header.uri,
            &header.headers,
            canonical.authority,
        );
        let site = match checked {
            Ok(site) => site,
            Err(refused) => return self.refuse(refused.into()),
        };
        ctx.peer_is_trusted = client::is_trusted(peer, &shared.trusted_proxies);
        let client = client::client_address(peer, &header.headers, &shared.trusted_proxies);
        ctx.client = Some(client);
        ctx.secure = client::is_secure(shared.tls, peer, &header.headers, &shared.trusted_proxies);
        let target = canonical.path_and_query();
        if target.as_bytes() != header.raw_path() {
            ctx.target = Some(target.clone().into_owned());
        }

        if let Some(rest) = canonical.path.strip_prefix(shared.prefix.as_str()) {
            shared.metrics.request("protocol");
            let (rest, head) = (rest.to_owned(), header.clone());
            let target = target.into_owned();
            let body = match read_body(session).await {
                Ok(body) => body,
                Err(problem) => return problem.into(),
            };
            let site = head.headers.get(HOST).and_then(|host| host.to_str().ok());
            let asked = Asked {
                method: &head.method,
                version: head.version,
                headers: &head.headers,
                path: &target,
                target: &target,
                site: site.and_then(crate::request::host::Authority::parse),
                secure: ctx.secure,
                client,
            };
            return match Box::pin(line::serve(shared, &asked, &rest, body)).await {
                Outcome::Answer(answer) => Step::Answer(answer),
                Outcome::Stream(opened) => Step::Stream(opened),
            };
        }

        let found = self.matcher.find(
            site.as_ref().map(|site| site.host),
            &header.method,
            &header.headers,
            &canonical.path,
        );
        let route = match found {
            Ok(Some(route)) => &self.targets[route],
            Ok(None) => return self.refuse(cases::not_found()),
            Err(ambiguous) => return self.refuse(ambiguous.into()),
        };
        ctx.upstream = route.upstream;
        let Some(room) = &route.room else {
            shared.metrics.request("forwarded_free");
            return Step::Forward;
        };
        let asked = Asked {
            method: &header.method,
            version: header.version,
            headers: &header.headers,
            path: &canonical.path,
            target: &target,
            site,
            secure: ctx.secure,
            client,
        };
        self.gate(room, &asked, ctx).await
    }

    fn refuse(&self, problem: Problem) -> Step {
        self.shared.metrics.request("refused");
        problem.into()
    }

    /// A request on a guarded route.
    async fn gate(&self, room: &Arc<Room>, asked: &Asked<'_>, ctx: &mut Context) -> Step {
        let shared = &self.shared;
        let names = room.names(asked.secure);
        let token =
            headers::visit_token(asked.headers).or_else(|| cookies::find(asked.headers, &names.visit));
        let live = match token {
            Some(token) => room.visit(&shared.ring.load(), token).await,
            None => None,
        };
        let guarded = {
            let snapshot = room.snapshot();
            if snapshot.is_off() {
                Guarded::Off
            } else {
                Guarded::On {
                    on_store_loss: room.config.on_store_loss,
                    store_up: snapshot.store_up,
                }
            }
        };
        // What a live visit asks for makes no difference, and reading it takes time.
        let asks = if live.is_some() {
            Asks::Other
        } else {
            asks(asked.method, asked.headers)
        };
        let facts = Facts {
            guarded,
            visit: live.is_some(),
            asks,
        };
        match decide(facts) {
            Verdict::Free => Step::Forward,
            Verdict::Open => {
                shared.metrics.request("forwarded_off");
                Step::Forward
            }
            Verdict::Visit => {
                shared.metrics.request("forwarded_visit");
                if let Some((live, token_exp)) = live {
                    self.slide(room, &live, token_exp, ctx);
                    ctx.visit = Some((room.clone(), live));
                }
                Step::Forward
            }
            // Boxed, as is the protocol: the future of every other request stays small.
            Verdict::Line => match Box::pin(line::arrive(shared, room, asked)).await {
                Arrival::Answer(answer) => {
                    shared.metrics.request("page");
                    Step::Answer(answer)
                }
                Arrival::Straight { visit_token, cookies } => {
                    shared.metrics.request("forwarded_visit");
                    ctx.cookies = cookies;
                    ctx.visit = room
                        .fresh_visit(&shared.ring.load(), &visit_token)
                        .map(|live| (room.clone(), live));
                    Step::Forward
                }
            },
            Verdict::Wait => {
                shared.metrics.request("problem");
                Step::Answer(line::wait(shared, room))
            }
        }
    }

    /// A visit that was renewed since its token was made gets a new one, for the time when no store can be asked.
    fn slide(&self, room: &Room, live: &Live, token_exp: u64, ctx: &mut Context) {
        let expires_at_ms = live.expires_at_ms();
        let quarter_ms = room.snapshot().settings.visit_ttl_ms / 4;
        if expires_at_ms <= token_exp * 1_000 + quarter_ms {
            return;
        }
        let lives = (expires_at_ms, live.hard_end_ms);
        let token = room.visit_token(&self.shared.ring.load(), live.round, live.id, live.visitor, lives);
        let names = room.names(ctx.secure);
        let max_age = Duration::from_millis(live.hard_end_ms.saturating_sub(room.clock.now_ms()));
        ctx.cookies.extend(names.set(&names.visit, &token, max_age).ok());
    }

    /// The assertion for the origin, made once per renewal.
    fn assertion(&self, room: &Room, live: &Live) -> Option<HeaderValue> {
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        live.assertion(now_s, || {
            let left_s = live.expires_at_ms().saturating_sub(room.clock.now_ms()) / 1_000;
            let exp = now_s + left_s.max(15);
            let claims = Assertion {
                room: room.config.id.as_str().to_owned(),
                round: live.round,
                epoch: live.id.place.epoch,
                number: live.id.place.number,
                visitor: live.visitor,
                visit: live.id,
                iat: now_s,
                exp,
            };
            let token = self.shared.ring.load().sign(&claims);
            HeaderValue::try_from(token).ok().map(|value| (exp, value))
        })
    }
}

/// Checks the header as it was on the wire.
fn check_raw(session: &Session) -> std::result::Result<(), hygiene::Refused> {
    let ServerSession::H1(http1) = session.as_downstream() else {
        return Ok(());
    };
    let chunked = session
        .req_header()
        .headers
        .contains_key(http::header::TRANSFER_ENCODING);
    raw::check(&http1.get_headers_raw_bytes(), chunked)
}

/// Reads the body of a request under the reserved prefix, whole and bounded.
async fn read_body(session: &mut Session) -> std::result::Result<Bytes, Problem> {
    let method = &session.req_header().method;
    if matches!(*method, Method::GET | Method::HEAD) || session.is_upgrade_req() {
        return Ok(Bytes::new());
    }
    let mut body = BytesMut::new();
    while let Ok(Some(part)) = session.read_request_body().await {
        body.extend_from_slice(&part);
        if body.len() > BODY_MAX {
            return Err(cases::body_too_large(BODY_MAX));
        }
    }
    Ok(body.freeze())
}

/// Writes an answer of ours.
async fn respond(session: &mut Session, answer: Answer, cookies: Vec<HeaderValue>) -> Result<()> {
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 4))?;
    for (name, value) in answer.headers {
        header.append_header(name, value)?;
    }
    for cookie in cookies {
        header.append_header(SET_COOKIE, cookie)?;
    }
    if answer.status != http::StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, answer.body.len())?;
    }
    let head = session.req_header();
    let bodiless = head.method == Method::HEAD || answer.body.is_empty();
    let unread = head.headers.contains_key(CONTENT_LENGTH)
        || head.headers.contains_key(http::header::TRANSFER_ENCODING);
    if unread && !session.as_downstream_mut().is_body_done() {
        // A body that nobody reads is not taken for the next request.
        session.set_keepalive(None);
    }
    session.write_response_header(Box::new(header), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(answer.body), true).await?;
    }
    Ok(())
}

/// Takes the connection out of the session and lets a task of its own wait on it.
fn take_over(session: &mut Session, opened: Box<line::Opened>, shared: Arc<Shared>) {
    let mut empty = ServerSession::new_http1(Box::new(Cursor::new(Vec::<u8>::new())));
    // There is nothing to wait for on it.
    empty.set_keepalive(None);
    let mut taken = std::mem::replace(session.as_downstream_mut(), empty);
    let early = match &mut taken {
        ServerSession::H1(http1) => http1
            .read_body_bytes()
            .now_or_never()
            .and_then(Result::ok)
            .flatten(),
        _ => None,
    };
    let early = early.map(|bytes| bytes.to_vec()).unwrap_or_default();
    if let ServerSession::H1(http1) = taken {
        tokio::spawn(line::run(http1.into_inner(), opened, shared, early));
    }
}

#[async_trait]
impl ProxyHttp for Gatekeeper {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {
        // Pages are compressed once at start, and origins compress their own: no module is needed.
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        ctx.flight = Some(Flight::new(&self.in_flight));
        match self.look(session, ctx).await {
            Step::Forward => Ok(false),
            Step::Answer(answer) => {
                respond(session, answer, std::mem::take(&mut ctx.cookies)).await?;
                Ok(true)
            }
            Step::Stream(opened) => {
                ctx.taken = true;
                take_over(session, opened, self.shared.clone());
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        let server = self
            .upstreams
            .next(ctx.upstream)
            .ok_or_else(|| Error::new(ErrorType::ConnectNoRoute))?;
        let mut peer = HttpPeer::new(server, false, String::new());
        peer.options.connection_timeout = Some(CONNECT_WITHIN);
        peer.options.total_connection_timeout = Some(CONNECT_WITHIN);
        peer.options.read_timeout = Some(READ_WITHIN);
        peer.options.write_timeout = Some(READ_WITHIN);
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        for name in headers::inbound_to_strip(&request.headers, ctx.peer_is_trusted) {
            request.remove_header(&name);
        }
        if let Some(target) = &ctx.target {
            request.set_raw_path(target.as_bytes())?;
        }
        keep_our_cookies(request)?;
        if let Some((room, live)) = &ctx.visit
            && let Some(assertion) = self.assertion(room, live)
        {
            request.insert_header(headers::ASSERTION, assertion)?;
        }
        forward(session, request, ctx)
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if let Some((room, live)) = &ctx.visit {
            if let Some(stock) = origin::stock(&response.headers) {
                room.set_stock(stock);
            }
            if origin::commands(&response.headers).release {
                room.visits.end(live.id);
                room.inbox.end(live.id);
                let names = room.names(ctx.secure);
                let gone = [names.clear(&names.visit), names.clear(&names.place)];
                ctx.cookies = gone.into_iter().flatten().collect();
            }
        }
        for name in headers::outbound_to_strip(&response.headers) {
            response.remove_header(&name);
        }
        for cookie in ctx.cookies.drain(..) {
            response.append_header(SET_COOKIE, cookie)?;
        }
        Ok(())
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
        let servers = self
            .upstreams
            .0
            .get(ctx.upstream)
            .map_or(0, |(_, servers, _)| servers.len());
        error.set_retry(usize::from(ctx.attempts) < servers);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let gone = FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
        if ctx.taken || *error.esource() == ErrorSource::Downstream {
            return gone;
        }
        let problem = match (error.esource(), error.etype()) {
            (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout) => {
                cases::origin_slow()
            }
            (ErrorSource::Upstream, _) => cases::origin_failed(),
            _ if matches!(error.etype(), ErrorType::ConnectRefused | ErrorType::ConnectError) => {
                cases::origin_failed()
            }
            _ => cases::internal(),
        };
        if let Some((name, ..)) = self.upstreams.0.get(ctx.upstream) {
            self.shared.metrics.origin_error(name);
        }
        let error_code = problem.status.as_u16();
        // Cookies of a visit that began with this very request must not be lost with the origin's answer.
        let written = respond(session, problem.into(), std::mem::take(&mut ctx.cookies)).await;
        FailToProxy {
            error_code: if written.is_ok() { error_code } else { 0 },
            can_reuse_downstream: false,
        }
    }

    fn request_summary(&self, session: &Session, ctx: &Context) -> String {
        // No address, cookie or query stands in a log.
        if ctx.taken {
            "a stream".to_owned()
        } else {
            format!(
                "{} {}",
                session.req_header().method,
                session.req_header().uri.path()
            )
        }
    }
}

/// Keeps Tidegate's cookies from the origin.
fn keep_our_cookies(request: &mut RequestHeader) -> Result<()> {
    let lines: Vec<HeaderValue> = request.headers.get_all(COOKIE).iter().cloned().collect();
    if lines
        .iter()
        .all(|line| matches!(cookies::without_ours(line), Some(std::borrow::Cow::Borrowed(_))))
    {
        return Ok(());
    }
    request.remove_header(&COOKIE);
    for line in &lines {
        if let Some(kept) = cookies::without_ours(line) {
            request.append_header(COOKIE, kept.into_owned())?;
        }
    }
    Ok(())
}

/// Says where the request came from and gives it an id.
fn forward(session: &Session, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
    let peer = session
        .client_addr()
        .and_then(|address| address.as_inet())
        .map(|address| address.ip());
    if let Some(peer) = peer {
        let before = request
            .headers
            .get(headers::X_FORWARDED_FOR)
            .and_then(|value| value.to_str().ok());
        let chain = match before {
            Some(before) => format!("{before}, {peer}"),
            None => peer.to_string(),
        };
        request.insert_header(headers::X_FORWARDED_FOR, chain)?;
    }
    let scheme = if ctx.secure { "https" } else { "http" };
    request.insert_header(headers::X_FORWARDED_PROTO, HeaderValue::from_static(scheme))?;
    if let Some(host) = request.headers.get(HOST).cloned()
        && !request.headers.contains_key(headers::X_FORWARDED_HOST)
    {
        request.insert_header(headers::X_FORWARDED_HOST, host)?;
    }
    let known = request
        .headers
        .get(REQUEST_ID)
        .is_some_and(|id| ctx.peer_is_trusted && id.len() <= REQUEST_ID_MAX);
    if !known {
        let id: u128 = rand::random();
        request.insert_header(REQUEST_ID, format!("{id:032x}"))?;
    }
    if request.version == Version::HTTP_10 {
        request.set_version(Version::HTTP_11);
    }
    Ok(())
}
