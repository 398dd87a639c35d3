//! One reading of the catalogue, searchable: built at once, never changed, replaced whole.
//!
//! The index lives in memory. It can always be made again from the catalogue, so a file would only add what can be
//! half written, locked or of an older format; 20,000 events take well under a second and some tens of megabytes.
//! What has to outlive a restart is the catalogue itself, which the feed saves. As a snapshot never changes, a reader
//! holds on to the one it began with while the feed puts the next in its place: nobody sees half of a catalogue.

mod query;
mod schema;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tantivy::collector::{Count, TopDocs};
use tantivy::directory::RamDirectory;
use tantivy::query::Query;
use tantivy::{Index, Order, Searcher, SegmentReader};

use crate::catalogue::{Catalogue, CatalogueVersion, Event, Showtime};
use crate::request::SearchRequest;
use crate::text::{self, Word};
use query::{Filters, Need, Window};
use schema::Fields;

/// Where the segment writer starts; it grows as needed, the whole catalogue being one segment.
const WRITER_BYTES: usize = 64 << 20;

/// Names a page offers for choosing; more would be no help.
const OFFERED_MAX: usize = 400;

/// Requests with fewer words than this must have every word: of two, giving up one leaves something else.
const RELAXED_WORDS_MIN: usize = 3;

/// A reading of the catalogue and its index.
pub(crate) struct Snapshot {
    searcher: Searcher,
    fields: Fields,
    /// In document order: by the next start at the time of building, so that equal matches come sooner first.
    events: Arc<[Event]>,
    version: Option<CatalogueVersion>,
    read_at: Timestamp,
    cities: Vec<String>,
    categories: Vec<String>,
}

/// What a request found: the events of one page and how many there are in all.
pub(crate) struct Found {
    snapshot: Arc<Snapshot>,
    documents: Vec<usize>,
    now_s: i64,
    pub(crate) total: usize,
}

/// A found event with what is still to come of it.
#[derive(Clone, Copy)]
pub(crate) struct Hit<'a> {
    pub(crate) event: &'a Event,
    /// At least one, in order of their starts.
    pub(crate) upcoming: &'a [Showtime],
}

impl Snapshot {
    /// Builds the index of a reading. CPU-bound; call it off the async threads.
    pub(crate) fn build(catalogue: Catalogue) -> tantivy::Result<Self> {
        let Catalogue {
            version,
            read_at,
            mut events,
        } = catalogue;
        let now_s = read_at.as_second();
        for event in &mut events {
            event
                .showtimes
                .sort_by_key(|showtime| (showtime.starts_at.at, showtime.id));
        }
        events.sort_by_key(|event| event.id);
        events.dedup_by_key(|event| event.id);
        events.sort_by_key(|event| (upcoming(event, now_s).first().map_or(i64::MAX, starts), event.id));

        let (schema, fields) = schema::schema();
        let mut writer = Index::builder()
            .schema(schema)
            .tokenizers(text::tokenizers())
            .single_segment_index_writer(RamDirectory::create(), WRITER_BYTES)?;
        for event in &events {
            writer.add_document(schema::document(&fields, event))?;
        }
        let searcher = writer.finalize()?.reader()?.searcher();
        Ok(Self {
            searcher,
            fields,
            cities: offered(&events, |event| &event.venue.city),
            categories: offered(&events, |event| &event.category),
            events: events.into(),
            version,
            read_at,
        })
    }

    /// Answers a request as of `now`. CPU-bound, some milliseconds.
    pub(crate) fn search(
        self: &Arc<Self>,
        request: &SearchRequest,
        now: Timestamp,
    ) -> tantivy::Result<Found> {
        let now_s = now.as_second();
        let first = request
            .from
            .as_ref()
            .map_or(now_s, |from| from.first.as_second().max(now_s));
        let last = request.to.as_ref().map_or(i64::MAX, |to| to.last.as_second());
        let key = |name: &str| (!name.is_empty()).then(|| text::key(name));
        let filters = Filters {
            city: key(&request.city),
            category: key(&request.category),
            window: Window { first, last },
        };
        let words = text::request_words(&request.q, query::WORDS_MAX);
        let nothing_to_find = first > last || (words.is_empty() && !request.q.is_empty());
        let (total, documents) = if nothing_to_find {
            (0, Vec::new())
        } else if words.is_empty() {
            self.by_date(&filters, request)?
        } else {
            self.by_worth(&words, &filters, request)?
        };
        Ok(Found {
            snapshot: Arc::clone(self),
            documents,
            now_s,
            total,
        })
    }

