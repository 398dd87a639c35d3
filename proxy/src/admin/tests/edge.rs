//! An edge with one room, its admin listener on a free port, and a client that speaks just enough HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;
use tidegate_queue::line::{Settings, VisitId, Visitor};
use tidegate_queue::store::{MemoryStore, SystemMoment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{AdminState, serve};
use crate::metrics::Metrics;
use crate::room::for_tests::config;
use crate::room::{Driver, Joined, Room};

pub(super) const TOKEN: &str = "an-admin-token-0123456789";
/// Nothing here takes longer.
const WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Edge {
    pub(super) room: Arc<Room>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) address: SocketAddr,
    shutdown: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    /// The last part of the problem's type.
    #[track_caller]
    pub(super) fn problem(&self) -> (u16, String) {
        assert!(
            self.header("content-type") == Some("application/problem+json"),
            "{} {}",
            self.head,
            self.body
        );
        let json = self.json();
        assert_eq!(json["status"], self.status);
        (
            self.status,
            json["type"]
                .as_str()
                .unwrap()
                .trim_start_matches("urn:tidegate:problem:")
                .to_owned(),
        )
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }
}

impl Edge {
    pub(super) async fn start() -> Self {
        let (config, metrics) = (config(), Arc::new(Metrics::new()));
        let store = MemoryStore::volatile(Settings::from(&config), 1, Arc::new(SystemMoment::default()));
        let room = Room::new(config, Arc::new(store), 1_000).unwrap();
        let (shutdown, stopped) = watch::channel(false);
        let mut driver = Driver::new(room.clone(), metrics.clone(), 1);
        driver.begin().await.unwrap();
        let ticking = tokio::spawn(driver.run(stopped.clone()));
        let ready = Arc::new(AtomicBool::new(true));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let rooms = Arc::new(BTreeMap::from([("drop".to_owned(), room.clone())]));
        let state = AdminState::new(rooms, metrics.clone(), TOKEN.to_owned(), ready.clone());
        let serving = tokio::spawn(async move { serve(listener, state, stopped).await.unwrap() });
        Self {
            room,
            metrics,
            ready,
            address,
            shutdown,
            tasks: vec![ticking, serving],
        }
    }

    /// A fan who goes straight through; the visit.
    pub(super) async fn visit(&self, visitor: u128) -> VisitId {
        let Joined::Straight { visit, .. } = self.room.join().await else {
            panic!("the room is full")
        };
        self.room.inbox.enter(visit, Visitor(visitor)).await.unwrap();
        visit
    }

    /// A fan who waits.
    pub(super) async fn wait_in_line(&self, visitor: u128) {
        let Joined::Waiting { round, place, ahead } = self.room.join().await else {
            panic!("nobody need wait")
        };
        self.room.hold_new(place, round, Visitor(visitor), ahead);
    }

    /// Tells everything to stop, and waits until it has.
    pub(super) async fn stop(mut self) {
        self.shutdown.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            tokio::time::timeout(WITHIN, task)
                .await
                .expect("it stops")
                .unwrap();
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    /// A call with the token.
    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        self.send(
            method,
            path,
            &format!("Authorization: Bearer {TOKEN}\r\n{kind}"),
            body,
        )
        .await
    }

    /// A call with just these header lines.
    pub(super) async fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let mut stream = self.open(method, path, lines, body).await;
        let mut answer = String::new();
        tokio::time::timeout(WITHIN, stream.read_to_string(&mut answer))
            .await
            .expect("an answer")
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(super) async fn open(&self, method: &str, path: &str, lines: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n"
        );
        // A refusal may come before the body is read.
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        stream
    }

    /// Asks for the room until `is` holds.
    pub(super) async fn until(&self, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + WITHIN;
        loop {
            let room = self.get("/api/v1/rooms/drop").await.json();
            if is(&room) {
                return room;
            }
            assert!(tokio::time::Instant::now() < deadline, "still {room}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reads from `stream` until `is` holds for all that came; the end of the stream ends it too.
pub(super) async fn read_until(stream: &mut TcpStream, is: impl Fn(&str) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + WITHIN;
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while !is(&text) {
        let read = tokio::time::timeout_at(deadline, stream.read(&mut chunk)).await;
        let read = read.unwrap_or_else(|_| panic!("still only {text}")).unwrap();
        if read == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    text
}
