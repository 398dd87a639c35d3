//! A million places that nobody holds any more, and a fan behind them: how long until that fan is called.

use std::time::Instant;

use serde_json::{Value, json};
use tidegate_queue::line::{Request, Settings};

use crate::edge::{Outcome, of_places};
use crate::scene::{BOUNDLESS, Scene, settings};

const GONE: u64 = 1_000_000;
/// What joins in one tick.
const JOINS: u32 = 5_000;
/// The line goes on from a call after so long; the floor rises over all that was passed.
const ANSWER_WITHIN_MS: u64 = 1_000;

pub async fn measure(url: &str) -> Outcome<Value> {
    let settings = Settings {
        admit_per_min: BOUNDLESS,
        answer_within_ms: ANSWER_WITHIN_MS,
        ..settings()
    };
    let mut scene = Scene::open(url, "passing", &settings, 0, 0).await?;
    for _ in 0..GONE / u64::from(JOINS) {
        let says = Request {
            arrivals: JOINS,
            ..Request::default()
        };
        let given = scene.edge.tick(says).await?.given.ok_or("no places were given")?;
        scene.epoch = given.first.epoch;
    }
    for absent in of_places(&scene.places(1..GONE + 1)) {
        let says = Request {
            absent: absent.to_vec(),
            ..Request::default()
        };
        scene.edge.tick(says).await?;
    }
    let says = Request {
        arrivals: 1,
        ..Request::default()
    };
    let waiting = scene.edge.tick(says).await?.figures.waiting;
    if waiting != 1 {
        return Err(format!("{waiting} are waiting and not one").into());
    }
    let began = Instant::now();
    scene.edge.pause(false).await?;
    let mut longest_us = 0;
    let mut called_s = None;
    // On until the call is over too and the floor has risen.
    loop {
        let before = scene.server.before()?;
        let front = scene.edge.tick(Request::default()).await?.front;
        longest_us = longest_us.max(scene.server.after(before)?.at_most_us());
        if front.called_upto.number > GONE {
            called_s.get_or_insert(began.elapsed().as_secs_f64());
        }
        if front.floor.number > GONE {
            break;
        }
        if began.elapsed().as_secs() > 60 {
            return Err("nobody behind them was called".into());
        }
    }
    Ok(json!({"gone": GONE, "seconds": called_s, "longest_tick_us": longest_us}))
}
