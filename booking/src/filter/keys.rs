//! Every name of booking's in Redis. Nothing else there is touched, and the edges' own names begin differently; two
//! shops with databases of their own must not share one numbered database of a server.
//!
//! | name | type | what | ends |
//! |---|---|---|---|
//! | `tidegate-booking:{17}:A-1` | text | who holds seat A-1 of showtime 17 | with the hold |
//! | `tidegate-booking:changed` | channel | the number of a showtime on which something changed, and who says so | |

use crate::domain::{Seat, ShowtimeId};

/// The channel on which instances wake each other.
pub(super) const CHANGED: &str = "tidegate-booking:changed";

/// A held seat. All of a showtime share one hash tag, so that one question about several goes to one node.
pub(super) fn seat(showtime: ShowtimeId, seat: &Seat) -> String {
    format!("tidegate-booking:{{{showtime}}}:{seat}")
}
