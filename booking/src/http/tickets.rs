//! Tickets: shown, printed, passed on.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::caller::{Caller, same_site};
use super::input::{self, Segment};
use super::negotiate::Form;
use super::order_wire::TicketJson;
use super::problem::Problem;
use super::ticket_page;
use crate::domain::{OrderId, ShowtimeDetail, Username};
use crate::fulfilment::printed;
use crate::store::PassedOn;
use crate::ticket::calendar::calendar;
use crate::ticket::qr::QrMatrix;
use crate::ticket::{Ticket, TicketFace};

fn no_ticket() -> Problem {
    Problem::not_found("You have no such ticket.")
}

/// A ticket of the caller's own, with its showtime.
async fn own(app: &App, segment: Segment, caller: &Caller) -> Result<(Ticket, ShowtimeDetail), Problem> {
    let id = input::id(segment)?;
    let ticket = app.store.ticket(id).await?;
    let ticket = ticket
        .filter(|ticket| ticket.owner == caller.owner())
        .ok_or_else(no_ticket)?;
    let showtime = app.store.showtime(ticket.showtime).await?;
    Ok((ticket, showtime.ok_or_else(Problem::internal)?))
}

/// `GET /tickets`: one's own, bought or given.
pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    let tickets = app.store.tickets_of(&caller.owner()).await?;
    if Form::wanted(&headers) == Form::Json {
        let tickets: Vec<TicketJson> = tickets.iter().map(TicketJson::from).collect();
        return Ok(Json(json!({ "tickets": tickets })).into_response());
    }
    let showtimes = tickets.iter().map(|ticket| ticket.showtime);
    let showtimes = app.store.showtimes_named(showtimes).await?;
    let with_showtime = |ticket: Ticket| showtimes.get(&ticket.showtime).map(|showtime| (ticket, showtime));
    let shown: Vec<_> = tickets.into_iter().filter_map(with_showtime).collect();
    Ok(ticket_page::list(&shown))
}

/// `GET /tickets/{ticket}`. The JSON has the code that the gate reads.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    let (ticket, showtime) = own(&app, segment, &caller).await?;
    let face = app
        .fulfilment
        .office
        .face(&ticket, &showtime, Some(&caller.account));
    Ok(match Form::wanted(&headers) {
        Form::Page => ticket_page::show(&ticket, &face, &svg(&face)?),
        Form::Json => {
            let mut body = json!(TicketJson::from(&ticket));
            if !ticket.dead {
                body["code"] = face.code.into();
            }
            Json(body).into_response()
        }
    })
}

fn svg(face: &TicketFace) -> Result<String, Problem> {
    let matrix = QrMatrix::new(&face.code).map_err(|_| Problem::internal())?;
    Ok(matrix.svg("The ticket's code, for the gate"))
}

/// What opens the gate: a ticket of the caller's own that is not void.
async fn own_face(app: &App, segment: Segment, headers: &HeaderMap) -> Result<(Ticket, TicketFace), Problem> {
    let caller = app.somebody(headers).await?;
    let (ticket, showtime) = own(app, segment, &caller).await?;
    if ticket.dead {
        return Err(Problem::ticket_void());
    }
    let office = &app.fulfilment.office;
    let face = office.face(&ticket, &showtime, Some(&caller.account));
    Ok((ticket, face))
}

/// `GET /tickets/{ticket}/code.svg`.
pub(super) async fn code(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, face) = own_face(&app, segment, &headers).await?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg(&face)?).into_response())
}

/// `GET /tickets/{ticket}/ticket.pdf`.
pub(super) async fn pdf(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (ticket, face) = own_face(&app, segment, &headers).await?;
    print(vec![face], &format!("ticket-{}", ticket.seat)).await
}

/// `GET /orders/{order}/tickets.pdf`: all that are still the caller's.
pub(super) async fn order_pdf(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    let id: OrderId = input::id(segment)?;
    let mut faces = Vec::new();
    for ticket in app.store.tickets_of_order(&id).await? {
        if ticket.owner != caller.owner() || ticket.dead {
            continue;
        }
        let showtime = app.store.showtime(ticket.showtime).await?;
        let showtime = showtime.ok_or_else(Problem::internal)?;
        faces.push(
            app.fulfilment
                .office
                .face(&ticket, &showtime, Some(&caller.account)),
        );
    }
    if faces.is_empty() {
        return Err(Problem::not_found("This order has no tickets of yours to print."));
    }
    print(faces, &format!("tickets-{}", id.reference())).await
}

async fn print(faces: Vec<TicketFace>, name: &str) -> Result<Response, Problem> {
    let bytes = printed(faces).await.ok_or_else(Problem::internal)?;
    let kept = format!("inline; filename=\"{name}.pdf\"");
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, kept),
    ];
    Ok((headers, bytes).into_response())
}

/// `GET /tickets/{ticket}/calendar.ics`.
pub(super) async fn calendar_file(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    let (ticket, showtime) = own(&app, segment, &caller).await?;
    let order = app.store.order(&ticket.order).await?.ok_or_else(no_ticket)?;
    let entry = app.fulfilment.calendar_entry(&order, &showtime);
    let kept = format!("attachment; filename=\"show-{}.ics\"", ticket.showtime);
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, kept),
    ];
    Ok((headers, calendar(&[entry])).into_response())
}

/// `POST /tickets/{ticket}/transfer` `{username}`: the ticket is another account's, and its old code is dead at once.
pub(super) async fn transfer(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let caller = app.somebody(&headers).await?;
    let (ticket, _) = own(&app, segment, &caller).await?;
    let fields = input::fields(request).await?;
    fields.only(&["username"])?;
    let name: Username = fields.need("username")?.trim().parse()?;
    let nobody = || Problem::bad_field("`username`: nobody here has this name.");
    let (to, _) = app
        .store
        .account_named(&name.folded())
        .await?
        .ok_or_else(nobody)?;
    if to.id == caller.account.id {
        return Err(Problem::bad_field("`username`: the ticket is yours already."));
    }
    let passed = app
        .fulfilment
        .pass_on(&ticket, &caller.account.id, &to.id)
        .await?;
    let PassedOn::Done(ticket) = passed else {
        return Err(Problem::ticket_spent());
    };
    Ok(match Form::wanted(&headers) {
        Form::Page => (StatusCode::SEE_OTHER, [(header::LOCATION, "/tickets")]).into_response(),
        Form::Json => Json(json!({"id": ticket.id.to_string(), "to": to.username})).into_response(),
    })
}

/// `GET /tickets/keys.json`: the public keys, with which a scanner checks tickets without a network.
pub(super) async fn keys(State(app): State<Arc<App>>) -> Response {
    let cached = [(header::CACHE_CONTROL, "public, max-age=300")];
    (cached, Json(app.fulfilment.office.public_keys())).into_response()
}
