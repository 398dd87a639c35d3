//! A small booking service that serves a catalogue, and a search service beside it, each on a port of its own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several test programs, each using a part"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tidegate_config::Search;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long a test waits for a condition before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the catalogue server serves and what it has seen.
#[derive(Default)]
pub struct Shelf {
    pub events: Vec<Value>,
    pub version: u64,
    /// Answer with this instead.
    pub instead: Option<(StatusCode, String)>,
    pub pages_served: usize,
    pub unchanged_served: usize,
    pub limits_seen: Vec<usize>,
    /// Name of the field that says what follows, if not `next`.
    pub next_name: Option<&'static str>,
}

/// A catalogue server; stops when dropped.
pub struct FakeBooking {
    pub address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    task: JoinHandle<()>,
}

impl FakeBooking {
    pub async fn start(events: Vec<Value>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), events).await
    }

    pub async fn start_at(address: SocketAddr, events: Vec<Value>) -> Self {
        let shelf = Arc::new(Mutex::new(Shelf {
            events,
            version: 1,
            ..Shelf::default()
        }));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/events", get(list))
            .with_state(Arc::clone(&shelf));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shelf, task }
    }

    /// Changes what is served and gives it a new version.
    pub fn change(&self, change: impl FnOnce(&mut Shelf)) {
        let mut shelf = self.shelf.lock().unwrap();
        change(&mut shelf);
        shelf.version += 1;
    }

    pub fn look<T>(&self, look: impl FnOnce(&Shelf) -> T) -> T {
        look(&self.shelf.lock().unwrap())
    }
}

impl Drop for FakeBooking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(serde::Deserialize)]
struct ListParameters {
    after: u64,
    limit: usize,
}

async fn list(
    State(shelf): State<Arc<Mutex<Shelf>>>,
    headers: HeaderMap,
    Query(parameters): Query<ListParameters>,
) -> Response {
    let mut shelf = shelf.lock().unwrap();
    shelf.limits_seen.push(parameters.limit);
    if let Some((status, body)) = shelf.instead.clone() {
        return (status, body).into_response();
    }
    assert_eq!(headers[header::ACCEPT], "application/json");
    let etag = format!("\"v{}\"", shelf.version);
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes())
    {
        shelf.unchanged_served += 1;
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    shelf.pages_served += 1;
    let id = |event: &Value| event["id"].as_u64().unwrap();
    let page: Vec<Value> = shelf
        .events
        .iter()
        .filter(|event| id(event) > parameters.after)
        .take(parameters.limit)
        .cloned()
        .collect();
    let more = page
        .last()
        .is_some_and(|last| shelf.events.last().is_some_and(|end| id(end) > id(last)));
    let next = if more { page.last().map(id) } else { None };
    let next_name = shelf.next_name.unwrap_or("next");
    (
        [(header::ETAG, etag)],
        Json(json!({"events": page, next_name: next, "generated_by": "a test"})),
    )
        .into_response()
}

/// An event with one showtime in as many days.
pub fn event(id: u64, title: &str, city: &str, in_days: i64) -> Value {
    json!({
        "id": id,
        "title": title,
        "category": if id.is_multiple_of(2) { "Theatre" } else { "Music" },
        "description": format!("An evening of {title} with friends."),
        "venue": {"name": "Bell Hall", "city": city, "country": "US", "capacity": 300},
        "showtimes": [{"id": id * 10, "starts_at": days_from_now(in_days), "seats_left": 12,
            "price_from": {"amount": 2500, "currency": "USD"}, "hall": "big"}],
        "url": format!("/events/{id}"),
    })
}

pub fn days_from_now(days: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days)).to_string()
}

/// A running search service; stops when dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<Result<(), tidegate_search::RunError>>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

pub fn config(booking: SocketAddr) -> Search {
    Search {
        listen: "127.0.0.1:0".parse().unwrap(),
        catalogue_url: format!("http://{booking}"),
        refresh_every: Duration::from_millis(50),
    }
}

impl Running {
    pub async fn start(booking: SocketAddr, data_dir: &Path) -> Self {
        let service = tidegate_search::start(&config(booking), data_dir).await.unwrap();
        let address = service.local_addr();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(service.run(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            task,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Starts and waits for the first index.
    pub async fn ready(booking: SocketAddr, data_dir: &Path) -> Self {
        let running = Self::start(booking, data_dir).await;
        running
            .until("/health", |status, _| status == StatusCode::OK)
            .await;
        running
    }

    /// Stops as an operator would.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap().unwrap();
    }

    pub async fn get(&self, path: &str, accept: &str) -> (StatusCode, HeaderMap, String) {
        let request = http::Request::get(format!("http://{}{path}", self.address))
            .header(header::ACCEPT, accept)
            .body(Empty::new())
            .unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    pub async fn json(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.get(path, "*/*").await;
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")),
        )
    }

    /// The ids a search finds.
    pub async fn ids(&self, path: &str) -> Vec<u64> {
        let (status, body) = self.json(path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_u64().unwrap())
            .collect()
    }

    /// Asks until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(StatusCode, &Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (status, body) = self.json(path).await;
            if wanted(status, &body) {
                return body;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{path} still answers {status}: {body}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
