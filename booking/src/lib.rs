//! Events, showtimes and seats: the service that sells.
//!
//! Layers, each knowing only those before it:
//!
//! - [`domain`]: what an event, a seat and a hold are, and which requests make sense; pure.
//! - [`store`]: the same in SQLite or PostgreSQL; the only place with SQL. How transactions begin is in `database`.
//! - `admission` and `login`: who may write, by the edge's signed assertion and by their own account.
//! - [`payment`]: the provider that takes the money, and the sandbox that stands in for one; beside the store.
//! - [`ticket`] and [`mail`]: what fans are given and written; neither knows the store or HTTP.
//! - `fulfilment`: what follows from an order's moves: payments asked for, tickets written, mails sent.
//! - `filter` and [`live`]: seats as everyone sees them, read once for all and streamed; with Redis, told at once.
//! - `http` and `service`: calls and pages, and the life of the process; beside them `grant`, which gives roles without
//!   either, `till`, which opens the payment provider, `sample`, the catalogue to begin with, and `private`, which keeps
//!   files to their owner.

pub mod domain;
pub mod live;
pub mod mail;
pub mod payment;
pub mod store;
pub mod ticket;

mod admission;
mod database;
mod filter;
mod fulfilment;
mod grant;
mod http;
mod login;
mod private;
mod sample;
mod service;
mod till;

pub use grant::{GrantError, grant};
pub use service::{RunError, Service, StartError, start};
