//! The life of an order, pure: each step, and each case by name.

#![allow(clippy::unwrap_used)]

mod cases;
mod step;
