//! The harness: Tidegate processes, an origin that remembers what reached it, an HTTP client and a fan; Redis servers
//! that are killed and fail over, and links that fail.

mod drill;
mod edges;
mod fan;
mod fault_link;
mod http;
mod origin;
mod process;
mod redis;
mod sentinels;
mod shifted_clock;

use std::time::{Duration, Instant};

pub use drill::{CROWD, Crowd, Drill};
pub use edges::{Edge, edges};
pub use fan::{Fan, Frames, claims, until_expired};
pub use fault_link::{FaultLink, Way};
pub use http::{Exchange, Response, Sent, raw, send, try_send};
pub use origin::Origin;
pub use process::{Proxy, Tidegate, binary, free_port, interrupt, listen_on};
pub use redis::{Persistence, RedisServer};
pub use sentinels::SentinelTrio;
pub use shifted_clock::ShiftedClock;

/// Waits until `done` gives something, and says what it waited for when it never does.
pub fn eventually<T>(what: &str, within: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
