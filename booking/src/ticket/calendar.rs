//! Calendar files (RFC 5545): showtimes as entries that a fan's calendar keeps, updates and strikes out.
//!
//! Written here rather than with a crate: it is one kind of component with a dozen properties, and the crates bring a
//! second library for dates. Times are UTC, so that no zone table has to travel along; every calendar shows them by its
//! reader's clock. There is no METHOD: that would make the file an invitation (RFC 5546), which asks for an organiser's
//! mail address and for an answer.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Who made the file.
const PRODUCT: &str = "-//Tidegate//Booking//EN";

/// Longest line in bytes, without its end (RFC 5545, section 3.1).
const LINE_MAX: usize = 75;

/// Whether the showtime takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStatus {
    /// It does.
    Confirmed,
    /// It does not, or the tickets are no longer the fan's.
    Cancelled,
}

/// One showtime in a calendar.
#[derive(Clone, Debug)]
pub struct CalendarEntry {
    /// What makes it the same entry in every file: `order-showtime@site`. Never changes.
    pub uid: String,
    /// 0 at first, higher with every change, or calendars keep what they have.
    pub sequence: u32,
    /// When this version of it was made.
    pub stamped_at: Timestamp,
    /// When the showtime begins.
    pub starts_at: Timestamp,
    /// When it ends, if that is known.
    pub ends_at: Option<Timestamp>,
    /// What is put on.
    pub title: String,
    /// Where: `Teatr Wielki, Łódź`.
    pub location: String,
    /// Seats, reference, whatever helps at the door; may have several lines.
    pub description: String,
    /// The order's page, if it has one.
    pub url: Option<String>,
    /// Whether it takes place.
    pub status: EntryStatus,
}

/// A calendar file with these entries. The same entries give the same bytes.
pub fn calendar(entries: &[CalendarEntry]) -> String {
    let mut file = File(String::new());
    file.line("BEGIN", "VCALENDAR");
    file.line("VERSION", "2.0");
    file.line("PRODID", PRODUCT);
    file.line("CALSCALE", "GREGORIAN");
    for entry in entries {
        file.entry(entry);
    }
    file.line("END", "VCALENDAR");
    file.0
}

struct File(String);

impl File {
    fn entry(&mut self, entry: &CalendarEntry) {
        self.line("BEGIN", "VEVENT");
        self.text("UID", &entry.uid);
        self.line("SEQUENCE", &entry.sequence.to_string());
        self.line("DTSTAMP", &utc(entry.stamped_at));
        self.line("DTSTART", &utc(entry.starts_at));
        if let Some(ends_at) = entry.ends_at.filter(|end| *end > entry.starts_at) {
            self.line("DTEND", &utc(ends_at));
        }
        self.text("SUMMARY", &entry.title);
        self.text("LOCATION", &entry.location);
        if !entry.description.is_empty() {
            self.text("DESCRIPTION", &entry.description);
        }
        if let Some(url) = &entry.url {
            // An address is not escaped as text is; one with a control character in it is none.
            if !url.chars().any(|c| c.is_control() || c.is_whitespace()) {
                self.line("URL", url);
            }
        }
        self.line(
            "STATUS",
            match entry.status {
                EntryStatus::Confirmed => "CONFIRMED",
                EntryStatus::Cancelled => "CANCELLED",
            },
        );
        self.line(
            "TRANSP",
            match entry.status {
                EntryStatus::Confirmed => "OPAQUE",
                EntryStatus::Cancelled => "TRANSPARENT",
            },
        );
        self.line("END", "VEVENT");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.line(name, &escape(value));
    }

    /// Folds a long line without splitting a character.
    fn line(&mut self, name: &str, value: &str) {
        let mut used = 0;
        for character in name.chars().chain([':']).chain(value.chars()) {
            if used + character.len_utf8() > LINE_MAX {
                self.0.push_str("\r\n ");
                used = 1;
            }
            self.0.push(character);
            used += character.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// As text values are written (RFC 5545, section 3.3.11). Other control characters are not allowed in them and go.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\\' | ';' | ',' => safe.extend(['\\', character]),
            '\n' => safe.push_str("\\n"),
            control if control.is_control() => {}
            other => safe.push(other),
        }
    }
    safe
}

fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> CalendarEntry {
        CalendarEntry {
            uid: "7F3K-4711@tickets.example.com".to_owned(),
            sequence: 0,
            stamped_at: "2026-05-01T10:00:00Z".parse().expect("an instant"),
            starts_at: "2026-06-12T19:30:00+02:00".parse().expect("an instant"),
            ends_at: None,
            title: "R.U.R.; or, the robots".to_owned(),
            location: "Teatr Wielki, Łódź".to_owned(),
            description: "Stalls A-12\r\nBring \\ nothing".to_owned(),
            url: None,
            status: EntryStatus::Confirmed,
        }
    }

    #[test]
    fn texts_are_escaped_and_times_are_utc() {
        let file = calendar(&[entry()]);
        assert!(file.contains("\r\nDTSTART:20260612T173000Z\r\n"), "{file}");
        assert!(
            file.contains("\r\nSUMMARY:R.U.R.\\; or\\, the robots\r\n"),
            "{file}"
        );
        assert!(
            file.contains("\r\nDESCRIPTION:Stalls A-12\\nBring \\\\ nothing\r\n"),
            "{file}"
        );
        assert!(
            file.starts_with("BEGIN:VCALENDAR\r\n") && file.ends_with("\r\nEND:VCALENDAR\r\n"),
            "{file}"
        );
    }

    #[test]
    fn lines_are_folded_between_characters() {
        let title = "Žluťoučký kůň úpěl ďábelské ódy ".repeat(9);
        let file = calendar(&[CalendarEntry {
            title: title.clone(),
            ..entry()
        }]);
        assert!(file.split("\r\n").all(|line| line.len() <= LINE_MAX), "{file}");
        assert!(file.replace("\r\n ", "").contains(&title), "{file}");
    }

    #[test]
    fn no_value_can_begin_a_line_of_its_own() {
        let hostile = "x\r\nEND:VEVENT\nBEGIN:VALARM\rATTACH:evil\u{2028}";
        let file = calendar(&[CalendarEntry {
            uid: hostile.to_owned(),
            title: hostile.to_owned(),
            url: Some(format!("https://example.com/{hostile}")),
            ..entry()
        }]);
        assert_eq!(
            file.split("\r\n")
                .filter(|line| line.starts_with("END:VEVENT"))
                .count(),
            1,
            "{file}"
        );
        assert!(
            !file
                .split("\r\n")
                .any(|line| line.starts_with("BEGIN:VALARM") || line.starts_with("URL")),
            "{file}"
        );
    }

    #[test]
    fn an_end_before_the_beginning_is_left_out() {
        let ends_at = Some(entry().starts_at);
        assert!(!calendar(&[CalendarEntry { ends_at, ..entry() }]).contains("DTEND"));
    }
}
