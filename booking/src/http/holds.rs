//! Holding seats and giving them back.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::guard::COMMAND;
use super::idempotency::hold_name;
use super::input::{self, Segment};
use super::negotiate::Form;
use super::problem::Problem;
use super::showtimes::{current_page, no_showtime};
use super::wire::{HoldJson, HoldsJson, ReleasedJson};
use super::{App, pages};
use crate::domain::ShowtimeId;
use crate::store::Which;

/// `POST /showtimes/{id}/holds` with `seats`, or from a page: all of them are held, or none.
pub(super) async fn hold(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    let form = Form::wanted(request.headers());
    let owner = app.writer(request.headers()).await?.owner();
    let name = hold_name(&request);
    let asked = input::seats(request).await?;
    let showtime = app.showtime(id).await?;
    Ok(match (app.hold(&showtime, asked, &owner, name).await, form) {
        (Ok(_), Form::Page) => see_other(id),
        (Ok(hold), Form::Json) => {
            let at = format!("/showtimes/{id}/holds/{}", hold.id);
            app.held_answer(&hold, at).await
        }
        // A browser gets the seats as they are now, with what happened above them.
        (Err(problem), Form::Page) => {
            let showtime = app.store.showtime(id).await?.ok_or_else(|| no_showtime(id))?;
            current_page(&app, &showtime, Some(&owner), Some(problem.into())).await?
        }
        (Err(problem), Form::Json) => app.with_stock_of(id, problem.into_response(), &[]).await,
    })
}

/// `GET /showtimes/{id}/holds/me`: the caller's own.
pub(super) async fn mine(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    app.showtime(id).await?;
    let holds = match app.reader(&headers).await {
        Some(owner) => app.store.holds_of(id, &owner).await?,
        None => Vec::new(),
    };
    Ok(Json(HoldsJson {
        holds: holds.iter().map(HoldJson::from).collect(),
    })
    .into_response())
}

/// `DELETE /showtimes/{id}/holds/{hold}`, and the same as `POST .../release` for forms.
pub(super) async fn release_one(
    State(app): State<Arc<App>>,
    segments: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, which) = input::showtime_and_hold(segments)?;
    let by_form = method == Method::POST && Form::wanted(&headers) == Form::Page;
    release(
        &app,
        id,
        &which,
        input::stays(query.as_deref()),
        by_form,
        &headers,
    )
    .await
}

/// `DELETE /showtimes/{id}/holds/me`, and the same as `POST .../release` for forms: all the caller's holds here.
pub(super) async fn release_mine(
    State(app): State<Arc<App>>,
    segment: Segment,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    let by_form = method == Method::POST && Form::wanted(&headers) == Form::Page;
    release(
        &app,
        id,
        &Which::All,
        input::stays(query.as_deref()),
        by_form,
        &headers,
    )
    .await
}

/// Gives seats back and, unless the query says `stay=true`, ends the visit. A form that comes too late, when the hold has
/// expired by itself, still says goodbye; a program is told that there was nothing to release.
async fn release(
    app: &App,
    id: ShowtimeId,
    which: &Which,
    stays: bool,
    by_form: bool,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let owner = app.writer(headers).await?.owner();
    let freed = app.store.release(id, &owner, which).await?;
    app.live.freed(id, &freed, &owner);
    if freed.is_empty() && !by_form && *which != Which::All {
        return Err(Problem::not_found(
            "You have no such hold: it has expired, or was released before.",
        ));
    }
    let mut response = match (by_form, stays) {
        (true, true) => see_other(id),
        (true, false) => pages::goodbye(&freed),
        (false, _) => Json(ReleasedJson { released: freed }).into_response(),
    };
    if !stays {
        response
            .headers_mut()
            .insert(COMMAND, HeaderValue::from_static("release"));
    }
    Ok(response)
}

/// Back to the seats, so that reloading does not post again.
fn see_other(id: ShowtimeId) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, format!("/showtimes/{id}"))],
    )
        .into_response()
}
