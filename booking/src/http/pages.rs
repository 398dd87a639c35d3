//! Pages for people: what the templates are given, and nothing that decides.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::input::Fields;
use super::problem::Problem;
use crate::domain::{Account, Category, Email, Event, EventDetail, EventFilter, Seat};
use crate::store::EventPage;

/// The type of every page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Cities named on the home page; the rest are found by the search field.
const CITIES_SHOWN: usize = 18;

/// Below this many seats a page says how few are left.
const FEW: u32 = 20;

/// An event as a card, a list and its own page show it.
pub(super) struct Card {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) credit: String,
    pub(super) description: String,
    pub(super) category: Category,
    pub(super) hue: u32,
    pub(super) venue: String,
    pub(super) city: String,
    pub(super) country: String,
    pub(super) price: String,
    pub(super) next: Option<When>,
    pub(super) showtimes: usize,
}

/// An instant on a venue's clock.
pub(super) struct When {
    pub(super) machine: Timestamp,
    pub(super) weekday: String,
    pub(super) day: String,
    pub(super) month: String,
    pub(super) date: String,
    pub(super) time: String,
}

impl When {
    pub(super) fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone());
        let say = |format: &str| local.strftime(format).to_string();
        Self {
            machine: at,
            weekday: say("%a"),
            day: say("%-d"),
            month: say("%b"),
            date: say("%A, %-d %B %Y"),
            time: say("%H:%M"),
        }
    }
}

impl From<&Event> for Card {
    fn from(event: &Event) -> Self {
        let zone = &event.venue.time_zone;
        Self {
            id: event.id.0,
            title: event.title.clone(),
            credit: event.credit.clone(),
            description: event.description.clone(),
            category: event.category,
            hue: hue(event),
            venue: event.venue.name.clone(),
            city: event.venue.city.clone(),
            country: event.venue.country.clone(),
            price: event.price_from.to_string(),
            next: event
                .showtimes
                .first()
                .map(|showtime| When::new(showtime.starts_at, zone)),
            showtimes: event.showtimes.len(),
        }
    }
}

/// A colour for the event's poster: the category's, a little to one side or the other.
fn hue(event: &Event) -> u32 {
    let base = match event.category {
        Category::Theatre => 8,
        Category::Opera => 338,
        Category::Ballet => 300,
        Category::Concert => 205,
        Category::Film => 232,
        Category::Festival => 38,
        Category::Talk => 168,
        Category::Sport => 140,
        Category::Fair => 82,
    };
    let aside = event.id.0.unsigned_abs().wrapping_mul(37) % 29;
    (base + aside as u32 + 346) % 360
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    cards: Vec<Card>,
    cities: Vec<(String, u32)>,
    all_cities: Vec<(String, u32)>,
    total: u32,
    filter: EventFilter,
}

pub(super) fn home(page: &EventPage, cities: &[(String, u32)]) -> Response {
    render(&Home {
        cards: page.events.iter().map(Card::from).collect(),
        cities: cities.iter().take(CITIES_SHOWN).cloned().collect(),
        all_cities: cities.to_vec(),
        total: cities.iter().map(|(_, events)| events).sum(),
        filter: EventFilter::default(),
    })
}

#[derive(Template)]
#[template(path = "events.html")]
struct List {
    cards: Vec<Card>,
    all_cities: Vec<(String, u32)>,
    filter: EventFilter,
    category: Option<Category>,
    heading: String,
    next: Option<String>,
    first: Option<String>,
}

impl List {
    fn is_current(&self, category: &Category) -> bool {
        self.category.as_ref() == Some(category)
    }
}

pub(super) fn list(filter: &EventFilter, page: &EventPage, cities: &[(String, u32)]) -> Response {
    let href = |after: Option<i64>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let category = filter.category.map(Category::as_str);
        let fields = [
            ("q", filter.text.as_deref()),
            ("city", filter.city.as_deref()),
            ("category", category),
        ];
        for (name, value) in fields {
            value.map(|value| query.append_pair(name, value));
        }
        after.map(|after| query.append_pair("after", &after.to_string()));
        format!("/events?{}", query.finish())
    };
    let what = filter.category.map_or("Everything", Category::plural);
    let heading = match (&filter.text, &filter.city) {
        (Some(text), Some(city)) => format!("“{text}” in {city}"),
        (Some(text), None) => format!("“{text}”"),
        (None, Some(city)) => format!("{what} in {city}"),
        (None, None) => what.to_owned(),
    };
    render(&List {
        cards: page.events.iter().map(Card::from).collect(),
        all_cities: cities.to_vec(),
        filter: filter.clone(),
        category: filter.category,
        heading,
        next: page.next_after.map(|after| href(Some(after.0))),
        first: filter.after.map(|_| href(None)),
    })
}

