//! The harness: a Tidegate process, an origin that remembers what reached it, an HTTP client and a fan.

mod fan;
mod http;
mod origin;
mod process;

use std::time::{Duration, Instant};

pub use fan::{Fan, claims};
pub use http::{Response, Sent, raw, send};
pub use origin::Origin;
pub use process::{Tidegate, binary, free_port, interrupt};

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
