//! Showtimes: added, moved, called off.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::problems::{bad_draft, refused};
use super::{App, EVENT_BYTES_MAX, Problem};
use crate::domain::draft::Start;
use crate::domain::{EventId, ShowtimeId};
use crate::http::input::{self, Segment};

/// `POST /events/{id}/showtimes`.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let by = app.organiser(request.headers()).await?;
    let event: EventId = input::id(segment)?;
    let start = start(request).await?;
    let added = app.store.add_showtime(&by, event, start).await;
    let (id, starts_at) = added.map_err(|error| refused(&format!("event {event}"), error))?;
    let place = [(header::LOCATION, format!("/showtimes/{id}"))];
    Ok((StatusCode::CREATED, place, answer(id, event, starts_at)).into_response())
}

/// `PATCH /showtimes/{id}`.
pub(super) async fn shift(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let by = app.organiser(request.headers()).await?;
    let id: ShowtimeId = input::id(segment)?;
    let start = start(request).await?;
    let moved = app.store.move_showtime(&by, id, start).await;
    let (event, starts_at) = moved.map_err(|error| refused(&format!("showtime {id}"), error))?;
    Ok(answer(id, event, starts_at).into_response())
}

/// `POST /showtimes/{id}/cancel`; the answer is the same a second time.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let by = app.organiser(&headers).await?;
    let id: ShowtimeId = input::id(segment)?;
    let cancelled = app.store.cancel_showtime(&by, id).await;
    cancelled.map_err(|error| refused(&format!("showtime {id}"), error))?;
    Ok(Json(json!({"id": id, "cancelled": true})).into_response())
}

async fn start(request: Request) -> Result<Start, Problem> {
    let body = input::document(request, EVENT_BYTES_MAX).await?;
    Start::read(&body).map_err(|mistakes| bad_draft(&mistakes))
}

fn answer(id: ShowtimeId, event: EventId, starts_at: Timestamp) -> Json<serde_json::Value> {
    Json(json!({
        "id": id,
        "event": event,
        "starts_at": starts_at.to_string(),
        "url": format!("/showtimes/{id}"),
    }))
}
