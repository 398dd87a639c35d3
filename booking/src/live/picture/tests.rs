//! What the picture makes of rows, step by step.

use super::*;
use crate::domain::{OpenSection, parse_plan};
use crate::store::ClaimRow;

fn house() -> Picture {
    let mut map = parse_plan("Stalls/1=2x4").expect("a plan");
    map.open.push(OpenSection {
        name: "Floor".into(),
        label: "FLOOR".into(),
        level: 2,
        capacity: 3,
    });
    Picture::new(&map)
}

fn row(seat: &str, claimed: Claimed, expires_at: i64, changed: i64) -> ClaimRow {
    ClaimRow {
        seat: seat.parse().expect("a seat"),
        claimed,
        expires_at,
        changed: Cursor(changed),
    }
}

fn read(now: i64, cursor: i64, rows: Vec<ClaimRow>) -> SeatChanges {
    SeatChanges {
        now,
        cursor: Cursor(cursor),
        catalogue: 1,
        rows,
    }
}

/// Takes it in and tells it.
fn told(seen: &mut Picture, read: &SeatChanges) -> Vec<String> {
    let different = seen.apply(read);
    let told = said(&seen.tell());
    assert_eq!(different, !told.is_empty());
    told
}

fn said(changed: &Changed) -> Vec<String> {
    let mut said: Vec<String> = changed
        .seats
        .iter()
        .map(|(seat, state)| format!("{seat} {state:?}"))
        .collect();
    said.extend(changed.left.iter().map(|(label, left)| format!("{label} {left}")));
    said.sort();
    said
}

#[test]
fn only_what_looks_different_is_told_and_a_row_read_again_is_not() {
    let mut seen = house();
    let rows = vec![
        row("A-1", Claimed::Held, 900, 5),
        row("B-4", Claimed::Sold, 0, 6),
        row("FLOOR-2", Claimed::Held, 900, 6),
        row("Z-1", Claimed::Sold, 0, 6),
    ];
    let first = told(&mut seen, &read(100, 7, rows.clone()));
    assert_eq!(first, ["A-1 Held", "B-4 Taken", "FLOOR 2"]);
    let stock = Stock {
        free: 8,
        held: 2,
        taken: 1,
    };
    assert_eq!((seen.stock(View::Now), seen.stock(View::Told)), (stock, stock));
    assert!(told(&mut seen, &read(101, 7, rows)).is_empty());
    // Seats held a moment ago count whether or not their rows have been read.
    let just_held = ["A-1", "A-2", "FLOOR-1"].map(|seat| seat.parse().expect("a seat"));
    let (free, held) = (stock.free - 2, stock.held + 2);
    assert_eq!(seen.stock_with(&just_held), Stock { free, held, taken: 1 });
    // From a hold to the payment it looks the same; a sale is seen.
    let paying = vec![row("A-1", Claimed::Paying, 900, 8)];
    assert!(told(&mut seen, &read(102, 8, paying)).is_empty());
    let sold = vec![row("A-1", Claimed::Sold, 900, 9)];
    assert_eq!(told(&mut seen, &read(950, 9, sold)), ["A-1 Taken", "FLOOR 3"]);
}

#[test]
fn holds_end_by_themselves_once_and_not_before_their_instant() {
    let mut seen = house();
    let rows = vec![
        row("A-1", Claimed::Held, 500, 1),
        row("A-2", Claimed::Held, 600, 1),
        row("A-3", Claimed::Paying, 500, 1),
    ];
    told(&mut seen, &read(100, 2, rows));
    let at = |now| read(now, 2, Vec::new());
    assert!(told(&mut seen, &at(499)).is_empty());
    assert_eq!(told(&mut seen, &at(500)), ["A-1 Free"]);
    assert!(told(&mut seen, &at(550)).is_empty());
    // Made longer: it ends later than it was known to.
    told(&mut seen, &read(560, 3, vec![row("A-2", Claimed::Held, 700, 2)]));
    assert!(told(&mut seen, &at(650)).is_empty());
    assert_eq!(told(&mut seen, &at(700)), ["A-2 Free"]);
    // A clock that is set back takes the end back.
    assert_eq!(told(&mut seen, &at(650)), ["A-2 Held"]);
    assert_eq!(told(&mut seen, &at(701)), ["A-2 Free"]);
}

#[test]
fn what_comes_and_goes_between_two_tellings_is_not_told() {
    let mut seen = house();
    assert!(seen.apply(&read(1, 2, vec![row("A-1", Claimed::Held, 900, 1)])));
    assert_eq!((seen.stock(View::Now).held, seen.stock(View::Told).held), (1, 0));
    assert_eq!(seen.moment(View::Told), Moment::default());
    let rows = vec![row("A-1", Claimed::Held, 0, 2), row("A-2", Claimed::Held, 900, 2)];
    assert!(seen.apply(&read(2, 3, rows)));
    assert_eq!(said(&seen.tell()), ["A-2 Held"]);
    assert_eq!(seen.moment(View::Told), seen.moment(View::Now));
    for _ in 0..100 {
        seen.apply(&read(3, 4, vec![row("A-1", Claimed::Held, 900, 3)]));
        seen.apply(&read(3, 4, vec![row("A-1", Claimed::Held, 0, 3)]));
    }
    assert!(seen.untold.len() <= 3 * 11, "{} untold", seen.untold.len());
}

#[test]
fn who_was_away_hears_of_changes_and_of_ends() {
    let mut seen = house();
    let rows = vec![row("A-1", Claimed::Held, 500, 1), row("A-2", Claimed::Sold, 0, 4)];
    told(&mut seen, &read(100, 5, rows));
    let then = seen.moment(View::Told);
    assert!(seen.told_since(then).is_empty());
    told(&mut seen, &read(600, 9, vec![row("B-1", Claimed::Held, 900, 6)]));
    assert_eq!(said(&seen.told_since(then)), ["A-1 Free", "B-1 Held"]);
    let before = Moment {
        cursor: Cursor(4),
        ..then
    };
    assert_eq!(
        said(&seen.told_since(before)),
        ["A-1 Free", "A-2 Taken", "B-1 Held"]
    );
}

#[test]
fn rows_end_with_their_last_seat_that_is_not_free() {
    let mut seen = house();
    seen.apply(&read(1, 2, vec![row("B-3", Claimed::Held, 9, 1)]));
    let rows: Vec<(&str, Vec<SeatState>)> = seen
        .rows(View::Now)
        .map(|(label, states)| (label, states.collect()))
        .collect();
    use SeatState::{Free, Held};
    assert_eq!(rows, [("B", vec![Free, Free, Held])]);
    assert_eq!(seen.rows(View::Told).count(), 0);
    assert_eq!(seen.left(View::Now).collect::<Vec<_>>(), [("FLOOR", 3)]);
}
