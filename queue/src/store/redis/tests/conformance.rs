//! The script against the pure line: the same random histories on both, and every answer and every figure compared.
//!
//! Three edges speak in turn. They join, leave, answer, take and enter as edges do, and also at the wrong time, with places
//! nobody has and turns of somebody else; their ticks are repeated and come late; operators change settings, close and
//! open; the clock jumps; and the store moves to another copy, goes back in time, or loses everything.
//!
//! `TIDEGATE_OPERATIONS` and `TIDEGATE_SEED` set how many operations a run has and where it begins.

mod compare;
mod requests;
mod world;

use std::sync::Arc;

use self::world::World;
use super::server::Server;
use crate::line::{Entered, Reply};
use crate::store::redis::line_script;
use crate::store::redis::link::Script;

/// Operations in one history.
const HISTORY: u32 = 400;
/// And in a long one, in which the line learns more of its fans than it remembers.
const LONG_HISTORY: u32 = 4_000;
const OPERATIONS: u32 = 12_000;

/// The clock and the copy are keys of the test's own, and everything else is the script as it is.
pub(super) fn testable(text: &str) -> String {
    let mut testable = text.to_owned();
    for (find, replace) in [
        (
            "local time = redis.call('TIME')",
            "local clock = tonumber(redis.call('GET', 'clock'))\nlocal time = { floor(clock / 1000), clock % 1000 * 1000 }",
        ),
        (
            "    return run .. ' ' .. copy",
            "    return run .. ' ' .. copy .. redis.call('GET', 'copy')",
        ),
    ] {
        assert_eq!(testable.matches(find).count(), 1, "{find}");
        testable = testable.replace(find, replace);
    }
    testable
}

/// Where the two machines parted.
pub(super) type Difference = String;

/// What a run of histories met, so that a run which met nothing cannot pass.
#[derive(Debug, Default)]
pub(super) struct Met {
    operations: u32,
    epochs: u32,
    grants: u64,
    entered: u64,
    straight: u64,
    reserves: u32,
    no_shows: u64,
    rounds: u32,
    /// Ticks that left something for the next.
    cut: u32,
}

impl Met {
    fn note(&mut self, before: Option<&Reply>, reply: &Reply) {
        self.epochs += u32::from(before.is_some_and(|before| before.epoch != reply.epoch));
        self.rounds += u32::from(before.is_some_and(|before| before.round != reply.round));
        self.grants += reply.grants.0.len() as u64;
        self.entered += reply
            .entered
            .iter()
            .filter(|entered| matches!(entered, Entered::Yes { .. }))
            .count() as u64;
        self.straight += reply.given.map_or(0, |given| u64::from(given.straight));
        self.reserves += u32::from(reply.figures.reserve > 0);
        self.cut += u32::from(reply.more);
        self.no_shows = self.no_shows.max(reply.figures.no_shows);
    }
}

/// Histories from `seed` on until so many operations are done or the two part.
pub(super) async fn run(
    server: &Server,
    script: &'static Script,
    seed: u64,
    operations: u32,
) -> Result<Met, Difference> {
    let mut met = Met::default();
    for seed in seed.. {
        let mut world = World::new(server, script, seed).await;
        let mut before: Option<Arc<Reply>> = None;
        let steps = if world.lasts { LONG_HISTORY } else { HISTORY };
        for step in 0..steps {
            let ticked = world.step().await;
            ticked.map_err(|difference| format!("seed {seed}, step {step}: {difference}"))?;
            if let Some(reply) = world.last_reply.take() {
                met.note(before.as_deref(), &reply);
                before = Some(reply);
            }
        }
        met.operations += steps;
        if met.operations >= operations {
            break;
        }
    }
    Ok(met)
}

fn from_env<T: std::str::FromStr>(name: &str, or: T) -> T {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(or)
}

#[tokio::test]
async fn the_script_and_the_line_are_one_machine() {
    let server = Server::start(&[]);
    let script = Box::leak(Box::new(Script::new(testable(&line_script::text()))));
    let seed = from_env("TIDEGATE_SEED", rand::random_range(0..1_000_000_000));
    let operations = from_env("TIDEGATE_OPERATIONS", OPERATIONS);
    match run(&server, script, seed, operations).await {
        Ok(met) => {
            println!("seed {seed}: {met:?}");
            let few = met.epochs < 10 || met.grants < 200 || met.entered < 50 || met.straight < 20;
            let few = few || met.reserves < 10 || met.no_shows < 5 || met.rounds < 3 || met.cut < 15;
            assert!(
                operations < OPERATIONS || !few,
                "the histories meet too little: {met:?}"
            );
        }
        Err(difference) => panic!("{difference}\nTIDEGATE_SEED={seed} repeats it"),
    }
}
