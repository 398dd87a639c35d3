//! The page on which seats are chosen: the map as it is now for this reader, and what the reader holds.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;

use super::pages::{Card, When, render};
use crate::domain::{
    Category, Hold, Money, Owner, Seat, SeatClaim, SeatLimit, SeatState, ShowtimeDetail, Stock,
};

/// What happened, said above the seats.
pub(super) struct Notice {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

/// What the seat page is made of.
pub(super) struct ShowtimeView<'a> {
    pub(super) showtime: &'a ShowtimeDetail,
    pub(super) claims: &'a [SeatClaim],
    pub(super) me: Option<&'a Owner>,
    pub(super) holds: &'a [Hold],
    pub(super) seats_max: SeatLimit,
}

struct Section {
    name: String,
    price: Option<Money>,
    amount: i64,
    rows: Vec<(String, Vec<Cell>)>,
}

struct Cell {
    seat: String,
    number: u32,
    class: &'static str,
    free: bool,
    label: String,
}

struct Mine {
    seats: String,
    count: usize,
    total: String,
    seconds_left: i64,
    minutes: String,
    /// Each hold is bought by itself: its id, and its seats.
    holds: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "showtime.html")]
struct ShowtimePage {
    id: i64,
    card: Card,
    when: When,
    started: bool,
    cancelled: bool,
    anonymous: bool,
    stage: &'static str,
    sections: Vec<Section>,
    stock: Stock,
    mine: Option<Mine>,
    notice: Option<String>,
    seats_max: u32,
    may_add: u32,
    currency: String,
    exponent: u32,
}

pub(super) fn showtime(view: &ShowtimeView<'_>, notice: Option<Notice>) -> Response {
    let showtime = view.showtime;
    let event = &showtime.event.event;
    let price_of = |level: u8| showtime.event.price_of(level);
    let mut sections: Vec<Section> = Vec::new();
    for (row, seats) in showtime.map.view(view.claims, view.me) {
        let price = price_of(row.level);
        let cells = seats.iter().map(|seat| {
            let (class, state) = match (seat.mine, seat.state) {
                (true, _) => ("mine", "yours"),
                (_, SeatState::Free) => ("free", "free"),
                (_, SeatState::Held) => ("held", "held by someone"),
                (_, SeatState::Taken) => ("taken", "taken"),
            };
            let price = price.map_or(String::new(), |price| format!(", {price}"));
            Cell {
                number: seat.seat.number,
                class,
                free: class == "free",
                label: format!(
                    "Row {}, seat {}, {}{price}, {state}",
                    row.label, seat.seat.number, row.section
                ),
                seat: seat.seat.to_string(),
            }
        });
        let cells: Vec<Cell> = cells.collect();
        match sections.last_mut().filter(|section| section.name == row.section) {
            Some(section) => section.rows.push((row.label.clone(), cells)),
            None => sections.push(Section {
                name: row.section.clone(),
                price,
                amount: price.map_or(0, |price| price.amount),
                rows: vec![(row.label.clone(), cells)],
            }),
        }
    }
    let mine = mine(view, |seat| {
        let row = showtime.map.rows.iter().find(|row| row.label == seat.row);
        row.and_then(|row| price_of(row.level))
            .map_or(0, |price| price.amount)
    });
    let held = mine.as_ref().map_or(0, |mine| mine.count as u32);
    let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
    let page = ShowtimePage {
        id: showtime.id.0,
        card: Card::from(event),
        when: When::new(showtime.starts_at, &event.venue.time_zone),
        started: showtime.started || showtime.cancelled,
        cancelled: showtime.cancelled,
        anonymous: view.me.is_none(),
        stage: stage(event.category),
        sections,
        stock: showtime.map.stock(view.claims),
        mine,
        notice: notice.map(|notice| notice.text),
        seats_max: view.seats_max.0,
        may_add: view.seats_max.0.saturating_sub(held),
        currency: event.venue.currency.as_str().to_owned(),
        exponent: event.venue.currency.exponent(),
    };
    (status, render(&page)).into_response()
}

/// What the seats look at.
fn stage(category: Category) -> &'static str {
    match category {
        Category::Film => "Screen",
        Category::Sport => "Field",
        _ => "Stage",
    }
}

fn mine(view: &ShowtimeView<'_>, amount_of: impl Fn(&Seat) -> i64) -> Option<Mine> {
    let mut seats: Vec<&Seat> = view.holds.iter().flat_map(|hold| &hold.seats).collect();
    seats.sort();
    let seconds_left = view.holds.iter().map(|hold| hold.seconds_left).min()?;
    let amount = seats.iter().map(|seat| amount_of(seat)).sum();
    let left = SignedDuration::from_secs(seconds_left);
    let names = |seats: &mut dyn Iterator<Item = &Seat>| {
        let names: Vec<String> = seats.map(ToString::to_string).collect();
        names.join(", ")
    };
    let holds = view.holds.iter();
    Some(Mine {
        holds: holds
            .map(|hold| (hold.id.to_string(), names(&mut hold.seats.iter())))
            .collect(),
        count: seats.len(),
        seats: names(&mut seats.iter().copied()),
        total: Money {
            amount,
            currency: view.showtime.event.event.venue.currency,
        }
        .to_string(),
        seconds_left,
        minutes: format!("{}:{:02}", left.as_mins(), left.as_secs() % 60),
    })
}
