//! Events: made, changed, called off.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problems::{bad_draft, refused};
use super::{App, EVENT_BYTES_MAX, Problem};
use crate::domain::EventId;
use crate::domain::draft::{EventChange, EventDraft};
use crate::http::input::{self, Segment};
use crate::http::wire::EventDetailJson;

/// `POST /events`.
pub(super) async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let by = app.organiser(request.headers()).await?;
    let body = input::document(request, EVENT_BYTES_MAX).await?;
    let draft = EventDraft::read(&body).map_err(|mistakes| bad_draft(&mistakes))?;
    let made = app.store.create_event(&by, &draft).await;
    let id = made.map_err(|error| refused("event", error))?;
    let place = [(header::LOCATION, format!("/events/{id}"))];
    Ok((StatusCode::CREATED, place, as_it_is(&app, id).await?).into_response())
}

/// `PATCH /events/{id}`.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let by = app.organiser(request.headers()).await?;
    let id: EventId = input::id(segment)?;
    let body = input::document(request, EVENT_BYTES_MAX).await?;
    let change = EventChange::read(&body).map_err(|mistakes| bad_draft(&mistakes))?;
    let changed = app.store.change_event(&by, id, &change).await;
    changed.map_err(|error| refused(&format!("event {id}"), error))?;
    Ok(as_it_is(&app, id).await?.into_response())
}

/// `POST /events/{id}/cancel`; the answer is the same a second time.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let by = app.organiser(&headers).await?;
    let id: EventId = input::id(segment)?;
    let cancelled = app.store.cancel_event(&by, id).await;
    cancelled.map_err(|error| refused(&format!("event {id}"), error))?;
    Ok(Json(json!({"id": id, "cancelled": true})).into_response())
}

async fn as_it_is(app: &App, id: EventId) -> Result<Json<EventDetailJson>, Problem> {
    let event = app.store.event(id).await?;
    let event = event.ok_or_else(|| Problem::not_found(format!("There is no event {id}.")))?;
    Ok(Json(EventDetailJson::from(&event)))
}
