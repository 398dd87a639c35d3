//! An event, and what may change of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mistakes::Mistakes;
use super::reader::{Object, Part, Text};
use super::start::Start;
use super::venue::{LEVELS_MAX, key, read_key};
use crate::domain::{Category, VenueId};

const TITLE: Text = Text::line(200);

const CREDIT: Text = Text {
    empty: true,
    ..Text::line(300)
};

const DESCRIPTION: Text = Text {
    lines: true,
    ..Text::line(5_000)
};

/// The largest amount that the payment provider takes has eight digits. Nothing is free: no payment is made of nothing.
const AMOUNT_MAX: i64 = 99_999_999;

/// Most showtimes of an event, past and cancelled ones included: twice a day for most of a year. A page lists them all.
pub const SHOWTIMES_MAX: usize = 500;

/// Which venue is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VenueRef {
    /// By its number.
    Id(VenueId),
    /// By the organiser's own name for it.
    Key(String),
}

/// An event as an organiser describes it.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// The organiser's own name for it, by which an import finds it again.
    pub key: Option<String>,
    /// Where.
    pub venue: VenueRef,
    /// Its kind.
    pub category: Category,
    /// Its title.
    pub title: String,
    /// By whom and from when, or empty.
    pub credit: String,
    /// What it is.
    pub description: String,
    /// Minor units by price level; of which levels the venue has, only the store knows.
    pub prices: BTreeMap<u8, i64>,
    /// When; each as it was written.
    pub showtimes: Vec<Start>,
}

impl EventDraft {
    /// Reads `{"key"?, "venue", "category", "title", "credit"?, "description", "prices": [{"level", "amount"}],
    /// "showtimes"?: [{"starts_at"}]}`. The venue is a number, or the key of one of the organiser's own.
    pub fn read(value: &Value) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let draft = Self::read_part(&Part::root(value), &mut mistakes);
        draft.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }

    /// The same inside a larger document. Nothing comes back where something is wrong.
    pub(super) fn read_part(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        const KNOWN: [&str; 8] = [
            "key",
            "venue",
            "category",
            "title",
            "credit",
            "description",
            "prices",
            "showtimes",
        ];
        let event = part.object(&KNOWN, mistakes)?;
        let key = key(&event, mistakes);
        let venue = event
            .need("venue", mistakes)
            .and_then(|venue| venue_ref(&venue, mistakes));
        let category = event
            .need("category", mistakes)
            .and_then(|part| category(&part, mistakes));
        let title = event.text("title", TITLE, mistakes);
        let credit = match event.optional("credit") {
            Some(credit) => credit.text(CREDIT, mistakes),
            None => Some(String::new()),
        };
        let description = event.text("description", DESCRIPTION, mistakes);
        let prices = prices(&event, mistakes);
        let showtimes = match event.optional("showtimes") {
            Some(part) => part.items(SHOWTIMES_MAX, mistakes).and_then(|items| {
                // All are looked at, so that all mistakes are told.
                let starts: Vec<Option<Start>> = items
                    .iter()
                    .map(|item| Start::read_part(item, mistakes))
                    .collect();
                starts.into_iter().collect()
            }),
            None => Some(Vec::new()),
        };
        Some(Self {
            key: key?,
            venue: venue?,
            category: category?,
            title: title?,
            credit: credit?,
            description: description?,
            prices: prices?,
            showtimes: showtimes?,
        })
    }

    /// Why the prices do not fit a venue with these levels, if they do not.
    pub fn prices_misfit(&self, levels: &BTreeSet<u8>) -> Option<String> {
        if self.prices.keys().eq(levels) {
            return None;
        }
        let levels: Vec<String> = levels.iter().map(u8::to_string).collect();
        Some(format!(
            "must give one price for each of the venue's levels, which are {}",
            levels.join(", ")
        ))
    }
}

