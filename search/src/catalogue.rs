//! The catalogue as booking publishes it: events, where they are, when they are.
//!
//! Fields that are not known here are ignored, so booking may add some; what may be missing has a default. Must not
//! know how the catalogue was fetched or how it is searched.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Booking's number for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EventId(pub(crate) u64);

/// One event with all its showtimes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) category: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) venue: Venue,
    /// In order of `starts_at` once indexed.
    #[serde(default)]
    pub(crate) showtimes: Vec<Showtime>,
    /// The event's page as a path on the site; empty when booking did not say.
    #[serde(default)]
    pub(crate) url: String,
}

/// Where an event takes place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Venue {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) city: String,
    #[serde(default)]
    pub(crate) country: String,
    /// Name of the time zone of the venue's clock (IANA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
}

/// One performance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Showtime {
    pub(crate) id: u64,
    pub(crate) starts_at: StartsAt,
    #[serde(default)]
    pub(crate) seats_left: Option<u64>,
    #[serde(default)]
    pub(crate) price_from: Option<Money>,
}

/// An amount in the currency's minor unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Money {
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

/// When a performance starts: an instant, and the offset from UTC its text was written with, so that a fan is shown
/// the time on the venue's clock where booking writes it that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartsAt {
    pub(crate) at: Timestamp,
    /// `None` where the text ended in `Z`.
    pub(crate) offset: Option<Offset>,
}

impl StartsAt {
    /// Seconds since 1970, as the index compares them.
    pub(crate) fn seconds(self) -> i64 {
        self.at.as_second()
    }

    fn parse(text: &str) -> Result<Self, jiff::Error> {
        let at = text.parse()?;
        let offset = if text.ends_with(['Z', 'z']) {
            None
        } else {
            Pieces::parse(text)?.to_numeric_offset()
        };
        Ok(Self { at, offset })
    }
}

impl Serialize for StartsAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.offset {
            Some(offset) => serializer.collect_str(&self.at.display_with_offset(offset)),
            None => serializer.collect_str(&self.at),
        }
    }
}

impl<'de> Deserialize<'de> for StartsAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Which state of the catalogue was read: booking's `Tidegate-Catalogue`, or `ETag`, kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CatalogueVersion(pub(crate) String);

/// One reading of the whole catalogue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Catalogue {
    /// `None` when booking sent no `ETag`; then every refresh reads everything.
    pub(crate) version: Option<CatalogueVersion>,
    /// When the reading began.
    pub(crate) read_at: Timestamp,
    pub(crate) events: Vec<Event>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
        let event: Event = serde_json::from_str(
            r#"{"id":7,"title":"Ghosts","age_limit":12,"venue":{"name":"Bell","timezone":"X"},
                "showtimes":[{"id":1,"starts_at":"2030-05-01T20:00:00-07:00","room":{"a":1}}]}"#,
        )
        .unwrap();
        assert_eq!(event.id, EventId(7));
        assert_eq!(event.venue.city, "");
        assert_eq!(event.showtimes[0].seats_left, None);
    }

    #[test]
    fn a_start_keeps_its_instant_and_the_offset_it_was_written_with() {
        for text in [
            "2030-05-01T20:00:00-07:00",
            "2030-05-02T03:00:00Z",
            "2030-05-02T05:30:00+02:30",
        ] {
            let starts_at: StartsAt = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(starts_at.seconds(), 1_903_921_200, "{text}");
            assert_eq!(serde_json::to_string(&starts_at).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn a_start_that_is_no_instant_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2030-05-01",
            "2030-05-01T20:00:00",
            "2030-13-01T00:00:00Z",
        ] {
            assert!(
                serde_json::from_str::<StartsAt>(&format!("\"{text}\"")).is_err(),
                "{text}"
            );
        }
    }
}
