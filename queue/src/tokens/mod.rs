//! What Tidegate signs: who a visitor is, which place a fan holds, that a place is admitted, that a visit is live,
//! and, to origins, which visit a request belongs to.
//!
//! Every purpose has one algorithm and a `typ` of its own (RFC 8725, section 3.11), so that one token can never
//! stand for another. Times in tokens are seconds of Unix time; who verifies says what time it is.

mod claims;
mod keys;
mod public;
mod ring;

pub use claims::{Admission, Assertion, Claims, Place, USER_TOKEN_TYPE, Visit, VisitorCard};
pub use keys::{KeyFile, KeyFileError, KeyInfo};
pub use public::{BadDocument, CLOCK_LEEWAY_S, NotVerified, PublicKeys, is_over};
pub use ring::{KeyRing, TokenError};
