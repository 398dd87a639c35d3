//! The edge: routing, the gate, the line socket, the waiting page, visits and the admin API.

pub mod page;
pub mod request;
pub mod wire;
