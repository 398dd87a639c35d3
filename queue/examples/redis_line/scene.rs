//! A line of a given length whose ticks are measured one by one, by what they carry.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_config::Mode;
use tidegate_queue::line::{Epoch, Place, Reply, Request, Settings};

use crate::edge::{Edge, Outcome};
use crate::server::{Held, Server, spread};

/// Long enough that nothing is over by itself in a measurement.
const NEVER_MS: u64 = 3_600_000;
/// Admissions a minute that no tick can use up.
pub const BOUNDLESS: u32 = 60_000_000;
/// Slots that a line which an edge recalled holds back: all there were by [`settings`], which is one.
pub const RESERVED: u32 = 1;

/// A paused room of few slots, which holds everyone.
pub fn settings() -> Settings {
    Settings {
        version: 1,
        mode: Mode::On,
        active_max: 1,
        admit_per_min: 1,
        visit_ttl_ms: NEVER_MS,
        visit_max_ms: NEVER_MS,
        enter_within_ms: NEVER_MS,
        answer_within_ms: NEVER_MS,
        paused: true,
        draining: false,
        notice: None,
    }
}

/// What was measured so far: for each kind of tick, how long each held the server.
#[derive(Default)]
pub struct Ticks(BTreeMap<String, Vec<Held>>);

impl Ticks {
    pub fn add(&mut self, kind: &str, held: Held) {
        self.0.entry(kind.to_owned()).or_default().push(held);
    }

    pub fn json(&self) -> Value {
        let kind = |held: &Vec<Held>| {
            json!({
                "ticks": held.len(),
                "script_us": spread(held.iter().map(|one| one.script_us).collect()),
                "busy_us": spread(held.iter().map(|one| one.busy_us).collect()),
                "at_most_us": spread(held.iter().map(|one| one.at_most_us()).collect()),
            })
        };
        self.0
            .iter()
            .map(|(name, held)| (name.clone(), kind(held)))
            .collect()
    }
}

/// One edge on a line of its own, and the server it lives in.
pub struct Scene {
    pub edge: Edge,
    pub server: Server,
    pub epoch: Epoch,
}

impl Scene {
    /// A paused line that has given places up to `last` and called up to `called`. Nobody is there.
    pub async fn open(url: &str, room: &str, settings: &Settings, last: u64, called: u64) -> Outcome<Self> {
        let mut edge = Edge::connect(url, room, settings, 1).await?;
        let epoch = edge.recalls(settings, last, called)?;
        edge.until_regrouped().await?;
        let server = Server::connect(url)?;
        Ok(Self { edge, server, epoch })
    }

    /// Places of the line, by their numbers.
    pub fn places(&self, numbers: Range<u64>) -> Vec<Place> {
        let epoch = self.epoch;
        numbers.map(|number| Place { epoch, number }).collect()
    }

    /// One tick, measured.
    pub async fn tick(&mut self, ticks: &mut Ticks, kind: &str, says: Request) -> Outcome<Arc<Reply>> {
        let request = self.edge.request(says);
        let before = self.server.before()?;
        let reply = self.edge.send(&request).await?;
        ticks.add(kind, self.server.after(before)?);
        Ok(reply)
    }
}
