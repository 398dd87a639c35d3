//! The JSON shapes of answers.

use serde::Serialize;

use crate::domain::{
    Category, Event, EventDetail, EventId, Hold, HoldId, Money, Owner, PriceLevel, Seat, SeatClaim, SeatMap,
    SeatState, ShowtimeDetail, ShowtimeId, Stock, Venue,
};
use crate::store::{ChangePage, EventPage};

/// `GET /events`.
#[derive(Serialize)]
pub(super) struct EventList {
    catalogue_version: String,
    events: Vec<EventJson>,
    /// The next page's `after`; null on the last.
    next_after: Option<EventId>,
}

impl From<&EventPage> for EventList {
    fn from(page: &EventPage) -> Self {
        Self {
            catalogue_version: page.catalogue_version.clone(),
            events: page.events.iter().map(EventJson::from).collect(),
            next_after: page.next_after,
        }
    }
}

/// An event in lists.
#[derive(Serialize)]
pub(super) struct EventJson {
    id: EventId,
    title: String,
    category: Category,
    credit: String,
    description: String,
    venue: VenueJson,
    price_from: Money,
    showtimes: Vec<ShowtimeJson>,
    url: String,
}

#[derive(Serialize)]
pub(super) struct VenueJson {
    name: String,
    city: String,
    country: String,
    time_zone: Option<String>,
}

#[derive(Serialize)]
struct ShowtimeJson {
    id: ShowtimeId,
    /// RFC 3339, UTC.
    starts_at: String,
    seats_left: u32,
    price_from: Money,
    url: String,
}

impl From<&Venue> for VenueJson {
    fn from(venue: &Venue) -> Self {
        Self {
            name: venue.name.clone(),
            city: venue.city.clone(),
            country: venue.country.clone(),
            time_zone: venue.time_zone.iana_name().map(str::to_owned),
        }
    }
}

impl From<&Event> for EventJson {
    fn from(event: &Event) -> Self {
        let showtimes = event.showtimes.iter().map(|showtime| ShowtimeJson {
            id: showtime.id,
            starts_at: showtime.starts_at.to_string(),
            seats_left: showtime.seats_left,
            price_from: event.price_from,
            url: format!("/showtimes/{}", showtime.id),
        });
        Self {
            id: event.id,
            title: event.title.clone(),
            category: event.category,
            credit: event.credit.clone(),
            description: event.full_description(),
            venue: VenueJson::from(&event.venue),
            price_from: event.price_from,
            showtimes: showtimes.collect(),
            url: format!("/events/{}", event.id),
        }
    }
}

/// `GET /events/{id}`.
#[derive(Serialize)]
pub(super) struct EventDetailJson {
    #[serde(flatten)]
    event: EventJson,
    price_levels: Vec<PriceJson>,
    cancelled: bool,
}

#[derive(Serialize)]
struct PriceJson {
    level: u8,
    sections: Vec<String>,
    price: Money,
}

impl From<&PriceLevel> for PriceJson {
    fn from(level: &PriceLevel) -> Self {
        Self {
            level: level.level,
            sections: level.sections.clone(),
            price: level.price,
        }
    }
}

impl From<&EventDetail> for EventDetailJson {
    fn from(detail: &EventDetail) -> Self {
        Self {
            event: EventJson::from(&detail.event),
            price_levels: detail.prices.iter().map(PriceJson::from).collect(),
            cancelled: detail.cancelled,
        }
    }
}

/// `GET /changes`.
#[derive(Serialize)]
pub(super) struct ChangeList {
    events: Vec<ChangeJson>,
    /// What to ask after next, also where nothing is new.
    next_after: i64,
    more: bool,
}

/// An event as in lists, and how it stands in the feed.
#[derive(Serialize)]
struct ChangeJson {
    version: i64,
    cancelled: bool,
    #[serde(flatten)]
    event: EventJson,
}

impl From<&ChangePage> for ChangeList {
    fn from(page: &ChangePage) -> Self {
        let events = page.changes.iter().map(|change| ChangeJson {
            version: change.version,
            cancelled: change.cancelled,
            event: EventJson::from(&change.event),
        });
        Self {
            events: events.collect(),
            next_after: page.next_after,
            more: page.more,
        }
    }
}

