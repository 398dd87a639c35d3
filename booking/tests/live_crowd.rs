//! Five thousand listeners of one showtime, on one machine with them: how late the last of them hears of a change.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::databases::TestDatabase;
use support::house::{hold, house, instance, map_of, release};
use tidegate_booking::store::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

const LISTENERS: usize = 5_000;
const ROUNDS: u32 = 10;

/// Reads the stream, and says when each change came.
async fn listen(
    address: SocketAddr,
    ready: mpsc::Sender<Option<Instant>>,
    connecting: Arc<Semaphore>,
) -> Option<()> {
    let mut socket = {
        // A machine's backlog is 4,096 at the most.
        let _turn = connecting.acquire().await.ok()?;
        let mut socket = TcpStream::connect(address).await.ok()?;
        let ask = b"GET /showtimes/1/seats/stream HTTP/1.1\r\nhost: x\r\n\r\n";
        socket.write_all(ask).await.ok()?;
        let mut first = [0; 4096];
        let mut seen = Vec::new();
        while !seen.windows(13).any(|part| part == b"\nevent: seats") {
            let read = socket.read(&mut first).await.ok()?;
            seen.extend_from_slice(&first[..read]);
        }
        ready.send(None).await.ok()?;
        socket
    };
    let mut buffer = [0; 4096];
    loop {
        let read = socket.read(&mut buffer).await.ok().filter(|&read| read > 0)?;
        if buffer[..read].windows(14).any(|part| part == b"\nevent: change") {
            ready.send(Some(Instant::now())).await.ok()?;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_five_thousand_listeners_in_time() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let needed = 2 * LISTENERS as u64 + 1_000;
    assert!(
        most >= needed,
        "needs {needed} open files; raise the hard limit of {most}"
    );
    setrlimit(Resource::RLIMIT_NOFILE, needed, most).unwrap();
    let database = TestDatabase::on(Engine::Sqlite).await;
    let map = map_of(20, 50);
    let store = house(&database, &map).await;
    let running = instance(&database).await;
    let (ready, mut heard) = mpsc::channel(2 * LISTENERS);
    let connecting = Arc::new(Semaphore::new(100));
    for _ in 0..LISTENERS {
        tokio::spawn(listen(running.address, ready.clone(), Arc::clone(&connecting)));
    }
    for _ in 0..LISTENERS {
        let joined = tokio::time::timeout(Duration::from_secs(60), heard.recv()).await;
        assert_eq!(joined.expect("everybody joins"), Some(None));
    }
    let mut late = Vec::new();
    for round in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(200 + u64::from(round) * 13)).await;
        let committed_at = if round % 2 == 0 {
            assert!(hold(&store, &map, 1, &["R1-1", "R1-2"], Duration::from_secs(1000)).await);
            Instant::now()
        } else {
            release(&store, 1).await;
            Instant::now()
        };
        for _ in 0..LISTENERS {
            let at = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await;
            let at = at.expect("everybody hears of it").flatten().unwrap();
            late.push(at.saturating_duration_since(committed_at));
        }
    }
    late.sort();
    let at = |share: usize| late[late.len() * share / 1000 - 1];
    println!(
        "{LISTENERS} listeners, {ROUNDS} changes by another instance: median {:?}, p99 {:?}, most {:?}",
        at(500),
        at(990),
        at(1000)
    );
    assert!(at(990) < Duration::from_millis(300), "p99 {:?}", at(990));
}
