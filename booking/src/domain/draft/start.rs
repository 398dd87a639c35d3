//! When a showtime begins, as an organiser writes it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::mistakes::Mistakes;
use super::reader::Part;

/// Further ahead is a slip of the pen.
const YEARS_AHEAD_MAX: i64 = 5;

/// When a showtime begins, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// An instant.
    At(Timestamp),
    /// A time on the venue's clock.
    OnVenueClock(DateTime),
}

impl Start {
    /// Reads `{"starts_at": "2030-05-01T20:00"}`.
    pub fn read(value: &Value) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let start = Self::read_part(&Part::root(value), &mut mistakes);
        start.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }

    /// The same inside a larger document.
    pub(super) fn read_part(part: &Part<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let object = part.object(&["starts_at"], mistakes)?;
        let must = "is no start; write the time on the venue's clock, like 2030-05-01T20:00, or with an offset, like \
                    2030-05-01T20:00:00-07:00";
        object
            .need("starts_at", mistakes)?
            .parsed(mistakes, must, Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        // A date alone would be midnight, and a zone's name beside the time need not be the venue's.
        if text.as_bytes().get(10) != Some(&b'T') || text.contains('[') {
            return None;
        }
        let (start, part) = match text.parse::<Timestamp>() {
            Ok(at) => (Self::At(at), at.subsec_nanosecond()),
            Err(_) => {
                let local: DateTime = text.parse().ok()?;
                (Self::OnVenueClock(local), local.subsec_nanosecond())
            }
        };
        (part == 0).then_some(start)
    }

    /// The instant, in seconds since 1970, at a venue whose clock is this one's; or why there is none.
    pub fn at_venue(self, zone: &TimeZone) -> Result<i64, &'static str> {
        match self {
            Self::At(at) => Ok(at.as_second()),
            Self::OnVenueClock(local) => zone
                .to_ambiguous_timestamp(local)
                .unambiguous()
                .map(|at| at.as_second())
                .map_err(|_| {
                    "does not exist or comes twice on the venue's clock, which changes then; write it with an offset"
                }),
        }
    }

    /// Why a showtime may not begin at this instant, if it may not.
    pub fn refused(at_s: i64, now: Timestamp) -> Option<&'static str> {
        let last = now
            .to_zoned(TimeZone::UTC)
            .checked_add(YEARS_AHEAD_MAX.years())
            .map_or(i64::MAX, |last| last.timestamp().as_second());
        if at_s <= now.as_second() {
            Some("lies in the past")
        } else if at_s > last {
            Some("lies more than five years ahead")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_the_venue_s_clock_skips_or_repeats_needs_an_offset() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let start = |text: &str| Start::parse(text).expect("a start").at_venue(&zone);
        assert!(start("2030-03-31T02:30").is_err() && start("2030-10-27T02:30").is_err());
        assert!(start("2030-10-27T02:30:00+01:00").is_ok() && start("2030-03-31T03:30").is_ok());
        for text in [
            "2030-05-01",
            "2030-05-01 20:00",
            "2030-05-01T20:00:00.5",
            "20:00",
            "2030-13-01T20:00",
            "tomorrow",
        ] {
            assert_eq!(Start::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_start_is_ahead_and_not_too_far() {
        let now: Timestamp = "2030-05-01T20:00:00Z".parse().expect("an instant");
        let refused =
            |text: &str| Start::refused(text.parse::<Timestamp>().expect("an instant").as_second(), now);
        assert_eq!(refused("2030-05-01T20:00:01Z"), None);
        assert_eq!(refused("2035-05-01T20:00:00Z"), None);
        assert!(refused("2030-05-01T20:00:00Z").is_some_and(|why| why.contains("past")));
        assert!(refused("2035-05-01T20:00:01Z").is_some_and(|why| why.contains("ahead")));
    }
}
