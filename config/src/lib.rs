//! Typed, validated configuration of Tidegate.

mod model;

pub use model::*;
