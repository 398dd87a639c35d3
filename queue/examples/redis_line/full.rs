//! Full ticks: for how long one of each kind, with as many entries as a tick may carry, holds the server; at the beginning
//! of a line and ten million places on.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_config::Mode;
use tidegate_queue::line::{
    BLOCK, BLOCKS_MAX, BlockId, Change, ENTRIES_MAX, Place, Renew, Reply, Request, Settings, VisitId, Visitor,
};

use crate::edge::{Edge, Outcome};
use crate::scene::{BOUNDLESS, RESERVED, Scene, Ticks, settings};
use crate::server::Server;

/// Entries in a full tick.
const FULL: u64 = ENTRIES_MAX as u64;
/// What an edge joins in one tick at most.
const JOINS: u32 = 5_000;
/// Fans who are called, answer and enter, and fans who give up.
const FANS: u64 = 40 * FULL;
const LEAVING: u64 = 20 * FULL;
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
    let batches = || fans.chunks(ENTRIES_MAX);
    let kind = |what: &str| format!("{what}, {name}");

    for _ in 0..100 {
        scene.tick(ticks, &kind("nothing"), Request::default()).await?;
    }
    for back in all.chunks(ENTRIES_MAX) {
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
    for leave in leaving.chunks(ENTRIES_MAX) {
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
    // As many slots more for each batch, so that a tick admits nobody beside what it carries.
    let mut visits = Vec::new();
    for batch in 1..=FANS / FULL {
        let active_max = Some((batch * FULL) as u32 + RESERVED);
        scene
            .edge
            .configure(Change {
                active_max,
                paused,
                ..Change::default()
            })
            .await?;
        let reply = scene.tick(ticks, &kind("admissions"), Request::default()).await?;
        let granted = &reply.grants.0;
        if granted.len() as u64 != FULL {
            return Err(format!("{} were admitted and not {FULL}", granted.len()).into());
        }
        let take: Vec<VisitId> = granted.iter().map(|grant| grant.visit).collect();
        let enter = take
            .iter()
            .map(|visit| (*visit, Visitor(u128::from(visit.turn.0) << 64)))
            .collect();
        let renew = granted
            .iter()
            .map(|grant| Renew {
                visit: grant.visit,
                hard_end_ms: grant.hard_end_ms,
            })
            .collect();
        visits.extend(take.clone());
        let nothing = Request::default;
        let stages = [
            ("take", Request { take, ..nothing() }),
            ("enter", Request { enter, ..nothing() }),
            ("renew", Request { renew, ..nothing() }),
        ];
        for (stage, says) in stages {
            scene.tick(ticks, &kind(stage), says).await?;
        }
    }
    scene.edge.pause(true).await?;
    for end in visits.chunks(ENTRIES_MAX) {
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
        scene.tick(ticks, &kind("5,000 arrivals"), says).await?;
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

/// Fans from all over a long line: every entry is in another block.
async fn scattered(url: &str, ticks: &mut Ticks) -> Outcome<()> {
    let mut scene = Scene::open(url, "full-scattered", &settings(), LONGEST, 0).await?;
    let step = LONGEST / FULL;
    for batch in 0..40 {
        let places: Vec<Place> = (0..FULL)
            .map(|number| Place {
                epoch: scene.epoch,
                number: number * step + 1 + batch * 37,
            })
            .collect();
        let back = Request {
            back: places.clone(),
            ..Request::default()
        };
        scene.tick(ticks, "back, all over ten million", back).await?;
        let again = Request {
            back: places.clone(),
            ..Request::default()
        };
        scene
            .tick(ticks, "back again, all over ten million", again)
            .await?;
        if batch % 2 == 1 {
            let absent = Request {
                absent: places,
                ..Request::default()
            };
            scene.tick(ticks, "absent, all over ten million", absent).await?;
        }
    }
    Ok(())
}

/// Grants that nobody takes: they are undone, so many in each tick.
async fn untaken(url: &str, ticks: &mut Ticks) -> Outcome<()> {
    let mut scene = Scene::open(url, "full-untaken", &settings(), FANS, 0).await?;
    let fans = scene.places(1..FANS + 1);
    for back in fans.chunks(ENTRIES_MAX) {
        scene
            .edge
            .tick(Request {
                back: back.to_vec(),
                ..Request::default()
            })
            .await?;
    }
    let (active_max, admit_per_min) = (Some(FANS as u32 + RESERVED), Some(BOUNDLESS));
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
    for here in fans.chunks(ENTRIES_MAX) {
        scene
            .edge
            .tick(Request {
                here: here.to_vec(),
                ..Request::default()
            })
            .await?;
    }
    while scene.edge.tick(Request::default()).await?.figures.ready > 0 {}
    let until = Instant::now() + UNTAKEN;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What expires here is not measured: room time moves by ticks.
        scene.edge.tick(Request::default()).await?;
    }
    scene.edge.pause(true).await?;
    let mut most = 0;
    loop {
        let before = scene.server.before()?;
        let reply = scene.edge.tick(Request::default()).await?;
        let held = scene.server.after(before)?;
        let expired = reply.ended.0.len();
        // The last may be fewer.
        if expired < most || expired == 0 {
            return Ok(());
        }
        most = expired;
        ticks.add("expiries, undone", held);
    }
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
    for arrivals in [100, 500, 1_000, JOINS] {
        for _ in 0..20 {
            let before = server.before()?;
            let reply = edge
                .tick(Request {
                    arrivals,
                    ..Request::default()
                })
                .await?;
            let held = server.after(before)?;
            if reply.given.is_some_and(|given| given.straight == arrivals) {
                ticks.add(&format!("{arrivals:05} straight through"), held);
            }
        }
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
        let here = (answered + 1..=called.min(answered + FULL))
            .map(|number| Place { epoch, number })
            .collect();
        answered = called.min(answered + FULL);
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
                "here, admissions, expiries, calls, 5,000 arrivals, counts and 16 blocks at once",
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
