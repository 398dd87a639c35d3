//! Both machines, the edges that speak to them, and what befalls them.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, IndexedRandom};
use rand::{Rng, SeedableRng};
use redis::cmd;
use tidegate_config::Mode;

use super::super::server::Server;
use super::super::store;
use super::Difference;
use super::compare::{compare, same};
use crate::line::{Change, Known, Line, Place, Reply, Request, Settings, VisitId};
use crate::store::redis::edges;
use crate::store::redis::line::RedisLine;
use crate::store::redis::link::{Link, Script};
use crate::store::{LineStore, Round as Turned, StoreError};

const NONCE: u32 = 77;
const LAG_MS: u64 = 1_000;

/// One of the edges.
#[derive(Default)]
pub(super) struct Edge {
    pub(super) boot: u64,
    pub(super) seq: u64,
    pub(super) last: Option<Request>,
    /// The one before that, which may come late.
    pub(super) late: Option<Request>,
    pub(super) cursors: (u64, u64),
    pub(super) settings_read: u64,
    pub(super) known: Option<Known>,
}

/// The pure line as it once was, with everything the store had.
pub(super) struct Snapshot {
    pub(super) line: Option<Line>,
    pub(super) copy: u32,
    pub(super) keys: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) link: Arc<Link>,
    pub(super) store: RedisLine,
    pub(super) settings: Settings,
    pub(super) line: Option<Line>,
    /// The copy that the pure line last ran on, and the one there is now.
    pub(super) copies: (u32, u32),
    pub(super) clock_ms: u64,
    pub(super) edges: [Edge; 3],
    pub(super) places: Vec<Place>,
    pub(super) visits: Vec<(VisitId, u64)>,
    pub(super) snapshot: Option<Snapshot>,
    /// Losses happen. Where they do not, the line gets further.
    pub(super) stormy: bool,
    /// A long history in which nothing is lost and nobody operates: more fans come than are admitted.
    pub(super) lasts: bool,
    pub(super) last_reply: Option<Arc<Reply>>,
}

impl World {
    pub(super) async fn new(server: &Server, script: &'static Script, seed: u64) -> Self {
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
        if seed % 16 == 3 {
            // More come than are admitted, and so more are called the fewer answer.
            (settings.active_max, settings.admit_per_min) = (200, 600);
        }
        let room = "drop".parse().expect("an id");
        let edge = Arc::new(edges::Edge {
            nonce: NONCE,
            kids: vec!["k".to_owned()],
        });
        let line = RedisLine::new(link.clone(), &room, settings.clone(), edge, LAG_MS).by(script);
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
            lasts: seed % 16 == 3,
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
    pub(super) async fn step(&mut self) -> Result<(), Difference> {
        self.clock_ms = match self.rng.random_range(0..150) {
            0 => self.clock_ms + 60_000,
            1 => self.clock_ms - 20_000,
            _ => self.clock_ms + self.rng.random_range(1..300),
        };
        self.set("clock", self.clock_ms).await;
        let event = self.rng.random_range(0..1_000);
        match event {
            _ if self.lasts => self.tick().await,
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
        if self.copies.0 != self.copies.1 {
            line.moved();
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
            _ => match &self.edges[at].late {
                Some(late) if self.rng.random_ratio(1, 40) => late.clone(),
                _ => self.request(at),
            },
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
        if edge.last.as_ref().is_none_or(|last| last.seq < request.seq) {
            edge.late = edge.last.replace(request);
        }
    }
}
