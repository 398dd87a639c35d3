//! The script against the pure line: the same random histories on both, and every answer and every figure compared.
//!
//! Three edges speak in turn. They join, leave, answer, take and enter as edges do, and also at the wrong time, with places
//! nobody has and turns of somebody else; their ticks are repeated and come late; operators change settings, close and
//! open; the clock jumps; and the store moves to another copy, goes back in time, or loses everything.
//!
//! `TIDEGATE_OPERATIONS` and `TIDEGATE_SEED` set how many operations a run has and where it begins.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, IndexedRandom};
use rand::{Rng, SeedableRng};
use redis::cmd;
use tidegate_config::Mode;

use super::server::Server;
use super::store;
use crate::line::{
    BLOCK, BlockId, Change, Entered, Epoch, Known, Line, Place, Renew, Reply, Request, Settings, Turn,
    VisitId, Visitor,
};
use crate::store::redis::line::RedisLine;
use crate::store::redis::line_script;
use crate::store::redis::link::{Link, Script};
use crate::store::{LineStore, Round as Turned, StoreError};

const NONCE: u32 = 77;
const LAG_MS: u64 = 1_000;
/// Operations in one history.
const HISTORY: u32 = 400;
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

/// One of the edges.
#[derive(Default)]
struct Edge {
    boot: u64,
    seq: u64,
    last: Option<Request>,
    cursors: (u64, u64),
    settings_read: u64,
    known: Option<Known>,
}

/// The pure line as it once was, with everything the store had.
struct Snapshot {
    line: Option<Line>,
    copy: u32,
    keys: Vec<(Vec<u8>, Vec<u8>)>,
}

struct World {
    rng: StdRng,
    link: Arc<Link>,
    store: RedisLine,
    settings: Settings,
    line: Option<Line>,
    /// The copy that the pure line last ran on, and the one there is now.
    copies: (u32, u32),
    clock_ms: u64,
    edges: [Edge; 3],
    places: Vec<Place>,
    visits: Vec<(VisitId, u64)>,
    snapshot: Option<Snapshot>,
    /// Losses happen. Where they do not, the line gets further.
    stormy: bool,
    last_reply: Option<Arc<Reply>>,
}

/// Where the two machines parted.
pub(super) type Difference = String;

impl World {
    async fn new(server: &Server, script: &'static Script, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let link = Arc::new(Link::connect(&store(&server.url())).await.expect("a link"));
        let mut settings = Settings {
            version: 1,
            mode: *[Mode::Auto, Mode::On].choose(&mut rng).expect("two modes"),
            active_max: rng.random_range(1..60),
            admit_per_min: *[30, 600, 6_000, 60_000].choose(&mut rng).expect("four rates"),
            visit_ttl_ms: rng.random_range(2_000..30_000),
            visit_max_ms: rng.random_range(10_000..60_000),
            enter_within_ms: rng.random_range(2_000..20_000),
            answer_within_ms: rng.random_range(500..6_000),
            paused: false,
            draining: false,
            notice: None,
        };
        if seed % 4 == 1 {
            // Room enough for everyone.
            (settings.mode, settings.active_max, settings.admit_per_min) = (Mode::Auto, 500, 60_000);
        }
        let room = "drop".parse().expect("an id");
        let line = RedisLine::new(link.clone(), &room, settings.clone(), NONCE, LAG_MS).by(script);
        let mut world = Self {
            clock_ms: 1_790_000_000_000 + rng.random_range(0..1_000_000),
            rng,
            link,
            store: line,
            settings,
            line: None,
            copies: (1, 1),
            edges: Default::default(),
            places: Vec::new(),
            visits: Vec::new(),
            snapshot: None,
            stormy: seed.is_multiple_of(2),
            last_reply: None,
        };
        for (boot, edge) in (1..).zip(&mut world.edges) {
            edge.boot = u64::MAX - boot;
        }
        world.wipe().await;
        world
    }

