//! Full ticks: for how long one of each kind, with as many entries as a tick may carry, holds the server; at the beginning
//! of a line and ten million places on.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_config::Mode;
use tidegate_queue::line::{
    BLOCK, BLOCKS_MAX, BlockId, Change, Grant, Place, Renew, Reply, Request, STRAIGHT_MAX, Settings, VisitId,
    Visitor,
};

use crate::edge::{Edge, Outcome, of_places, of_visits};
use crate::scene::{BOUNDLESS, Scene, Ticks, settings};
use crate::server::Server;

/// What an edge joins in one tick at most.
const JOINS: u32 = 1_000;
/// Fans who are called, answer and enter, and fans who give up.
const FANS: u64 = 4_000;
const LEAVING: u64 = 2_000;
/// Fans who are admitted and enter in turns: within the time that a grant waits to be taken.
const ROUND: usize = 1_000;
/// The longest line there is to be.
const LONGEST: u64 = 10_000_000;
/// Grants that are not taken are over after so long.
const UNTAKEN: Duration = Duration::from_secs(5);
/// Ticks of everything at once, after the first grants have expired.
const OVERFULL: usize = 100;

pub async fn measure(url: &str) -> Outcome<Value> {
    let mut ticks = Ticks::default();
    one_by_one(url, &mut ticks, "first", FANS + LEAVING).await?;
    one_by_one(url, &mut ticks, "ten million on", LONGEST).await?;
    scattered(url, &mut ticks).await?;
    untaken(url, &mut ticks).await?;
    straight(url, &mut ticks).await?;
    at_once(url, &mut ticks).await?;
    Ok(ticks.json())
}

/// Each kind of entry in ticks that carry nothing else, by the last places of a line so long.
async fn one_by_one(url: &str, ticks: &mut Ticks, name: &str, last: u64) -> Outcome<()> {
    let first = last - FANS - LEAVING + 1;
    let room = format!("full-{last}");
    let mut scene = Scene::open(url, &room, &settings(), last, first - 1).await?;
    let all = scene.places(first..last + 1);
    let (fans, leaving) = all.split_at(FANS as usize);
    let batches = || of_places(fans);
    let kind = |what: &str| format!("{what}, {name}");

    for _ in 0..100 {
        scene.tick(ticks, &kind("nothing"), Request::default()).await?;
    }
    for back in of_places(&all) {
        let says = Request {
            back: back.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("back"), says).await?;
    }
    for absent in batches() {
        let says = Request {
            absent: absent.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("absent"), says).await?;
    }
    for back in batches() {
        let says = Request {
            back: back.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("back"), says).await?;
    }
    for leave in of_places(leaving) {
        let says = Request {
            leave: leave.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("leave"), says).await?;
    }
    let (active_max, admit_per_min) = (Some(FANS as u32 * 2), Some(BOUNDLESS));
    let paused = Some(false);
    scene
        .edge
        .configure(Change {
            active_max,
            admit_per_min,
            paused,
            ..Change::default()
        })
        .await?;
    // The first of them says how many calls a tick makes; the last may be fewer.
    loop {
        let before = scene.server.before()?;
        let front = scene.edge.tick(Request::default()).await?.front;
        let held = scene.server.after(before)?;
        if front.called_upto >= fans[fans.len() - 1] {
            break;
        }
        ticks.add(&kind("calls"), held);
    }
    scene.edge.pause(true).await?;
    for here in batches() {
        let says = Request {
            here: here.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("here"), says).await?;
    }
    let mut visits: Vec<VisitId> = Vec::new();
    while visits.len() < fans.len() {
        scene.edge.pause(false).await?;
        let mut granted: Vec<Grant> = Vec::new();
        while granted.len() < ROUND && visits.len() + granted.len() < fans.len() {
            let reply = scene.tick(ticks, &kind("admissions"), Request::default()).await?;
            if reply.grants.0.is_empty() {
                return Err("nobody was admitted".into());
            }
            granted.extend(&reply.grants.0);
        }
        scene.edge.pause(true).await?;
        enter(&mut scene, ticks, name, &granted).await?;
        visits.extend(granted.iter().map(|grant| grant.visit));
    }
    for end in of_visits(&visits) {
        let says = Request {
            end: end.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("end"), says).await?;
    }
    for _ in 0..100 {
        let says = Request {
            arrivals: JOINS,
            ..Request::default()
        };
        scene.tick(ticks, &kind("1,000 arrivals"), says).await?;
    }
    let blocks: Vec<BlockId> = (0..BLOCKS_MAX as u32)
        .map(|index| BlockId {
            epoch: scene.epoch,
            index: (last / BLOCK) as u32 - index,
        })
        .collect();
    for _ in 0..100 {
        let says = Request {
            counts: true,
            blocks: blocks.clone(),
            ..Request::default()
        };
        scene.tick(ticks, &kind("counts and 16 blocks"), says).await?;
    }
    Ok(())
}

