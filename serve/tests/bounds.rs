//! What a listener puts up with, and how it stops.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tidegate_serve::{Bounds, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const WAITS: &[u8] = b"GET /waits HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

struct Listening {
    address: SocketAddr,
    /// A request to `/waits` has begun; it ends when the other is told.
    begun: Arc<Notify>,
    may_end: Arc<Notify>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn listen(bounds: Bounds) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let both = (Arc::clone(&begun), Arc::clone(&may_end));
    let waits = move || {
        let (begun, may_end) = both.clone();
        async move {
            begun.notify_one();
            may_end.notified().await;
            "waited"
        }
    };
    let routes = Router::new()
        .route("/", get(async || "here"))
        .route("/waits", get(waits));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let told = async {
            let _ = stopped.await;
        };
        serve(listener, routes, bounds, "a test", told)
            .await
            .finish()
            .await;
    });
    Listening {
        address,
        begun,
        may_end,
        stop,
        task,
    }
}

async fn connect(to: &Listening, say: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to.address).await.unwrap();
    stream.write_all(say).await.unwrap();
    stream
}

/// All that comes until the connection ends.
async fn heard(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    let read = tokio::time::timeout(PATIENCE, read)
        .await
        .expect("an end in time");
    // Whoever is hung up on while speaking may see the connection reset.
    let _ = read;
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn who_sends_a_head_too_slowly_is_hung_up_on() {
    let head_within = Duration::from_millis(300);
    let listening = listen(Bounds {
        head_within,
        ..Bounds::of(8)
    })
    .await;
    let began = Instant::now();
    let said = heard(connect(&listening, &HEAD[..20]).await).await;
    assert!(!said.contains("here"), "{said}");
    assert!(began.elapsed() >= head_within, "{:?}", began.elapsed());
    assert!(heard(connect(&listening, HEAD).await).await.ends_with("here"));
}

#[tokio::test]
async fn beyond_the_bound_a_connection_waits_until_another_ends() {
    let listening = listen(Bounds::of(1)).await;
    let first = connect(&listening, WAITS).await;
    listening.begun.notified().await;
    let second = tokio::spawn(heard(connect(&listening, HEAD).await));
    // Long enough that it would have been answered, had it been taken.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!second.is_finished());
    listening.may_end.notify_one();
    assert!(heard(first).await.ends_with("waited"));
    assert!(second.await.unwrap().ends_with("here"));
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_nothing_new_is_taken() {
    let listening = listen(Bounds::of(8)).await;
    let under_way = connect(&listening, WAITS).await;
    listening.begun.notified().await;
    listening.stop.send(()).unwrap();
    let began = Instant::now();
    while TcpStream::connect(listening.address).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "it still listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    listening.may_end.notify_one();
    assert!(heard(under_way).await.ends_with("waited"));
    tokio::time::timeout(PATIENCE, listening.task)
        .await
        .unwrap()
        .unwrap();
}
