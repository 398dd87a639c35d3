//! Where an order stands, and why it is being wound up.

use std::fmt;
use std::str::FromStr;

/// Where an order stands: `held -> paying -> allocated -> issued`, and beside them how it can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, nothing paid; its seats are as sure as the hold.
    Held,
    /// A payment is under way; its claims are `paying` and do not expire by themselves.
    Paying,
    /// Paid, but not what was asked for: nothing is captured or issued until an operator decides, or until
    /// [`REVIEW_WITHIN`](super::REVIEW_WITHIN) has passed, when it counts as rejected.
    Review,
    /// The seats are sold to it; the money is being captured or the tickets are being issued.
    Allocated,
    /// The tickets are out.
    Issued,
    /// Not paid in time, or paid when its seats were gone. A payment that turns up late still gets the seats where they
    /// are free.
    Expired,
    /// The payment did not work out. Final.
    Failed,
    /// The money was taken and goes back.
    RefundDue,
    /// The money went back. Final.
    Refunded,
    /// Called off before any money was taken. Final.
    Cancelled,
    /// The fan's bank wants the money back and has not decided yet.
    Disputed,
}

impl State {
    /// All of them, in the order of the life of an order.
    pub const ALL: [Self; 11] = [
        Self::Held,
        Self::Paying,
        Self::Review,
        Self::Allocated,
        Self::Issued,
        Self::Expired,
        Self::Failed,
        Self::RefundDue,
        Self::Refunded,
        Self::Cancelled,
        Self::Disputed,
    ];

    /// Whether no event moves an order on from here. Payments that turn up later are still voided or given back.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Refunded | Self::Cancelled)
    }

    /// Whether some event can bring an order from here to `next`, in one step.
    pub fn may_become(self, next: Self) -> bool {
        use State::{
            Allocated, Cancelled, Disputed, Expired, Failed, Held, Issued, Paying, RefundDue, Refunded,
            Review,
        };
        let onward: &[Self] = match self {
            Held => &[
                Paying, Review, Allocated, Expired, Failed, Cancelled, RefundDue, Refunded,
            ],
            Paying => &[Review, Allocated, Expired, Failed, Cancelled, RefundDue, Refunded],
            Review => &[Allocated, Expired, Failed, Cancelled, RefundDue, Refunded],
            Allocated => &[Review, Issued, Failed, Cancelled, RefundDue, Refunded],
            Issued => &[RefundDue, Refunded, Disputed],
            Expired => &[Allocated, RefundDue, Refunded],
            RefundDue => &[Refunded, Disputed],
            Disputed => &[Issued, RefundDue, Refunded],
            Failed | Refunded | Cancelled => &[],
        };
        self == next || onward.contains(&next)
    }

    /// As it is stored and as the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Paying => "paying",
            Self::Review => "review",
            Self::Allocated => "allocated",
            Self::Issued => "issued",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::RefundDue => "refund_due",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::Disputed => "disputed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such state of an order")]
pub struct BadState;

impl FromStr for State {
    type Err = BadState;

    fn from_str(text: &str) -> Result<Self, BadState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(BadState)
    }
}

/// Why an order is being wound up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The time for paying is over. A payment that comes before the cancel is confirmed is taken after all.
    TimeIsUp,
    /// Paid, but the seats had gone to somebody else.
    SeatsGone,
    /// The fan or the organiser called it off.
    CalledOff,
    /// The event will not take place.
    EventCancelled,
    /// The provider could not capture what it had authorised.
    CaptureFailed,
    /// What was paid is not what was asked for.
    Rejected,
}

impl Ending {
    /// Where an order comes to stand of which no money was taken.
    pub(crate) fn leads_to(self) -> State {
        match self {
            Self::TimeIsUp | Self::SeatsGone => State::Expired,
            Self::CalledOff | Self::EventCancelled => State::Cancelled,
            Self::CaptureFailed | Self::Rejected => State::Failed,
        }
    }
}

/// What became of an order's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seats {
    /// `held` or `paying`.
    Kept,
    /// `sold`.
    Sold,
    /// Given back, or lost with the hold.
    LetGo,
}
