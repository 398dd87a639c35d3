//! What is found, in which order, and what is not.

use super::*;
use crate::catalogue::{EventId, StartsAt, Venue};

const NOW: &str = "2030-05-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn event(id: u64, title: &str, city: &str, description: &str, starts: &[&str]) -> Event {
    Event {
        id: EventId(id),
        title: title.to_owned(),
        category: if id.is_multiple_of(2) {
            "Théâtre"
        } else {
            "Comedy"
        }
        .to_owned(),
        description: description.to_owned(),
        venue: Venue {
            name: format!("Bell Hall {id}"),
            city: city.to_owned(),
            country: "US".to_owned(),
            time_zone: None,
        },
        showtimes: (0..)
            .zip(starts)
            .map(|(at, text)| Showtime {
                id: id * 10 + at,
                starts_at: StartsAt {
                    at: text.parse().unwrap(),
                    offset: None,
                },
                seats_left: Some(5),
                price_from: None,
            })
            .collect(),
        url: String::new(),
    }
}

fn snapshot(events: Vec<Event>) -> Arc<Snapshot> {
    Arc::new(
        Snapshot::build(Catalogue {
            version: None,
            read_at: now(),
            events,
        })
        .unwrap(),
    )
}

fn sample() -> Arc<Snapshot> {
    let later = &["2030-06-01T20:00:00Z"][..];
    snapshot(vec![
        event(1, "Ghosts", "Chico", "A family and its past.", later),
        event(
            2,
            "An Evening of Song",
            "Chico",
            "With a ghost light left burning.",
            later,
        ),
        event(3, "Ghast the Clown", "Chico", "Laughter.", later),
        event(
            4,
            "The Ghost Train",
            "São Paulo",
            "A thriller in a waiting room.",
            later,
        ),
        event(5, "Ghost", "Chico", "Long gone.", &["2030-04-01T20:00:00Z"]),
        event(
            6,
            "Symphony No. 5",
            "Winston-Salem",
            "Strings.",
            &["2030-05-20T20:00:00Z", "2030-05-03T20:00:00Z"],
        ),
        event(
            7,
            "Ghostly Tales",
            "Reno",
            "By the fire.",
            &["2030-04-30T20:00:00Z", "2030-07-01T20:00:00Z"],
        ),
        event(8, "Unplanned", "Reno", "No date yet.", &[]),
    ])
}

fn ask(snapshot: &Arc<Snapshot>, parameters: &[(&str, &str)]) -> (usize, Vec<u64>) {
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let request = SearchRequest::from_pairs(&pairs).unwrap();
    let found = snapshot.search(&request, now()).unwrap();
    (found.total, found.hits().map(|hit| hit.event.id.0).collect())
}

fn ids(parameters: &[(&str, &str)]) -> Vec<u64> {
    ask(&sample(), parameters).1
}

#[test]
fn exact_comes_before_stem_before_beginning_before_description_before_typo() {
    assert_eq!(ids(&[("q", "ghost")]), [4, 1, 7, 2, 3]);
    assert_eq!(ids(&[("q", "Ghosts")])[0], 1);
    assert_eq!(ids(&[("q", "GHÖST"), ("city", "chico")]), [1, 2, 3]);
}

#[test]
fn how_well_a_word_fits_beats_how_rare_it_is() {
    let later = &["2030-06-01T20:00:00Z"][..];
    let mut events: Vec<_> = (1..=300)
        .map(|id| event(id, &format!("Live {id}"), "Chico", "", later))
        .collect();
    events.push(event(301, "Olive and Alive", "Chico", "", later));
    events.push(event(302, "Song", "Chico", "live live live live", later));
    events.push(event(303, "Livee", "Chico", "", later));
    let (total, first) = ask(
        &snapshot(events.clone()),
        &[("q", "live"), ("limit", "50"), ("offset", "275")],
    );
    assert_eq!(total, 302);
    assert!(first[..25].iter().all(|id| *id <= 300), "{first:?}");
    assert_eq!(first[25..], [303, 302]);
}

#[test]
fn the_last_word_may_be_unfinished_and_a_long_word_mistyped() {
    assert_eq!(ids(&[("q", "symph")]), [6]);
    assert_eq!(ids(&[("q", "symphnoy")]), [6]);
    assert_eq!(
        ids(&[("q", "simphony stri")]),
        Vec::<u64>::new(),
        "descriptions match whole words only"
    );
    assert_eq!(ids(&[("q", "simphony strings")]), [6]);
    assert_eq!(
        ids(&[("q", "symph no")]),
        Vec::<u64>::new(),
        "only the last word may be unfinished"
    );
    assert_eq!(
        ids(&[("q", "fife")]),
        Vec::<u64>::new(),
        "short words are taken as they are"
    );
}

