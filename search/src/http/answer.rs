//! What `/search` answers to programs: the events of a page and how many there are in all.

use serde::Serialize;

use crate::catalogue::{EventId, Showtime, Venue};
use crate::index::{Found, Hit};

/// The whole answer.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    events: Vec<FoundEvent<'a>>,
    total: usize,
}

/// An event as booking publishes it, without the showtimes that are past.
#[derive(Serialize)]
struct FoundEvent<'a> {
    id: EventId,
    title: &'a str,
    category: &'a str,
    description: &'a str,
    venue: &'a Venue,
    showtimes: &'a [Showtime],
    url: String,
}

impl<'a> Answer<'a> {
    /// The answer of what was found.
    pub(super) fn new(found: &'a Found) -> Self {
        Self {
            events: found.hits().map(FoundEvent::new).collect(),
            total: found.total,
        }
    }
}

impl<'a> FoundEvent<'a> {
    fn new(Hit { event, upcoming }: Hit<'a>) -> Self {
        Self {
            id: event.id,
            title: &event.title,
            category: &event.category,
            description: &event.description,
            venue: &event.venue,
            showtimes: upcoming,
            url: if event.url.is_empty() {
                event_path(event.id)
            } else {
                event.url.clone()
            },
        }
    }
}

/// Where an event's page is on the site.
pub(super) fn event_path(id: EventId) -> String {
    format!("/events/{}", id.0)
}