/// `GET /showtimes/{id}`.
#[derive(Serialize)]
pub(super) struct ShowtimeDetailJson {
    id: ShowtimeId,
    /// RFC 3339, UTC.
    starts_at: String,
    started: bool,
    cancelled: bool,
    event: EventRef,
    venue: VenueJson,
    price_levels: Vec<PriceJson>,
    #[serde(flatten)]
    seats: SeatsJson,
    url: String,
}

#[derive(Serialize)]
struct EventRef {
    id: EventId,
    title: String,
    category: Category,
    url: String,
}

impl ShowtimeDetailJson {
    pub(super) fn new(showtime: &ShowtimeDetail, claims: &[SeatClaim], me: Option<&Owner>) -> Self {
        let event = &showtime.event.event;
        Self {
            id: showtime.id,
            starts_at: showtime.starts_at.to_string(),
            started: showtime.started,
            cancelled: showtime.cancelled,
            event: EventRef {
                id: event.id,
                title: event.title.clone(),
                category: event.category,
                url: format!("/events/{}", event.id),
            },
            venue: VenueJson::from(&event.venue),
            price_levels: showtime.event.prices.iter().map(PriceJson::from).collect(),
            seats: SeatsJson::new(showtime.id, &showtime.map, claims, me),
            url: format!("/showtimes/{}", showtime.id),
        }
    }
}

/// Every seat by itself with its state, and which are the reader's own. The compact form for everyone is
/// [`SeatsDocument`](crate::live::SeatsDocument).
#[derive(Serialize)]
struct SeatsJson {
    showtime: ShowtimeId,
    capacity: u32,
    stock: Stock,
    sections: Vec<SectionJson>,
    open: Vec<OpenJson>,
}

/// A section for general admission.
#[derive(Serialize)]
struct OpenJson {
    name: String,
    label: String,
    level: u8,
    capacity: u32,
    left: u32,
    #[serde(skip_serializing_if = "is_none")]
    mine: u32,
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

#[derive(Serialize)]
struct SectionJson {
    name: String,
    level: u8,
    rows: Vec<RowJson>,
}

#[derive(Serialize)]
struct RowJson {
    row: String,
    seats: Vec<SeatJson>,
}

#[derive(Serialize)]
struct SeatJson {
    seat: Seat,
    state: SeatState,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mine: bool,
}

impl SeatsJson {
    fn new(showtime: ShowtimeId, map: &SeatMap, claims: &[SeatClaim], me: Option<&Owner>) -> Self {
        let mut sections: Vec<SectionJson> = Vec::new();
        for (row, seats) in map.view(claims, me) {
            let seats = seats.into_iter().map(|s| SeatJson {
                seat: s.seat,
                state: s.state,
                mine: s.mine,
            });
            let row_json = RowJson {
                row: row.label.clone(),
                seats: seats.collect(),
            };
            match sections.last_mut().filter(|section| section.name == row.section) {
                Some(section) => section.rows.push(row_json),
                None => sections.push(SectionJson {
                    name: row.section.clone(),
                    level: row.level,
                    rows: vec![row_json],
                }),
            }
        }
        let open = map.open_view(claims, me).into_iter();
        let open = open.map(|(section, left, mine)| OpenJson {
            name: section.name.clone(),
            label: section.label.clone(),
            level: section.level,
            capacity: section.capacity,
            left,
            mine,
        });
        Self {
            showtime,
            capacity: map.capacity(),
            stock: map.stock(claims),
            sections,
            open: open.collect(),
        }
    }
}

/// A hold, as its owner sees it.
#[derive(Serialize)]
pub(super) struct HoldJson {
    id: HoldId,
    showtime: ShowtimeId,
    seats: Vec<Seat>,
    token: i64,
    seconds_left: i64,
    url: String,
}

impl From<&Hold> for HoldJson {
    fn from(hold: &Hold) -> Self {
        Self {
            id: hold.id.clone(),
            showtime: hold.showtime,
            seats: hold.seats.clone(),
            token: hold.token,
            seconds_left: hold.seconds_left,
            url: format!("/showtimes/{}/holds/{}", hold.showtime, hold.id),
        }
    }
}

/// `GET /showtimes/{id}/holds/me`.
#[derive(Serialize)]
pub(super) struct HoldsJson {
    pub(super) holds: Vec<HoldJson>,
}

/// What was given back.
#[derive(Serialize)]
pub(super) struct ReleasedJson {
    pub(super) released: Vec<Seat>,
}
