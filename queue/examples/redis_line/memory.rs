//! The memory of a very long line: ten million places, one in ten away, the first three million of the others admitted and
//! gone again. Answers are spread over the ticks as they are in a room that is always full.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_queue::line::{ENTRIES_ANYWHERE, Place, Request, Settings, VisitId, Visitor};

use crate::edge::{Edge, Outcome, of_places};
use crate::scene::{BOUNDLESS, settings};
use crate::server::Server;

const PLACES: u64 = 10_000_000;
/// One fan in so many is away.
const AWAY: u64 = 10;
const ADMITTED: u64 = 3_000_000;
/// What joins in one tick.
const JOINS: u32 = 5_000;
/// A tick carries answers, takes, entries and ends of so many fans each.
const EACH: usize = ENTRIES_ANYWHERE / 2;
/// Buffers of connections and of the append-only file are given back by then.
const SETTLED: Duration = Duration::from_secs(3);

pub async fn measure(url: &str) -> Outcome<Value> {
    let mut server = Server::connect(url)?;
    // The script itself is there before the line is, and stays; another room brings it.
    Edge::connect(url, "warm-up", &settings(), 1)
        .await?
        .tick(Request::default())
        .await?;
    tokio::time::sleep(SETTLED).await;
    let before = server.used_memory()?;

    let settings = Settings {
        active_max: 4_000,
        admit_per_min: BOUNDLESS,
        answer_within_ms: 10_000,
        ..settings()
    };
    let mut edge = Edge::connect(url, "memory", &settings, 1).await?;
    edge.until_regrouped().await?;
    let mut epoch = None;
    for _ in 0..PLACES / u64::from(JOINS) {
        let says = Request {
            arrivals: JOINS,
            ..Request::default()
        };
        let given = edge.tick(says).await?.given.ok_or("no places were given")?;
        epoch = Some(given.first.epoch);
    }
    let epoch = epoch.ok_or("no places were given")?;
    let away: Vec<Place> = (0..PLACES / AWAY)
        .map(|number| Place {
            epoch,
            number: number * AWAY + 1,
        })
        .collect();
    for absent in of_places(&away) {
        let says = Request {
            absent: absent.to_vec(),
            ..Request::default()
        };
        edge.tick(says).await?;
    }
    let full = server.used_memory()?;
    edge.pause(false).await?;
    let admitted = admit(&mut edge, away[0]).await?;
    tokio::time::sleep(SETTLED).await;
    edge.tick(Request::default()).await?;
    let after = server.used_memory()?;
    Ok(json!({
        "places": PLACES, "away": away.len(), "admitted": admitted,
        "bytes": after.saturating_sub(before), "bytes_before_admissions": full.saturating_sub(before),
    }))
}

/// Lets fans in from the front: each is called, answers, is granted a visit, takes it, enters, and it ends. Returns how
/// many were.
async fn admit(edge: &mut Edge, first: Place) -> Outcome<u64> {
    let mut says = Request::default();
    let mut answering = first.number + 1;
    let (mut enter, mut end) = (VecDeque::<VisitId>::new(), VecDeque::<VisitId>::new());
    let mut take = VecDeque::<VisitId>::new();
    loop {
        let reply = edge.tick(std::mem::take(&mut says)).await?;
        take.extend(reply.grants.0.iter().map(|grant| grant.visit));
        if reply.figures.admitted >= ADMITTED {
            if reply.figures.active == 0 {
                return Ok(reply.figures.admitted);
            }
        } else {
            while says.here.len() < EACH && answering <= reply.front.called_upto.number {
                if answering % AWAY != 1 {
                    says.here.push(Place {
                        number: answering,
                        ..first
                    });
                }
                answering += 1;
            }
        }
        says.end = end.drain(..end.len().min(EACH)).collect();
        let entering: Vec<VisitId> = enter.drain(..enter.len().min(EACH)).collect();
        says.enter = entering
            .iter()
            .map(|visit| (*visit, Visitor(u128::from(visit.turn.0))))
            .collect();
        says.take = take.drain(..take.len().min(EACH)).collect();
        end.extend(entering);
        enter.extend(&says.take);
    }
}
