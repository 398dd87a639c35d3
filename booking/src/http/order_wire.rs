//! Orders and tickets as JSON.

use serde::Serialize;

use crate::domain::order::{FanSees, State};
use crate::domain::{Money, OrderId, Purchase, Seat, ShowtimeId, ShowtimeSummary};
use crate::ticket::Ticket;

/// `POST /book`, `GET /orders/{order}`.
#[derive(Serialize)]
pub(super) struct OrderJson {
    id: OrderId,
    /// What a fan reads out on the telephone.
    reference: String,
    state: State,
    /// What the fan is told: a key, and a sentence.
    status: FanSees,
    message: &'static str,
    title: String,
    showtime: ShowtimeId,
    /// RFC 3339, UTC.
    starts_at: String,
    seats: Vec<LineJson>,
    total: Money,
    refunded: Money,
    refund_due: Money,
    /// Seconds left to pay, while there is something to be paid.
    seconds_left: Option<i64>,
    /// Where to pay, while there is something to be paid.
    payment: Option<PaymentJson>,
    tickets: Vec<TicketJson>,
    url: String,
}

#[derive(Serialize)]
struct LineJson {
    seat: Seat,
    section: String,
    price: Money,
}

#[derive(Serialize)]
struct PaymentJson {
    intent: String,
    /// The provider's page, where it has one.
    url: Option<String>,
    /// For the provider's script, where it has none.
    client_secret: Option<String>,
}

/// One ticket.
#[derive(Serialize)]
pub(super) struct TicketJson {
    id: String,
    seat: Seat,
    section: String,
    showtime: ShowtimeId,
    /// `valid`, `used` or `void`; in the order that it was bought with also `passed_on`, when it is somebody else's.
    status: &'static str,
    /// Null where it is somebody else's.
    url: Option<String>,
}

impl From<&Ticket> for TicketJson {
    fn from(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id.to_string(),
            seat: ticket.seat.clone(),
            section: ticket.section.clone(),
            showtime: ticket.showtime,
            status: match (ticket.dead, ticket.used_seconds_ago) {
                (true, _) => "void",
                (false, Some(_)) => "used",
                (false, None) => "valid",
            },
            url: Some(format!("/tickets/{}", ticket.id)),
        }
    }
}

/// What the fan is told of an order, with what became of its tickets.
pub(super) fn message(purchase: &Purchase, tickets: &[Ticket]) -> &'static str {
    let sees = purchase.order.fan_sees();
    let passed_on = tickets
        .iter()
        .filter(|ticket| ticket.is_passed_on(&purchase.owner));
    match (sees, passed_on.count()) {
        (FanSees::Tickets, 0) => sees.text(),
        (FanSees::Tickets, all) if all == tickets.len() => "You passed these tickets on.",
        (FanSees::Tickets, _) => "Here are your tickets; the others you passed on.",
        _ => sees.text(),
    }
}

impl TicketJson {
    /// As it stands in the order that it was bought with.
    fn of_order(ticket: &Ticket, purchase: &Purchase) -> Self {
        let own = Self::from(ticket);
        match ticket.is_passed_on(&purchase.owner) {
            false => own,
            true => Self {
                status: "passed_on",
                url: None,
                ..own
            },
        }
    }

    /// Where it leads.
    pub(super) fn place(&self) -> String {
        format!("{} {}", self.section, self.seat)
    }
}

/// Where a payment is made: on our own sandbox's page, which is below this service, or wherever the provider says.
pub(super) fn pay_url(purchase: &Purchase, own_pages: bool) -> Option<String> {
    let url = purchase.payment.as_ref()?.url.as_deref()?;
    if !own_pages {
        return Some(url.to_owned());
    }
    let (_, rest) = url.split_once("://")?;
    rest.find('/').map(|at| rest[at..].to_owned())
}

impl OrderJson {
    pub(super) fn new(
        purchase: &Purchase,
        showtime: &ShowtimeSummary,
        tickets: &[Ticket],
        own_pages: bool,
    ) -> Self {
        let status = purchase.order.fan_sees();
        let payable = matches!(status, FanSees::Payable | FanSees::TryAnotherCard);
        let line = |line: &crate::domain::Line| LineJson {
            seat: line.seat.clone(),
            section: line.section.clone(),
            price: purchase.money(line.amount),
        };
        Self {
            id: purchase.id.clone(),
            reference: purchase.id.reference(),
            state: purchase.order.state,
            status,
            message: message(purchase, tickets),
            title: showtime.title.clone(),
            showtime: purchase.showtime,
            starts_at: showtime.starts_at.to_string(),
            seats: purchase.lines.iter().map(line).collect(),
            total: purchase.order.total,
            refunded: purchase.refunded(),
            refund_due: purchase.refund_due(),
            seconds_left: payable.then_some(purchase.seconds_left),
            payment: purchase
                .payment
                .as_ref()
                .filter(|_| payable)
                .map(|payment| PaymentJson {
                    intent: payment.intent.to_string(),
                    url: pay_url(purchase, own_pages),
                    client_secret: payment.client_secret.clone(),
                }),
            tickets: tickets
                .iter()
                .map(|ticket| TicketJson::of_order(ticket, purchase))
                .collect(),
            url: format!("/orders/{}", purchase.id),
        }
    }
}