#[test]
fn words_may_name_the_place_and_little_words_do_not_count() {
    assert_eq!(ids(&[("q", "ghost sao paulo")]), [4]);
    assert_eq!(ids(&[("q", "the ghost in the chico")]), [1, 2, 3]);
    assert_eq!(
        ids(&[("q", "the")]),
        [3, 4, 7, 6, 2],
        "alone it counts, and may become theatre"
    );
}

#[test]
fn when_nothing_has_every_word_most_of_three_will_do() {
    assert_eq!(ids(&[("q", "ghost train musical")]), [4]);
    assert_eq!(ids(&[("q", "train musical")]), Vec::<u64>::new());
}

#[test]
fn cities_and_categories_match_whatever_their_spelling() {
    assert_eq!(ids(&[("city", "SAO PAULO")]), [4]);
    assert_eq!(ids(&[("city", "winston salem")]), [6]);
    assert_eq!(ids(&[("category", "theatre"), ("city", "Chico")]), [2]);
    assert_eq!(ids(&[("city", "Paulo")]), Vec::<u64>::new());
    assert_eq!(ids(&[("city", "!!!")]), Vec::<u64>::new());
}

#[test]
fn without_words_the_soonest_comes_first_and_the_past_stays_away() {
    assert_eq!(ids(&[]), [6, 1, 2, 3, 4, 7]);
    assert_eq!(ids(&[("city", "reno")]), [7]);
    assert_eq!(ids(&[("q", "!?")]), Vec::<u64>::new());
}

#[test]
fn dates_bound_the_showtimes_and_the_past_is_never_in_reach() {
    assert_eq!(ids(&[("to", "2030-05-31")]), [6]);
    assert_eq!(ids(&[("from", "2030-06-01"), ("to", "2030-06-01")]), [1, 2, 3, 4]);
    assert_eq!(ids(&[("from", "2030-05-10"), ("to", "2030-05-21")]), [6]);
    assert_eq!(
        ids(&[("from", "2030-05-04"), ("to", "2030-05-19")]),
        Vec::<u64>::new()
    );
    assert_eq!(
        ids(&[("from", "2029-01-01"), ("to", "2030-04-30")]),
        Vec::<u64>::new()
    );
}

#[test]
fn a_later_beginning_of_the_window_changes_which_start_counts() {
    let snapshot = snapshot(vec![
        event(1, "A", "X", "", &["2030-05-02T20:00:00Z", "2030-09-01T20:00:00Z"]),
        event(2, "B", "X", "", &["2030-08-01T20:00:00Z"]),
    ]);
    assert_eq!(ask(&snapshot, &[]).1, [1, 2]);
    assert_eq!(ask(&snapshot, &[("from", "2030-06-01")]).1, [2, 1]);
}

#[test]
fn pages_join_without_gap_or_overlap() {
    let later = &["2030-06-01T20:00:00Z"][..];
    let snapshot = snapshot(
        (1..=95)
            .map(|id| event(id, &format!("Opera {id}"), "Chico", "", later))
            .collect(),
    );
    for parameters in [vec![("q", "opera")], vec![("city", "chico")]] {
        let mut seen = Vec::new();
        for offset in ["0", "20", "40", "60", "80", "100"] {
            let mut parameters = parameters.clone();
            parameters.push(("offset", offset));
            let (total, page) = ask(&snapshot, &parameters);
            assert_eq!(total, 95);
            seen.extend(page);
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=95).collect::<Vec<_>>());
    }
}

#[test]
fn an_event_read_twice_is_held_once_and_an_empty_catalogue_is_searchable() {
    let later = &["2030-06-01T20:00:00Z"][..];
    let twice = snapshot(vec![event(1, "A", "X", "", later), event(1, "A", "X", "", later)]);
    assert_eq!((twice.len(), ask(&twice, &[])), (1, (1, vec![1])));
    assert_eq!(ask(&snapshot(Vec::new()), &[("q", "ghost")]), (0, vec![]));
}

#[test]
fn the_offered_names_are_each_given_once() {
    let later = &["2030-06-01T20:00:00Z"][..];
    let snapshot = snapshot(vec![
        event(1, "A", "Zürich", "", later),
        event(2, "B", "ZURICH", "", later),
        event(3, "C", "Chico", "", later),
        event(4, "D", "", "", later),
    ]);
    assert_eq!(snapshot.cities(), ["Chico", "Zürich"]);
    assert_eq!(snapshot.categories(), ["Comedy", "Théâtre"]);
}
