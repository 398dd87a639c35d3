//! A TCP link that can be stalled, slowed, cut and mended, between anything and a target.
//!
//! Each connection has a reader and a writer each way with a bounded queue between them, so that a delay does not cost
//! throughput, and a stalled link fills up and pushes back as a real one does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{free_port, listen_on};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks under way in one direction of a connection: 1 MiB, as much as a long line holds.
const CHUNKS_MAX: usize = 64;
/// A target on this machine takes a connection at once or refuses it.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long [`FaultLink::stall`] waits for a write that had begun. Only a peer that does not read makes it longer.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// A direction of the link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From who connected to the target.
    Asked,
    /// From the target to who connected.
    Answered,
}

/// A link to a target, on a port of its own.
pub struct FaultLink {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    target: SocketAddr,
    delay: Duration,
    directions: [Direction; 2],
    refuses: bool,
    /// Raised by each cut: what was taken in before it goes nowhere.
    life: u64,
    open: BTreeMap<u64, Arc<Open>>,
    opened: u64,
}

#[derive(Default)]
struct Direction {
    stalled: bool,
    /// Writes that have begun.
    writing: usize,
}

/// A connection through the link.
struct Open {
    client: TcpStream,
    server: TcpStream,
    /// Bytes taken in and not passed on, each way.
    held: [AtomicUsize; 2],
}

/// What was read at once; empty at the end of the stream.
struct Chunk {
    bytes: Vec<u8>,
    read_at: Instant,
}

impl FaultLink {
    /// A link that passes everything on to `target`, which may start later.
    pub fn to(target: SocketAddr) -> Self {
        let state = State {
            target,
            delay: Duration::ZERO,
            directions: Default::default(),
            refuses: true,
            life: 0,
            open: BTreeMap::new(),
            opened: 0,
        };
        let link = Self {
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
            acceptor: Mutex::new(None),
        };
        link.mend();
        link
    }

    /// Where the link is connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link as the URL of a store.
    pub fn redis_url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Keeps everything back, ends of connections and new ones too, until [`Self::resume`]. Nothing is lost, nothing is
    /// closed, and nothing crosses any more once this returns.
    pub fn stall(&self) {
        self.stall_only(Way::Asked);
        self.stall_only(Way::Answered);
    }

    /// Keeps one direction back. With answers stalled and then cut, the target did what it was asked and nobody heard.
    pub fn stall_only(&self, way: Way) {
        let mut state = self.shared.lock();
        state.directions[way as usize].stalled = true;
        let settled = self
            .shared
            .changed
            .wait_timeout_while(state, SETTLE_WITHIN, |state| {
                state.directions[way as usize].writing > 0
            });
        drop(settled.expect("nobody panicked"));
    }

    /// Lets go of what was kept back, in order.
    pub fn resume(&self) {
        let mut state = self.shared.lock();
        for direction in &mut state.directions {
            direction.stalled = false;
        }
        self.shared.changed.notify_all();
    }

    /// Holds each byte for this long, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
        self.shared.changed.notify_all();
    }

    /// Closes every connection, with what was kept back in it, and refuses new ones until [`Self::mend`].
    pub fn cut(&self) {
        {
            let mut state = self.shared.lock();
            state.refuses = true;
            state.life += 1;
            for open in std::mem::take(&mut state.open).values() {
                open.close();
            }
            self.shared.changed.notify_all();
        }
        let acceptor = self.acceptor.lock().expect("nobody panicked").take();
        if let Some(acceptor) = acceptor {
            // It waits for a connection, and finds that it is to stop.
            let _ = TcpStream::connect(self.address);
            acceptor.join().expect("nobody panicked");
        }
    }

    /// Takes connections again after a cut.
    pub fn mend(&self) {
        let mut acceptor = self.acceptor.lock().expect("nobody panicked");
        if acceptor.is_some() {
            return;
        }
        let listener = listen_on(self.address.port());
        self.shared.lock().refuses = false;
        let shared = self.shared.clone();
        *acceptor = Some(std::thread::spawn(move || accept(&listener, &shared)));
    }

    /// Where new connections go. Those that are open stay with the old target until they are cut.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.lock().target = target;
    }

    /// Bytes that were taken in this way and not passed on yet.
    pub fn held_bytes(&self, way: Way) -> usize {
        let state = self.shared.lock();
        let held = state
            .open
            .values()
            .map(|open| open.held[way as usize].load(Ordering::Relaxed));
        held.sum()
    }
}