/// Those who were granted a visit take it, enter and come back.
async fn enter(scene: &mut Scene, ticks: &mut Ticks, name: &str, granted: &[Grant]) -> Outcome<()> {
    let nothing = Request::default;
    for granted in of_visits(granted) {
        let take = granted.iter().map(|grant| grant.visit).collect();
        let visitor = |visit: VisitId| Visitor(u128::from(visit.turn.0) << 64);
        let enter = granted
            .iter()
            .map(|grant| (grant.visit, visitor(grant.visit)))
            .collect();
        let renew = granted
            .iter()
            .map(|grant| Renew {
                visit: grant.visit,
                hard_end_ms: grant.hard_end_ms,
            })
            .collect();
        let stages = [
            ("take", Request { take, ..nothing() }),
            ("enter", Request { enter, ..nothing() }),
            ("renew", Request { renew, ..nothing() }),
        ];
        for (stage, says) in stages {
            scene.tick(ticks, &format!("{stage}, {name}"), says).await?;
        }
    }
    Ok(())
}

/// Fans from all over a long line: every entry is in another block, and so is everyone who is called, admitted or given up.
async fn scattered(url: &str, ticks: &mut Ticks) -> Outcome<()> {
    let mut scene = Scene::open(url, "full-scattered", &settings(), LONGEST, 0).await?;
    let blocks = LONGEST / BLOCK;
    let everywhere = |within: u64| -> Vec<Place> {
        let epoch = scene.epoch;
        (0..blocks)
            .map(|block| Place {
                epoch,
                number: block * BLOCK + 1 + within * 37,
            })
            .collect()
    };
    let (mut back, mut absent, mut here) = (Vec::new(), Vec::new(), Vec::new());
    for within in 0..2 {
        back.extend(everywhere(within));
    }
    absent.extend(everywhere(1));
    here.extend(everywhere(0));
    for back in of_places(&back) {
        let says = || Request {
            back: back.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, "back, all over ten million", says()).await?;
        scene
            .tick(ticks, "back again, all over ten million", says())
            .await?;
    }
    for absent in of_places(&absent) {
        let says = Request {
            absent: absent.to_vec(),
            ..Request::default()
        };
        scene.tick(ticks, "absent, all over ten million", says).await?;
    }
    let change = Change {
        active_max: Some(1_000_000),
        admit_per_min: Some(BOUNDLESS),
        paused: Some(false),
        ..Change::default()
    };
    scene.edge.configure(change).await?;
    loop {
        let reply = scene
            .tick(ticks, "calls, all over ten million", Request::default())
            .await?;
        if !reply.more {
            break;
        }
    }
    // Some are admitted in the ticks in which they answer, and the others after that.
    for here in of_places(&here) {
        let says = Request {
            here: here.to_vec(),
            ..Request::default()
        };
        scene
            .tick(ticks, "here and admissions, all over ten million", says)
            .await?;
    }
    while scene
        .tick(ticks, "admissions, all over ten million", Request::default())
        .await?
        .more
    {}
    tokio::time::sleep(UNTAKEN).await;
    expire(&mut scene, ticks, "expiries, undone, all over ten million").await
}

