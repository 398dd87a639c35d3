//! Why an organiser's call was refused, as problem documents.

use axum::http::StatusCode;
use serde_json::{Map, json};

use super::Problem;
use crate::domain::Refusal;
use crate::domain::draft::Mistakes;
use crate::store::OrganiseError;

/// The account's role does not allow it.
pub(super) fn wrong_role(who: &str) -> Problem {
    let detail = format!(
        "{who} may do this, and this account has another role. The operator gives roles: tidegate booking grant \
         --role ROLE --username NAME."
    );
    problem(StatusCode::FORBIDDEN, "wrong-role", "Not with this role", detail)
}

/// What was refused of something that is called `what`, as in "event 7".
pub(super) fn refused(what: &str, error: OrganiseError) -> Problem {
    let refusal = match error {
        OrganiseError::Store(error) => return Problem::from(error),
        OrganiseError::Refused(refusal) => refusal,
    };
    match refusal {
        Refusal::NoEvent | Refusal::NoShowtime => Problem::not_found(format!("There is no {what}.")),
        Refusal::NotYours => {
            Problem::not_yours(format!("Only its own organiser and admins may change {what}."))
        }
        Refusal::Cancelled => {
            let detail = format!("The {what} was called off, which is final: make a new one instead.");
            problem(StatusCode::CONFLICT, "cancelled", "Called off", detail)
        }
        Refusal::Started => {
            let detail = format!("The {what} has begun; it can no longer be moved.");
            problem(StatusCode::CONFLICT, "started", "Already begun", detail)
        }
        Refusal::Mistakes(mistakes) => bad_draft(&mistakes),
    }
}

/// What was sent cannot be taken: the first mistake as text, all of them with their places in `errors`.
pub(in crate::http) fn bad_draft(mistakes: &Mistakes) -> Problem {
    let mut problem = Problem::bad_field(mistakes.to_string());
    problem.more.insert("errors".to_owned(), json!(mistakes.list()));
    if mistakes.more() > 0 {
        problem
            .more
            .insert("errors_more".to_owned(), mistakes.more().into());
    }
    problem
}

fn problem(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Problem {
    Problem {
        status,
        kind,
        title,
        detail,
        more: Map::new(),
        retry_after_s: None,
    }
}
