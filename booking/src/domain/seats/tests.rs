//! Labels, plans, maps and what is seen of them.

use super::*;

#[test]
fn a_plan_becomes_rows_lettered_through() {
    let map = parse_plan("Stalls/1=3x4-6; Circle/2=1x8").expect("a plan");
    let rows: Vec<_> = map
        .rows
        .iter()
        .map(|r| (r.label.as_str(), r.seats, r.level))
        .collect();
    assert_eq!(rows, [("A", 4, 1), ("B", 5, 1), ("C", 6, 1), ("D", 8, 2)]);
    assert_eq!(map.capacity(), 23);
    let labels: Vec<_> = (0..50).map(row_label).collect();
    assert_eq!((labels[8].as_str(), labels[23].as_str()), ("J", "Z"));
    assert_eq!((labels[24].as_str(), labels[48].as_str()), ("AA", "BA"));
}

#[test]
fn bad_plans_are_named() {
    for plan in [
        "",
        "Stalls",
        "Stalls=1x2",
        "S/1=0x3",
        "S/0=1x3",
        "S/1=3x9-4",
        "S/1=101x3",
        "S/1=1x61",
        "S/1=x",
    ] {
        assert!(parse_plan(plan).is_err(), "{plan:?}");
    }
}

#[test]
fn seats_are_read_strictly_and_ordered_by_row_and_number() {
    assert_eq!(
        "b-12".parse(),
        Ok(Seat {
            row: "B".into(),
            number: 12
        })
    );
    for text in [
        "",
        "A",
        "A1",
        "-1",
        "A-",
        "A-0",
        "A-01",
        "A-1000000",
        "AAAAAAAAA-1",
        "A_-1",
        "A--1",
        "A-1-2",
        "Ä-1",
    ] {
        assert_eq!(text.parse::<Seat>(), Err(BadSeat), "{text:?}");
    }
    let mut seats: Vec<Seat> = ["B-1", "A-10", "A-2"]
        .iter()
        .map(|s| s.parse().expect("a seat"))
        .collect();
    seats.sort();
    assert_eq!(
        seats.iter().map(Seat::to_string).collect::<Vec<_>>(),
        ["A-2", "A-10", "B-1"]
    );
}

#[test]
fn stock_counts_each_seat_once() {
    let map = parse_plan("S/1=1x4").expect("a plan");
    let owner = Owner::account(&crate::domain::AccountId::from_bits(7));
    let claim = |seat: &str, claimed| SeatClaim {
        seat: seat.parse().expect("a seat"),
        claimed,
        owner: owner.clone(),
    };
    let claims = [
        claim("A-1", Claimed::Held),
        claim("A-2", Claimed::Paying),
        claim("A-3", Claimed::Sold),
    ];
    assert_eq!(
        map.stock(&claims),
        Stock {
            free: 1,
            held: 2,
            taken: 1
        }
    );
    let view = map.view(&claims, Some(&owner));
    let states: Vec<_> = view[0].1.iter().map(|seat| (seat.state, seat.mine)).collect();
    use SeatState::{Free, Held, Taken};
    assert_eq!(states, [(Held, true), (Held, true), (Taken, true), (Free, false)]);
}
