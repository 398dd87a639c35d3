//! The words and figures of the page of results. Pure.

use jiff::tz::TimeZone;

use crate::catalogue::{Money, Showtime, StartsAt};

/// Characters of a description that are shown.
const TEASER_CHARS: usize = 150;

/// The page's title.
pub(super) fn title(q: &str, city: &str) -> String {
    match (q, city) {
        ("", "") => "Find an event".to_owned(),
        ("", city) => format!("Events in {city}"),
        (q, "") => format!("{q}: events"),
        (q, city) => format!("{q}: events in {city}"),
    }
}

/// How many were found, and where.
pub(super) fn summary(q: &str, city: &str, total: usize) -> String {
    let place = if city.is_empty() {
        String::new()
    } else {
        format!(" in {city}")
    };
    let count = match total {
        0 if q.is_empty() => return format!("Nothing is planned{place} for these dates."),
        0 => return format!("Nothing found for “{q}”{place}."),
        1 => "1 event".to_owned(),
        more => format!("{more} events"),
    };
    match q {
        "" => format!("{count} coming up{place}"),
        q => format!("{count}{place} for “{q}”"),
    }
}

/// A name with a capital at its beginning; booking spells categories in lower case.
pub(super) fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A text that begins and ends as a sentence does.
pub(super) fn sentence(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{}.", capitalised(text.trim_end_matches('.')))
    }
}

/// When a performance starts, on the venue's clock: that of its time zone, or else of the offset it was published with.
pub(super) fn when(starts_at: StartsAt, time_zone: Option<&str>) -> String {
    let venue = time_zone.and_then(|name| TimeZone::get(name).ok());
    let zone = venue.or_else(|| starts_at.offset.map(TimeZone::fixed));
    let say = |zone, format| starts_at.at.to_zoned(zone).strftime(format).to_string();
    match zone {
        Some(zone) => say(zone, "%a %-d %b %Y, %H:%M"),
        None => say(TimeZone::UTC, "%a %-d %b %Y, %H:%M UTC"),
    }
}

/// How many dates there are besides the first.
pub(super) fn more_dates(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("+ 1 date".to_owned()),
        more => Some(format!("+ {more} dates")),
    }
}

/// The beginning of a description, cut between words.
pub(super) fn teaser(description: &str) -> String {
    let Some((cut, _)) = description.char_indices().nth(TEASER_CHARS) else {
        return description.to_owned();
    };
    let kept = &description[..cut];
    let kept = kept
        .rsplit_once(char::is_whitespace)
        .map_or(kept, |(words, _)| words);
    format!(
        "{}…",
        kept.trim_end_matches(|letter: char| !letter.is_alphanumeric())
    )
}

/// The lowest price among the showtimes; none where they are in different currencies.
pub(super) fn price_from(showtimes: &[Showtime]) -> Option<String> {
    let prices: Vec<&Money> = showtimes
        .iter()
        .filter_map(|showtime| showtime.price_from.as_ref())
        .collect();
    let lowest = prices.iter().min_by_key(|price| price.amount)?;
    prices
        .iter()
        .all(|price| price.currency == lowest.currency)
        .then(|| format!("from {}", amount(lowest)))
}

fn amount(price: &Money) -> String {
    // Currencies without a minor unit in use (ISO 4217).
    let whole = matches!(
        price.currency.as_str(),
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "PYG" | "UGX"
    );
    let figure = match (whole, price.amount % 100) {
        (true, _) => price.amount.to_string(),
        (false, 0) => (price.amount / 100).to_string(),
        (false, _) => format!("{:.2}", price.amount as f64 / 100.0),
    };
    match price.currency.as_str() {
        "USD" => format!("${figure}"),
        "EUR" => format!("€{figure}"),
        "GBP" => format!("£{figure}"),
        "JPY" => format!("¥{figure}"),
        other => format!("{figure} {other}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn showtime(price: Option<(i64, &str)>) -> Showtime {
        let starts_at = serde_json::from_str("\"2030-05-01T20:00:00-07:00\"").unwrap();
        let price_from = price.map(|(amount, currency)| Money {
            amount,
            currency: currency.to_owned(),
        });
        Showtime {
            id: 1,
            starts_at,
            seats_left: None,
            price_from,
        }
    }

    #[test]
    fn a_start_is_told_on_the_venues_clock() {
        let starts_at = |text: &str| serde_json::from_str(&format!("\"{text}\"")).unwrap();
        let (offset, utc) = (
            starts_at("2030-05-01T20:00:00-07:00"),
            starts_at("2030-05-02T03:00:00Z"),
        );
        assert_eq!(when(utc, Some("America/Los_Angeles")), "Wed 1 May 2030, 20:00");
        assert_eq!(when(offset, Some("Europe/Berlin")), "Thu 2 May 2030, 05:00");
        assert_eq!(when(offset, None), "Wed 1 May 2030, 20:00");
        assert_eq!(when(offset, Some("Nowhere/At_All")), "Wed 1 May 2030, 20:00");
        assert_eq!(when(utc, None), "Thu 2 May 2030, 03:00 UTC");
    }

    #[test]
    fn prices_are_the_lowest_and_only_where_they_compare() {
        let price = |prices: &[(i64, &str)]| {
            let showtimes: Vec<_> = prices.iter().map(|price| showtime(Some(*price))).collect();
            price_from(&showtimes)
        };
        assert_eq!(price(&[(4_500, "USD"), (2_500, "USD")]).unwrap(), "from $25");
        assert_eq!(price(&[(2_550, "EUR")]).unwrap(), "from €25.50");
        assert_eq!(price(&[(3_000, "JPY")]).unwrap(), "from ¥3000");
        assert_eq!(price(&[(3_000, "CHF")]).unwrap(), "from 30 CHF");
        assert_eq!(price(&[(3_000, "CHF"), (3_000, "USD")]), None);
        assert_eq!(price(&[]), None);
    }

    #[test]
    fn a_teaser_ends_between_words() {
        assert_eq!(teaser("Short."), "Short.");
        let long = teaser(&"für immer, ".repeat(40));
        assert!(
            long.chars().count() <= TEASER_CHARS + 1 && long.ends_with("immer, für…"),
            "{long}"
        );
        assert_eq!(teaser(&"é".repeat(500)).chars().count(), TEASER_CHARS + 1);
    }

    #[test]
    fn problems_are_told_in_sentences() {
        assert_eq!(sentence("try again"), "Try again.");
        assert_eq!(sentence(""), "");
    }
}
