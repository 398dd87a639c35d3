//! What an organiser sends, and which seats a fan asks for, read from JSON into drafts: every value within its bounds,
//! and every mistake with its place.
//! Pure; what only the database knows (whether a venue exists, what time it is) is checked where the draft is stored.

mod event;
mod import;
mod mistakes;
mod reader;
mod start;
mod venue;
mod wish;

pub use event::{EventChange, EventDraft, SHOWTIMES_MAX, VenueRef};
pub use import::Import;
pub use mistakes::{Mistake, Mistakes};
pub use start::Start;
pub use venue::VenueDraft;
pub use wish::{BestAvailable, Wish};