struct ShowtimeRow {
    id: i64,
    when: When,
    left: u32,
    few: bool,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPageView {
    card: Card,
    rows: Vec<ShowtimeRow>,
    prices: Vec<(String, String)>,
    cancelled: bool,
}

pub(super) fn event(detail: &EventDetail) -> Response {
    let zone = &detail.event.venue.time_zone;
    let rows = detail.event.showtimes.iter().map(|showtime| ShowtimeRow {
        id: showtime.id.0,
        when: When::new(showtime.starts_at, zone),
        left: showtime.seats_left,
        few: showtime.seats_left < FEW,
    });
    let prices = detail
        .prices
        .iter()
        .map(|level| (level.sections.join(", "), level.price.to_string()));
    render(&EventPageView {
        card: Card::from(&detail.event),
        rows: rows.collect(),
        prices: prices.collect(),
        cancelled: detail.cancelled,
    })
}

#[derive(Template)]
#[template(path = "goodbye.html")]
struct Goodbye {
    seats: String,
    one: bool,
}

pub(super) fn goodbye(freed: &[Seat]) -> Response {
    let seats: Vec<String> = freed.iter().map(ToString::to_string).collect();
    render(&Goodbye {
        one: seats.len() == 1,
        seats: seats.join(", "),
    })
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    return_to: &'a str,
    username: &'a str,
    trouble: Option<&'a str>,
}

/// The login page, again with what was wrong.
pub(super) fn login(return_to: &str, wrong: Option<(&Fields, &Problem)>) -> Response {
    let page = Login {
        return_to,
        username: wrong
            .and_then(|(fields, _)| fields.get("username"))
            .unwrap_or_default(),
        trouble: wrong.map(|(_, problem)| problem.detail.as_str()),
    };
    with_status(wrong, render(&page))
}

#[derive(Template)]
#[template(path = "signup.html")]
struct Signup<'a> {
    return_to: &'a str,
    username: &'a str,
    email: &'a str,
    location: &'a str,
    trouble: Option<&'a str>,
}

/// The page for signing up, again with what was wrong.
pub(super) fn signup(return_to: &str, wrong: Option<(&Fields, &Problem)>) -> Response {
    let typed = |name| wrong.and_then(|(fields, _)| fields.get(name)).unwrap_or_default();
    let page = Signup {
        return_to,
        username: typed("username"),
        email: typed("email"),
        location: typed("location"),
        trouble: wrong.map(|(_, problem)| problem.detail.as_str()),
    };
    with_status(wrong, render(&page))
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct Forgot<'a> {
    said: Option<&'a str>,
}

/// The page to ask for a new password; afterwards it says what was done.
pub(super) fn forgot(said: Option<&str>) -> Response {
    render(&Forgot { said })
}

#[derive(Template)]
#[template(path = "reset.html")]
struct Reset<'a> {
    token: &'a str,
    trouble: Option<&'a str>,
}

/// The page to choose a new password, again with what was wrong.
pub(super) fn reset(token: &str, wrong: Option<&Problem>) -> Response {
    let page = render(&Reset {
        token,
        trouble: wrong.map(|problem| problem.detail.as_str()),
    });
    match wrong {
        Some(problem) => (problem.status, page).into_response(),
        None => page,
    }
}

fn with_status(wrong: Option<(&Fields, &Problem)>, page: Response) -> Response {
    match wrong {
        Some((_, problem)) => (problem.status, page).into_response(),
        None => page,
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    username: &'a str,
    email: &'a str,
    location: &'a str,
}

pub(super) fn account(account: &Account) -> Response {
    render(&AccountPage {
        username: &account.username,
        email: account.email.as_ref().map_or("none yet", Email::as_str),
        location: account.location.as_deref().unwrap_or("not said"),
    })
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
    status: u16,
}

pub(super) fn problem(problem: &Problem) -> Response {
    let page = ProblemPage {
        title: problem.title,
        detail: &problem.detail,
        status: problem.status.as_u16(),
    };
    (problem.status, render(&page)).into_response()
}

pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static(HTML))], text).into_response(),
        Err(why) => {
            tracing::error!(%why, "a page could not be rendered");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page could not be made.\n",
            )
                .into_response()
        }
    }
}
