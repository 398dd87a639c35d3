//! The live visits of a room, and ending one by hand.

use axum::Json;
use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use tidegate_queue::line::{Stage, Visit, VisitId, Visitor};

use super::extract::{Named, NamedVisit};
use super::problems::{self, Wrong};
use crate::request::problem::Problem;

/// Visits listed unless the query says how many.
const LISTED: usize = 100;
/// Visits listed at most.
const LISTED_MAX: usize = 1_000;
/// Hexadecimal digits of a visitor that are told: enough to see that two visits are one visitor's, too few to stand
/// for them.
const VISITOR_SHOWN: usize = 8;

/// The first visits of a room.
#[derive(Serialize)]
pub(super) struct Visits {
    room: String,
    active: u32,
    visits: Vec<VisitView>,
}

#[derive(Serialize)]
struct VisitView {
    id: String,
    stage: Stage,
    visitor: Option<String>,
    expires_in_s: u64,
    ends_in_s: u64,
}

impl VisitView {
    fn new(id: VisitId, visit: &Visit, now_ms: u64) -> Self {
        let shown = |visitor: Visitor| visitor.to_string().chars().take(VISITOR_SHOWN).collect();
        Self {
            id: id.to_string(),
            stage: visit.stage,
            visitor: visit.visitor.map(shown),
            expires_in_s: visit.expires_at_ms.saturating_sub(now_ms) / 1_000,
            ends_in_s: visit.hard_end_ms.saturating_sub(now_ms) / 1_000,
        }
    }
}

pub(super) async fn list(Named(room): Named, uri: Uri) -> Result<Json<Visits>, Problem> {
    let most = limit(&uri)?;
    let listed = room.list_visits(most).await;
    let listed = listed.map_err(|error| problems::store_failed(&room.config.id, &error))?;
    let now_ms = room.clock.now_ms();
    let visits = listed
        .iter()
        .map(|(id, visit)| VisitView::new(*id, visit, now_ms))
        .collect();
    let active = room.snapshot().figures.active;
    Ok(Json(Visits {
        room: room.config.id.as_str().to_owned(),
        active,
        visits,
    }))
}

pub(super) async fn end(Named(room): Named, NamedVisit(visit): NamedVisit) -> Result<StatusCode, Problem> {
    let found = room.find_visit(visit).await;
    let found = found.map_err(|error| problems::store_failed(&room.config.id, &error))?;
    if found.is_none() {
        return Err(problems::no_such_visit());
    }
    room.end_visit(visit).await;
    tracing::info!(target: "audit", room = %room.config.id, action = "end_visit", %visit, "an operator ended a visit");
    Ok(StatusCode::NO_CONTENT)
}

fn limit(uri: &Uri) -> Result<usize, Problem> {
    let wrong = |key: &str, message: String| {
        let remedy = format!("write for example ?limit={LISTED}, at most {LISTED_MAX}");
        problems::unfit(vec![Wrong::new(key, message, remedy)])
    };
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(wrong("limit", "cannot be read".to_owned()));
    };
    let mut most = LISTED;
    for (key, value) in &pairs {
        let fits = value.parse().ok().filter(|most| (1..=LISTED_MAX).contains(most));
        match (key.as_str(), fits) {
            ("limit", Some(asked)) => most = asked,
            ("limit", None) => return Err(wrong("limit", "is not a number of visits to list".to_owned())),
            _ => {
                return Err(wrong(
                    &key.chars().take(40).collect::<String>(),
                    "means nothing here".to_owned(),
                ));
            }
        }
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_small_number_or_is_explained() {
        let limit = |query: &str| super::limit(&format!("/visits{query}").parse().expect("a URI"));
        assert_eq!(limit("").expect("default"), LISTED);
        assert_eq!(limit("?limit=1").expect("one"), 1);
        assert_eq!(limit("?limit=1000").expect("most"), LISTED_MAX);
        for bad in [
            "?limit=0",
            "?limit=1001",
            "?limit=",
            "?limit=-1",
            "?limit=x",
            "?page=2",
            "?limit",
        ] {
            assert_eq!(limit(bad).expect_err(bad).status, 422, "{bad}");
        }
    }
}
