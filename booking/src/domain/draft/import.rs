//! Venues and events at once, in one document.

use std::collections::HashMap;

use serde_json::Value;

use super::event::{EventDraft, VenueRef};
use super::mistakes::Mistakes;
use super::reader::Part;
use super::venue::VenueDraft;

/// Venues in one document.
const VENUES_MAX: usize = 500;

/// Events in one document. All are written in one transaction, for which other writers wait.
const EVENTS_MAX: usize = 5_000;

/// What is to be imported, and what was wrong with the rest of the document.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The venues that could be read, each with its place in the list. No two have one key.
    pub venues: Vec<(usize, VenueDraft)>,
    /// The events that could be read, likewise.
    pub events: Vec<(usize, EventDraft)>,
    /// What could not. Then nothing may be imported; the rest is there to be looked at, so that all is told at once.
    pub mistakes: Mistakes,
    unread: Vec<String>,
}

impl Import {
    /// Reads `{"venues"?: [...], "events"?: [...]}`, each as it is created by itself. An event may name a venue of the same
    /// document by its key.
    pub fn read(value: &Value) -> Self {
        let mut import = Self::default();
        let mut mistakes = Mistakes::default();
        let root = Part::root(value);
        if let Some(document) = root.object(&["venues", "events"], &mut mistakes) {
            let venues = document.optional("venues");
            let events = document.optional("events");
            if venues.is_none() && events.is_none() {
                mistakes.add("", "must have `venues`, `events` or both");
            }
            let venues = venues.and_then(|part| part.items(VENUES_MAX, &mut mistakes));
            let mut keys = Keys::default();
            for (at, part) in venues.iter().flatten().enumerate() {
                let new = keys.see(part, &mut mistakes);
                match VenueDraft::read_part(part, &mut mistakes) {
                    Some(draft) if new => import.venues.push((at, draft)),
                    Some(_) => {}
                    None => import.unread.extend(part.text_at("key").map(str::to_owned)),
                }
            }
            let events = events.and_then(|part| part.items(EVENTS_MAX, &mut mistakes));
            let mut keys = Keys::default();
            for (at, part) in events.iter().flatten().enumerate() {
                let new = keys.see(part, &mut mistakes);
                let draft = EventDraft::read_part(part, &mut mistakes);
                import
                    .events
                    .extend(draft.filter(|_| new).map(|draft| (at, draft)));
            }
        }
        import.mistakes = mistakes;
        import
    }

    /// Whether a venue is one of the document that could not be read: that it does not exist is no mistake of the event.
    pub fn is_unread(&self, venue: &VenueRef) -> bool {
        matches!(venue, VenueRef::Key(key) if self.unread.contains(key))
    }
}

/// The keys of a list; none may be there twice.
#[derive(Default)]
struct Keys(HashMap<String, String>);

impl Keys {
    /// Whether the part's key, if it has one, is new.
    fn see(&mut self, part: &Part<'_>, mistakes: &mut Mistakes) -> bool {
        let Some(key) = part.text_at("key") else {
            return true;
        };
        if let Some(first) = self.0.get(key) {
            mistakes.add(
                format!("{}.key", part.place),
                format!("is the key of {first} already"),
            );
            return false;
        }
        self.0.insert(key.to_owned(), part.place.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_read_is_kept_beside_the_mistakes_of_the_rest() {
        let venue = |key: &str, seats: i64| {
            json!({"key": key, "name": "Hall", "city": "Chico", "country": "United States", "time_zone": "UTC",
                "currency": "USD", "sections": [{"name": "S", "level": 1, "rows": [{"label": "A", "seats": seats}]}]})
        };
        let event = |key: &str, amount: i64| {
            json!({"key": key, "venue": "bad", "category": "film", "title": "T", "description": "D",
                "prices": [{"level": 1, "amount": amount}]})
        };
        let import = Import::read(
            &json!({"venues": [venue("good", 1), venue("bad", 0), venue("good", 2)],
            "events": [event("e", -1), event("f", 1), event("f", 1)], "more": 1}),
        );
        let told: Vec<String> = import.mistakes.list().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "more: is not known here; known are venues, events",
                "venues[1].sections[0].rows[0].seats: must be a whole number from 1 to 500",
                "venues[2].key: is the key of venues[0] already",
                "events[0].prices[0].amount: must be a whole number from 1 to 99999999",
                "events[2].key: is the key of events[1] already",
            ]
        );
        let read: Vec<usize> = import.venues.iter().map(|(at, _)| *at).collect();
        assert_eq!(read, [0]);
        assert!(
            import.is_unread(&VenueRef::Key("bad".into()))
                && !import.is_unread(&VenueRef::Key("good".into()))
        );
    }

    #[test]
    fn a_document_has_something_in_it_and_not_too_much() {
        assert_eq!(
            Import::read(&json!({})).mistakes.to_string(),
            "The body must have `venues`, `events` or both."
        );
        let crowded = Import::read(&json!({"events": vec![0; EVENTS_MAX + 1]}));
        assert_eq!(
            crowded.mistakes.to_string(),
            "events: must have at most 5000 items, and has 5001."
        );
        let crowded = Import::read(&json!({"venues": vec![0; VENUES_MAX + 1]}));
        assert_eq!(
            crowded.mistakes.to_string(),
            "venues: must have at most 500 items, and has 501."
        );
    }
}
