//! Which seats a fan asks for, in one of three ways.

use serde_json::Value;

use super::mistakes::Mistakes;
use super::reader::{Object, Part, Text};
use crate::domain::ShowtimeId;

/// Most seats looked at in one request, whatever the limit a fan has.
const NAMED_MAX: usize = 1000;

/// Beyond every limit that a fan may have.
const QUANTITY_MAX: i64 = 1_000_000;

/// The largest number that every JSON reader keeps exact.
const EXACT_MAX: i64 = (1 << 53) - 1;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// These, by name.
    Seats(Vec<String>),
    /// The best there are.
    Best(BestAvailable),
    /// Places of a section for general admission.
    Open {
        /// Its name.
        section: String,
        /// How many.
        quantity: u32,
    },
}

/// So many of the best.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestAvailable {
    /// How many.
    pub quantity: u32,
    /// Only in the section of this name.
    pub section: Option<String>,
    /// None dearer, in minor units.
    pub max_price: Option<i64>,
    /// Accessible seats, and no others.
    pub accessible: bool,
}

impl BestAvailable {
    /// So many, wherever they are.
    pub fn anywhere(quantity: u32) -> Self {
        Self {
            quantity,
            section: None,
            max_price: None,
            accessible: false,
        }
    }
}

impl Wish {
    /// Reads `{"showtime", "seats": [...]}`, or instead of the seats `"best_available": {"quantity", "section"?,
    /// "max_price"?, "accessible"?}`, or `"section"` with `"quantity"`.
    pub fn read(value: &Value) -> Result<(ShowtimeId, Self), Mistakes> {
        const KNOWN: [&str; 5] = ["showtime", "seats", "best_available", "section", "quantity"];
        let mut mistakes = Mistakes::default();
        let read = Part::root(value).object(&KNOWN, &mut mistakes).and_then(|body| {
            let showtime = body.whole("showtime", 1..=EXACT_MAX, &mut mistakes);
            let wish = wish(&body, &mut mistakes);
            Some((ShowtimeId(showtime?), wish?))
        });
        read.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }

    /// Reads `{"seats": [...]}`, of a showtime that is known.
    pub fn read_seats(value: &Value) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let body = Part::root(value).object(&["seats"], &mut mistakes);
        let seats = body.and_then(|body| seats(&body.need("seats", &mut mistakes)?, &mut mistakes));
        seats.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }
}

fn wish(body: &Object<'_>, mistakes: &mut Mistakes) -> Option<Wish> {
    let [by_name, best, section, quantity] =
        ["seats", "best_available", "section", "quantity"].map(|name| body.optional(name));
    match (by_name, best, section, quantity) {
        (Some(part), None, None, None) => seats(&part, mistakes),
        (None, Some(part), None, None) => best_available(&part, mistakes).map(Wish::Best),
        (None, None, Some(section), Some(_)) => {
            let section = section.text(Text::line(100), mistakes);
            Some(Wish::Open {
                quantity: quantity_of(body, mistakes)?,
                section: section?,
            })
        }
        _ => {
            let ways =
                "must say which seats in one way: `seats`, or `best_available`, or `section` with `quantity`";
            mistakes.add("", ways);
            None
        }
    }
}

fn seats(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<Wish> {
    let items = part.items(NAMED_MAX, mistakes)?;
    // A seat's name is looked up as it came, so that a wrong one can be given back.
    let names = items.iter().map(|item| {
        let name = item.as_text().map(str::to_owned);
        if name.is_none() {
            mistakes.add(&item.place, "must be a seat's name, like \"A-1\"");
        }
        name
    });
    let names: Vec<Option<String>> = names.collect();
    names.into_iter().collect::<Option<_>>().map(Wish::Seats)
}

fn best_available(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<BestAvailable> {
    let best = part.object(&["quantity", "section", "max_price", "accessible"], mistakes)?;
    let quantity = quantity_of(&best, mistakes);
    let section = match best.optional("section") {
        Some(section) => section.text(Text::line(100), mistakes).map(Some),
        None => Some(None),
    };
    let max_price = match best.optional("max_price") {
        Some(price) => price.whole(0..=EXACT_MAX, mistakes).map(Some),
        None => Some(None),
    };
    let accessible = match best.optional("accessible") {
        Some(flag) => flag.flag(mistakes),
        None => Some(false),
    };
    Some(BestAvailable {
        quantity: quantity?,
        section: section?,
        max_price: max_price?,
        accessible: accessible?,
    })
}

fn quantity_of(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<u32> {
    let quantity = object.whole("quantity", 1..=QUANTITY_MAX, mistakes)?;
    u32::try_from(quantity).ok()
}
