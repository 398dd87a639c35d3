//! RFC 6455 frames as a server reads and writes them, for very many quiet sockets.
//!
//! The general libraries keep buffers per connection (tungstenite 128 KiB by default) and read messages of any size.
//! A waiting fan says two things, both under forty bytes: so the [`Decoder`] takes at most [`PAYLOAD_MAX`] bytes a
//! message, keeps nothing on the heap between frames, and fails on the first byte that breaks the standard. It is
//! checked against tungstenite in the tests. No extension is spoken, so the reserved bits stay zero.

mod decode;
mod encode;

pub use decode::{Decoder, Event};
pub use encode::{close, close_echo, ping, pong, text};

/// Longest message from a client, in bytes, fragments together. More closes with 1009.
pub const PAYLOAD_MAX: usize = 512;
/// Longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD_MAX: usize = 125;
/// Two bytes, a length of up to eight, a mask of four.
const HEADER_MAX: usize = 14;

/// A status code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// This end goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// The other end broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// A kind of data this end does not take.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// A message that breaks a rule of the application.
    pub const POLICY: Self = Self(1008);
    /// A message that is too long.
    pub const TOO_BIG: Self = Self(1009);
    /// Come back in a moment, on another edge.
    pub const RESTART: Self = Self(1012);
    /// Come back later: too busy.
    pub const TRY_LATER: Self = Self(1013);

    /// Whether it may stand in a frame (RFC 6455 section 7.4 and the registry it opened).
    fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}
