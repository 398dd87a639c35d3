//! Seats: who may take which, what is held back, what was, and how everyone sees it change.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod claims;
mod history;
mod live;
mod live_redis;
mod live_stream;
mod reserve;
