//! One showtime: the page on which seats are chosen, and the same as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::App;
use super::guard::STOCK;
use super::input::{self, Segment};
use super::negotiate::Form;
use super::problem::Problem;
use super::seat_page::{self, Notice, ShowtimeView};
use super::wire::ShowtimeDetailJson;
use crate::domain::{Owner, ShowtimeDetail, ShowtimeId, Stock};

pub(super) fn no_showtime(id: ShowtimeId) -> Problem {
    Problem::not_found(format!("There is no showtime {id}."))
}

/// `GET /showtimes/{id}`.
pub(super) async fn detail(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    let showtime = app.store.showtime(id).await?.ok_or_else(|| no_showtime(id))?;
    let me = app.reader(&headers).await;
    match Form::wanted(&headers) {
        Form::Page => current_page(&app, &showtime, me.as_ref(), None).await,
        Form::Json => {
            let claims = app.store.claims(id).await?;
            let stock = showtime.map.stock(&claims);
            let body = Json(ShowtimeDetailJson::new(&showtime, &claims, me.as_ref()));
            Ok(with_stock(body.into_response(), stock))
        }
    }
}

/// The page with the seat map, as it is now for this reader.
pub(super) async fn current_page(
    app: &App,
    showtime: &ShowtimeDetail,
    me: Option<&Owner>,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let claims = app.store.claims(showtime.id).await?;
    let holds = match me {
        Some(owner) => app.store.holds_of(showtime.id, owner).await?,
        None => Vec::new(),
    };
    let view = ShowtimeView {
        showtime,
        claims: &claims,
        me,
        holds: &holds,
        seats_max: app.seats_max,
    };
    Ok(with_stock(
        seat_page::showtime(&view, notice),
        showtime.map.stock(&claims),
    ))
}

/// Tells the edge what is left of this showtime.
pub(super) fn with_stock(mut response: Response, stock: Stock) -> Response {
    let text = format!("free={}, held={}", stock.free, stock.held);
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(STOCK, value);
    }
    response
}
