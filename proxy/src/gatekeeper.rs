//! What becomes of one request: its head is judged, its route found, and the gate's verdict carried out as far as
//! that goes without touching a connection.
//!
//! Knows no framework. Whoever holds the connection hands in a [`Head`] and does what the [`Step`] says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use tidegate_config::{Auth, Config, Guard};

use crate::edge::StartError;
use crate::gate::{Facts, Guarded, Stopped, Verdict, decide, without_user};
use crate::line::{self, Answer, Arrival, Asked, Outcome};
use crate::request::asks::{Asks, asks, shows_pages};
use crate::request::host::Authority;
use crate::request::path::Canonical;
use crate::request::problem::{Problem, cases};
use crate::request::route::Matcher;
use crate::request::{client, cookies, headers, hygiene, path, raw};
use crate::room::{Live, Room};
use crate::shared::Shared;
use crate::upstreams::Upstreams;
use crate::users::{Now, Users};

/// After this long somebody who could not be judged may try again: keys that could not be read are asked for as often.
const AGAIN_AFTER_S: u32 = 2;

/// A request's head, whoever parsed it.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The HTTP version.
    pub version: Version,
    /// The target, parsed; only its authority is looked at.
    pub uri: &'a Uri,
    /// The target as it was sent.
    pub target: &'a [u8],
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Request line to empty line as they were sent; empty where there is no such thing (HTTP/2).
    pub raw: &'a [u8],
    /// The other end of the connection.
    pub peer: IpAddr,
}

/// A head that may be believed, and what it says.
pub struct Judged<'a> {
    canonical: Canonical<'a>,
    site: Authority<'a>,
    client: IpAddr,
    secure: bool,
    peer_is_trusted: bool,
}

/// What a request that passes takes along to the origin and back.
#[derive(Default)]
pub struct Pass {
    /// Where it goes.
    pub upstream: usize,
    /// The visit it belongs to.
    pub visit: Option<(Arc<Room>, Arc<Live>)>,
    /// The account behind it, where the route asks for one.
    pub user: Option<HeaderValue>,
    /// Cookies for the answer.
    pub cookies: Vec<HeaderValue>,
    /// The canonical target, where it differs from what the client wrote.
    pub target: Option<String>,
    /// Whether the client spoke TLS.
    pub secure: bool,
    /// Whether the peer's word on where the request came from is taken.
    pub peer_is_trusted: bool,
}

/// What becomes of a request.
pub enum Step {
    /// It is forwarded.
    Forward(Pass),
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

/// A route, compiled.
struct Target {
    upstream: usize,
    room: Option<Arc<Room>>,
    /// Who knows the users, where the route asks for one.
    users: Option<Arc<Users>>,
}

/// Decides on every request of this edge.
pub struct Gatekeeper {
    shared: Arc<Shared>,
    matcher: Matcher,
    targets: Vec<Target>,
}

impl Gatekeeper {
    /// Compiles the routes. `users` is there wherever one of them asks for a user.
    pub fn new(
        shared: Arc<Shared>,
        config: &Config,
        upstreams: &Upstreams,
        users: Option<&Arc<Users>>,
    ) -> Result<Self, StartError> {
        let matcher = Matcher::compile(&config.routes)?;
        let target = |route: &tidegate_config::Route| Target {
            // The configuration was validated: upstream, room and users exist.
            upstream: upstreams.index(&route.upstream).unwrap_or(usize::MAX),
            room: match &route.guard {
                Guard::Room(id) => shared.rooms.get(id.as_str()).cloned(),
                Guard::Free => None,
            },
            users: match route.auth {
                Auth::User => Some(
                    users
                        .cloned()
                        .expect("a route that asks for a user was checked for [users]"),
                ),
                Auth::None => None,
            },
        };
        let targets = config.routes.iter().map(target).collect();
        Ok(Self {
            shared,
            matcher,
            targets,
        })
    }

