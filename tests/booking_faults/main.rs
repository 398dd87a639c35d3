//! The booking service under fire: real processes on a real PostgreSQL, killed with -9 at every step from a hold to a
//! ticket, paused past the hold's end, and in a rush with a payment provider that misbehaves; on a disk that
//! fills up, and with payments that are not what was asked for.

#![allow(clippy::unwrap_used)]

#[path = "../../booking/tests/support/databases.rs"]
#[allow(dead_code)]
mod databases;
#[path = "../end_to_end/support/http.rs"]
#[allow(dead_code)]
mod http;

mod fan;
mod full_disk;
mod gate;
mod instance;
mod killed;
mod paused;
mod provider_says;
mod rush;

use std::time::{Duration, Instant};

/// Waits until `done` gives something, and says what it waited for when it never does.
fn eventually<T>(what: &str, within: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
