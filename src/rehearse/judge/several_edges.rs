//! Fans at several edges: what roaming, moving and pauses may excuse, and what they may not.

use std::slice::from_ref;

use super::{Evidence, Promise, judge};
use crate::rehearse::noise::Noise;
use crate::rehearse::observe::{
    Admission, Claims, Connection, End, FanRecord, Micros, Place, SECOND, Stop, Terms,
};

fn at(number: u64) -> FanRecord {
    let claims = Claims {
        round: Some("1".into()),
        place: Some(Place { epoch: 1, number }),
        ..Claims::default()
    };
    FanRecord {
        places: vec![claims],
        end: End::InLine,
        ..FanRecord::default()
    }
}

fn stretch(from_s: i64, until_s: Option<i64>, called_s: Option<i64>, here_s: Option<i64>) -> Connection {
    let us = |s: i64| s * SECOND;
    Connection {
        from_us: us(from_s),
        until_us: until_s.map(us),
        paused: false,
        called_us: called_s.map(us),
        here_us: here_s.map(us),
    }
}

fn waited(number: u64, stretches: &[Connection]) -> FanRecord {
    FanRecord {
        connections: stretches.to_vec(),
        answered_us: stretches.iter().find_map(|stretch| stretch.here_us),
        ..at(number)
    }
}

fn admitted(mut fan: FanRecord, since_s: Option<i64>, at_s: i64) -> FanRecord {
    fan.admission = Some(Admission {
        since_us: since_s.map(|s| s * SECOND),
        at_us: at_s * SECOND,
        straight: false,
    });
    fan.end = End::Left;
    fan
}

/// At the end, 100 s in.
fn broken(fans: &[FanRecord], stop: Stop, had_time: bool) -> Vec<Promise> {
    let stopped_us: Micros = 100 * SECOND;
    let evidence = Evidence {
        fans,
        noise: &Noise::default(),
        terms: Terms::default(),
        stop,
        stopped_us,
        had_time,
    };
    judge(&evidence).broken()
}

/// One who answers at 10 s and is admitted at 30 s.
fn later() -> FanRecord {
    admitted(waited(9, &[stretch(0, None, Some(10), Some(10))]), Some(10), 30)
}

#[test]
fn one_who_roamed_after_the_answer_is_overtaken_like_any_other() {
    let roamed = waited(
        1,
        &[
            stretch(0, Some(12), Some(8), Some(8)),
            stretch(13, Some(40), None, None),
        ],
    );
    let fans = [admitted(roamed.clone(), None, 40), later()];
    assert_eq!(broken(&fans, Stop::Done, true), [Promise::AdmittedInOrder]);
    // Called again at the other edge: the answer had been lost, and the turn of the later place was right.
    let mut called_again = roamed;
    (
        called_again.connections[1].called_us,
        called_again.connections[1].here_us,
    ) = (Some(35 * SECOND), Some(35 * SECOND));
    let fans = [admitted(called_again, Some(35), 40), later()];
    assert_eq!(broken(&fans, Stop::Done, true), []);
}

#[test]
fn a_call_that_is_told_again_or_was_held_up_accuses_nobody() {
    // The lower place came back at 20 s and waits for its call; the later one had been called before that.
    let lower = waited(
        1,
        &[stretch(0, Some(2), None, None), stretch(20, None, None, None)],
    );
    let lower = admitted(lower, None, 60);
    let told_again = waited(
        9,
        &[
            stretch(0, Some(29), Some(10), Some(10)),
            stretch(30, None, Some(31), Some(31)),
        ],
    );
    let told_again = admitted(told_again, Some(31), 61);
    assert_eq!(broken(&[lower.clone(), told_again], Stop::Done, true), []);
    let held_up = waited(
        9,
        &[
            stretch(0, Some(9), None, None),
            stretch(30, None, Some(30), Some(30)),
        ],
    );
    assert_eq!(
        broken(
            &[lower.clone(), admitted(held_up, Some(30), 61)],
            Stop::Done,
            true
        ),
        []
    );
    let out_of_turn = waited(
        9,
        &[
            stretch(0, Some(9), None, None),
            stretch(30, None, Some(33), Some(33)),
        ],
    );
    assert_eq!(
        broken(&[lower, admitted(out_of_turn, Some(33), 61)], Stop::Done, true),
        [Promise::CalledInOrder]
    );
}

