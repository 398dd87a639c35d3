//! What one request says, read once and without side effects.
//!
//! Nothing here knows Pingora, a socket or a clock: each module turns header bytes into a value that the gate decides
//! on, or into a reason to refuse. Framework callbacks only carry the values across.
//!
//! | module | answers |
//! |---|---|
//! | [`path`] | which path is this, in the one spelling that is decided on and forwarded |
//! | [`host`] | which host is it for, and does an `Origin` belong to it |
//! | [`hygiene`] | may this header be believed at all |
//! | [`raw`] | what did a lenient parser hide of it |
//! | [`headers`] | which inbound headers are ours, and must not reach an origin |
//! | [`client`] | who is asking, behind the proxies we trust |
//! | [`route`] | which route takes it |
//! | [`asks`] | what kind of answer the client can use |
//! | [`cookies`] | Tidegate's cookies, read, set and kept from origins |
//! | [`return_to`] | where a fan may be sent back to |
//! | [`origin`] | what an origin's answer tells the room |
//! | [`problem`] | every error answer |

pub mod asks;
pub mod client;
pub mod cookies;
pub mod headers;
pub mod host;
pub mod hygiene;
pub mod origin;
pub mod path;
pub mod problem;
pub mod raw;
pub mod return_to;
pub mod route;