    /// How many events it holds, past ones included.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Which state of the catalogue this is.
    pub(crate) fn version(&self) -> Option<&CatalogueVersion> {
        self.version.as_ref()
    }

    /// When the catalogue was read.
    pub(crate) fn read_at(&self) -> Timestamp {
        self.read_at
    }

    /// Names of cities, in order.
    pub(crate) fn cities(&self) -> &[String] {
        &self.cities
    }

    /// Names of categories, in order.
    pub(crate) fn categories(&self) -> &[String] {
        &self.categories
    }

    fn by_worth(
        &self,
        words: &[Word],
        filters: &Filters,
        request: &SearchRequest,
    ) -> tantivy::Result<(usize, Vec<usize>)> {
        let best = || {
            TopDocs::with_limit(request.limit)
                .and_offset(request.offset)
                .order_by_score()
        };
        let run = |need| -> tantivy::Result<(usize, Vec<usize>)> {
            let query = query::query(&self.fields, words, need, filters);
            let (total, page) = self.searcher.search(&query as &dyn Query, &(Count, best()))?;
            Ok((
                total,
                page.into_iter()
                    .map(|(_, address)| address.doc_id as usize)
                    .collect(),
            ))
        };
        let found = run(Need::All)?;
        if found.0 == 0 && words.len() >= RELAXED_WORDS_MIN {
            run(Need::Most)
        } else {
            Ok(found)
        }
    }

    fn by_date(&self, filters: &Filters, request: &SearchRequest) -> tantivy::Result<(usize, Vec<usize>)> {
        let events = Arc::clone(&self.events);
        let first = filters.window.first;
        let next_start = move |_: &SegmentReader| {
            let events = Arc::clone(&events);
            move |doc: u32| {
                upcoming(&events[doc as usize], first)
                    .first()
                    .map_or(i64::MAX, starts)
            }
        };
        let soonest = TopDocs::with_limit(request.limit).and_offset(request.offset);
        let query = query::query(&self.fields, &[], Need::All, filters);
        let (total, page) = self.searcher.search(
            &query as &dyn Query,
            &(Count, soonest.order_by((next_start, Order::Asc))),
        )?;
        Ok((
            total,
            page.into_iter()
                .map(|(_, address)| address.doc_id as usize)
                .collect(),
        ))
    }
}

impl Found {
    /// The events of the page, best first.
    pub(crate) fn hits(&self) -> impl Iterator<Item = Hit<'_>> {
        self.documents.iter().map(|document| {
            let event = &self.snapshot.events[*document];
            Hit {
                event,
                upcoming: upcoming(event, self.now_s),
            }
        })
    }
}

/// The showtimes that start at `from_s` or later; they are kept in order.
fn upcoming(event: &Event, from_s: i64) -> &[Showtime] {
    let past = event
        .showtimes
        .partition_point(|showtime| starts(showtime) < from_s);
    &event.showtimes[past..]
}

fn starts(showtime: &Showtime) -> i64 {
    showtime.starts_at.seconds()
}

/// The different names among the events, the first spelling of each, in order of their keys.
fn offered(events: &[Event], name: impl Fn(&Event) -> &String) -> Vec<String> {
    let mut names = BTreeMap::new();
    for event in events {
        if names.len() == OFFERED_MAX {
            break;
        }
        names
            .entry(text::key(name(event)))
            .or_insert_with(|| name(event).clone());
    }
    names
        .into_iter()
        .filter(|(key, _)| !key.is_empty())
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
