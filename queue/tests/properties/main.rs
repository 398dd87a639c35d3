//! The line's promises, checked after every step of long random histories.
//!
//! A history is one seed. A failure prints it; `TIDEGATE_SEED=<seed> cargo test -p tidegate-queue --test properties`
//! replays it, and `TIDEGATE_HISTORIES=<n>` runs more of them.

mod behind;
mod model;
mod rewound;
mod straight;
mod work;
mod world;

use tidegate_config::Mode;
use tidegate_queue::line::Settings;
use world::World;

/// Histories in one run unless told otherwise.
const HISTORIES: u64 = 150;
/// Ticks in one history.
const TICKS: u32 = 400;

/// A room in which arrivals go straight through while they can; each test says what else matters to it.
fn settings() -> Settings {
    Settings {
        version: 1,
        mode: Mode::Auto,
        active_max: 20,
        admit_per_min: 6_000,
        visit_ttl_ms: 60_000,
        visit_max_ms: 600_000,
        enter_within_ms: 60_000,
        answer_within_ms: 5_000,
        paused: false,
        draining: false,
        notice: None,
    }
}

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a whole number, not {text:?}")),
    )
}

/// Says which seed it was when a check fails.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "failing seed {0}: replay with TIDEGATE_SEED={0} cargo test -p tidegate-queue --test properties",
                self.0
            );
        }
    }
}

#[test]
fn the_promises_hold_after_every_step_of_random_histories() {
    let histories = number_from_env("TIDEGATE_HISTORIES").unwrap_or(HISTORIES);
    let seeds = match number_from_env("TIDEGATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..histories + 1,
    };
    let mut admitted = 0;
    for seed in seeds {
        let announce = Announce(seed);
        let mut world = World::new(seed);
        for _ in 0..TICKS {
            world.step();
        }
        world.settle();
        admitted += world.admitted();
        drop(announce);
    }
    assert!(
        admitted > 0,
        "histories in which nobody is admitted prove nothing"
    );
}
