//! Venues: made once, and shown with their maps. There is no call that changes one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::problems::{bad_draft, refused};
use super::{App, Problem};
use crate::domain::draft::VenueDraft;
use crate::domain::{MapRow, SeatMap, VenueId};
use crate::http::input::{self, Segment};
use crate::http::wire::VenueJson;

/// Most bytes of a body with a map: 2,000 rows with all that can be said of them.
const VENUE_BYTES_MAX: usize = 1024 * 1024;

/// `POST /venues`.
pub(super) async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let by = app.organiser(request.headers()).await?;
    let body = input::document(request, VENUE_BYTES_MAX).await?;
    let draft = VenueDraft::read(&body).map_err(|mistakes| bad_draft(&mistakes))?;
    let made = app.store.create_venue(&by, &draft).await;
    let id = made.map_err(|error| refused("venue", error))?;
    let place = [(header::LOCATION, format!("/venues/{id}"))];
    Ok((StatusCode::CREATED, place, as_it_is(&app, id).await?).into_response())
}

/// `GET /venues/{id}`; JSON for everyone, in the shape in which venues are made.
pub(super) async fn detail(State(app): State<Arc<App>>, segment: Segment) -> Result<Response, Problem> {
    Ok(as_it_is(&app, input::id(segment)?).await?.into_response())
}

async fn as_it_is(app: &App, id: VenueId) -> Result<Json<Value>, Problem> {
    let found = app.store.venue(id).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("There is no venue {id}.")))?;
    let mut venue = json!(VenueJson::from(&found.venue));
    venue["id"] = json!(id);
    venue["currency"] = json!(found.venue.currency);
    venue["capacity"] = json!(found.map.capacity());
    venue["sections"] = Value::Array(sections(&found.map));
    Ok(Json(venue))
}

fn sections(map: &SeatMap) -> Vec<Value> {
    let same = |a: &MapRow, b: &MapRow| a.section == b.section;
    let seated = map.rows.chunk_by(same).map(|rows| {
        let row = |row: &MapRow| {
            json!({"label": row.label, "seats": row.seats, "x": row.x, "y": row.y, "accessible": row.accessible})
        };
        let first = &rows[0];
        json!({"name": first.section, "level": first.level, "rows": rows.iter().map(row).collect::<Vec<_>>()})
    });
    let open = map.open.iter().map(|open| {
        json!({"name": open.name, "level": open.level, "label": open.label, "capacity": open.capacity})
    });
    seated.chain(open).collect()
}
