//! The line socket's bytes: the upgrade, the frames and what stands in them.
//!
//! Sockets are not read or written here. Whoever holds one feeds bytes in and writes bytes out, so that fifteen
//! thousand of them cost what their owner decides and every rule can be tested without a network.
//!
//! | module | owns |
//! |---|---|
//! | [`handshake`] | which upgrade requests are ours, and the `101` |
//! | [`frame`] | RFC 6455 frames of a server: decoding with a hard bound, encoding |
//! | [`message`] | the protocol `tidegate.v1`: typed frames as JSON, and the same as server-sent events |

pub mod frame;
pub mod handshake;
pub mod message;
