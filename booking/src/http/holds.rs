//! Holding seats and giving them back.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::guard::COMMAND;
use super::input::{self, Segment};
use super::negotiate::Form;
use super::problem::Problem;
use super::reserve::refusal;
use super::seat_page::Notice;
use super::showtimes::{current_page, no_showtime, with_stock};
use super::wire::{HoldJson, HoldsJson, ReleasedJson};
use super::{App, pages};
use crate::domain::{HoldId, HoldOutcome, HoldRequest, Owner, SeatMap, ShowtimeId};
use crate::store::Which;

/// `POST /showtimes/{id}/holds` with `seats`: all of them are held, or none.
pub(super) async fn hold(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    let form = Form::wanted(request.headers());
    let owner = app.writer(request.headers()).await?.owner();
    let named = input::seats(request).await?;
    let map = app.store.seat_map_of(id).await?.ok_or_else(|| no_showtime(id))?;
    let response = match try_hold(&app, id, &map, &named, &owner).await? {
        Ok(hold) => match form {
            Form::Page => see_other(id),
            Form::Json => {
                let body = HoldJson::from(&hold);
                let at = format!("/showtimes/{id}/holds/{}", hold.id);
                let stock = map.stock(&app.store.claims(id).await?);
                let response = (StatusCode::CREATED, [(header::LOCATION, at)], Json(body)).into_response();
                with_stock(response, stock)
            }
        },
        Err(problem) => match form {
            // A browser gets the seats as they are now, with what happened above them.
            Form::Page => {
                let showtime = app.store.showtime(id).await?.ok_or_else(|| no_showtime(id))?;
                let notice = Notice {
                    status: problem.status,
                    text: problem.detail,
                };
                current_page(&app, &showtime, Some(&owner), Some(notice)).await?
            }
            Form::Json => with_stock(problem.into_response(), map.stock(&app.store.claims(id).await?)),
        },
    };
    Ok(response)
}

/// The outer error ends the request; the inner one is about these seats.
async fn try_hold(
    app: &App,
    id: ShowtimeId,
    map: &SeatMap,
    named: &[String],
    owner: &Owner,
) -> Result<Result<crate::domain::Hold, Problem>, Problem> {
    let asked = match HoldRequest::new(named, map, app.seats_max) {
        Ok(asked) => asked,
        Err(bad) => return Ok(Err(bad.into())),
    };
    let taken = app.live.taken(id, asked.seats(), owner).await;
    if !taken.is_empty() {
        return Ok(Err(refusal(HoldOutcome::JustTaken(taken), id, app.seats_max.0)));
    }
    let hold_id = HoldId::from_bits(rand::random());
    let outcome = app
        .store
        .hold(id, asked.seats(), owner, hold_id, app.hold_ttl, app.seats_max)
        .await?;
    Ok(match outcome {
        HoldOutcome::Held(hold) => {
            app.live.held(&hold, owner);
            Ok(hold)
        }
        HoldOutcome::NoShowtime => return Err(no_showtime(id)),
        refused => Err(refusal(refused, id, app.seats_max.0)),
    })
}

/// `GET /showtimes/{id}/holds/me`: the caller's own.
pub(super) async fn mine(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    app.store.seat_map_of(id).await?.ok_or_else(|| no_showtime(id))?;
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
