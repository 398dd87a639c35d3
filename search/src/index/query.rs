//! From words to a query of the index: what matches, and how much each kind of match is worth.
//!
//! Queries are put together from words and never parsed from text, so nothing that people type can be an error.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, FuzzyTermQuery, Occur, Query,
    RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::schema::Fields;
use crate::text::Word;

/// Words of a request that count; each costs a few lookups and one walk through the words nearly like it.
pub(crate) const WORDS_MAX: usize = 12;

/// A word this long may be mistyped in one letter. Shorter ones have too many neighbours that mean something else.
const TYPO_LETTERS_MIN: usize = 5;

/// Each word of a request is worth its best match. The steps are wider than BM25 can bridge (below 30 for a million
/// events), so how well a word fits always beats how rare it is, and BM25 orders what fits equally well.
mod worth {
    pub(super) const TITLE: f32 = 400.0;
    pub(super) const TITLE_STEM: f32 = 350.0;
    pub(super) const PLACE: f32 = 250.0;
    pub(super) const TITLE_BEGINNING: f32 = 200.0;
    pub(super) const DESCRIPTION: f32 = 150.0;
    pub(super) const PLACE_BEGINNING: f32 = 100.0;
    pub(super) const TITLE_TYPO: f32 = 60.0;
    pub(super) const PLACE_TYPO: f32 = 40.0;
    pub(super) const DESCRIPTION_TYPO: f32 = 20.0;
}

/// Seconds since 1970, both ends included, in which a showtime must start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// What an event must meet besides the words.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    /// Key of the city.
    pub(crate) city: Option<String>,
    /// Key of the category.
    pub(crate) category: Option<String>,
    pub(crate) window: Window,
}

/// How many of a request's words an event has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Each one.
    All,
    /// At least two of three; asked only when nothing has them all.
    Most,
}

/// The query for these words and filters; without words everything that meets the filters, all worth the same.
pub(crate) fn query(fields: &Fields, words: &[Word], need: Need, filters: &Filters) -> BooleanQuery {
    let mut clauses = filter_clauses(fields, filters);
    if let Some(last) = words.len().checked_sub(1) {
        let matches: Vec<_> = words
            .iter()
            .enumerate()
            .map(|(at, word)| word_query(fields, word, at == last))
            .collect();
        let needed = match need {
            Need::All => matches.len(),
            Need::Most => matches.len() - matches.len() / 3,
        };
        clauses.push((
            Occur::Must,
            boxed(BooleanQuery::union_with_minimum_required_clauses(matches, needed)),
        ));
    }
    BooleanQuery::new(clauses)
}

fn filter_clauses(fields: &Fields, filters: &Filters) -> Vec<(Occur, Box<dyn Query>)> {
    let starts = |seconds| Bound::Included(Term::from_field_i64(fields.starts, seconds));
    let window = RangeQuery::new(starts(filters.window.first), starts(filters.window.last));
    let mut clauses = vec![(Occur::Must, worth_only(window, 0.0))];
    for (field, key) in [(fields.city, &filters.city), (fields.category, &filters.category)] {
        match key.as_deref() {
            // The key of something without a letter or digit, which is no name of anything.
            Some("") => clauses.push((Occur::Must, boxed(EmptyQuery))),
            Some(key) => clauses.push((Occur::Must, worth_only(term(field, key), 0.0))),
            None => {}
        }
    }
    clauses
}

/// One word: its best match counts. Only the last word may be unfinished.
fn word_query(fields: &Fields, word: &Word, may_be_unfinished: bool) -> Box<dyn Query> {
    let mut ways = vec![
        ranked(fields.title, &word.plain, worth::TITLE),
        ranked(fields.title_stems, &word.stem, worth::TITLE_STEM),
        ranked(fields.place, &word.plain, worth::PLACE),
        ranked(fields.description, &word.stem, worth::DESCRIPTION),
    ];
    if may_be_unfinished {
        let begins = |field| FuzzyTermQuery::new_prefix(Term::from_field_text(field, &word.plain), 0, true);
        ways.push(boosted(begins(fields.title), worth::TITLE_BEGINNING));
        ways.push(boosted(begins(fields.place), worth::PLACE_BEGINNING));
    }
    if word.plain.chars().count() >= TYPO_LETTERS_MIN {
        let nearly = |field, text: &str| FuzzyTermQuery::new(Term::from_field_text(field, text), 1, true);
        ways.push(boosted(nearly(fields.title, &word.plain), worth::TITLE_TYPO));
        ways.push(boosted(nearly(fields.place, &word.plain), worth::PLACE_TYPO));
        if word.stem.chars().count() >= TYPO_LETTERS_MIN {
            ways.push(boosted(
                nearly(fields.description, &word.stem),
                worth::DESCRIPTION_TYPO,
            ));
        }
    }
    boxed(DisjunctionMaxQuery::new(ways))
}

/// A word as it stands in a field: the step it reaches, and BM25 within the step.
fn ranked(field: Field, text: &str, worth: f32) -> Box<dyn Query> {
    let step = worth_only(term(field, text), worth);
    boxed(BooleanQuery::intersection(vec![step, boxed(term(field, text))]))
}

fn term(field: Field, text: &str) -> TermQuery {
    TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs)
}

fn worth_only(query: impl Query, worth: f32) -> Box<dyn Query> {
    boxed(ConstScoreQuery::new(boxed(query), worth))
}

fn boosted(query: impl Query, worth: f32) -> Box<dyn Query> {
    boxed(BoostQuery::new(boxed(query), worth))
}

fn boxed(query: impl Query) -> Box<dyn Query> {
    Box::new(query)
}
