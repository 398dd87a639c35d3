//! The page on which seats are chosen: the map as it is now for this reader, and what the reader holds.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::Value;

use super::pages::{Card, When, render};
use super::problem::Problem;
use crate::domain::{
    Category, Hold, Money, Owner, Seat, SeatClaim, SeatLimit, SeatMap, SeatState, ShowtimeDetail, Stock,
};

/// What happened, said above the seats.
pub(super) struct Notice {
    status: StatusCode,
    text: String,
    /// Seats to take instead, in one tap.
    instead: Vec<String>,
}

impl From<Problem> for Notice {
    fn from(problem: Problem) -> Self {
        let instead = problem.more.get("alternative").and_then(Value::as_array);
        let instead = instead.into_iter().flatten().filter_map(Value::as_str);
        Self {
            status: problem.status,
            instead: instead.map(str::to_owned).collect(),
            text: problem.detail,
        }
    }
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

/// A section for general admission.
struct Open {
    name: String,
    label: String,
    price: Option<Money>,
    left: u32,
    /// How many this reader may still take.
    may_add: u32,
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
    open: Vec<Open>,
    stock: Stock,
    mine: Option<Mine>,
    notice: Option<Notice>,
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
        let level = showtime.map.level_of(seat);
        level
            .and_then(|(level, _)| price_of(level))
            .map_or(0, |price| price.amount)
    });
    let held = mine.as_ref().map_or(0, |mine| mine.count as u32);
    let may_add = view.seats_max.0.saturating_sub(held);
    let open = showtime.map.open_view(view.claims, view.me).into_iter();
    let open = open.map(|(section, left, _)| Open {
        name: section.name.clone(),
        label: section.label.clone(),
        price: price_of(section.level),
        left,
        may_add: may_add.min(left),
    });
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
        open: open.collect(),
        stock: showtime.map.stock(view.claims),
        mine,
        notice,
        seats_max: view.seats_max.0,
        may_add,
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
    let holds = view.holds.iter();
    Some(Mine {
        holds: holds
            .map(|hold| (hold.id.to_string(), names(&view.showtime.map, hold.seats.iter())))
            .collect(),
        count: seats.len(),
        seats: names(&view.showtime.map, seats.iter().copied()),
        total: Money {
            amount,
            currency: view.showtime.event.event.venue.currency,
        }
        .to_string(),
        seconds_left,
        minutes: format!("{}:{:02}", left.as_mins(), left.as_secs() % 60),
    })
}

/// Seats by their names, and how many places of each section for general admission.
fn names<'a>(map: &SeatMap, seats: impl Iterator<Item = &'a Seat> + Clone) -> String {
    let named = seats.clone().filter(|seat| map.has_named(seat));
    let open = map.open.iter().filter_map(|section| {
        let places = seats.clone().filter(|seat| seat.row == section.label).count();
        (places > 0).then(|| format!("{places} × {}", section.name))
    });
    let names: Vec<String> = named.map(ToString::to_string).chain(open).collect();
    names.join(", ")
}
