//! A venue and its seat map.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::mistakes::Mistakes;
use super::reader::{Object, Part, Text};
use crate::domain::{Currency, MapRow, OpenSection, SeatMap, is_label};

/// Names of venues, cities, countries and sections, in characters.
const NAME: Text = Text::line(100);

/// The largest stadiums have some 100,000 seats; the claims of one showtime are read at once.
const SEATS_MAX: u64 = 100_000;

/// A stadium has about 1,000 rows.
const ROWS_MAX: usize = 2_000;

/// Blocks of a stadium.
const SECTIONS_MAX: usize = 200;

/// Seats of one row. Choosing counts half seats in 16 bits, which with the bound below carries three times that.
const ROW_SEATS_MAX: i64 = 500;

/// How far from the middle a row may stand: 10,000 seats' widths, in hundredths.
const AWAY_MAX: i64 = 1_000_000;

/// Price levels of a venue.
pub(super) const LEVELS_MAX: i64 = 20;

/// A venue as an organiser describes it.
#[derive(Clone, Debug)]
pub struct VenueDraft {
    /// The organiser's own name for it, by which an import finds it again.
    pub key: Option<String>,
    /// Its name.
    pub name: String,
    /// The city.
    pub city: String,
    /// The country.
    pub country: String,
    /// Whose clock its showtimes are announced by; one with an IANA name.
    pub time_zone: TimeZone,
    /// What its prices are in.
    pub currency: Currency,
    /// Its seats.
    pub map: SeatMap,
}

impl VenueDraft {
    /// Reads `{"key"?, "name", "city", "country", "time_zone", "currency", "sections": [...]}`. A section is
    /// `{"name", "level", "rows": [{"label", "seats", "x"?, "y"?, "accessible"?}]}` or, for general admission,
    /// `{"name", "level", "label", "capacity"}`. Rows without a position stand in the middle, one behind the other.
    pub fn read(value: &Value) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let draft = Self::read_part(&Part::root(value), &mut mistakes);
        draft.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }

    /// The same inside a larger document. Nothing comes back where something is wrong.
    pub(super) fn read_part(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        const KNOWN: [&str; 7] = [
            "key",
            "name",
            "city",
            "country",
            "time_zone",
            "currency",
            "sections",
        ];
        let venue = part.object(&KNOWN, mistakes)?;
        let key = key(&venue, mistakes);
        let name = venue.text("name", NAME, mistakes);
        let city = venue.text("city", NAME, mistakes);
        let country = venue.text("country", NAME, mistakes);
        let time_zone = venue.need("time_zone", mistakes).and_then(|zone| {
            let must = "is no time zone; write one of the IANA database's names, like Europe/Berlin";
            zone.parsed(mistakes, must, |name| {
                TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some())
            })
        });
        let currency = venue.need("currency", mistakes).and_then(|currency| {
            let must = "is no currency; write three capital letters, like EUR";
            currency.parsed(mistakes, must, |text| text.parse().ok())
        });
        let map = map(&venue, mistakes);
        Some(Self {
            key: key?,
            name: name?,
            city: city?,
            country: country?,
            time_zone: time_zone?,
            currency: currency?,
            map: map?,
        })
    }

    /// The time zone's IANA name.
    pub fn zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }
}

/// The organiser's own name for something, which may be absent: `Some(None)`.
pub(super) fn key(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<Option<String>> {
    let Some(part) = object.optional("key") else {
        return Some(None);
    };
    let must = "is no key; write 1 to 64 letters, digits, '.', ':', '-' or '_'";
    part.parsed(mistakes, must, read_key).map(Some)
}

pub(super) fn read_key(text: &str) -> Option<String> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".:-_".contains(&b));
    fits.then(|| text.to_owned())
}

fn map(venue: &Object<'_>, mistakes: &mut Mistakes) -> Option<SeatMap> {
    let part = venue.need("sections", mistakes)?;
    let sections = part.items(SECTIONS_MAX, mistakes)?;
    if sections.is_empty() {
        mistakes.add(&part.place, "must have a section");
        return None;
    }
    let mut plan = Plan::default();
    let mut whole = true;
    for section in sections {
        whole &= plan.section(&section, mistakes).is_some();
    }
    if plan.map.rows.len() > ROWS_MAX {
        let why = format!(
            "must have at most {ROWS_MAX} rows, and has {}",
            plan.map.rows.len()
        );
        mistakes.add(&part.place, why);
        whole = false;
    }
    if plan.seats > SEATS_MAX {
        let why = format!("must have at most {SEATS_MAX} seats, and has {}", plan.seats);
        mistakes.add(&part.place, why);
        whole = false;
    }
    whole.then_some(plan.map)
}

/// A map in the making.
#[derive(Default)]
struct Plan {
    map: SeatMap,
    seats: u64,
    names: HashSet<String>,
    /// Of rows and of sections for general admission alike, since both name seats; each with the place of its first use.
    labels: HashMap<String, String>,
}

