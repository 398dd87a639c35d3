//! What every request at this edge shares.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use ipnet::IpNet;
use tidegate_queue::tokens::KeyRing;

use crate::metrics::Metrics;
use crate::request::problem::{Problem, cases};
use crate::room::Room;

/// What every request at this edge shares.
pub struct Shared {
    /// The rooms by id.
    pub rooms: Arc<BTreeMap<String, Arc<Room>>>,
    /// The keys.
    pub ring: ArcSwap<KeyRing>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Sockets and event streams, counted.
    pub sockets: Arc<Sockets>,
    /// The reserved prefix, with slashes at both ends.
    pub prefix: String,
    /// Peers whose word on the client's address and scheme is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the public listeners speak TLS.
    pub tls: bool,
    stopping: AtomicBool,
}

impl Shared {
    /// What the edge is made of, running.
    pub fn new(
        rooms: Arc<BTreeMap<String, Arc<Room>>>,
        ring: KeyRing,
        metrics: Arc<Metrics>,
        edge: &tidegate_config::Edge,
    ) -> Arc<Self> {
        let sockets = Sockets {
            most: edge.sockets_max,
            most_per_address: edge.sockets_per_address_max,
            open: AtomicUsize::new(0),
            by_address: DashMap::new(),
            metrics: metrics.clone(),
        };
        Arc::new(Self {
            rooms,
            ring: ArcSwap::from_pointee(ring),
            metrics,
            sockets: Arc::new(sockets),
            prefix: edge.prefix.clone(),
            trusted_proxies: edge.trusted_proxies.clone(),
            tls: edge.tls.is_some(),
            stopping: AtomicBool::new(false),
        })
    }

    /// The path at which an admission token of `room` is spent.
    pub fn enter_path(&self, room: &Room) -> String {
        format!("{}rooms/{}/enter", self.prefix, room.config.id)
    }

    /// Whether this edge is going down.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// This edge is going down: everyone in line is told to come back.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.rooms.values().for_each(|room| room.fans.wake_all());
    }
}

/// Connections that were taken over: they are in no framework's count, so they are counted here.
pub struct Sockets {
    most: usize,
    most_per_address: usize,
    open: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    metrics: Arc<Metrics>,
}

/// Why a socket is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// This edge holds as many as it may.
    Edge,
    /// This address does.
    Address,
}

impl Full {
    /// What to answer.
    pub fn problem(self) -> Problem {
        match self {
            Self::Edge => cases::edge_full(10),
            Self::Address => cases::too_many_sockets(10),
        }
    }
}

/// One socket's share of the count, until dropped.
pub struct SocketSlot {
    sockets: Arc<Sockets>,
    address: IpAddr,
}

impl Sockets {
    /// Counts one more socket of `address`.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<SocketSlot, Full> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Edge);
        }
        let mut count = self.by_address.entry(address).or_insert(0);
        if *count >= self.most_per_address {
            drop(count);
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Address);
        }
        *count += 1;
        drop(count);
        self.metrics.socket_opened();
        Ok(SocketSlot {
            sockets: self.clone(),
            address,
        })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        self.sockets.open.fetch_sub(1, Ordering::Relaxed);
        self.sockets.metrics.socket_closed();
        let left = self.sockets.by_address.get_mut(&self.address).map(|mut count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            self.sockets
                .by_address
                .remove_if(&self.address, |_, count| *count == 0);
        }
    }
}
