//! The words of booking as types, and the rules that need neither a database nor a request to be decided.

mod account;
mod best_available;
pub mod draft;
mod event;
mod hold;
mod ids;
mod money;
pub mod order;
mod organiser;
mod purchase;
mod seats;

pub use account::{Account, AccountId, BadField, Email, NewAccount, Password, Role, SessionId, Username};
pub use best_available::{Ask, BadAsk, Choice, Fit, Focus, Place, Row, Spread, choose};
pub use event::{
    BadCategory, Category, ChangedEvent, Event, EventDetail, EventFilter, PriceLevel, Showtime,
    ShowtimeDetail, ShowtimeSummary, Venue,
};
pub use hold::{BadHold, Hold, HoldOutcome, HoldRequest, SeatLimit};
pub use ids::{
    BadId, BadRandomId, EventId, Generation, HoldId, OrderId, Owner, ShowtimeId, TicketId, VenueId,
};
pub use money::{BadCurrency, Currency, Money};
pub use organiser::{Organiser, Refusal};
pub use purchase::{Line, PaymentPage, Purchase, lines_of, total_of};
pub use seats::{
    BadSeat, Claimed, MapRow, OpenSection, PlanError, Seat, SeatClaim, SeatMap, SeatState, SeatView, Stock,
    is_label, parse_plan,
};
