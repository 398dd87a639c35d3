//! A million joins by two edges at once, each in ticks of a thousand: what they take from the first request to the last reply.

use std::time::Instant;

use serde_json::{Value, json};
use tidegate_config::Mode;
use tidegate_queue::line::{Request, Settings};

use crate::edge::{Edge, Outcome};

const JOINS: u64 = 1_000_000;
/// What gathers at an edge between two ticks of a surge.
const JOINS_A_TICK: u32 = 1_000;

pub async fn measure(url: &str) -> Outcome<Value> {
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
    let mut edges = [
        Edge::connect(url, "joins", &settings, 1).await?,
        Edge::connect(url, "joins", &settings, 2).await?,
    ];
    // The line calls fans meanwhile, as it would.
    edges[0].until_regrouped().await?;
    let began = Instant::now();
    let [one, other] = &mut edges;
    let (one, other) = tokio::join!(join(one), join(other));
    let seconds = began.elapsed().as_secs_f64();
    // Every join is an answer, and no number is given twice or left out.
    let mut firsts = one?;
    firsts.extend(other?);
    firsts.sort_unstable();
    let follow = firsts
        .windows(2)
        .all(|two| two[1] == two[0] + u64::from(JOINS_A_TICK));
    if firsts.len() as u64 * u64::from(JOINS_A_TICK) != JOINS || !follow {
        return Err("the numbers given do not follow each other".into());
    }
    Ok(json!({"joins": JOINS, "joins_a_tick": JOINS_A_TICK, "edges": 2, "seconds": seconds}))
}

/// Half of the joins; the first number of each tick.
async fn join(edge: &mut Edge) -> Outcome<Vec<u64>> {
    let mut firsts = Vec::new();
    for _ in 0..JOINS / 2 / u64::from(JOINS_A_TICK) {
        let says = Request {
            arrivals: JOINS_A_TICK,
            ..Request::default()
        };
        let given = edge.tick(says).await?.given.ok_or("no places were given")?;
        if given.count != JOINS_A_TICK {
            return Err(format!("asked for {JOINS_A_TICK} places, got {given:?}").into());
        }
        firsts.push(given.first.number);
    }
    Ok(firsts)
}
