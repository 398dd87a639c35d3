//! Calls and pages. A handler translates a request into domain words, asks the store, and answers in the form the client
//! asked for; it decides nothing about seats.

mod accounts;
mod caller;
mod events;
mod guard;
mod holds;
mod input;
mod negotiate;
mod pages;
mod problem;
mod reserve;
mod seat_page;
mod showtimes;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};

use crate::admission::Admission;
use crate::domain::SeatLimit;
use crate::login::Desk;
use crate::store::Store;
use problem::Problem;
use tidegate_config::LoginFor;

/// What every handler may use.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) admission: Admission,
    pub(crate) desk: Desk,
    pub(crate) login: LoginFor,
    pub(crate) hold_ttl: Duration,
    pub(crate) seats_max: SeatLimit,
}

/// All calls and pages.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(events::home))
        .route("/health", get(|| async { "ok\n" }))
        .route("/signup", get(accounts::signup_page).post(accounts::signup))
        .route("/login", get(accounts::login_page).post(accounts::login))
        .route("/logout", post(accounts::logout))
        .route("/account", get(accounts::account).delete(accounts::delete))
        .route("/account/delete", post(accounts::delete))
        .route("/jwks.json", get(accounts::jwks))
        .route("/events", get(events::list))
        .route("/events/{event}", get(events::detail))
        .route("/reserve", post(reserve::reserve))
        .route("/holds/{hold}", get(reserve::hold).delete(reserve::release))
        .route("/holds/{hold}/extend", post(reserve::extend))
        .route("/showtimes/{showtime}", get(showtimes::detail))
        .route("/showtimes/{showtime}/seats", get(showtimes::seats))
        .route("/showtimes/{showtime}/holds", post(holds::hold))
        .route(
            "/showtimes/{showtime}/holds/me",
            get(holds::mine).delete(holds::release_mine),
        )
        .route(
            "/showtimes/{showtime}/holds/me/release",
            post(holds::release_mine),
        )
        .route("/showtimes/{showtime}/holds/{hold}", delete(holds::release_one))
        .route(
            "/showtimes/{showtime}/holds/{hold}/release",
            post(holds::release_one),
        )
        .fallback(|| async { Problem::not_found("There is nothing at this address.") })
        .method_not_allowed_fallback(|| async { Problem::wrong_method() })
        .layer(from_fn_with_state(app.clone(), guard::login))
        .layer(from_fn(guard::deadline))
        .layer(from_fn(guard::finish))
        .with_state(app)
}