#[test]
fn what_is_said_in_a_pause_counts_from_its_end() {
    let mut fan = at(1);
    fan.connected(0);
    fan.connections[0].called_us = Some(3 * SECOND);
    fan.told_paused(5 * SECOND);
    assert!(fan.is_paused() && fan.open_connection().is_none());
    fan.answered_us = Some(6 * SECOND);
    fan.told_paused(7 * SECOND);
    fan.told_on(20 * SECOND);
    fan.told_on(21 * SECOND);
    let ends: Vec<_> = fan
        .connections
        .iter()
        .map(|stretch| (stretch.from_us / SECOND, stretch.paused))
        .collect();
    assert_eq!((ends, fan.is_paused()), (vec![(0, true), (20, false)], false));
    // Another edge found the line again sooner.
    let sooner = admitted(waited(9, &[stretch(0, None, Some(4), Some(4))]), Some(4), 19);
    assert_eq!(
        broken(
            &[admitted(fan.clone(), None, 40), sooner.clone()],
            Stop::Done,
            true
        ),
        []
    );
    let overtaken = [admitted(fan, None, 40), admitted(sooner, Some(4), 30)];
    assert_eq!(broken(&overtaken, Stop::Done, true), [Promise::AdmittedInOrder]);
}

#[test]
fn two_rounds_at_once_are_two_lines_and_one_after_the_other_is_not() {
    let of = |round: &str, since_s, at_s| {
        let mut fan = admitted(at(u64::try_from(at_s).unwrap_or_default()), Some(since_s), at_s);
        fan.places[0].round = Some(round.into());
        fan
    };
    let after = [of("1", 1, 10), of("1", 1, 20), of("2", 19, 20), of("2", 1, 30)];
    assert_eq!(broken(&after, Stop::Done, true), []);
    let beside = [of("1", 1, 10), of("1", 1, 30), of("2", 1, 20), of("2", 1, 40)];
    assert_eq!(broken(&beside, Stop::Done, true), [Promise::OneLine]);
}

#[test]
fn who_was_willing_and_had_time_is_lost_and_who_had_none_is_not() {
    let answered = waited(1, &[stretch(0, None, Some(8), Some(8))]);
    let lost = [Promise::NobodyLost];
    assert_eq!(broken(from_ref(&answered), Stop::Timeout, true), lost);
    assert_eq!(broken(from_ref(&answered), Stop::Timeout, false), []);
    assert_eq!(broken(from_ref(&answered), Stop::Interrupted, true), []);
    let uncalled = waited(1, &[stretch(0, None, None, None)]);
    assert_eq!(broken(&[uncalled], Stop::Timeout, true), lost);
    let mut seeking = answered.clone();
    seeking.disconnected(50 * SECOND);
    assert_eq!(broken(&[seeking.clone()], Stop::Timeout, true), lost);
    let mut paused = answered;
    paused.told_paused(50 * SECOND);
    assert_eq!(broken(&[paused], Stop::Timeout, true), []);
    seeking.end = End::GaveUp;
    assert_eq!(
        broken(&[seeking], Stop::Done, false),
        [Promise::NobodyLost, Promise::EveryoneAnswered]
    );
}

#[test]
fn one_who_came_back_is_not_passed_over_by_those_who_went_while_away() {
    let back = |from_s| {
        waited(
            1,
            &[
                stretch(0, Some(20), Some(9), None),
                stretch(from_s, None, None, None),
            ],
        )
    };
    let later = admitted(waited(9, &[stretch(0, None, Some(10), Some(10))]), Some(10), 50);
    assert_eq!(broken(&[back(60), later.clone()], Stop::Timeout, false), []);
    assert_eq!(broken(&[back(45), later.clone()], Stop::Timeout, false), []);
    assert_eq!(
        broken(&[back(30), later], Stop::Timeout, false),
        [Promise::NobodyLost]
    );
}
