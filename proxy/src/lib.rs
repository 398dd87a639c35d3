//! The edge: routing, the gate, the line socket, the waiting page, visits and the admin API.
//!
//! | module | owns |
//! |---|---|
//! | [`edge`] | starting, serving, draining |
//! | [`service`] | Pingora's callbacks, translated; nothing is decided there |
//! | [`gate`] | what becomes of a request: a pure decision |
//! | [`mod@line`] | the public protocol under the reserved prefix |
//! | [`room`] | one room at this edge: its tick, its fans, its visits, its snapshot |
//! | [`request`] | reading requests safely: paths, hosts, headers, cookies, routes, problems |
//! | [`wire`] | bytes and frames of the line socket |
//! | [`page`] | the waiting page |
//! | [`admin`] | the operator's API, health and metrics |
//! | [`metrics`] | every metric's name |
//! | [`shared`] | what all requests share |

pub mod admin;
pub mod edge;
pub mod gate;
pub mod line;
pub mod metrics;
pub mod page;
pub mod request;
pub mod room;
pub mod service;
pub mod shared;
pub mod wire;

pub use edge::{Edge, StartError};
