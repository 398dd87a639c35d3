//! The sample catalogue that ships with the binary: `catalogue/*.tsv` read into what the store is seeded with.

use std::collections::HashMap;
use std::fmt::Display;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::domain::parse_plan;
use crate::store::{SeedEvent, SeedVenue};

const VENUES: &str = include_str!("../catalogue/venues.tsv");
const EVENTS: &str = include_str!("../catalogue/events.tsv");

/// A line of the catalogue that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the sample catalogue's {file} is wrong in line {line}: {why}")]
pub struct SampleError {
    /// Which of the two.
    file: &'static str,
    /// Counted from 1.
    line: usize,
    /// What is wrong.
    why: String,
}

/// Reads the shipped files.
pub(crate) fn sample() -> Result<(Vec<SeedVenue>, Vec<SeedEvent>), SampleError> {
    let venues = read("venues.tsv", VENUES, venue)?;
    let by_key: HashMap<&str, usize> = venues.iter().map(|venue| venue.key.as_str()).zip(0..).collect();
    let events = read("events.tsv", EVENTS, |fields: [&str; 7]| event(fields, &by_key))?;
    Ok((venues, events))
}

/// Every line after the heading, split at tabs into exactly `N` fields.
fn read<'a, T, const N: usize>(
    file: &'static str,
    text: &'a str,
    each: impl Fn([&'a str; N]) -> Result<T, String>,
) -> Result<Vec<T>, SampleError> {
    let lines = text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, line)| !line.is_empty());
    lines
        .map(|(at, line)| {
            let fields: Vec<&str> = line.split('\t').collect();
            let fields: Result<[&str; N], _> = fields
                .try_into()
                .map_err(|_| format!("it does not have {N} fields"));
            fields.and_then(&each).map_err(|why| SampleError {
                file,
                line: at + 1,
                why,
            })
        })
        .collect()
}

fn venue([key, name, city, country, zone, currency, plan]: [&str; 7]) -> Result<SeedVenue, String> {
    Ok(SeedVenue {
        key: key.to_owned(),
        name: name.to_owned(),
        city: city.to_owned(),
        country: country.to_owned(),
        time_zone: (zone.to_owned(), TimeZone::get(zone).map_err(text)?),
        currency: currency.parse().map_err(text)?,
        map: parse_plan(plan).map_err(text)?,
    })
}

fn event(
    [category, title, credit, description, venue, prices, shows]: [&str; 7],
    venues: &HashMap<&str, usize>,
) -> Result<SeedEvent, String> {
    let venue = *venues
        .get(venue)
        .ok_or_else(|| format!("there is no venue {venue:?}"))?;
    let prices = prices.split(',').map(|price| price.parse().map_err(text));
    Ok(SeedEvent {
        category: category.parse().map_err(text)?,
        title: title.to_owned(),
        credit: credit.to_owned(),
        description: description.to_owned(),
        venue,
        prices: prices.collect::<Result<_, _>>()?,
        shows: shows.split(' ').map(show).collect::<Result<_, _>>()?,
    })
}

/// `DAYS@HH:MM`.
fn show(text_of: &str) -> Result<(i32, Time), String> {
    let (days, time) = text_of.split_once('@').ok_or("a show is DAYS@HH:MM")?;
    let (hour, minute) = time.split_once(':').ok_or("a show is DAYS@HH:MM")?;
    let time = Time::new(hour.parse().map_err(text)?, minute.parse().map_err(text)?, 0, 0).map_err(text)?;
    Ok((days.parse().map_err(text)?, time))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_shipped_catalogue_is_whole() {
        let (venues, events) = sample().expect("the shipped files");
        assert!(events.len() >= 600, "{} events", events.len());
        let titles: HashSet<String> = events.iter().map(|event| event.title.to_lowercase()).collect();
        assert_eq!(titles.len(), events.len(), "two titles are alike");
        let cities: HashSet<&str> = venues.iter().map(|venue| venue.city.as_str()).collect();
        assert!(cities.len() >= 50, "{} cities", cities.len());
        for event in &events {
            let map = &venues[event.venue].map;
            let levels = map.rows.iter().map(|row| usize::from(row.level)).max();
            assert_eq!(levels, Some(event.prices.len()), "{}", event.title);
            assert!(
                event.prices.is_sorted_by(|a, b| a > b && *b > 0),
                "{}",
                event.title
            );
            let days: Vec<i32> = event.shows.iter().map(|show| show.0).collect();
            assert!(days.is_sorted_by(|a, b| a < b) && days[0] >= 2, "{}", event.title);
            assert!(
                event.description.len() > 12 && !event.title.is_empty(),
                "{}",
                event.title
            );
        }
    }

    #[test]
    fn a_ghost_walks_in_chico() {
        let (venues, events) = sample().expect("the shipped files");
        let found = events
            .iter()
            .filter(|e| e.title.contains("Ghost") && venues[e.venue].city == "Chico");
        assert!(found.count() >= 2);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = read("x.tsv", "a\tb\n1\t2\n1\n", |_: [&str; 2]| Ok(())).expect_err("one field");
        assert_eq!(
            error.to_string(),
            "the sample catalogue's x.tsv is wrong in line 3: it does not have 2 fields"
        );
        for bad in ["", "3", "3@", "3@25:00", "3@10", "x@10:00"] {
            assert!(show(bad).is_err(), "{bad:?}");
        }
    }
}
