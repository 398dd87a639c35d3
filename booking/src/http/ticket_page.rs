//! The pages of tickets: one with its code, all of them, and the gate's.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::order_wire::TicketJson;
use super::pages::{When, render};
use super::problem::Problem;
use crate::domain::ShowtimeSummary;
use crate::ticket::{LocalTime, Ticket, TicketFace};

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage<'a> {
    id: String,
    face: &'a TicketFace,
    place: String,
    begins: LocalTime,
    /// The code as a picture; none once it opens no gate.
    code: Option<&'a str>,
    used: bool,
    dead: bool,
}

pub(super) fn show(ticket: &Ticket, face: &TicketFace, svg: &str) -> Response {
    let used = ticket.used_seconds_ago.is_some();
    render(&TicketPage {
        id: ticket.id.to_string(),
        face,
        place: face.place(),
        begins: face.begins(),
        code: (!ticket.dead).then_some(svg),
        used,
        dead: ticket.dead,
    })
}

struct Row {
    id: String,
    title: String,
    place: String,
    when: When,
    seat: String,
    used: bool,
}

#[derive(Template)]
#[template(path = "tickets.html")]
struct Tickets {
    rows: Vec<Row>,
}

pub(super) fn list(tickets: &[(Ticket, &ShowtimeSummary)]) -> Response {
    let row = |(ticket, showtime): &(Ticket, &ShowtimeSummary)| {
        let venue = &showtime.venue;
        Row {
            id: ticket.id.to_string(),
            title: showtime.title.clone(),
            place: format!("{}, {}", venue.name, venue.city),
            when: When::new(showtime.starts_at, &venue.time_zone),
            seat: format!("{} {}", ticket.section, ticket.seat),
            used: ticket.used_seconds_ago.is_some(),
        }
    };
    render(&Tickets {
        rows: tickets.iter().map(row).collect(),
    })
}

#[derive(Template)]
#[template(path = "checkin.html")]
struct Gate<'a> {
    showtime: &'a str,
    welcome: Option<String>,
    refused: Option<&'a Problem>,
}

pub(super) fn gate(showtime: &str, result: Option<&Result<TicketJson, Problem>>) -> Response {
    let page = Gate {
        showtime,
        welcome: match result {
            Some(Ok(ticket)) => Some(ticket.place()),
            _ => None,
        },
        refused: result.and_then(|result| result.as_ref().err()),
    };
    let status = page.refused.map_or(StatusCode::OK, |problem| problem.status);
    (status, render(&page)).into_response()
}