    async fn query<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        self.link.query(command).await.expect("the server answers")
    }

    async fn set(&self, key: &str, value: u64) {
        let () = self.query(cmd("SET").arg(key).arg(value)).await;
    }

    async fn wipe(&mut self) {
        let () = self.query(cmd("FLUSHDB").arg("SYNC")).await;
        self.line = None;
        self.set("copy", self.copies.1.into()).await;
    }

    /// One operation on both.
    async fn step(&mut self) -> Result<(), Difference> {
        self.clock_ms = match self.rng.random_range(0..150) {
            0 => self.clock_ms + 60_000,
            1 => self.clock_ms - 20_000,
            _ => self.clock_ms + self.rng.random_range(1..300),
        };
        self.set("clock", self.clock_ms).await;
        let event = self.rng.random_range(0..1_000);
        match event {
            0..30 => self.operate().await,
            30..36 => self.close_or_open().await,
            36..62 if !self.stormy => self.tick().await,
            40..44 => {
                self.copies.1 += 1;
                self.set("copy", self.copies.1.into()).await;
                Ok(())
            }
            44..46 => {
                self.wipe().await;
                Ok(())
            }
            46..54 => {
                self.snapshot = Some(self.take_snapshot().await);
                Ok(())
            }
            54..58 => {
                self.go_back().await;
                Ok(())
            }
            58..62 => {
                let new = self.rng.random();
                if let Some(edge) = self.edges.choose_mut(&mut self.rng) {
                    *edge = Edge {
                        boot: new,
                        ..Edge::default()
                    };
                }
                Ok(())
            }
            _ => self.tick().await,
        }
    }

    async fn take_snapshot(&self) -> Snapshot {
        let names: Vec<Vec<u8>> = self.query(cmd("KEYS").arg("tidegate:*")).await;
        let mut keys = Vec::new();
        for name in names {
            let dump = self.query(cmd("DUMP").arg(&name)).await;
            keys.push((name, dump));
        }
        Snapshot {
            line: self.line.clone(),
            copy: self.copies.0,
            keys,
        }
    }

    /// The store is what it was some time ago: a replica that lagged, or a snapshot read from a disk.
    async fn go_back(&mut self) {
        let Some(snapshot) = self.snapshot.take() else {
            return;
        };
        if self.rng.random_bool(0.7) {
            self.copies.1 += 1;
        }
        self.wipe().await;
        for (name, dump) in snapshot.keys {
            let () = self.query(cmd("RESTORE").arg(name).arg(0).arg(dump)).await;
        }
        self.line = snapshot.line;
        self.copies.0 = snapshot.copy;
    }

    async fn operate(&mut self) -> Result<(), Difference> {
        let Some(line) = &mut self.line else { return Ok(()) };
        let rng = &mut self.rng;
        let mut change = Change::default();
        match rng.random_range(0..6) {
            0 => change.active_max = Some(rng.random_range(1..60)),
            1 => change.admit_per_min = [0, 30, 600, 60_000].choose(rng).copied(),
            2 => change.paused = Some(rng.random_bool(0.3)),
            3 => change.draining = Some(rng.random_bool(0.2)),
            4 => {
                change.notice = ["", "Doors at eight", "Später"]
                    .choose(rng)
                    .map(|text| (*text).to_owned())
            }
            _ => change.mode = [Mode::Auto, Mode::On, Mode::Off].choose(rng).copied(),
        }
        let expected = line.configure(&change);
        let said = self.store.configure(change).await;
        let said = said.map_err(|error| format!("configure: {error}"))?;
        same("configure", &said, &expected)
    }

    async fn close_or_open(&mut self) -> Result<(), Difference> {
        let Some(line) = &mut self.line else { return Ok(()) };
        let close = self.rng.random_bool(0.4);
        let turned = if close {
            line.close(self.clock_ms);
            Turned::Close
        } else {
            line.open();
            Turned::Open
        };
        self.store
            .turn(turned)
            .await
            .map_err(|error| format!("turn: {error}"))
    }

    async fn tick(&mut self) -> Result<(), Difference> {
        let at = self.rng.random_range(0..self.edges.len());
        let request = match &self.edges[at].last {
            Some(last) if self.rng.random_ratio(1, 12) => last.clone(),
            Some(last) if self.rng.random_ratio(1, 40) => Request {
                seq: last.seq.saturating_sub(1),
                ..last.clone()
            },
            _ => self.request(at),
        };
        let clock_ms = self.clock_ms;
        let line = self.line.get_or_insert_with(|| {
            self.copies.0 = self.copies.1;
            Line::begin(
                self.settings.clone(),
                clock_ms,
                NONCE,
                LAG_MS,
                request.known.as_ref(),
            )
        });
        if self.copies.0 != self.copies.1 {
            self.copies.0 = self.copies.1;
            line.moved();
        }
        let expected = line.tick(clock_ms, &request);
        line.take_records();
        let said = self.store.tick(&request).await;
        let reply = match (said, expected) {
            (Ok(said), Ok(expected)) => {
                compare(&said, &expected).map_err(|difference| format!("{difference}\nafter {request:?}"))?;
                said
            }
            (Err(StoreError::Refused(said)), Err(expected)) => return same("refused", &said, &expected),
            (said, expected) => {
                return Err(format!(
                    "said {:?}, expected {:?}",
                    said.map(|_| "a reply"),
                    expected.map(|_| "a reply")
                ));
            }
        };
        if self.rng.random_ratio(1, 10) {
            let said = self
                .store
                .visits(usize::MAX)
                .await
                .map_err(|error| error.to_string())?;
            let expected: Vec<_> = self
                .line
                .iter()
                .flat_map(Line::visits)
                .map(|(id, visit)| (id, *visit))
                .collect();
            same("the visits", &said, &expected)?;
        }
        self.take_in(at, request, &reply);
        self.last_reply = Some(reply);
        Ok(())
    }

    fn some_places(&mut self, most: usize) -> Vec<Place> {
        let count = self.rng.random_range(0..=most);
        (0..count).filter_map(|_| self.some_place()).collect()
    }

    /// Mostly one that was given, now and then one that was not.
    fn some_place(&mut self) -> Option<Place> {
        let mut place = *self.places.choose(&mut self.rng)?;
        match self.rng.random_range(0..400) {
            _ if !self.stormy => {}
            3..6 => {
                let nonce = self.rng.random_range(0..3);
                place.epoch = Epoch::stamp(self.clock_ms, nonce, place.epoch);
                place.number = self.rng.random_range(1..20);
                self.places.push(place);
                self.places.sort_unstable();
            }
            0 => place.number += self.rng.random_range(1..100),
            1 => place.epoch = Epoch(place.epoch.0 + (1 << 20)),
            2 => place.epoch = Epoch(place.epoch.0 - (1 << 20)),
            _ => {}
        }
        Some(place)
    }

    fn some_visits(&mut self, most: usize) -> Vec<(VisitId, u64)> {
        let count = self.rng.random_range(0..=most);
        let mut visits = Vec::new();
        for _ in 0..count {
            let recent = self.visits.len().saturating_sub(80);
            let Some((mut visit, hard_end_ms)) = self.visits[recent..].choose(&mut self.rng).copied() else {
                break;
            };
            if self.rng.random_ratio(1, 50) {
                visit.turn = Turn(visit.turn.0 + 1);
            }
            visits.push((visit, hard_end_ms));
        }
        visits
    }

    fn request(&mut self, at: usize) -> Request {
        let arrivals = match self.rng.random_range(0..200) {
            0 if self.stormy => self.rng.random_range(1_000..9_000),
            1 if self.stormy => 70_000,
            // A quiet room is empty now and then, so that fans go straight through.
            20..60 if !self.stormy => 0,
            2..60 => self.rng.random_range(1..20),
            _ => 0,
        };
        let visits = |visits: Vec<(VisitId, u64)>| visits.into_iter().map(|(visit, _)| visit).collect();
        let here = self.called_places();
        let enter = self
            .some_visits(4)
            .into_iter()
            .map(|(visit, _)| {
                (
                    visit,
                    Visitor(u128::from(visit.turn.0 % 3) << 100 | self.rng.random_range(0..2)),
                )
            })
            .collect();
        let mut request = Request {
            arrivals,
            end: visits(self.some_visits(2)),
            take: visits(self.some_visits(6)),
            enter,
            renew: self
                .some_visits(5)
                .into_iter()
                .map(|(visit, hard_end_ms)| Renew { visit, hard_end_ms })
                .collect(),
            leave: self.some_places(1),
            absent: self.some_places(4),
            back: self.some_places(12),
            here,
            counts: self.rng.random_bool(0.5),
            ..Request::default()
        };
        let asked = self.rng.random_range(0..4);
        request.blocks = (0..asked)
            .filter_map(|_| self.places.choose(&mut self.rng))
            .map(|place| BlockId {
                epoch: place.epoch,
                index: (place.number / BLOCK) as u32,
            })
            .collect();
        let odd = self.rng.random_range(0..60);
        let silent_ms = self.rng.random_range(0..5_000);
        let edge = &mut self.edges[at];
        edge.seq += 1;
        (request.boot, request.seq) = (edge.boot, edge.seq);
        (request.grants_read, request.ended_read) = if odd == 0 { (1, 1) } else { edge.cursors };
        request.settings_read = edge.settings_read;
        request.known = edge.known.clone().map(|known| Known { silent_ms, ..known });
        if odd == 1 {
            request.known = None;
        }
        request
    }

    /// Those who answer: mostly fans who were called.
    fn called_places(&mut self) -> Vec<Place> {
        let called = self
            .edges
            .iter()
            .filter_map(|edge| Some(edge.known.as_ref()?.called_upto))
            .max();
        let upto = self.places.partition_point(|place| Some(*place) <= called);
        let from = upto.saturating_sub(60);
        let count = self.rng.random_range(0..12);
        let mut here: Vec<Place> = (0..count)
            .filter_map(|_| self.places[from..upto].choose(&mut self.rng).copied())
            .collect();
        here.extend(self.some_place().filter(|_| self.rng.random_ratio(1, 10)));
        here
    }

    fn take_in(&mut self, at: usize, request: Request, reply: &Reply) {
        if let Some(given) = reply.given {
            let kept = given
                .places()
                .take(40)
                .chain(given.places().skip(given.count as usize - 1));
            for (place, visit) in kept {
                self.places.push(place);
                self.visits.extend(visit.map(|visit| (visit, given.hard_end_ms)));
            }
            self.places.sort_unstable();
            self.places.dedup();
        }
        self.visits.extend(
            reply
                .grants
                .0
                .iter()
                .map(|grant| (grant.visit, grant.hard_end_ms)),
        );
        let edge = &mut self.edges[at];
        edge.cursors = (reply.grants.1, reply.ended.1);
        if let Some(settings) = &reply.settings {
            edge.settings_read = settings.version;
        }
        let known = edge.known.as_ref().map_or(Place::START, |known| known.place);
        let last = reply.given.and_then(|given| given.places().last());
        let place = known.max(last.map_or(Place::START, |(place, _)| place));
        let settings = reply
            .settings
            .clone()
            .or_else(|| edge.known.as_ref().map(|known| known.settings.clone()));
        edge.known = settings.map(|settings| Known::of(reply, place, settings));
        edge.last = Some(request);
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, said: &T, expected: &T) -> Result<(), Difference> {
    if said == expected {
        Ok(())
    } else {
        Err(format!("{what}: the script says {said:?}, the line {expected:?}"))
    }
}