impl Plan {
    fn section(&mut self, part: &Part<'_>, mistakes: &mut Mistakes) -> Option<()> {
        let section = part.object(&["name", "level", "rows", "label", "capacity"], mistakes)?;
        let name = section.text("name", NAME, mistakes);
        let level = section.whole("level", 1..=LEVELS_MAX, mistakes);
        let new = name.as_ref().is_none_or(|name| self.names.insert(name.clone()));
        if !new {
            mistakes.add(section.place_of("name"), "is the name of another section already");
        }
        let seated = section.optional("rows");
        let open = section.optional("label").is_some() || section.optional("capacity").is_some();
        match seated {
            Some(_) if open => {
                let why = "must have either `rows`, or `label` and `capacity` for general admission";
                mistakes.add(&section.place, why);
                None
            }
            Some(rows) => {
                let rows = rows.items(ROWS_MAX, mistakes)?;
                if rows.is_empty() {
                    mistakes.add(section.place_of("rows"), "must have a row");
                    return None;
                }
                let mut whole = new;
                for row in rows {
                    whole &= self.row(&row, name.as_deref(), level, mistakes).is_some();
                }
                whole.then_some(())
            }
            None => {
                let label = self.label(&section, mistakes);
                let capacity = section.whole("capacity", 1..=SEATS_MAX as i64, mistakes);
                self.seats += capacity.unwrap_or(0).unsigned_abs();
                self.map.open.push(OpenSection {
                    name: name?,
                    label: label?,
                    level: u8::try_from(level?).ok()?,
                    capacity: u32::try_from(capacity?).ok()?,
                });
                new.then_some(())
            }
        }
    }

    fn row(
        &mut self,
        part: &Part<'_>,
        section: Option<&str>,
        level: Option<i64>,
        mistakes: &mut Mistakes,
    ) -> Option<()> {
        let row = part.object(&["label", "seats", "x", "y", "accessible"], mistakes)?;
        let label = self.label(&row, mistakes);
        let seats = row.whole("seats", 1..=ROW_SEATS_MAX, mistakes);
        self.seats += seats.unwrap_or(0).unsigned_abs();
        let away = |name, mistakes: &mut Mistakes| match row.optional(name) {
            Some(part) => part.whole(-AWAY_MAX..=AWAY_MAX, mistakes).map(Some),
            None => Some(None),
        };
        let (x, y) = (away("x", mistakes), away("y", mistakes));
        let accessible = accessible(&row, seats.unwrap_or(ROW_SEATS_MAX), mistakes);
        let distance = u32::try_from(self.map.rows.len()).ok()? + 1;
        let level = u8::try_from(level?).ok()?;
        let mut made = MapRow::centred(section?, level, &label?, u32::try_from(seats?).ok()?, distance);
        if let Some(x) = x? {
            made.x = i32::try_from(x).ok()?;
        }
        if let Some(y) = y? {
            made.y = i32::try_from(y).ok()?;
        }
        made.accessible = accessible?;
        self.map.rows.push(made);
        Some(())
    }

    fn label(&mut self, object: &Object<'_>, mistakes: &mut Mistakes) -> Option<String> {
        let part = object.need("label", mistakes)?;
        let must = "is no label; write 1 to 8 capital letters and digits";
        let label = part.parsed(mistakes, must, |text| is_label(text).then(|| text.to_owned()))?;
        match self.labels.get(&label) {
            Some(first) => {
                mistakes.add(&part.place, format!("{label:?} is the label of {first} already"));
                None
            }
            None => {
                self.labels.insert(label.clone(), object.place.clone());
                Some(label)
            }
        }
    }
}

