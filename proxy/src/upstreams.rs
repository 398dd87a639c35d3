//! The servers of every upstream, taken in turn.

use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use tidegate_config::Upstream;

use crate::edge::StartError;

/// An origin that does not take a connection within this is down.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// An origin that says nothing for so long, or takes nothing, is stuck.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(60);

struct Servers {
    name: String,
    /// How to reach each of them.
    peers: Vec<HttpPeer>,
    turn: AtomicUsize,
}

/// The servers of every upstream. An upstream is known by its index.
pub struct Upstreams(Vec<Servers>);

impl Upstreams {
    /// Looks up the addresses of all servers.
    pub fn resolve(upstreams: &[Upstream]) -> Result<Self, StartError> {
        let resolve = |upstream: &Upstream| {
            let mut peers = Vec::new();
            for server in &upstream.servers {
                let failed = |source| StartError::Upstream {
                    upstream: upstream.name.clone(),
                    server: server.clone(),
                    source,
                };
                let addresses = server.to_socket_addrs().map_err(failed)?;
                peers.extend(addresses.map(|address| {
                    let mut peer = HttpPeer::new(address, false, String::new());
                    peer.options.connection_timeout = Some(CONNECT_WITHIN);
                    peer.options.total_connection_timeout = Some(CONNECT_WITHIN);
                    peer.options.read_timeout = Some(STUCK_AFTER);
                    peer.options.write_timeout = Some(STUCK_AFTER);
                    peer
                }));
            }
            Ok(Servers {
                name: upstream.name.clone(),
                peers,
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
        self.0.get(upstream).map_or(0, |servers| servers.peers.len())
    }

    /// The next server in turn.
    pub fn next(&self, upstream: usize) -> Option<&HttpPeer> {
        let Servers { peers, turn, .. } = self.0.get(upstream)?;
        let index = turn.fetch_add(1, Ordering::Relaxed) % peers.len().max(1);
        peers.get(index)
    }
}
