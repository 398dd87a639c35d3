//! `GET /search`: reads the parameters, waits for a turn, asks the index, answers as the caller likes it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::error;

use super::accept::prefers_page;
use super::answer::Answer;
use super::page;
use super::problem::Problem;
use super::{App, TURN_WAIT};
use crate::index::{Found, Snapshot};
use crate::request::SearchRequest;

const UNREADABLE: &str = "the parameters cannot be read; write them as ?q=ghost&city=Chico";

/// Finds events.
pub(super) async fn search(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let wants_page = prefers_page(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let snapshot = app.current.snapshot();
    let (request, found) = match query {
        Err(_) => (
            SearchRequest::default(),
            Err(Problem::new(StatusCode::BAD_REQUEST, UNREADABLE)),
        ),
        Ok(Query(pairs)) => match SearchRequest::from_pairs(&pairs) {
            Ok(request) => {
                let found = find(&app, snapshot.clone(), request.clone(), Timestamp::now()).await;
                (request, found)
            }
            Err(error) => (SearchRequest::usable_part(&pairs), Err(Problem::from(error))),
        },
    };
    let mut response = match found {
        found if wants_page => page::answer(&request, found, snapshot.as_deref()),
        Ok(found) => axum::Json(Answer::new(&found)).into_response(),
        Err(problem) => problem.into_response(),
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Asks the index, off the threads that serve connections.
async fn find(
    app: &App,
    snapshot: Option<Arc<Snapshot>>,
    request: SearchRequest,
    now: Timestamp,
) -> Result<Found, Problem> {
    let snapshot =
        snapshot.ok_or_else(|| Problem::not_now("the events are still being read; try again in a moment"))?;
    let turn = timeout(TURN_WAIT, Arc::clone(&app.turns).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(Problem::not_now(
            "too many searches at once; try again in a moment",
        ));
    };
    let searched = tokio::task::spawn_blocking(move || {
        // Given back when the work is done, also when the caller has left meanwhile.
        let _turn = turn;
        snapshot.search(&request, now)
    });
    match searched.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            error!(%error, "a search failed");
            Err(Problem::internal())
        }
        Err(error) => {
            error!(%error, "a search broke down");
            Err(Problem::internal())
        }
    }
}