impl Drop for FaultLink {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    /// Waits until what was read at `read_at` may cross; false when the link was cut meanwhile. Who is let through says
    /// [`Self::crossed`] afterwards.
    fn may_cross(&self, life: u64, way: Way, read_at: Instant) -> bool {
        let mut state = self.lock();
        loop {
            if state.life != life {
                return false;
            }
            let left = (read_at + state.delay).saturating_duration_since(Instant::now());
            state = if state.directions[way as usize].stalled {
                self.changed.wait(state).expect("nobody panicked")
            } else if !left.is_zero() {
                self.changed.wait_timeout(state, left).expect("nobody panicked").0
            } else {
                state.directions[way as usize].writing += 1;
                return true;
            };
        }
    }

    fn crossed(&self, way: Way) {
        self.lock().directions[way as usize].writing -= 1;
        self.changed.notify_all();
    }
}

impl Open {
    /// Where bytes come from and go to this way.
    fn ends(&self, way: Way) -> (&TcpStream, &TcpStream) {
        match way {
            Way::Asked => (&self.client, &self.server),
            Way::Answered => (&self.server, &self.client),
        }
    }

    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        let life = {
            let state = shared.lock();
            if state.refuses {
                return;
            }
            state.life
        };
        let shared = shared.clone();
        std::thread::spawn(move || connect(client, &shared, life));
    }
}

/// Carries one connection until both sides are done with it.
fn connect(client: TcpStream, shared: &Shared, life: u64) {
    if !shared.may_cross(life, Way::Asked, Instant::now()) {
        return;
    }
    let target = shared.lock().target;
    let server = TcpStream::connect_timeout(&target, CONNECT_WITHIN);
    shared.crossed(Way::Asked);
    // A target that refuses shows itself as a connection that ends before it said anything.
    let Ok(server) = server else { return };
    for end in [&client, &server] {
        end.set_nodelay(true).expect("a socket can be told");
    }
    let open = Arc::new(Open {
        client,
        server,
        held: Default::default(),
    });
    let id = {
        let mut state = shared.lock();
        if state.life != life {
            return;
        }
        state.opened += 1;
        let id = state.opened;
        state.open.insert(id, open.clone());
        id
    };
    let open = &open;
    std::thread::scope(|scope| {
        for way in [Way::Asked, Way::Answered] {
            let (sender, receiver) = sync_channel(CHUNKS_MAX);
            scope.spawn(move || take_in(open, way, sender));
            scope.spawn(move || pass_on(open, way, receiver, shared, life));
        }
    });
    shared.lock().open.remove(&id);
}

fn take_in(open: &Open, way: Way, queue: SyncSender<Chunk>) {
    let (mut from, _) = open.ends(way);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        // A connection that was reset has ended too.
        let length = from.read(&mut buffer).unwrap_or(0);
        let chunk = Chunk {
            bytes: buffer[..length].to_vec(),
            read_at: Instant::now(),
        };
        open.held[way as usize].fetch_add(length, Ordering::Relaxed);
        if queue.send(chunk).is_err() || length == 0 {
            return;
        }
    }
}

fn pass_on(open: &Open, way: Way, queue: Receiver<Chunk>, shared: &Shared, life: u64) {
    let (_, mut to) = open.ends(way);
    for chunk in queue {
        let ends = chunk.bytes.is_empty();
        if !shared.may_cross(life, way, chunk.read_at) {
            break;
        }
        let done = if ends {
            to.shutdown(Shutdown::Write)
        } else {
            to.write_all(&chunk.bytes)
        };
        open.held[way as usize].fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
        shared.crossed(way);
        match done {
            Ok(()) if ends => return,
            Ok(()) => {}
            Err(_) => break,
        }
    }
    open.close();
}
