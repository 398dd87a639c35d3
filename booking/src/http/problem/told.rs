//! What other layers refuse or fail at, in the words of problems.

use axum::http::StatusCode;

use super::Problem;
use crate::admission::NotAdmitted;
use crate::domain::order::Refused;
use crate::domain::{BadField, BadHold};
use crate::store::StoreError;

/// A message as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}

impl From<Refused> for Problem {
    fn from(why: Refused) -> Self {
        let (kind, title) = match why {
            Refused::TicketGone => ("no-refund", "No refund"),
            _ => ("not-possible", "Not possible now"),
        };
        Self::new(StatusCode::CONFLICT, kind, title, sentence(&why.to_string()))
    }
}

impl From<BadHold> for Problem {
    fn from(bad: BadHold) -> Self {
        let mut problem = Self::unreadable_seats(sentence(&bad.to_string()));
        match bad {
            BadHold::Unknown { seats } => {
                problem.more.insert("seats".into(), seats.into());
            }
            BadHold::TooMany { limit, .. } => {
                problem.kind = "too-many-seats";
                problem.title = "Too many seats";
                problem.more.insert("limit".into(), limit.into());
            }
            BadHold::NoSeats => {}
        }
        problem
    }
}

impl From<NotAdmitted> for Problem {
    fn from(why: NotAdmitted) -> Self {
        let refuse = |detail: &str| {
            Self::new(
                StatusCode::FORBIDDEN,
                "not-admitted",
                "Through the waiting room, please",
                detail,
            )
        };
        match why {
            NotAdmitted::Missing => refuse(
                "Holding and releasing seats needs a visit: the request must come through the waiting room.",
            ),
            NotAdmitted::Invalid => refuse(
                "Your visit is not valid or has ended: the request must come through the waiting room again.",
            ),
            NotAdmitted::KeysOutOfReach => {
                let detail = "Your visit cannot be checked at the moment. Please try again.";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "cannot-check",
                    "One moment",
                    detail,
                )
                .retry_after(3)
            }
        }
    }
}

impl From<BadField> for Problem {
    fn from(bad: BadField) -> Self {
        let BadField(field, must) = bad;
        let mut problem = Self::bad_field(format!("`{field}` {must}."));
        problem.more.insert("field".to_owned(), field.into());
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => {
                let detail = "A great many people are choosing seats right now. Please try again.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "One moment", detail).retry_after(1)
            }
            StoreError::Unwritable(_) => {
                tracing::error!(%error, "booking cannot write");
                let detail = "Nothing can be changed at the moment. Please try again in a few minutes.";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unwritable",
                    "Closed for a moment",
                    detail,
                )
                .retry_after(30)
            }
            StoreError::Corrupt(_) | StoreError::Database(_) => {
                tracing::error!(%error, "a call to the booking database failed");
                Self::internal()
            }
        }
    }
}
