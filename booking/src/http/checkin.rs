//! `POST /checkin`: the gate. A code is verified, and its ticket marked used exactly once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::caller::{Caller, same_site};
use super::input;
use super::negotiate::Form;
use super::order_wire::TicketJson;
use super::problem::Problem;
use super::ticket_page;
use crate::domain::{Role, ShowtimeId};
use crate::store::CheckedIn;
use crate::ticket::TicketId;

/// Who may stand at a gate: staff and admins at any, organisers at those of their own events.
fn staff(caller: &Caller) -> Result<(), Problem> {
    match caller.account.role {
        Role::Staff | Role::Admin | Role::Organiser => Ok(()),
        Role::Fan => Err(Problem::role_needed("gate staff")),
    }
}

/// `GET /checkin`: a field for the code, for scanners that type.
pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    staff(&caller)?;
    Ok(ticket_page::gate("", None))
}

/// `POST /checkin` `{code, showtime?}`: with a showtime, tickets for others are turned away.
pub(super) async fn check_in(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let caller = app.somebody(&headers).await?;
    staff(&caller)?;
    let fields = input::fields(request).await?;
    fields.only(&["code", "showtime"])?;
    let here = fields
        .get("showtime")
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let result = admit(&app, &caller, fields.need("code")?, here).await;
    match Form::wanted(&headers) {
        Form::Json => {
            result.map(|ticket| Json(json!({"result": "welcome", "ticket": ticket})).into_response())
        }
        Form::Page => Ok(ticket_page::gate(here.unwrap_or_default(), Some(&result))),
    }
}

/// Refuses a ticket that is not for an event of the caller's own, before anything is marked.
async fn must_be_theirs(app: &App, caller: &Caller, ticket: TicketId) -> Result<(), Problem> {
    let ticket = app.store.ticket(ticket).await?.ok_or_else(never_issued)?;
    let showtime = app.store.showtime(ticket.showtime).await?;
    let showtime = showtime.ok_or_else(Problem::internal)?;
    if showtime.event.organiser.as_deref() == Some(caller.account.id.as_str()) {
        return Ok(());
    }
    Err(Problem::not_yours(
        "This ticket is for somebody else's event. Only its own organiser, gate staff and admins let in with it.",
    ))
}

fn never_issued() -> Problem {
    Problem::not_found("No such ticket was issued here.")
}

async fn admit(app: &App, caller: &Caller, code: &str, here: Option<&str>) -> Result<TicketJson, Problem> {
    let claims = app.fulfilment.office.read(code).map_err(Problem::bad_ticket)?;
    if let Some(text) = here {
        let showtime: ShowtimeId = text
            .parse()
            .map_err(|error| Problem::bad_field(format!("`showtime`: {error}.")))?;
        claims
            .check(showtime, claims.generation)
            .map_err(Problem::bad_ticket)?;
    }
    if caller.account.role == Role::Organiser {
        must_be_theirs(app, caller, claims.ticket).await?;
    }
    let gate = caller.account.id.as_str();
    match app.store.check_in(claims.ticket, claims.generation, gate).await? {
        CheckedIn::Welcome(ticket) => Ok(TicketJson::from(&ticket)),
        CheckedIn::UsedBefore(ticket) => {
            Err(Problem::ticket_used(ticket.used_seconds_ago.unwrap_or_default()))
        }
        CheckedIn::Dead(_) => Err(Problem::ticket_void()),
        CheckedIn::Superseded(_) => Err(Problem::ticket_superseded()),
        CheckedIn::Unknown => Err(never_issued()),
    }
}
