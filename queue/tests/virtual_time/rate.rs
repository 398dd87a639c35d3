//! The line keeps the rate it is set to, however many fans are silent, away or slow, and keeps its slots filled.

use tidegate_queue::line::Change;

use super::crowd::{Crowd, Habits, settings};

/// 100 a second.
const PER_MIN: u32 = 6_000;
/// The line is watched for this long from its start.
const WATCHED_S: u64 = 600;

/// Opens a room before which `fans` wait and `nobody` places that no edge holds come first; returns the share of the
/// rate at which it then admits.
fn share_of_rate(habits: Habits, fans: u32, nobody: u32) -> f64 {
    let mut room = settings(PER_MIN);
    room.paused = true;
    let mut crowd = Crowd::new(room, habits, 7);
    if nobody > 0 {
        crowd.nobody(nobody);
    }
    crowd.arrive(fans, 0);
    crowd.run(1_000);
    // A paused room saves up one second's allowance, which is not the line's doing.
    crowd.configure(Change {
        paused: Some(false),
        ..Change::default()
    });
    crowd.run(WATCHED_S * 1_000);
    let figures = crowd.line.figures();
    assert!(figures.waiting > 0, "the crowd ran out, so nothing is shown");
    figures.admitted as f64 / (f64::from(PER_MIN) / 60.0 * WATCHED_S as f64 + 100.0)
}

#[track_caller]
fn keeps(least: f64, what: &str, habits: Habits, fans: u32, nobody: u32) {
    let share = share_of_rate(habits, fans, nobody);
    println!("{what}: {:.1} % of the rate", share * 100.0);
    assert!(
        share >= least,
        "{what}: {share:.3} of the rate, at least {least} wanted"
    );
    assert!(
        share <= 1.0,
        "{what}: {share:.3} of the rate is more than was allowed"
    );
}

fn silent(silent: u64) -> Habits {
    Habits {
        silent,
        ..Habits::default()
    }
}

#[test]
fn keeps_its_rate_while_30_of_100_are_silent() {
    keeps(0.98, "30 % silent", silent(30), 110_000, 0);
}

#[test]
fn keeps_its_rate_while_60_of_100_are_silent() {
    keeps(0.98, "60 % silent", silent(60), 200_000, 0);
}

#[test]
fn keeps_its_rate_while_90_of_100_are_silent() {
    keeps(0.98, "90 % silent", silent(90), 900_000, 0);
}

#[test]
fn keeps_its_rate_after_a_million_places_that_nobody_holds() {
    keeps(
        0.98,
        "a million places nobody holds",
        silent(0),
        90_000,
        1_000_000,
    );
}

#[test]
fn keeps_nearly_its_rate_while_answers_take_2_to_20_seconds() {
    for share in [0, 30, 60] {
        let habits = Habits {
            answer_ms: (2_000, 20_000),
            ..silent(share)
        };
        keeps(
            0.92,
            &format!("answers in 2-20 s, {share} % silent"),
            habits,
            600_000,
            0,
        );
    }
}

#[test]
fn keeps_every_slot_filled_where_the_limit_binds() {
    for share in [0, 60] {
        let mut room = settings(60_000);
        room.active_max = 500;
        let habits = Habits {
            stay_ms: (10_000, 10_000),
            ..silent(share)
        };
        let mut crowd = Crowd::new(room, habits, 3);
        crowd.arrive(200_000, 0);
        crowd.run(10_000);
        let (mut held, mut samples) = (0, 0);
        for _ in 0..5_900 {
            crowd.run(100);
            held += u64::from(crowd.line.figures().active);
            samples += 500;
        }
        let filled = held as f64 / samples as f64;
        println!(
            "limit 500, visits of 10 s, {share} % silent: slots {:.1} % filled",
            filled * 100.0
        );
        assert!(filled >= 0.97, "{filled:.3} of the slots filled");
        assert!(
            crowd.line.figures().waiting > 0,
            "the crowd ran out, so nothing is shown"
        );
    }
}
