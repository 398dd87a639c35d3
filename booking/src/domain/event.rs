//! What is put on: events, their venue, their showtimes and prices.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Currency, EventId, Money, SeatMap, ShowtimeId};

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Spoken plays.
    Theatre,
    /// Sung ones.
    Opera,
    /// Danced ones.
    Ballet,
    /// Music.
    Concert,
    /// Films.
    Film,
    /// Several things on several days.
    Festival,
    /// Somebody explains something.
    Talk,
    /// Matches, races, games.
    Sport,
    /// Markets and fairs.
    Fair,
}

/// Why a text is not a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a category is one of theatre, opera, ballet, concert, film, festival, talk, sport, fair")]
pub struct BadCategory;

impl Category {
    /// All of them, in the order in which pages offer them.
    pub const ALL: [Self; 9] = [
        Self::Theatre,
        Self::Opera,
        Self::Ballet,
        Self::Concert,
        Self::Film,
        Self::Festival,
        Self::Talk,
        Self::Sport,
        Self::Fair,
    ];

    /// As URLs, JSON and the store spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Theatre => "theatre",
            Self::Opera => "opera",
            Self::Ballet => "ballet",
            Self::Concert => "concert",
            Self::Film => "film",
            Self::Festival => "festival",
            Self::Talk => "talk",
            Self::Sport => "sport",
            Self::Fair => "fair",
        }
    }

    /// As pages say it, of many.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Theatre => "Theatre",
            Self::Opera => "Opera",
            Self::Ballet => "Ballet",
            Self::Concert => "Concerts",
            Self::Film => "Films",
            Self::Festival => "Festivals",
            Self::Talk => "Talks",
            Self::Sport => "Sport",
            Self::Fair => "Fairs",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Category {
    type Err = BadCategory;

    fn from_str(text: &str) -> Result<Self, BadCategory> {
        let wanted = |category: &Self| category.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(wanted).ok_or(BadCategory)
    }
}

/// Where an event is put on.
#[derive(Clone, Debug)]
pub struct Venue {
    /// Its name.
    pub name: String,
    /// The city.
    pub city: String,
    /// The country, in English.
    pub country: String,
    /// Whose clock its showtimes are announced by.
    pub time_zone: TimeZone,
    /// What its prices are in.
    pub currency: Currency,
}

/// An event as lists show it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub id: EventId,
    /// Its kind.
    pub category: Category,
    /// Its title.
    pub title: String,
    /// By whom and from when, or empty.
    pub credit: String,
    /// A sentence or two.
    pub description: String,
    /// Where.
    pub venue: Venue,
    /// The cheapest seat.
    pub price_from: Money,
    /// Showtimes still to come, soonest first.
    pub showtimes: Vec<Showtime>,
}

impl Event {
    /// The description with the credit before it: one text that names everything worth searching for.
    pub fn full_description(&self) -> String {
        if self.credit.is_empty() {
            self.description.clone()
        } else {
            format!("{}. {}", self.credit, self.description)
        }
    }
}

/// One dated performance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Showtime {
    /// Its number.
    pub id: ShowtimeId,
    /// When it begins.
    pub starts_at: Timestamp,
    /// Seats nobody has or holds, at the moment of reading.
    pub seats_left: u32,
}

/// What a seat of a level costs at an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLevel {
    /// 1 is the best.
    pub level: u8,
    /// The sections it covers at this venue.
    pub sections: Vec<String>,
    /// The price of one seat.
    pub price: Money,
}

/// An event with its prices.
#[derive(Clone, Debug)]
pub struct EventDetail {
    /// As in lists.
    pub event: Event,
    /// Best first.
    pub prices: Vec<PriceLevel>,
    /// The account that put it up; none for what ships with the program.
    pub organiser: Option<String>,
    /// Whether it was called off.
    pub cancelled: bool,
}

impl EventDetail {
    /// What a seat of a level costs.
    pub fn price_of(&self, level: u8) -> Option<Money> {
        self.prices
            .iter()
            .find(|price| price.level == level)
            .map(|price| price.price)
    }
}

/// A showtime with all that is needed to choose seats.
#[derive(Clone, Debug)]
pub struct ShowtimeDetail {
    /// Its number.
    pub id: ShowtimeId,
    /// When it begins.
    pub starts_at: Timestamp,
    /// Whether it had begun when this was read.
    pub started: bool,
    /// Whether it, or the whole event, was called off.
    pub cancelled: bool,
    /// Of what; its list of showtimes holds the others still to come, too.
    pub event: EventDetail,
    /// The venue's seats.
    pub map: SeatMap,
}

impl ShowtimeDetail {
    /// The same in a few words.
    pub fn summary(&self) -> ShowtimeSummary {
        ShowtimeSummary {
            id: self.id,
            starts_at: self.starts_at,
            title: self.event.event.title.clone(),
            venue: self.event.event.venue.clone(),
        }
    }
}

/// A showtime as an order or a ticket names it.
#[derive(Clone, Debug)]
pub struct ShowtimeSummary {
    /// Its number.
    pub id: ShowtimeId,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The event's.
    pub title: String,
    /// Where.
    pub venue: Venue,
}

/// An event that changed, as it is now.
#[derive(Clone, Debug)]
pub struct ChangedEvent {
    /// Where its last change stands in the order of all changes.
    pub version: i64,
    /// As in lists; without showtimes where it was called off.
    pub event: Event,
    /// Whether it was called off.
    pub cancelled: bool,
}

/// Which events a list is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Words that must stand in the title, the credit or the description.
    pub text: Option<String>,
    /// Only in this city.
    pub city: Option<String>,
    /// Only of this kind.
    pub category: Option<Category>,
    /// Only events after this one: the cursor.
    pub after: Option<EventId>,
    /// At most this many.
    pub limit: u32,
}

impl EventFilter {
    /// Most events in one answer.
    pub const LIMIT_MAX: u32 = 200;

    /// Most words of a text that are looked for; the rest is ignored.
    pub const WORDS_MAX: usize = 8;

    /// The words to look for.
    pub fn words(&self) -> Vec<&str> {
        self.text
            .as_deref()
            .unwrap_or_default()
            .split_whitespace()
            .take(Self::WORDS_MAX)
            .collect()
    }
}