/// Part by part, so that a difference is named.
fn compare(said: &Reply, expected: &Reply) -> Result<(), Difference> {
    same("now", &said.now_ms, &expected.now_ms)?;
    same("round", &said.round, &expected.round)?;
    same("epoch", &said.epoch, &expected.epoch)?;
    same("status", &said.status, &expected.status)?;
    same("given", &said.given, &expected.given)?;
    same("front", &said.front, &expected.front)?;
    same("figures", &said.figures, &expected.figures)?;
    same("grants", &said.grants, &expected.grants)?;
    same("ended", &said.ended, &expected.ended)?;
    same("renewed", &said.renewed, &expected.renewed)?;
    same("entered", &said.entered, &expected.entered)?;
    same("spent", &said.spent, &expected.spent)?;
    same("settings", &said.settings, &expected.settings)?;
    same("counts", &said.counts, &expected.counts)?;
    same("blocks", &said.blocks, &expected.blocks)?;
    same("the reply", said, expected)
}

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
        for step in 0..HISTORY {
            let ticked = world.step().await;
            ticked.map_err(|difference| format!("seed {seed}, step {step}: {difference}"))?;
            if let Some(reply) = world.last_reply.take() {
                met.note(before.as_deref(), &reply);
                before = Some(reply);
            }
        }
        met.operations += HISTORY;
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
            let few = few || met.reserves < 10 || met.no_shows < 5 || met.rounds < 3;
            assert!(
                operations < OPERATIONS || !few,
                "the histories meet too little: {met:?}"
            );
        }
        Err(difference) => panic!("{difference}\nTIDEGATE_SEED={seed} repeats it"),
    }
}
