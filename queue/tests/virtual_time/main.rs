//! The line in virtual time: hours of a drop in seconds, with crowds far larger than a test could open sockets for.
//!
//! One edge drives a [`tidegate_queue::line::Line`] as a real one does. Each test prints what it measured; run with
//! `cargo test -p tidegate-queue --test virtual_time -- --nocapture` to see it.

mod crowd;
mod forecast;
mod rate;
mod size;
