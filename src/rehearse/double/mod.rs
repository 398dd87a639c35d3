//! A protocol double: a small server that speaks the public protocol with a correct little [`line`] behind it, and breaks
//! exactly one promise when told to. It signs nothing: a fan cannot tell.

mod line;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use line::{Arrival, Line};
pub(crate) use line::{Fault, Rules};

const ROOM: &str = "double";
const TICK: Duration = Duration::from_millis(20);

type Shared = Arc<Mutex<Line>>;

/// A running double with one edge or several on one line; ends when dropped.
pub(super) struct Double {
    pub(super) addrs: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

/// What one edge of the double has of its own.
#[derive(Clone)]
struct Edge {
    number: usize,
    key: &'static str,
    line: Shared,
}

impl Double {
    /// With one edge for each key; edges of one site have the same.
    pub(super) async fn start(rules: Rules, keys: &[&'static str]) -> Self {
        let line = Arc::new(Mutex::new(Line::new(rules)));
        let (mut addrs, mut tasks) = (Vec::new(), JoinSet::new());
        let ticking = Arc::clone(&line);
        tasks.spawn(async move {
            let mut ticks = interval(TICK);
            loop {
                ticks.tick().await;
                locked(&ticking).tick();
            }
        });
        for (number, &key) in keys.iter().enumerate() {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
            addrs.push(listener.local_addr().expect("it is bound"));
            let line = Arc::clone(&line);
            tasks.spawn(serve(listener, Edge { number, key, line }));
        }
        Self { addrs, _tasks: tasks }
    }
}

async fn serve(listener: TcpListener, edge: Edge) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let edge = edge.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(edge.clone(), request));
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = serving.with_upgrades().await;
        });
    }
}

async fn answer(edge: Edge, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = edge.line;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (place, visit) = (
        id_in(request.headers(), "place"),
        id_in(request.headers(), "visit"),
    );
    let under = path.strip_prefix("/_tidegate/rooms/double/");
    let navigates = request.headers().contains_key("sec-fetch-mode");
    Ok(match (&method, under) {
        (&Method::GET, None) if path == "/_tidegate/jwks.json" => finished(
            Response::builder(),
            json!({"keys": [{"kid": edge.key}]}).to_string(),
        ),
        (&Method::GET, None) if !navigates => finished(
            Response::builder().status(StatusCode::SERVICE_UNAVAILABLE),
            json!({"join": format!("/_tidegate/rooms/{ROOM}/places")}).to_string(),
        ),
        (&Method::GET, None) => {
            let mut line = locked(&line);
            if line.rules.fault == Fault::Errors && (40..46).contains(&line.next) {
                return Ok(finished(
                    Response::builder().status(StatusCode::BAD_GATEWAY),
                    "no",
                ));
            }
            match visit {
                Some(visit) if line.is_live(visit) => finished(Response::builder(), "the site"),
                _ => arrived(&mut line, edge.number),
            }
        }
        (&Method::GET, Some("line")) => {
            let Some(id) = place else {
                return Ok(finished(Response::builder().status(401), "no place"));
            };
            let key = request
                .headers()
                .get("sec-websocket-key")
                .map(|key| derive_accept_key(key.as_bytes()));
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                if let Ok(raw) = upgraded.await {
                    converse(line, id, edge.number, TokioIo::new(raw)).await;
                }
            });
            let switching = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let switching = switching
                .header("connection", "Upgrade")
                .header("upgrade", "websocket");
            let switching = switching.header("sec-websocket-protocol", "tidegate.v1");
            finished(
                switching.header("sec-websocket-accept", key.unwrap_or_default()),
                "",
            )
        }
        (&Method::POST, Some("enter")) => {
            let body = request
                .into_body()
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            let form = String::from_utf8_lossy(&body)
                .replace("%2E", ".")
                .replace("%5F", "_")
                .replace("%2D", "-");
            let token = form.split('&').find_map(|pair| pair.strip_prefix("token="));
            match token.and_then(id_of) {
                Some(id) => entered(&locked(&line), id),
                None => finished(Response::builder().status(400), "no token"),
            }
        }
        (&Method::DELETE, Some("visits/me")) => {
            let ended = visit.is_some_and(|visit| locked(&line).release(visit));
            finished(Response::builder().status(if ended { 204 } else { 404 }), "")
        }
        _ => finished(Response::builder().status(404), "nothing here"),
    })
}

fn arrived(line: &mut Line, edge: usize) -> Response<Full<Bytes>> {
    let (id, arrival) = line.arrive(edge);
    let token = token(id, line.number(id));
    match arrival {
        Arrival::Straight => finished(
            Response::builder().header(SET_COOKIE, cookie("visit", &token)),
            "the site",
        ),
        Arrival::Waits => {
            let page = Response::builder().header("tidegate-room", ROOM);
            finished(page.header(SET_COOKIE, cookie("place", &token)), "please wait")
        }
    }
}

fn entered(line: &Line, id: u64) -> Response<Full<Bytes>> {
    if !line.opens_to(id) {
        return finished(Response::builder().status(StatusCode::FORBIDDEN), "no");
    }
    let page = Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(LOCATION, "/");
    finished(
        page.header(SET_COOKIE, cookie("visit", &token(id, line.number(id)))),
        "",
    )
}

async fn converse(line: Shared, id: u64, edge: usize, raw: TokioIo<hyper::upgrade::Upgraded>) {
    let (mut sink, mut stream) = WebSocketStream::from_raw_socket(raw, Role::Server, None)
        .await
        .split();
    let (socket, mut frames) = locked(&line).open(id, edge);
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) if sink.send(Message::text(frame.to_string())).await.is_ok() => {}
                _ => break,
            },
            heard = stream.next() => match heard {
                Some(Ok(Message::Text(text))) if text.contains("here") => {
                    locked(&line).here(id);
                }
                Some(Ok(Message::Ping(_))) => { let _ = sink.flush().await; }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    locked(&line).gone(id, socket);
}

fn locked(line: &Shared) -> MutexGuard<'_, Line> {
    line.lock()
        .expect("no test thread panics while it holds the line")
}

fn finished(head: http::response::Builder, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    head.body(Full::new(body.into()))
        .expect("the double's headers are well formed")
}

/// Shaped like a JWT. `id` is what the double goes by; place and visitor are what it claims.
fn token(id: u64, number: u64) -> String {
    let claims = json!({"room": ROOM, "round": "1", "epoch": 7, "number": number,
        "visitor": format!("v{number}"), "visit": id, "id": id});
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn id_of(token: &str) -> Option<u64> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&payload).ok()?["id"].as_u64()
}

fn cookie(kind: &str, token: &str) -> String {
    format!("tidegate_{kind}_{ROOM}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=300")
}

fn id_in(headers: &HeaderMap, kind: &str) -> Option<u64> {
    let name = format!("tidegate_{kind}_{ROOM}=");
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    id_of(cookies.split("; ").find_map(|pair| pair.strip_prefix(&name))?)
}
