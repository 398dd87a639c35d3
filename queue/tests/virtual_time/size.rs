//! Ten million fans in line: what they cost, and that a drop of that size can be played through in seconds.

use std::time::Instant;

use super::crowd::{Crowd, Habits, settings};

/// What a block takes: its bits, its count, and at most this much beside them for the map and the allocator.
const BLOCK_BYTES: u64 = 500 + 4 + 32;
/// Fans in line.
const FANS: u64 = 10_000_000;

#[test]
fn ten_million_fans_cost_less_than_four_megabytes_and_pass_in_seconds() {
    let began = Instant::now();
    let habits = Habits {
        silent: 95,
        stay_ms: (1_000, 5_000),
        ..Habits::default()
    };
    let mut crowd = Crowd::new(settings(600_000), habits, 5);
    for tenth in 0..100 {
        crowd.arrive((FANS / 100) as u32, tenth * 100);
    }
    let (mut most, mut waiting_most) = (0, 0);
    for _ in 0..600 {
        crowd.run(1_000);
        crowd.count();
        let figures = crowd.line.figures();
        // Passed fans stay present until an edge says that they are gone; nobody does here, so this is the most.
        let blocks = crowd.counts.present.len() + crowd.counts.ready.len() + crowd.admitted_blocks.len();
        most = most.max(blocks as u64 * BLOCK_BYTES);
        waiting_most = waiting_most.max(figures.waiting);
        if figures.no_shows + figures.admitted >= FANS {
            break;
        }
    }
    let figures = crowd.line.figures();
    println!(
        "{FANS} fans: at most {:.2} MB with {waiting_most} waiting; {} admitted and {} silent in {:.0} s of room time, {} \
         ticks, {:.1} s of ours",
        most as f64 / 1e6,
        figures.admitted,
        figures.no_shows,
        (crowd.now_ms - 1_790_000_000_000) as f64 / 1_000.0,
        crowd.ticks,
        began.elapsed().as_secs_f64(),
    );
    assert!(waiting_most > FANS * 9 / 10, "they never stood in line at once");
    assert!(most < 4_000_000, "{most} bytes");
    assert_eq!(
        figures.no_shows + figures.admitted,
        FANS,
        "somebody is neither admitted nor passed"
    );
}
