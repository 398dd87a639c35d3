//! Holds many line sockets at once and counts what is pushed to them; `make bench` measures the edge meanwhile.
//!
//! It opens the sockets, prints `{"open":N,"failed":M,"open_s":S}`, and then answers each line of standard input with the
//! counts so far. Standard input closed means: say goodbye on every socket and end. Each socket is a new fan without
//! cookies; they come from several 127.0.0.x addresses, one of which has ports for 28,000.

use std::io::BufRead as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Handshakes under way at once: enough to fill 15,000 in seconds, few enough for any listener's backlog.
const OPENING_MAX: usize = 64;
/// A handshake that takes longer has failed.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// Longest answer to the upgrade, and longest frame; the edge sends neither.
const BYTES_MAX: usize = 16 * 1_024;
/// The key of RFC 6455's own example: what it proves is proved in the tests.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Holds line sockets.
#[derive(Parser)]
struct Args {
    /// The edge's public listener
    #[arg(long)]
    edge: SocketAddr,
    /// Whose line
    #[arg(long)]
    room: String,
    /// How many sockets
    #[arg(long, default_value_t = 15_000)]
    sockets: usize,
    /// How many 127.0.0.x addresses they come from
    #[arg(long, default_value_t = 5)]
    addresses: u8,
}

/// What was received, over all sockets.
#[derive(Default)]
struct Counts {
    frames: AtomicU64,
    bytes: AtomicU64,
    pings: AtomicU64,
    closed_by_edge: AtomicU64,
}

// One thread: what the edge costs is measured meanwhile, and should not be the switching between the two.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.addresses >= 1, "--addresses: at least one");
    let counts = Arc::new(Counts::default());
    let (goodbye, leaving) = watch::channel(false);
    let opening = Arc::new(Semaphore::new(OPENING_MAX));
    let request: Arc<str> = format!(
        "GET /_tidegate/rooms/{}/line HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: tidegate.v1\r\n\r\n",
        args.room, args.edge
    )
    .into();

    let began = Instant::now();
    let mut handshakes = JoinSet::new();
    for index in 0..args.sockets {
        let permit = opening
            .clone()
            .acquire_owned()
            .await
            .context("the semaphore is never closed")?;
        let from = Ipv4Addr::new(127, 0, 0, 2 + (index % usize::from(args.addresses)) as u8);
        let (edge, request) = (args.edge, request.clone());
        handshakes.spawn(async move {
            let opened = tokio::time::timeout(OPEN_WITHIN, open(edge, from, &request)).await;
            drop(permit);
            opened.context("no answer in time")?
        });
    }
    let mut holding = JoinSet::new();
    let (mut open, mut failed) = (0_u64, 0_u64);
    while let Some(handshake) = handshakes.join_next().await {
        match handshake.context("a handshake panicked")? {
            Ok((stream, early)) => {
                open += 1;
                holding.spawn(hold(stream, early, counts.clone(), leaving.clone()));
            }
            Err(error) => {
                failed += 1;
                if failed <= 3 {
                    eprintln!("a socket could not be opened: {error:#}");
                }
            }
        }
    }
    println!(
        "{}",
        json!({"open": open, "failed": failed, "open_s": began.elapsed().as_secs_f64()})
    );

    let asked = counts.clone();
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
            println!("{}", asked.json());
        }
    })
    .await?;
    goodbye.send_replace(true);
    while holding.join_next().await.is_some() {}
    println!("{}", counts.json());
    Ok(())
}

impl Counts {
    fn json(&self) -> serde_json::Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "frames": read(&self.frames),
            "bytes": read(&self.bytes),
            "pings": read(&self.pings),
            "closed_by_edge": read(&self.closed_by_edge),
        })
    }
}

/// Opens one socket; returns it with the bytes that came behind the answer.
async fn open(edge: SocketAddr, from: Ipv4Addr, request: &str) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let socket = TcpSocket::new_v4()?;
    if edge.ip().is_loopback() {
        socket.bind(SocketAddr::from((from, 0)))?;
    }
    let mut stream = socket.connect(edge).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1_024);
    let end = loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(answer.len() < BYTES_MAX, "the answer to the upgrade does not end");
        ensure!(
            stream.read_buf(&mut answer).await? > 0,
            "closed before the answer to the upgrade"
        );
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let first = head.lines().next().unwrap_or_default();
    if !first.contains(" 101 ") {
        bail!("{first}");
    }
    let early = answer.split_off(end);
    Ok((stream, early))
}

/// Counts frames and answers pings until the edge closes or everyone leaves.
async fn hold(
    mut stream: TcpStream,
    mut unread: Vec<u8>,
    counts: Arc<Counts>,
    mut leaving: watch::Receiver<bool>,
) {
    loop {
        while let Some((opcode, length)) = take_frame(&mut unread) {
            counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
            match opcode {
                0x1 => counts.frames.fetch_add(1, Ordering::Relaxed),
                0x9 => {
                    // An empty pong under an empty mask: the edge's pings carry nothing it needs back.
                    if stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.is_err() {
                        return;
                    }
                    counts.pings.fetch_add(1, Ordering::Relaxed)
                }
                0x8 => counts.closed_by_edge.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
        unread.shrink_to(512);
        // What the wait yields borrows the channel and may not live on across the goodbye.
        let read = tokio::select! {
            read = stream.read_buf(&mut unread) => Some(read),
            _ = async { leaving.wait_for(|leave| *leave).await.is_ok() } => None,
        };
        match read {
            Some(Ok(1..)) if unread.len() < BYTES_MAX => {}
            Some(_) => return,
            None => {
                // 1000 under an empty mask.
                let _ = stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await;
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

/// Takes one whole frame off the front: its opcode and payload length. The edge does not mask what it sends.
fn take_frame(unread: &mut Vec<u8>) -> Option<(u8, usize)> {
    let (opcode, short) = (unread.first()? & 0x0f, usize::from(unread.get(1)? & 0x7f));
    let (head, length) = match short {
        126 => (
            4,
            usize::from(u16::from_be_bytes([*unread.get(2)?, *unread.get(3)?])),
        ),
        127 => (10, usize::MAX - 10),
        _ => (2, short),
    };
    if unread.len() < head + length {
        return None;
    }
    unread.drain(..head + length);
    Some((opcode, length))
}
