//! What stands on a ticket, in plain fields: everything a person reads, and the code that a gate reads.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One ticket as it is shown and printed. Nothing here is checked or trusted; texts may have any length and are cut where
/// there is no room.
#[derive(Clone, Debug)]
pub struct TicketFace {
    /// The signed text for the QR code.
    pub code: String,
    /// What is put on.
    pub title: String,
    /// By whom and from when, or empty.
    pub credit: String,
    /// The venue's name.
    pub venue: String,
    /// Its city, and the country where that helps.
    pub city: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The venue's clock.
    pub time_zone: TimeZone,
    /// The section, or what stands for it where seats are not numbered.
    pub section: String,
    /// The row, where there are rows.
    pub row: Option<String>,
    /// The seat, where seats are numbered.
    pub seat: Option<String>,
    /// Whose it is; empty if nobody said.
    pub holder: String,
    /// The order's reference, as a person would read it over the telephone.
    pub order: String,
    /// What was paid for it, with its currency.
    pub price: String,
    /// Who sells: the name of the site.
    pub seller: String,
}

/// An instant on a venue's clock, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// `Friday, 12 June 2026`.
    pub date: String,
    /// `19:30`.
    pub time: String,
    /// What the clock is called there: `CEST`, or `+03` where it has no name.
    pub zone: String,
}

impl LocalTime {
    /// The instant as the clock in this zone shows it.
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone());
        Self {
            date: local.strftime("%A, %-d %B %Y").to_string(),
            time: local.strftime("%H:%M").to_string(),
            zone: local.strftime("%Z").to_string(),
        }
    }
}

impl TicketFace {
    /// When it begins, by the venue's clock.
    pub fn begins(&self) -> LocalTime {
        LocalTime::new(self.starts_at, &self.time_zone)
    }

    /// Where to sit, in one line: `Stalls, row A, seat 12`.
    pub fn place(&self) -> String {
        let mut place = self.section.clone();
        for (word, value) in [("row", &self.row), ("seat", &self.seat)] {
            if let Some(value) = value {
                let comma = if place.is_empty() { "" } else { ", " };
                place.push_str(&format!("{comma}{word} {value}"));
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_by_the_clock_of_the_venue() {
        let at: Timestamp = "2026-06-12T17:30:00Z".parse().expect("an instant");
        let told = |zone: &str| {
            let zone = TimeZone::get(zone).expect("a zone");
            let LocalTime { date, time, zone } = LocalTime::new(at, &zone);
            format!("{date} {time} {zone}")
        };
        assert_eq!(told("Europe/Prague"), "Friday, 12 June 2026 19:30 CEST");
        assert_eq!(told("Asia/Tokyo"), "Saturday, 13 June 2026 02:30 JST");
        assert_eq!(told("Europe/Istanbul"), "Friday, 12 June 2026 20:30 +03");
    }
}
