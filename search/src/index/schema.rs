//! What the index keeps of an event, and how an event becomes a document.
//!
//! Nothing is stored in the index: a document's number is the event's place in the snapshot's list.

use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions};

use crate::catalogue::Event;
use crate::text;

/// The fields by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Words of the title as written.
    pub(crate) title: Field,
    /// Words of the title, stemmed.
    pub(crate) title_stems: Field,
    /// Words of the venue's name, city and country and of the category.
    pub(crate) place: Field,
    /// Words of the description, stemmed.
    pub(crate) description: Field,
    /// The city as one key.
    pub(crate) city: Field,
    /// The category as one key.
    pub(crate) category: Field,
    /// Starts of all showtimes, seconds since 1970.
    pub(crate) starts: Field,
}

/// The schema and its fields.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let fields = Fields {
        title: builder.add_text_field("title", analysed(text::WORDS)),
        title_stems: builder.add_text_field("title_stems", analysed(text::STEMS)),
        place: builder.add_text_field("place", analysed(text::WORDS)),
        description: builder.add_text_field("description", analysed(text::STEMS)),
        city: builder.add_text_field("city", STRING),
        category: builder.add_text_field("category", STRING),
        starts: builder.add_i64_field("starts", FAST),
    };
    (builder.build(), fields)
}

/// The document of an event.
pub(crate) fn document(fields: &Fields, event: &Event) -> TantivyDocument {
    let mut document = TantivyDocument::new();
    document.add_text(fields.title, &event.title);
    document.add_text(fields.title_stems, &event.title);
    for name in [
        &event.venue.name,
        &event.venue.city,
        &event.venue.country,
        &event.category,
    ] {
        document.add_text(fields.place, name);
    }
    document.add_text(fields.description, &event.description);
    document.add_text(fields.city, text::key(&event.venue.city));
    document.add_text(fields.category, text::key(&event.category));
    for showtime in &event.showtimes {
        document.add_i64(fields.starts, showtime.starts_at.seconds());
    }
    document
}

fn analysed(tokenizer: &str) -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(tokenizer)
        .set_index_option(IndexRecordOption::WithFreqs)
        .set_fieldnorms(true);
    TextOptions::default().set_indexing_options(indexing)
}
