//! The catalogue: home page, list, one event.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::input::{self, Segment};
use super::negotiate::Form;
use super::problem::Problem;
use super::wire::{EventDetailJson, EventList};
use super::{App, pages};
use crate::domain::{EventFilter, EventId};

/// Events on the home page: four rows of three, six of two.
const HOME_EVENTS: u32 = 12;

/// Events on a page of the list, for a person.
const PAGE_EVENTS: u32 = 24;

/// `GET /`: what is coming up, and ways in. Always a page.
pub(super) async fn home(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let filter = EventFilter {
        limit: HOME_EVENTS,
        ..EventFilter::default()
    };
    let page = app.store.events(&filter).await?;
    let cities = app.store.cities().await?;
    Ok(pages::home(&page, &cities))
}

/// `GET /events?q=&city=&category=&after=&limit=`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut filter = input::filter(query.as_deref())?;
    if Form::wanted(&headers) == Form::Page {
        filter.limit = filter.limit.min(PAGE_EVENTS);
        let page = app.store.events(&filter).await?;
        let cities = app.store.cities().await?;
        return Ok(pages::list(&filter, &page, &cities));
    }
    // A feed that knows this version need not read on: the list is the same, save for the seats left.
    let unchanged = |tag: &HeaderValue| {
        let known = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok());
        known
            .flat_map(|value| value.split(','))
            .any(|known| tag == known.trim())
    };
    let tag = version_tag(&app.store.catalogue_version().await?)?;
    if unchanged(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let page = app.store.events(&filter).await?;
    let tag = version_tag(&page.catalogue_version)?;
    Ok(([(header::ETAG, tag)], Json(EventList::from(&page))).into_response())
}

/// Weak: it names the catalogue, while the seats left move on.
fn version_tag(version: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("W/\"{version}\"")).map_err(|_| Problem::internal())
}

/// `GET /events/{id}`.
pub(super) async fn detail(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: EventId = input::id(segment)?;
    let event = app.store.event(id).await?;
    let event = event.ok_or_else(|| Problem::not_found(format!("There is no event {id}.")))?;
    Ok(match Form::wanted(&headers) {
        Form::Page => pages::event(&event),
        Form::Json => Json(EventDetailJson::from(&event)).into_response(),
    })
}
