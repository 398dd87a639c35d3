//! The pages of orders: what it costs and how to pay, how it stands, and all of them.

use askama::Template;
use axum::response::Response;
use jiff::SignedDuration;

use super::order_wire::{message, pay_url};
use super::pages::{When, render};
use crate::domain::order::{FanSees, State};
use crate::domain::{Hold, Line, Money, Purchase, ShowtimeSummary};
use crate::ticket::Ticket;

/// How often a page that waits for the provider looks again.
const LOOK_EVERY_S: u32 = 2;

/// What all of these pages say about the show.
struct Show {
    title: String,
    place: String,
    when: When,
    showtime: i64,
}

impl Show {
    fn new(showtime: &ShowtimeSummary) -> Self {
        let venue = &showtime.venue;
        Self {
            title: showtime.title.clone(),
            place: format!("{}, {}", venue.name, venue.city),
            when: When::new(showtime.starts_at, &venue.time_zone),
            showtime: showtime.id.0,
        }
    }
}

fn priced(lines: &[Line], money: impl Fn(i64) -> Money) -> Vec<(String, String)> {
    let row = |line: &Line| {
        let seat = format!("{} {}", line.section, line.seat);
        (seat, money(line.amount).to_string())
    };
    lines.iter().map(row).collect()
}

fn clock(seconds: i64) -> String {
    let left = SignedDuration::from_secs(seconds.max(0));
    format!("{}:{:02}", left.as_mins(), left.as_secs() % 60)
}

#[derive(Template)]
#[template(path = "checkout.html")]
struct Checkout<'a> {
    show: Show,
    hold: String,
    lines: Vec<(String, String)>,
    total: String,
    is_free: bool,
    seconds_left: i64,
    clock: String,
    email: &'a str,
}

pub(super) fn checkout(
    hold: &Hold,
    showtime: &ShowtimeSummary,
    lines: &[Line],
    total: Money,
    email: &str,
) -> Response {
    let currency = total.currency;
    render(&Checkout {
        show: Show::new(showtime),
        hold: hold.id.to_string(),
        lines: priced(lines, |amount| Money { amount, currency }),
        total: total.to_string(),
        is_free: total.amount == 0,
        seconds_left: hold.seconds_left,
        clock: clock(hold.seconds_left),
        email,
    })
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    show: Show,
    id: String,
    reference: String,
    message: &'static str,
    lines: Vec<(String, String)>,
    total: String,
    /// Where to pay, while that is to be done.
    pay: Option<String>,
    seconds_left: i64,
    clock: String,
    /// Whether the page looks again by itself, and how often.
    look_again_s: Option<u32>,
    tickets: Vec<(String, String)>,
    /// What cancelling does, where it can be done.
    cancel: Option<&'static str>,
    again: bool,
}

pub(super) fn show(
    purchase: &Purchase,
    showtime: &ShowtimeSummary,
    tickets: &[Ticket],
    own_pages: bool,
) -> Response {
    let sees = purchase.order.fan_sees();
    let payable = matches!(sees, FanSees::Payable | FanSees::TryAnotherCard);
    let waits = matches!(
        sees,
        FanSees::CheckingPayment | FanSees::StillConfirming | FanSees::TicketsComing
    );
    let own = tickets
        .iter()
        .filter(|ticket| !ticket.dead && !ticket.is_passed_on(&purchase.owner));
    let seat = |ticket: &Ticket| {
        (
            ticket.id.to_string(),
            format!("{} {}", ticket.section, ticket.seat),
        )
    };
    render(&OrderPage {
        show: Show::new(showtime),
        id: purchase.id.to_string(),
        reference: purchase.id.reference(),
        message: message(purchase, tickets),
        lines: priced(&purchase.lines, |amount| purchase.money(amount)),
        total: purchase.order.total.to_string(),
        pay: pay_url(purchase, own_pages).filter(|_| payable),
        seconds_left: purchase.seconds_left,
        clock: clock(purchase.seconds_left),
        look_again_s: waits.then_some(LOOK_EVERY_S),
        tickets: own.map(seat).collect(),
        cancel: match purchase.order.state {
            State::Held | State::Paying => Some("Cancel this order"),
            State::Issued if tickets.iter().any(|ticket| ticket.is_passed_on(&purchase.owner)) => None,
            State::Issued => Some("Give the tickets back for a refund"),
            _ => None,
        },
        again: matches!(
            sees,
            FanSees::Expired | FanSees::NotCharged | FanSees::Declined | FanSees::Cancelled
        ),
    })
}

struct Row {
    id: String,
    reference: String,
    show: Show,
    seats: String,
    total: String,
    message: &'static str,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct Orders {
    rows: Vec<Row>,
}

pub(super) fn list(orders: &[(Purchase, &ShowtimeSummary, Vec<Ticket>)]) -> Response {
    let row = |(purchase, showtime, tickets): &(Purchase, &ShowtimeSummary, Vec<Ticket>)| {
        let seats: Vec<String> = purchase.seats().iter().map(ToString::to_string).collect();
        Row {
            id: purchase.id.to_string(),
            reference: purchase.id.reference(),
            show: Show::new(showtime),
            seats: seats.join(", "),
            total: purchase.order.total.to_string(),
            message: message(purchase, tickets),
        }
    };
    render(&Orders {
        rows: orders.iter().map(row).collect(),
    })
}
