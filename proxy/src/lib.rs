//! The edge: routing, the gate, the line socket, the waiting page, visits and the admin API.
//!
//! | module | owns |
//! |---|---|
//! | [`edge`] | starting, serving, draining |
//! | `background` | the edge's own tasks, none of which ends unnoticed |
//! | [`front`] | a connection before any framework: heads read, pages written |
//! | [`gatekeeper`] | what becomes of a request, from its head to a step |
//! | [`gate`] | the verdict in the middle of that: a pure decision |
//! | [`service`] | Pingora's callbacks, translated; nothing is decided there |
//! | [`forwarding`] | what passes between the edge and an origin |
//! | [`users`] | who is behind a request, by the tokens of the service that knows |
//! | [`upstreams`] | the servers behind |
//! | [`mod@line`] | the public protocol under the reserved prefix |
//! | [`room`] | one room at this edge: its tick, its fans, its visits, its snapshot |
//! | [`request`] | reading requests safely: paths, hosts, headers, cookies, routes, problems |
//! | [`wire`] | bytes and frames of the line socket |
//! | [`page`] | the waiting page |
//! | [`admin`] | the operator's API, health and metrics |
//! | [`metrics`] | every metric's name |
//! | [`shared`] | what all requests share |

pub mod admin;
mod background;
pub mod edge;
pub mod forwarding;
pub mod front;
pub mod gate;
pub mod gatekeeper;
pub mod line;
pub mod metrics;
pub mod page;
pub mod request;
pub mod room;
pub mod service;
pub mod shared;
pub mod upstreams;
pub mod users;
pub mod wire;

pub use edge::{Edge, StartError};
