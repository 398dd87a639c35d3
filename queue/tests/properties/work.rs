//! A tick may do only so much: what is cut short goes on, in its order, and nothing keeps anything else waiting for ever.

use std::collections::BTreeSet;

use tidegate_config::Mode;
use tidegate_queue::line::{BLOCK, Change, Line, Place, Request, STRAIGHT_MAX, Settings, VisitId};

use super::behind::{Edge, fitting};
use super::settings;

/// Fans in line.
const FANS: usize = 2_000;
/// More than any one tick may do of a kind: a bound that nobody has to count units for.
const ADMISSIONS_MAX: usize = 60;
const CALLS_MAX: u64 = 250;
const EXPIRIES_MAX: usize = 120;

/// A room that bounds nothing: what a tick may do is all that holds anyone up.
fn boundless(mode: Mode) -> Settings {
    Settings {
        mode,
        active_max: 100_000,
        admit_per_min: 6_000_000,
        answer_within_ms: 60_000,
        ..settings()
    }
}

/// A room before which so many stand, all of them called.
fn called(fans: usize) -> (Edge, Vec<Place>) {
    let mut edge = Edge::new(boundless(Mode::On));
    let reply = edge.tick(Request {
        arrivals: fans as u32,
        ..Request::default()
    });
    let held: Vec<Place> = reply
        .given
        .expect("places")
        .places()
        .map(|(place, _)| place)
        .collect();
    let mut before = reply.front.called_upto;
    loop {
        let reply = edge.tick(Request::default());
        let upto = reply.front.called_upto;
        assert!(upto.number - before.number <= CALLS_MAX, "a tick called too many");
        before = upto;
        if !reply.more {
            break;
        }
    }
    assert_eq!(
        Some(&before),
        held.last(),
        "all were called while there was more to do"
    );
    (edge, held)
}

/// All of them answer while the room is paused.
fn answer(edge: &mut Edge, held: &[Place]) {
    edge.pause(true);
    let mut rest = held;
    while !rest.is_empty() {
        let (here, left) = rest.split_at(fitting(rest));
        edge.tick(Request {
            here: here.to_vec(),
            ..Request::default()
        });
        rest = left;
    }
    edge.pause(false);
}

#[test]
fn admissions_that_are_cut_short_go_on_with_the_lowest_and_nobody_goes_past() {
    let (mut edge, held) = called(FANS);
    // The first hundred are slow.
    let (slow, quick) = held.split_at(100);
    answer(&mut edge, quick);
    let auto = Change {
        mode: Some(Mode::Auto),
        ..Change::default()
    };
    edge.line.configure(&auto);
    let mut waiting: BTreeSet<Place> = quick.iter().copied().collect();
    let mut late = slow.iter();
    while !waiting.is_empty() {
        let here: Vec<Place> = late.next().into_iter().copied().collect();
        waiting.extend(&here);
        let reply = edge.tick(Request {
            here,
            arrivals: 1,
            ..Request::default()
        });
        let granted = &reply.grants.0;
        assert!(
            (1..=ADMISSIONS_MAX).contains(&granted.len()),
            "{} at once",
            granted.len()
        );
        for grant in granted {
            assert_eq!(
                waiting.pop_first(),
                Some(grant.visit.place),
                "somebody was passed"
            );
        }
        assert!(
            reply.more || waiting.is_empty(),
            "{} wait for nothing",
            waiting.len()
        );
        let straight = reply.given.map_or(0, |given| given.straight);
        assert_eq!(straight, 0, "an arrival went past those who wait");
    }
}

#[test]
fn arrivals_beyond_what_a_tick_may_do_stand_in_line_and_nobody_goes_past_them() {
    let mut edge = Edge::new(boundless(Mode::Auto));
    let arrive = |edge: &mut Edge, arrivals, here| {
        let reply = edge.tick(Request {
            arrivals,
            here,
            ..Request::default()
        });
        (reply.given.expect("places"), reply.more, reply)
    };
    let (given, more, _) = arrive(&mut edge, STRAIGHT_MAX, Vec::new());
    assert_eq!(
        (given.straight, more),
        (STRAIGHT_MAX, false),
        "as many as may go straight through"
    );
    let (given, more, _) = arrive(&mut edge, 10 * STRAIGHT_MAX, Vec::new());
    assert!(
        more && (STRAIGHT_MAX..4 * STRAIGHT_MAX).contains(&given.straight),
        "{} went straight through",
        given.straight
    );
    let mut waiting: BTreeSet<Place> = given
        .places()
        .filter_map(|(place, visit)| visit.is_none().then_some(place))
        .collect();
    let mut here: Vec<Place> = Vec::new();
    let mut answered = Place::START;
    while !waiting.is_empty() {
        let (given, _, reply) = arrive(&mut edge, 1, here);
        for grant in &reply.grants.0 {
            waiting.remove(&grant.visit.place);
        }
        assert!(
            given.straight == 0 || waiting.is_empty(),
            "went past {} in line",
            waiting.len()
        );
        let upto = reply.front.called_upto;
        here = waiting
            .iter()
            .copied()
            .filter(|place| *place > answered && *place <= upto)
            .collect();
        here.truncate(fitting(&here));
        answered = here.last().copied().unwrap_or(answered);
    }
}

