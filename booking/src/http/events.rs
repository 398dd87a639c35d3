//! The catalogue: home page, list, one event.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use sha2::{Digest, Sha256};

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
    // A feed that knows this version of the catalogue need not read on, whatever seats are left.
    let knows = |tag: &HeaderValue| {
        let known = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok());
        known
            .flat_map(|value| value.split(','))
            .any(|known| tag == known.trim())
    };
    let catalogue = tag_of(&app.store.catalogue_version().await?)?;
    if knows(&catalogue) {
        let answer = (StatusCode::NOT_MODIFIED, [(CATALOGUE, catalogue)]);
        return Ok(answer.into_response());
    }
    let page = app.store.events(&filter).await?;
    let catalogue = tag_of(&page.catalogue_version)?;
    let body = serde_json::to_vec(&EventList::from(&page)).map_err(|_| Problem::internal())?;
    let told = data_encoding::HEXLOWER.encode(&Sha256::digest(&body)[..16]);
    let tag = tag_of(&told)?;
    let headers = [(header::ETAG, tag.clone()), (CATALOGUE, catalogue)];
    if knows(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((headers, json, body).into_response())
}

/// Which version of the catalogue a list is of, in the form of a tag: it stays while only the seats left move on. A feed
/// that sends it as `If-None-Match` is answered by it.
const CATALOGUE: HeaderName = HeaderName::from_static("tidegate-catalogue");

fn tag_of(version: &str) -> Result<HeaderValue, Problem> {
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
