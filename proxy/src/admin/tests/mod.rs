//! The operator's calls over a real listener, against a room with a line and a driver that ticks.

#![allow(clippy::unwrap_used)]

mod audit;
mod calls;
mod description;
mod edge;