fn venue_ref(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<VenueRef> {
    match part.as_text() {
        Some(text) => {
            let key = read_key(text).map(VenueRef::Key);
            if key.is_none() {
                mistakes.add(&part.place, "is no venue's key");
            }
            key
        }
        None => {
            // The largest number that every JSON reader keeps exact.
            let id = part.whole(1..=(1 << 53) - 1, mistakes)?;
            Some(VenueRef::Id(VenueId(id)))
        }
    }
}

fn category(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<Category> {
    let all: Vec<&str> = Category::ALL.iter().map(|category| category.as_str()).collect();
    let must = format!("is no category; write one of {}", all.join(", "));
    part.parsed(mistakes, &must, |text| text.parse().ok())
}

fn prices(event: &Object<'_>, mistakes: &mut Mistakes) -> Option<BTreeMap<u8, i64>> {
    let part = event.need("prices", mistakes)?;
    let mut prices = BTreeMap::new();
    let mut whole = true;
    for item in part.items(LEVELS_MAX as usize, mistakes)? {
        let Some(price) = item.object(&["level", "amount"], mistakes) else {
            whole = false;
            continue;
        };
        let level = price.whole("level", 1..=LEVELS_MAX, mistakes);
        let amount = price.whole("amount", 1..=AMOUNT_MAX, mistakes);
        let (Some(level), Some(amount)) = (level.and_then(|level| u8::try_from(level).ok()), amount) else {
            whole = false;
            continue;
        };
        if prices.insert(level, amount).is_some() {
            mistakes.add(
                price.place_of("level"),
                format!("gives level {level} a second price"),
            );
            whole = false;
        }
    }
    whole.then_some(prices)
}

/// What is to change of an event; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventChange {
    /// Its kind.
    pub category: Option<Category>,
    /// Its title.
    pub title: Option<String>,
    /// By whom and from when; may become empty.
    pub credit: Option<String>,
    /// What it is.
    pub description: Option<String>,
}

impl EventChange {
    /// Reads an object with one or more of `category`, `title`, `credit` and `description`.
    pub fn read(value: &Value) -> Result<Self, Mistakes> {
        const KNOWN: [&str; 4] = ["category", "title", "credit", "description"];
        let mut mistakes = Mistakes::default();
        let Some(event) = Part::root(value).object(&KNOWN, &mut mistakes) else {
            return Err(mistakes);
        };
        let mut text = |name, bound| event.optional(name)?.text(bound, &mut mistakes);
        let change = Self {
            title: text("title", TITLE),
            credit: text("credit", CREDIT),
            description: text("description", DESCRIPTION),
            category: event
                .optional("category")
                .and_then(|part| category(&part, &mut mistakes)),
        };
        if mistakes.is_empty() && change == Self::default() {
            mistakes.add("", format!("must name what is to change: {}", KNOWN.join(", ")));
        }
        if mistakes.is_empty() {
            Ok(change)
        } else {
            Err(mistakes)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;

    fn told(mistakes: &Mistakes) -> Vec<String> {
        mistakes.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_event_is_read_in_full_and_texts_stay_as_they_are() {
        let text = "<script>alert('1')</script>'; drop table event; --";
        let draft = EventDraft::read(
            &json!({"key": "a:1", "venue": "hall", "category": "opera", "title": text,
            "description": format!("{text}\n{text}"), "prices": [{"level": 2, "amount": 99_999_999}, {"level": 1, "amount": 1}],
            "showtimes": [{"starts_at": "2030-05-01T20:00"}, {"starts_at": "2030-05-02T20:00:00-07:00"}]}),
        );
        let draft = draft.expect("an event");
        assert_eq!((draft.title.as_str(), draft.credit.as_str()), (text, ""));
        assert_eq!(draft.description, format!("{text}\n{text}"));
        assert_eq!(draft.venue, VenueRef::Key("hall".into()));
        assert_eq!(draft.prices, BTreeMap::from([(1, 1), (2, 99_999_999)]));
        let zone = TimeZone::get("America/Los_Angeles").expect("a zone");
        let starts: Vec<i64> = draft
            .showtimes
            .iter()
            .map(|start| start.at_venue(&zone).expect("an instant"))
            .collect();
        assert_eq!(
            starts[1] - starts[0],
            24 * 3600,
            "both are seven hours behind UTC"
        );
        assert_eq!(draft.prices_misfit(&BTreeSet::from([1, 2])), None);
        let misfit = draft.prices_misfit(&BTreeSet::from([1, 2, 3])).expect("a misfit");
        assert!(misfit.ends_with("which are 1, 2, 3"), "{misfit}");
    }

    #[test]
    fn every_mistake_of_an_event_is_told_with_its_place() {
        let wrong = json!({"venue": 0, "category": "circus", "title": " ", "credit": "x".repeat(301),
            "description": "x".repeat(5001), "price": 1,
            "prices": [{"level": 1, "amount": -5}, {"level": 2, "amount": 0}, {"level": 3, "amount": 100_000_000},
                {"level": 4, "amount": 1.5}, {"level": 5, "amount": 1}, {"level": 5, "amount": 2}, {"level": 21, "amount": 1}, 7],
            "showtimes": [{"starts_at": "2030-05-01"}, {"starts_at": "2030-05-01T20:00[Europe/Paris]"}, {"starts_at": 5}, {}]});
        let mistakes = EventDraft::read(&wrong).expect_err("mistakes");
        let told = told(&mistakes);
        let amount = "must be a whole number from 1 to 99999999";
        for expected in [
            "price: is not known here; known are key, venue, category, title, credit, description, prices, showtimes"
                .to_owned(),
            "venue: must be a whole number from 1 to 9007199254740991".to_owned(),
            "category: \"circus\" is no category; write one of theatre, opera, ballet, concert, film, festival, talk, \
             sport, fair"
                .to_owned(),
            "title: must not be empty".to_owned(),
            "credit: must be at most 300 characters long".to_owned(),
            "description: must be at most 5000 characters long".to_owned(),
            format!("prices[0].amount: {amount}"),
            format!("prices[1].amount: {amount}"),
            format!("prices[2].amount: {amount}"),
            format!("prices[3].amount: {amount}"),
            "prices[5].level: gives level 5 a second price".to_owned(),
            "prices[6].level: must be a whole number from 1 to 20".to_owned(),
            "prices[7]: must be an object".to_owned(),
            "showtimes[3].starts_at: is missing".to_owned(),
        ] {
            assert!(told.contains(&expected), "{expected}\nis not in\n{told:#?}");
        }
        let starts = told
            .iter()
            .filter(|told| told.contains("starts_at") && told.contains("is no start"));
        assert_eq!(starts.count(), 3, "{told:#?}");
        assert_eq!(told.len(), 17, "{told:#?}");
        let crowded = vec![json!({"starts_at": "2030-05-01T20:00"}); SHOWTIMES_MAX + 1];
        let mistakes = EventDraft::read(
            &json!({"venue": 1, "category": "film", "title": "T", "description": "D",
            "prices": [], "showtimes": crowded}),
        );
        let mistakes = mistakes.expect_err("a mistake");
        assert_eq!(
            mistakes.to_string(),
            "showtimes: must have at most 500 items, and has 501."
        );
    }

    #[test]
    fn a_change_names_what_it_changes() {
        let change = EventChange::read(&json!({"credit": "", "category": "film"})).expect("a change");
        assert_eq!(
            (change.credit.as_deref(), change.category, change.title),
            (Some(""), Some(Category::Film), None)
        );
        let nothing = EventChange::read(&json!({})).expect_err("nothing");
        assert_eq!(
            nothing.to_string(),
            "The body must name what is to change: category, title, credit, description."
        );
        let wrong = EventChange::read(&json!({"title": "", "prices": []})).expect_err("mistakes");
        assert_eq!(
            told(&wrong),
            [
                "prices: is not known here; known are category, title, credit, description",
                "title: must not be empty"
            ]
        );
    }
}
