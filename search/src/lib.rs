//! Finding an event: a tantivy index fed from the booking service.
//!
//! The catalogue belongs to booking; this crate knows it only as JSON over HTTP. [`start`] binds the listener and
//! brings back the last saved catalogue, [`Service::run`] serves until told to stop while the feed keeps the index
//! fresh.
//!
//! - `catalogue` is the shape of what booking publishes,
//! - `text` turns what people write into words that can be compared,
//! - `index` holds one reading of the catalogue and answers requests on it,
//! - `feed` reads the catalogue again and again and swaps the index,
//! - `http` speaks to browsers and programs.

mod catalogue;
mod feed;
mod http;
mod index;
mod request;
mod service;
mod text;

pub use service::{RunError, Service, StartError, start};
