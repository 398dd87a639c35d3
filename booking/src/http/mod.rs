//! Calls and pages. A handler translates a request into domain words, asks the store, and answers in the form the client
//! asked for; it decides nothing about seats.

mod accounts;
mod caller;
mod changes;
mod checkin;
mod events;
mod guard;
mod holds;
mod idempotency;
mod input;
mod negotiate;
mod openapi;
mod order_page;
mod order_wire;
mod orders;
mod organiser;
mod pages;
mod password;
mod problem;
mod reserve;
mod seat_page;
mod seats;
mod showtimes;
mod ticket_page;
mod tickets;
mod webhook;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};

use crate::admission::Admission;
use crate::domain::SeatLimit;
use crate::fulfilment::Fulfilment;
use crate::live::Live;
use crate::login::Desk;
use crate::store::Store;
use problem::Problem;
use tidegate_config::LoginFor;
use tokio::sync::Semaphore;

/// What every handler may use.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) live: Arc<Live>,
    pub(crate) admission: Admission,
    pub(crate) desk: Desk,
    pub(crate) fulfilment: Arc<Fulfilment>,
    pub(crate) login: LoginFor,
    pub(crate) hold_ttl: Duration,
    pub(crate) pay_within: Duration,
    /// Whether the provider's pages are below this service: the sandbox's.
    pub(crate) own_pages: bool,
    pub(crate) seats_max: SeatLimit,
    /// A permit for each request that is being carried out, whether or not its client is still there.
    pub(crate) under_way: Arc<Semaphore>,
}

/// All calls and pages; those of the sandbox, where it is ours, among them.
pub(crate) fn router(app: Arc<App>, pay_pages: Option<Router>) -> Router {
    calls()
        .with_state(Arc::clone(&app))
        .merge(pay_pages.unwrap_or_default())
        .layer(from_fn_with_state(Arc::clone(&app), idempotency::once))
        .layer(from_fn_with_state(Arc::clone(&app), guard::login))
        .layer(from_fn_with_state(app, guard::to_the_end))
        .layer(from_fn(guard::finish))
}

fn calls() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(events::home))
        .route("/health", get(|| async { "ok\n" }))
        .route("/signup", get(accounts::signup_page).post(accounts::signup))
        .route("/login", get(accounts::login_page).post(accounts::login))
        .route("/logout", post(accounts::logout))
        .route(
            "/password/forgot",
            get(password::forgot_page).post(password::forgot),
        )
        .route("/password/reset", get(password::reset_page).post(password::reset))
        .route("/account", get(accounts::account).delete(accounts::delete))
        .route("/account/delete", post(accounts::delete))
        .route("/openapi.json", get(openapi::show))
        .route("/jwks.json", get(accounts::jwks))
        .route("/events", get(events::list))
        .route("/events/{event}", get(events::detail))
        .route("/reserve", post(reserve::reserve))
        .route("/holds/{hold}", get(reserve::hold).delete(reserve::release))
        .route("/holds/{hold}/extend", post(reserve::extend))
        .route("/showtimes/{showtime}", get(showtimes::detail))
        .route("/showtimes/{showtime}/seats", get(seats::document))
        .route("/showtimes/{showtime}/seats/stream", get(seats::stream))
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
        .route("/checkout/{hold}", get(orders::checkout))
        .route("/book", post(orders::book))
        .route("/orders", get(orders::list))
        .route("/orders/{order}", get(orders::show))
        .route("/orders/{order}/cancel", post(orders::cancel))
        .route("/orders/{order}/review", post(orders::review))
        .route("/orders/{order}/tickets.pdf", get(tickets::order_pdf))
        .route("/tickets", get(tickets::list))
        .route("/tickets/keys.json", get(tickets::keys))
        .route("/tickets/{ticket}", get(tickets::show))
        .route("/tickets/{ticket}/code.svg", get(tickets::code))
        .route("/tickets/{ticket}/ticket.pdf", get(tickets::pdf))
        .route("/tickets/{ticket}/calendar.ics", get(tickets::calendar_file))
        .route("/tickets/{ticket}/transfer", post(tickets::transfer))
        .route("/checkin", get(checkin::page).post(checkin::check_in))
        .route("/payments/webhook", post(webhook::hear))
        .merge(organiser::routes())
        .fallback(|| async { Problem::not_found("There is nothing at this address.") })
        .method_not_allowed_fallback(|| async { Problem::wrong_method() })
}