/// Ticks until all that has expired is over; room time moves by ticks.
async fn expire(scene: &mut Scene, ticks: &mut Ticks, kind: &str) -> Outcome<()> {
    scene.edge.pause(true).await?;
    loop {
        let before = scene.server.before()?;
        let reply = scene.edge.tick(Request::default()).await?;
        let held = scene.server.after(before)?;
        if !reply.ended.0.is_empty() {
            ticks.add(kind, held);
        }
        if reply.figures.active == 0 {
            return Ok(());
        }
        if !reply.more {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Grants that nobody takes: they are undone, so many in each tick.
async fn untaken(url: &str, ticks: &mut Ticks) -> Outcome<()> {
    let mut scene = Scene::open(url, "full-untaken", &settings(), FANS, 0).await?;
    let fans = scene.places(1..FANS + 1);
    for back in of_places(&fans) {
        scene
            .edge
            .tick(Request {
                back: back.to_vec(),
                ..Request::default()
            })
            .await?;
    }
    let (active_max, admit_per_min) = (Some(FANS as u32 * 2), Some(BOUNDLESS));
    let paused = Some(false);
    scene
        .edge
        .configure(Change {
            active_max,
            admit_per_min,
            paused,
            ..Change::default()
        })
        .await?;
    let called = |reply: &Reply| reply.front.called_upto >= fans[fans.len() - 1];
    while !called(&*scene.edge.tick(Request::default()).await?) {}
    for here in of_places(&fans) {
        scene
            .edge
            .tick(Request {
                here: here.to_vec(),
                ..Request::default()
            })
            .await?;
    }
    while scene.edge.tick(Request::default()).await?.figures.ready > 0 {}
    tokio::time::sleep(UNTAKEN).await;
    expire(&mut scene, ticks, "expiries, undone").await
}

/// An empty room that takes everyone at once.
async fn straight(url: &str, ticks: &mut Ticks) -> Outcome<()> {
    let settings = Settings {
        mode: Mode::Auto,
        active_max: 1_000_000,
        admit_per_min: BOUNDLESS,
        paused: false,
        ..settings()
    };
    let mut edge = Edge::connect(url, "full-straight", &settings, 1).await?;
    edge.until_regrouped().await?;
    let mut server = Server::connect(url)?;
    for _ in 0..100 {
        let before = server.before()?;
        let reply = edge
            .tick(Request {
                arrivals: STRAIGHT_MAX,
                ..Request::default()
            })
            .await?;
        let held = server.after(before)?;
        if reply.given.is_none_or(|given| given.straight != STRAIGHT_MAX) {
            return Err("somebody did not go straight through".into());
        }
        ticks.add("straight through", held);
    }
    Ok(())
}

/// As much of everything as one tick can bring about: answers, admissions, calls, expiries, arrivals, counts, blocks.
async fn at_once(url: &str, ticks: &mut Ticks) -> Outcome<()> {
    let settings = Settings {
        active_max: 1_000_000,
        admit_per_min: BOUNDLESS,
        answer_within_ms: 5_000,
        paused: false,
        ..settings()
    };
    let mut edge = Edge::connect(url, "full-at-once", &settings, 1).await?;
    edge.until_regrouped().await?;
    let mut server = Server::connect(url)?;
    let first = edge
        .tick(Request {
            arrivals: JOINS,
            ..Request::default()
        })
        .await?;
    let epoch = first.given.ok_or("no places were given")?.first.epoch;
    let blocks: Vec<BlockId> = (0..BLOCKS_MAX as u32)
        .map(|index| BlockId { epoch, index })
        .collect();
    let began = Instant::now();
    let (mut called, mut answered, mut measured) = (0, 0, 0);
    while measured < OVERFULL {
        let waiting: Vec<Place> = (answered + 1..=called)
            .map(|number| Place { epoch, number })
            .collect();
        let here = of_places(&waiting)
            .first()
            .map_or(Vec::new(), |here| here.to_vec());
        answered += here.len() as u64;
        let says = Request {
            arrivals: JOINS,
            counts: true,
            blocks: blocks.clone(),
            here,
            ..Request::default()
        };
        let before = server.before()?;
        let reply = edge.tick(says).await?;
        let held = server.after(before)?;
        called = reply.front.called_upto.number;
        if began.elapsed() > UNTAKEN && !reply.ended.0.is_empty() {
            ticks.add(
                "here, admissions, expiries, calls, arrivals, counts and 16 blocks at once",
                held,
            );
            measured += 1;
        }
        if began.elapsed() > 12 * UNTAKEN {
            break;
        }
    }
    Ok(())
}
