//! Organisers: their drafts, their halls, what they bring along and what changes under way.

#![allow(clippy::unwrap_used)]

mod organiser_support;
#[path = "../support/mod.rs"]
mod support;

mod change_feed;
mod drafts;
mod import;
mod input;
mod open_sections;
