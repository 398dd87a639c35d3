//! Payment by a third party, in the words of Stripe's PaymentIntents: money is authorised first and taken by a second
//! call, so that what comes too late is given up and not paid back.
//!
//! - [`stripe`]: the adapter. It asks the provider and sorts what it hears; it decides nothing about orders.
//! - [`webhook`]: what the provider says unasked, and whether it was the provider.
//! - [`sandbox`]: a provider of our own behind the same calls, for trial and test.
//!
//! Nothing here knows what an order is beyond its id, nor the booking's database, nor its pages.

pub mod sandbox;
pub mod stripe;
pub mod webhook;

mod client;
mod units;

pub use tidegate_config::Secret;
