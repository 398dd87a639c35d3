//! Events, showtimes and seats: the service that sells.
//!
//! Four layers, each knowing only those before it:
//!
//! - [`domain`]: what an event, a seat and a hold are, and which requests make sense; pure.
//! - [`store`]: the same in SQLite; the only place with SQL.
//! - `admission`: who may write, by the edge's signed assertion.
//! - `http` and `service`: calls and pages, and the life of the process's listener.

pub mod domain;
pub mod store;

mod admission;
mod http;
mod sample;
mod service;

pub use service::{RunError, Service, StartError, start};
