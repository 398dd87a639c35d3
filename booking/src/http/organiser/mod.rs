//! The organisers' side: calls that change the catalogue. Each needs a login whose account may do it, and no admission:
//! who puts things on does not stand in line. JSON in, JSON out.

mod events;
mod import;
mod problems;
mod roles;
mod showtimes;
mod venues;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{get, patch, post};

pub(super) use problems::bad_draft;

use super::caller::same_site;
use super::problem::Problem;
use super::{App, changes};
use crate::domain::Organiser;

/// Most bytes of a body about one event: a description of 5,000 characters, however they are written, and 500 showtimes.
const EVENT_BYTES_MAX: usize = 128 * 1024;

/// All calls of this folder, and the feed that tells of what they change.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/venues", post(venues::create))
        .route("/venues/{venue}", get(venues::detail))
        .route("/events", post(events::create))
        .route("/events/{event}", patch(events::change))
        .route("/events/{event}/cancel", post(events::cancel))
        .route("/events/{event}/showtimes", post(showtimes::add))
        .route("/showtimes/{showtime}", patch(showtimes::shift))
        .route("/showtimes/{showtime}/cancel", post(showtimes::cancel))
        .route("/import", post(import::import))
        .route("/accounts/{username}/role", post(roles::give))
        .route("/changes", get(changes::list))
}

impl App {
    /// Who is changing the catalogue; refused without a login, to those whose role does not allow it, and from other
    /// sites' pages.
    async fn organiser(&self, headers: &HeaderMap) -> Result<Organiser, Problem> {
        same_site(headers)?;
        let caller = self.somebody(headers).await?;
        Organiser::of(&caller.account).ok_or_else(|| problems::wrong_role("Organisers"))
    }
}