/// Numbers of seats in a row of so many, each once.
fn accessible(row: &Object<'_>, seats: i64, mistakes: &mut Mistakes) -> Option<Vec<u32>> {
    let Some(part) = row.optional("accessible") else {
        return Some(Vec::new());
    };
    let mut numbers = Vec::new();
    let mut whole = true;
    for item in part.items(ROW_SEATS_MAX as usize, mistakes)? {
        match item
            .whole(1..=seats, mistakes)
            .and_then(|n| u32::try_from(n).ok())
        {
            Some(number) if numbers.contains(&number) => {
                mistakes.add(&item.place, format!("names seat {number} a second time"));
                whole = false;
            }
            Some(number) => numbers.push(number),
            None => whole = false,
        }
    }
    numbers.sort_unstable();
    whole.then_some(numbers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn venue(sections: &Value) -> Value {
        json!({"name": "Hall", "city": "Chico", "country": "United States", "time_zone": "america/los_angeles",
            "currency": "USD", "sections": sections})
    }

    fn mistakes(venue: &Value) -> Vec<String> {
        let mistakes = VenueDraft::read(venue).expect_err("mistakes");
        mistakes.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_map_is_read_with_its_positions_and_what_is_left_out_stands_in_the_middle() {
        let draft = VenueDraft::read(&venue(&json!([
            {"name": "Stalls", "level": 1, "rows": [
                {"label": "A", "seats": 3, "x": -90, "y": 50, "accessible": [3, 1]}, {"label": "B", "seats": 5}]},
            {"name": "Floor", "level": 2, "label": "GA", "capacity": 40},
        ])));
        let draft = draft.expect("a venue");
        assert_eq!(draft.zone_name(), "America/Los_Angeles");
        let mut first = MapRow::centred("Stalls", 1, "A", 3, 1);
        (first.x, first.y, first.accessible) = (-90, 50, vec![1, 3]);
        assert_eq!(draft.map.rows, [first, MapRow::centred("Stalls", 1, "B", 5, 2)]);
        assert_eq!((draft.map.open[0].capacity, draft.map.capacity()), (40, 48));
    }

    #[test]
    fn every_mistake_of_a_map_is_told_with_its_place() {
        let told = mistakes(&venue(&json!([
            {"name": "Stalls", "level": 0, "rows": [{"label": "a", "seats": 501}, {"label": "B", "seats": 2,
                "accessible": [3, 1, 1], "x": 1_000_001}]},
            {"name": "Stalls", "level": 1, "rows": []},
            {"name": "Floor", "level": 1, "label": "B", "capacity": 0},
            {"name": "Both", "level": 1, "label": "C", "rows": [{"label": "D", "seats": 1}]},
            {"name": "Neither", "level": 21},
        ])));
        assert_eq!(
            told,
            [
                "sections[0].level: must be a whole number from 1 to 20",
                "sections[0].rows[0].label: \"a\" is no label; write 1 to 8 capital letters and digits",
                "sections[0].rows[0].seats: must be a whole number from 1 to 500",
                "sections[0].rows[1].x: must be a whole number from -1000000 to 1000000",
                "sections[0].rows[1].accessible[0]: must be a whole number from 1 to 2",
                "sections[0].rows[1].accessible[2]: names seat 1 a second time",
                "sections[1].name: is the name of another section already",
                "sections[1].rows: must have a row",
                "sections[2].label: \"B\" is the label of sections[0].rows[1] already",
                "sections[2].capacity: must be a whole number from 1 to 100000",
                "sections[3]: must have either `rows`, or `label` and `capacity` for general admission",
                "sections[4].level: must be a whole number from 1 to 20",
                "sections[4].label: is missing",
                "sections[4].capacity: is missing",
            ]
        );
    }

    #[test]
    fn a_venue_has_at_most_100000_seats_and_2000_rows() {
        let open = |capacity: i64| json!({"name": "Floor", "level": 1, "label": "GA", "capacity": capacity});
        let one = json!({"name": "Box", "level": 1, "rows": [{"label": "A", "seats": 1}]});
        assert!(VenueDraft::read(&venue(&json!([open(99_999), one]))).is_ok());
        assert_eq!(
            mistakes(&venue(&json!([open(100_000), one]))),
            ["sections: must have at most 100000 seats, and has 100001"]
        );
        let rows = |from: usize, to: usize| -> Vec<Value> {
            (from..to)
                .map(|at| json!({"label": format!("R{at}"), "seats": 1}))
                .collect()
        };
        let of = |rows| json!([{"name": "All", "level": 1, "rows": rows}]);
        assert!(VenueDraft::read(&venue(&of(rows(0, 2_000)))).is_ok());
        assert_eq!(
            mistakes(&venue(&of(rows(0, 2_001)))),
            ["sections[0].rows: must have at most 2000 items, and has 2001"]
        );
        let halves = json!([{"name": "One", "level": 1, "rows": rows(0, 1_000)},
            {"name": "Other", "level": 1, "rows": rows(1_000, 2_001)}]);
        assert_eq!(
            mistakes(&venue(&halves)),
            ["sections: must have at most 2000 rows, and has 2001"]
        );
    }

    #[test]
    fn what_surrounds_the_map_is_read_strictly() {
        let mut wrong = venue(&json!([{"name": "A", "level": 1, "label": "A", "capacity": 1}]));
        wrong["time_zone"] = json!("Mars/Olympus");
        wrong["currency"] = json!("usd");
        wrong["name"] = json!("x".repeat(101));
        wrong["city"] = json!(7);
        wrong["key"] = json!("a b");
        wrong["map"] = json!(1);
        assert_eq!(
            mistakes(&wrong),
            [
                "map: is not known here; known are key, name, city, country, time_zone, currency, sections",
                "key: \"a b\" is no key; write 1 to 64 letters, digits, '.', ':', '-' or '_'",
                "name: must be at most 100 characters long",
                "city: must be text",
                "time_zone: \"Mars/Olympus\" is no time zone; write one of the IANA database's names, like Europe/Berlin",
                "currency: \"usd\" is no currency; write three capital letters, like EUR",
            ]
        );
        assert_eq!(mistakes(&json!([])), ["The body must be an object"]);
        assert_eq!(mistakes(&venue(&json!([]))), ["sections: must have a section"]);
    }
}
