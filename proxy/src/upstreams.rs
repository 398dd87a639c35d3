//! The servers of every upstream, taken in turn.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};

use tidegate_config::Upstream;

use crate::edge::StartError;

struct Servers {
    name: String,
    addresses: Vec<SocketAddr>,
    turn: AtomicUsize,
}

/// The servers of every upstream. An upstream is known by its index.
pub struct Upstreams(Vec<Servers>);

impl Upstreams {
    /// Looks up the addresses of all servers.
    pub fn resolve(upstreams: &[Upstream]) -> Result<Self, StartError> {
        let resolve = |upstream: &Upstream| {
            let mut addresses = Vec::new();
            for server in &upstream.servers {
                let failed = |source| StartError::Upstream {
                    upstream: upstream.name.clone(),
                    server: server.clone(),
                    source,
                };
                addresses.extend(server.to_socket_addrs().map_err(failed)?);
            }
            Ok(Servers {
                name: upstream.name.clone(),
                addresses,
                turn: AtomicUsize::new(0),
            })
        };
        upstreams.iter().map(resolve).collect::<Result<_, _>>().map(Self)
    }

    /// The index of the upstream of that name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|servers| servers.name == name)
    }

    /// An upstream's name.
    pub fn name(&self, upstream: usize) -> Option<&str> {
        self.0.get(upstream).map(|servers| servers.name.as_str())
    }

    /// How many servers an upstream has.
    pub fn len(&self, upstream: usize) -> usize {
        self.0.get(upstream).map_or(0, |servers| servers.addresses.len())
    }

    /// The next server in turn.
    pub fn next(&self, upstream: usize) -> Option<SocketAddr> {
        let Servers { addresses, turn, .. } = self.0.get(upstream)?;
        let index = turn.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
        addresses.get(index).copied()
    }
}