    /// What all requests share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Refuses what two programs could read differently; otherwise says what the head says.
    pub fn judge<'a>(&self, head: &Head<'a>) -> Result<Judged<'a>, Problem> {
        let shared = &self.shared;
        let judged = (|| {
            hygiene::check_method(head.method)?;
            raw::check(head.raw, head.headers.contains_key(TRANSFER_ENCODING))?;
            let canonical = path::canonicalise(head.target)?;
            let site = hygiene::check(
                head.version,
                head.method,
                head.uri,
                head.headers,
                canonical.authority,
            )?;
            Ok(Judged {
                canonical,
                site,
                client: client::client_address(head.peer, head.headers, &shared.trusted_proxies),
                secure: client::is_secure(shared.tls, head.peer, head.headers, &shared.trusted_proxies),
                peer_is_trusted: client::is_trusted(head.peer, &shared.trusted_proxies),
            })
        })();
        judged.inspect_err(|_| shared.metrics.request("refused"))
    }

    /// Whether a request is for Tidegate itself: its body is read before [`Self::step`] is asked.
    pub fn is_ours(&self, judged: &Judged<'_>) -> bool {
        judged.canonical.path.starts_with(&self.shared.prefix)
    }

    /// What becomes of a request. `body` counts only where the request [is ours](Self::is_ours).
    pub async fn step(&self, head: &Head<'_>, judged: &Judged<'_>, body: Bytes) -> Step {
        let shared = &self.shared;
        let target = judged.canonical.path_and_query();
        let asked = Asked {
            method: head.method,
            version: head.version,
            headers: head.headers,
            target: &target,
            site: judged.site,
            secure: judged.secure,
            client: judged.client,
        };
        if let Some(rest) = judged.canonical.path.strip_prefix(shared.prefix.as_str()) {
            shared.metrics.request("protocol");
            return match Box::pin(line::serve(shared, &asked, rest, body)).await {
                Outcome::Answer(answer) => Step::Answer(answer),
                Outcome::Stream(opened) => Step::Stream(opened),
            };
        }
        let host = judged.site.host;
        let found = self
            .matcher
            .find(Some(host), head.method, head.headers, &judged.canonical.path);
        let route = match found {
            Ok(Some(route)) => &self.targets[route],
            Ok(None) => return self.refuse(cases::not_found()),
            Err(ambiguous) => return self.refuse(ambiguous.into()),
        };
        let pass = Pass {
            upstream: route.upstream,
            target: (target.as_bytes() != head.target).then(|| target.clone().into_owned()),
            secure: judged.secure,
            peer_is_trusted: judged.peer_is_trusted,
            ..Pass::default()
        };
        match &route.room {
            Some(room) => self.gate(route, room, &asked, pass).await,
            None => self.pass(route, &asked, pass, "forwarded_free"),
        }
    }

    /// A request that no room holds back: forwarded, unless its route asks for a user and none is behind it. Nothing is
    /// forwarded but through here.
    fn pass(&self, route: &Target, asked: &Asked<'_>, mut pass: Pass, verdict: &'static str) -> Step {
        if let Some(users) = &route.users {
            match users.whose(asked.headers, asked.secure, Now::read()) {
                Ok(user) => pass.user = Some(user),
                Err(why) => {
                    let stopped = without_user(why, shows_pages(asked.method, asked.headers));
                    // A visit that has just begun is not lost on the way to the login.
                    return Step::Answer(self.stop(users, stopped, asked).cookies(pass.cookies));
                }
            }
        }
        self.shared.metrics.request(verdict);
        Step::Forward(pass)
    }

    fn stop(&self, users: &Users, stopped: Stopped, asked: &Asked<'_>) -> Answer {
        let metrics = &self.shared.metrics;
        metrics.request(match stopped {
            Stopped::Later => "users_unknown",
            Stopped::Login | Stopped::Unauthorized { .. } => "login",
        });
        match stopped {
            Stopped::Login => Answer::see_other(&users.login(asked.target)),
            Stopped::Unauthorized { sent } => cases::login_needed(users.login_path(), sent).into(),
            Stopped::Later => cases::users_unknown(AGAIN_AFTER_S).into(),
        }
    }

    fn refuse(&self, problem: Problem) -> Step {
        self.shared.metrics.request("refused");
        problem.into()
    }

    /// A request on a guarded route.
    async fn gate(&self, route: &Target, room: &Arc<Room>, asked: &Asked<'_>, mut pass: Pass) -> Step {
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
            Verdict::Free => self.pass(route, asked, pass, "forwarded_free"),
            Verdict::Open => self.pass(route, asked, pass, "forwarded_off"),
            Verdict::Visit => {
                if let Some((live, token_exp)) = live {
                    pass.cookies
                        .extend(self.slide(room, &live, token_exp, asked.secure));
                    pass.visit = Some((room.clone(), live));
                }
                self.pass(route, asked, pass, "forwarded_visit")
            }
            // Boxed, as is the protocol: the future of every other request stays small.
            Verdict::Line => match Box::pin(line::arrive(shared, room, asked)).await {
                Arrival::Answer(answer) => {
                    shared.metrics.request("page");
                    Step::Answer(answer)
                }
                Arrival::Straight { visit_token, cookies } => {
                    pass.cookies = cookies;
                    pass.visit = room
                        .fresh_visit(&shared.ring.load(), &visit_token)
                        .map(|live| (room.clone(), live));
                    self.pass(route, asked, pass, "forwarded_visit")
                }
            },
            Verdict::Wait => {
                shared.metrics.request("problem");
                Step::Answer(line::wait(shared, room))
            }
        }
    }

    /// A visit that was renewed since its token was made gets a new one, for the time when no store can be asked.
    fn slide(&self, room: &Room, live: &Live, token_exp: u64, secure: bool) -> Option<HeaderValue> {
        let expires_at_ms = live.expires_at_ms();
        let quarter_ms = room.snapshot().settings.visit_ttl_ms / 4;
        if expires_at_ms <= token_exp * 1_000 + quarter_ms {
            return None;
        }
        let lives = (expires_at_ms, live.hard_end_ms);
        let token = room.visit_token(&self.shared.ring.load(), live.round, live.id, live.visitor, lives);
        let names = room.names(secure);
        let max_age = Duration::from_millis(live.hard_end_ms.saturating_sub(room.clock.now_ms()));
        names.set(&names.visit, &token, max_age).ok()
    }
}
