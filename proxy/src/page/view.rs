//! What one rendering depends on, and which face of the page it comes to.

use tidegate_config::{OnTurn, RoomId};

use super::lang::Lang;

/// Everything one rendering depends on. No token is among it: the place travels in an `HttpOnly` cookie set on the same
/// response, so nothing that can read the document learns it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// From [`super::negotiate`].
    pub lang: Lang,
    /// How the line stands for this fan.
    pub state: State,
    /// The place's number, once given.
    pub number: Option<u64>,
    /// Present fans before this one, once known.
    pub ahead: Option<u64>,
    /// The wait as a range in seconds (p5, p95).
    pub wait_s: Option<(u32, u32)>,
    /// When the doors open, in seconds since 1970 UTC; shown in [`State::BeforeSale`].
    pub opens_at: Option<u64>,
    /// What the operator tells everyone in line.
    pub notice: Option<&'a str>,
    /// What is left: free, and held by others.
    pub stock: Option<(u64, u64)>,
    /// Reload interval without scripts, in seconds; at most half of the room's `away_after`.
    pub refresh_s: u32,
    /// The room.
    pub room: &'a RoomId,
    /// The reserved prefix, with slashes at both ends.
    pub prefix: &'a str,
    /// The page the fan first asked for: a path with its query. Escaped here, judged by `enter`.
    pub return_to: &'a str,
}

/// How the line stands for a fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In line.
    Waiting,
    /// Asked whether they are here; shows the button when the room says `on_turn = "confirm"`.
    Called,
    /// Nobody is admitted for now.
    Paused,
    /// The doors have not opened yet.
    BeforeSale,
    /// Nothing free and nothing held.
    SoldOut,
    /// The round is over.
    Closed,
    /// The line's store is out of reach.
    StoreLost,
}

/// The page's faces: a [`State`] and what is known of the place. The script adds `entering` and `left` to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Joining,
    Waiting,
    Next,
    Called,
    Paused,
    BeforeSale,
    SoldOut,
    Closed,
    StoreLost,
}

impl Face {
    /// The name in `data-state` and in message keys.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Waiting => "waiting",
            Self::Next => "next",
            Self::Called => "called",
            Self::Paused => "paused",
            Self::BeforeSale => "before_sale",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
            Self::StoreLost => "store_lost",
        }
    }
}

impl View<'_> {
    /// A call the page answers by itself looks like waiting: calls run ahead of admission.
    pub(super) fn face(&self, on_turn: OnTurn) -> Face {
        match (self.state, on_turn, self.ahead) {
            (State::Called, OnTurn::Confirm, _) => Face::Called,
            (State::Waiting | State::Called, _, None) => Face::Joining,
            (State::Waiting | State::Called, _, Some(0)) => Face::Next,
            (State::Waiting | State::Called, _, Some(_)) => Face::Waiting,
            (State::Paused, ..) => Face::Paused,
            (State::BeforeSale, ..) => Face::BeforeSale,
            (State::SoldOut, ..) => Face::SoldOut,
            (State::Closed, ..) => Face::Closed,
            (State::StoreLost, ..) => Face::StoreLost,
        }
    }
}