#[test]
fn full_ticks_keep_nothing_waiting() {
    let (mut edge, held) = called(FANS);
    // As many visits that nobody takes, in so many blocks, as there are to expire; and everyone else answers.
    let (untaken, ready) = held.split_at(FANS / 2);
    answer(&mut edge, untaken);
    while edge.tick(Request::default()).more {}
    let epoch = held[0].epoch;
    edge.pause(true);
    for _ in 0..60 {
        edge.tick(Request {
            arrivals: BLOCK as u32,
            ..Request::default()
        });
    }
    // What the pause left: visits that have expired by now, fewer with each tick.
    answer(&mut edge, ready);
    let change = Change {
        admit_per_min: Some(600_000_000),
        ..Change::default()
    };
    edge.line.configure(&change);
    let everywhere: Vec<Place> = (1..=50)
        .map(|block| Place {
            epoch,
            number: block * BLOCK + 7,
        })
        .collect();
    let mut called_upto = edge.line.called_upto();
    for _ in 0..5 {
        let back = everywhere[..fitting(&everywhere)].to_vec();
        let reply = edge.tick(Request {
            back,
            ..Request::default()
        });
        assert!(
            (1..=ADMISSIONS_MAX).contains(&reply.grants.0.len()),
            "nobody was admitted"
        );
        assert!(reply.front.called_upto > called_upto, "nobody was called");
        assert!(reply.more, "there is more to do");
        called_upto = reply.front.called_upto;
    }
}

#[test]
fn expiries_that_are_cut_short_hold_their_slots_and_go_on() {
    let (mut edge, held) = called(400);
    answer(&mut edge, &held);
    let limit = Change {
        active_max: Some(400),
        ..Change::default()
    };
    edge.line.configure(&limit);
    while edge.tick(Request::default()).more {}
    assert_eq!(edge.line.figures().active, 400);
    let mut ended: BTreeSet<VisitId> = BTreeSet::new();
    loop {
        let reply = edge.tick(Request::default());
        let now = reply.ended.0.len();
        assert!(now <= EXPIRIES_MAX, "{now} expired in one tick");
        ended.extend(reply.ended.0.iter().map(|ended| ended.visit));
        assert_eq!(
            reply.figures.active as usize,
            400 - ended.len(),
            "a slot is held until its visit is over"
        );
        let due = edge
            .line
            .visits()
            .any(|(_, visit)| visit.expires_at_ms <= reply.now_ms);
        assert!(reply.more || !due, "visits that are over wait for nothing");
        if ended.len() == 400 {
            return;
        }
    }
}

#[test]
fn an_edge_that_is_behind_with_its_notes_ticks_again_at_once() {
    let (mut edge, held) = called(FANS);
    let mut behind = Request {
        boot: 2,
        ..Request::default()
    };
    let now_ms = edge.tick(Request::default()).now_ms;
    let hear = |line: &mut Line, behind: &mut Request| {
        behind.seq += 1;
        let reply = line.tick(now_ms, behind).expect("a well-formed tick is answered");
        assert!(!reply.missed_notes(behind), "notes were lost");
        (behind.grants_read, behind.ended_read) = (reply.grants.1, reply.ended.1);
        (reply.grants.0.len(), reply.more)
    };
    hear(&mut edge.line, &mut behind);
    answer(&mut edge, &held);
    while edge.tick(Request::default()).more {}
    edge.pause(true);
    let mut heard = 0;
    loop {
        let (count, more) = hear(&mut edge.line, &mut behind);
        heard += count;
        assert_eq!(more, heard < FANS, "after {heard} notes");
        if !more {
            return;
        }
    }
}
