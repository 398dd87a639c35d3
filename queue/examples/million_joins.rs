//! A million joins through the embedded store, journal included: what `make bench` holds against one second.
//!
//! The joins come in ticks, as an edge sends them: in a surge everything that gathered since the last tick goes together.
//! `million_joins [JOINS_A_TICK]...` takes each size in turn, with a store of its own; prints one JSON line each.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use tidegate_config::Mode;
use tidegate_queue::line::{Request, Settings};
use tidegate_queue::store::{MemoryStore, SystemMoment};

const JOINS: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes: Vec<u32> = Vec::new();
    for argument in std::env::args().skip(1) {
        sizes.push(argument.parse()?);
    }
    if sizes.is_empty() {
        sizes.push(100);
    }
    for size in sizes {
        let seconds = join_all(size.clamp(1, JOINS))?;
        println!(
            "{}",
            serde_json::json!({"joins": JOINS, "joins_a_tick": size, "seconds": seconds})
        );
    }
    Ok(())
}

fn join_all(size: u32) -> Result<f64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let settings = Settings {
        version: 1,
        mode: Mode::On,
        active_max: 10_000,
        admit_per_min: 600_000,
        visit_ttl_ms: 300_000,
        visit_max_ms: 1_800_000,
        enter_within_ms: 60_000,
        answer_within_ms: 5_000,
        paused: false,
        draining: false,
        notice: None,
    };
    let moment = Arc::new(SystemMoment::default());
    let store = MemoryStore::open(&folder.path().join("joins.journal"), settings, 1, moment)?;
    let began = Instant::now();
    let (mut joined, mut seq) = (0, 0);
    while joined < JOINS {
        seq += 1;
        let arrivals = size.min(JOINS - joined);
        let reply = store.tick_now(&Request {
            boot: 1,
            seq,
            arrivals,
            ..Request::default()
        })?;
        let given = reply.given.ok_or("the store gave no places")?;
        // Every join is an answer: the numbers follow each other without a gap.
        if given.count != arrivals || given.first.number != u64::from(joined) + 1 {
            return Err(format!("asked for {arrivals} places after {joined}, got {given:?}").into());
        }
        joined += given.count;
    }
    Ok(began.elapsed().as_secs_f64())
}
