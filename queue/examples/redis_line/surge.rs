//! Ten thousand fans in line who all answer at the same moment: how long until all are heard, and until all are inside.

use std::time::Instant;

use serde_json::{Value, json};
use tidegate_queue::line::{Change, Grant, Load, Place, Renew, Request, VisitId, Visitor};

use crate::edge::{Outcome, of_places};
use crate::scene::{BOUNDLESS, Scene, settings};

const FANS: u64 = 10_000;
/// The line before them that was passed.
const PASSED: u64 = 1_000_000;

pub async fn measure(url: &str) -> Outcome<Value> {
    let mut scene = Scene::open(url, "surge", &settings(), PASSED + FANS, PASSED).await?;
    let fans = scene.places(PASSED + 1..PASSED + FANS + 1);
    for back in of_places(&fans) {
        let says = Request {
            back: back.to_vec(),
            ..Request::default()
        };
        scene.edge.tick(says).await?;
    }
    let change = Change {
        active_max: Some(2 * FANS as u32),
        admit_per_min: Some(BOUNDLESS),
        paused: Some(false),
        ..Change::default()
    };
    scene.edge.configure(change).await?;
    while scene.edge.tick(Request::default()).await?.more {}

    let began = Instant::now();
    let busy = scene.server.busy_ns()?;
    let mut crowd = Crowd {
        here: fans,
        ..Crowd::default()
    };
    let (mut heard_s, mut ticks) = (None, 0);
    while crowd.inside < FANS {
        let reply = scene.edge.tick(crowd.says()).await?;
        crowd.granted.extend(&reply.grants.0);
        ticks += 1;
        if crowd.here.is_empty() {
            heard_s.get_or_insert(began.elapsed().as_secs_f64());
        }
        if began.elapsed().as_secs() > 60 {
            return Err(format!("only {} are inside after a minute", crowd.inside).into());
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(json!({
        "fans": FANS, "heard_seconds": heard_s, "inside_seconds": seconds, "ticks": ticks,
        "busy_seconds": (scene.server.busy_ns()? - busy) as f64 / 1e9,
    }))
}

/// How far they have come.
#[derive(Default)]
struct Crowd {
    here: Vec<Place>,
    granted: Vec<Grant>,
    taken: Vec<Grant>,
    entered: Vec<Grant>,
    inside: u64,
}

impl Crowd {
    /// As much of what they have to say as a tick can carry, as an edge fills it.
    fn says(&mut self) -> Request {
        let mut load = Load::default();
        let take = drain(&mut self.granted, |_| load.add_visit());
        let here = drain(&mut self.here, |place| load.add_place(*place));
        let enter = drain(&mut self.taken, |_| load.add_visit());
        let renew = drain(&mut self.entered, |_| load.add_visit());
        self.inside += renew.len() as u64;
        let id = |grant: &Grant| -> VisitId { grant.visit };
        let says = Request {
            take: take.iter().map(id).collect(),
            here,
            enter: enter
                .iter()
                .map(|grant| (grant.visit, Visitor(u128::from(grant.visit.turn.0))))
                .collect(),
            renew: renew
                .iter()
                .map(|grant| Renew {
                    visit: grant.visit,
                    hard_end_ms: grant.hard_end_ms,
                })
                .collect(),
            ..Request::default()
        };
        self.entered.extend(enter);
        self.taken.extend(take);
        says
    }
}

/// As many as fit, from the first.
fn drain<T>(list: &mut Vec<T>, mut fits: impl FnMut(&T) -> bool) -> Vec<T> {
    let taken = list.iter().take_while(|entry| fits(entry)).count();
    list.drain(..taken).collect()
}
