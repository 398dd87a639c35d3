//! A random world around one line: fans who arrive, leave, vanish, return, answer slowly or never, and an edge whose
//! replies get lost and whose clock jumps.

mod crash;
mod fans;

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidegate_config::Mode;
use tidegate_queue::line::{
    Change, Known, Line, Place, Record, Reply, Request, Round, Saved, Settings, View,
};

use self::fans::Fan;
use super::model::Model;
use super::settings;

/// Room time advances by at most this between two ticks.
const GAP_MAX_MS: u64 = 2_000;
pub struct World {
    rng: StdRng,
    line: Line,
    base: Settings,
    model: Model,
    view: View,
    saved: Saved,
    /// Records whose loss a crash of the whole machine could mean.
    unsynced: Vec<Record>,
    store_ms: u64,
    boot: u64,
    seq: u64,
    request: Request,
    /// What the edge has heard.
    known: Option<Known>,
    fans: BTreeMap<Place, Fan>,
    front: Place,
    /// The store's time in the last tick.
    ticked_ms: u64,
    round: Round,
    closed: bool,
    settled: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let settings = Settings {
            mode: if rng.random_bool(0.5) {
                Mode::Auto
            } else {
                Mode::On
            },
            active_max: rng.random_range(1..40),
            admit_per_min: *[30, 60, 600, 1_200, 6_000]
                .get(rng.random_range(0..5))
                .expect("five rates"),
            visit_ttl_ms: rng.random_range(2_000..60_000),
            visit_max_ms: rng.random_range(10_000..120_000),
            enter_within_ms: rng.random_range(6_000..60_000),
            answer_within_ms: rng.random_range(500..8_000),
            ..settings()
        };
        let store_ms = 1_790_000_000_000;
        let mut line = Line::new(settings.clone(), store_ms, rng.random());
        let mut saved = Saved::default();
        line.take_records().iter().for_each(|record| saved.apply(record));
        Self {
            rng,
            line,
            ticked_ms: store_ms,
            round: Round(0),
            closed: false,
            base: settings,
            model: Model {
                now_ms: store_ms,
                // A line that has never admitted anyone may admit a second's worth at once.
                allowance: u64::MAX / 2,
                ..Model::default()
            },
            view: View::default(),
            saved,
            unsynced: Vec::new(),
            store_ms,
            boot: 1,
            seq: 0,
            request: Request::default(),
            known: None,
            fans: BTreeMap::new(),
            front: Place::START,
            settled: false,
        }
    }

    pub fn admitted(&self) -> usize {
        self.model.admissions.len()
    }

    /// One tick with random events before it.
    pub fn step(&mut self) {
        self.store_ms = match self.rng.random_range(0..200) {
            0 => self.store_ms + 600_000,
            1 => self.store_ms - 30_000,
            _ => self.store_ms + self.rng.random_range(1..400),
        };
        if self.rng.random_ratio(1, 60) {
            self.operate();
        }
        if self.rng.random_ratio(1, 120) {
            self.crash();
        }
        if self.rng.random_ratio(1, if self.closed { 8 } else { 250 }) {
            self.close_or_open();
        }
        if self.rng.random_ratio(1, 10) {
            self.request.arrivals = self.rng.random_range(1..60);
        } else if self.rng.random_ratio(1, 3) {
            self.request.arrivals = self.rng.random_range(1..4);
        }
        self.live();
        self.tick();
    }

    /// Everyone who still wants to must get in: no new fans, no faults, nobody silent any more.
    pub fn settle(&mut self) {
        self.settled = true;
        if self.closed {
            self.close_or_open();
        }
        let active_max = self.line.settings().active_max.max(10);
        let change = Change {
            mode: Some(Mode::On),
            admit_per_min: Some(6_000),
            paused: Some(false),
            draining: Some(false),
            active_max: Some(active_max),
            ..Change::default()
        };
        self.line.configure(&change);
        self.fans.values_mut().for_each(|fan| fan.silent = false);
        for _ in 0..20_000 {
            self.store_ms += 200;
            self.live();
            self.tick();
            if self.fans.values().all(|fan| fan.gone || !fan.connected) {
                return;
            }
        }
        let left = self
            .fans
            .values()
            .filter(|fan| fan.connected && !fan.gone)
            .count();
        panic!("{left} fans who answer and stay are never admitted");
    }

    /// An operator does something.
    fn operate(&mut self) {
        let mut change = Change::default();
        match self.rng.random_range(0..5) {
            0 => change.active_max = Some(self.rng.random_range(1..40)),
            1 => {
                change.admit_per_min = Some(
                    *[0, 30, 600, 3_000]
                        .get(self.rng.random_range(0..4))
                        .expect("four rates"),
                )
            }
            2 => change.paused = Some(self.rng.random_bool(0.3)),
            3 => change.draining = Some(self.rng.random_bool(0.2)),
            _ => {
                let modes = [Mode::Auto, Mode::Auto, Mode::On, Mode::On, Mode::Off];
                change.mode = modes.get(self.rng.random_range(0..5)).copied();
            }
        }
        self.line.configure(&change);
        self.write_down();
    }

    /// An operator ends the round, or begins the next. The edge hears of it with its next tick, and until then speaks
    /// of places of the round that is over.
    fn close_or_open(&mut self) {
        self.closed = !self.closed;
        if self.closed {
            self.line.close(self.store_ms);
            self.model.round_over();
            self.front = Place::START;
            self.view = View::default();
        } else {
            self.line.open();
        }
        self.write_down();
    }

    /// Everything so far reaches the disk.
    fn write_down(&mut self) {
        self.unsynced.extend(self.line.take_records());
        std::mem::take(&mut self.unsynced)
            .iter()
            .for_each(|record| self.saved.apply(record));
    }
    /// Sends what has gathered, perhaps more than once, and takes in the reply.
    fn tick(&mut self) {
        self.seq += 1;
        (self.request.boot, self.request.seq) = (self.boot, self.seq);
        self.request.counts = true;
        self.request.known = self.known.take();
        let held: BTreeSet<_> = self.fans.keys().map(|place| place.block()).collect();
        let floor_block = self.view.floor_block();
        self.request.blocks = held.iter().copied().chain([floor_block]).take(16).collect();
        let request = std::mem::take(&mut self.request);

        let settings = self.line.settings().clone();
        let called_before = self.line_called_upto();
        let then_ms = (self.model.now_ms > 0).then_some(self.model.now_ms);
        let reply = self
            .line
            .tick(self.store_ms, &request)
            .expect("a well-formed tick is answered");
        let elapsed_ms = self.store_ms.saturating_sub(self.ticked_ms).min(GAP_MAX_MS);
        if let Some(then_ms) = then_ms {
            assert_eq!(
                reply.now_ms,
                then_ms + elapsed_ms,
                "room time does not follow the store's"
            );
        }
        self.ticked_ms = self.store_ms;
        self.model
            .tick(&request, &reply, &settings, called_before, elapsed_ms);
        if self.rng.random_ratio(1, 15) {
            // The reply was lost: the same request again changes nothing, and neither does one that comes late.
            let before = self.line.figures();
            let again = self
                .line
                .tick(self.store_ms + 50, &request)
                .expect("a repetition is answered");
            assert_eq!(again, reply, "a repeated tick gets the stored reply");
            if self.seq > 1 {
                let late = Request {
                    seq: self.seq - 1,
                    arrivals: 5,
                    ..Request::default()
                };
                let late = Request {
                    boot: self.boot,
                    ..late
                };
                self.line
                    .tick(self.store_ms + 60, &late)
                    .expect_err("a late tick is refused");
            }
            assert_eq!(
                self.line.figures(),
                before,
                "a repeated or late tick changes nothing"
            );
        }
        let records = self.line.take_records();
        self.unsynced.extend(records);
        if self.rng.random_ratio(1, 4) {
            std::mem::take(&mut self.unsynced)
                .iter()
                .for_each(|record| self.saved.apply(record));
        }
        self.check_live_visits(reply.now_ms);
        self.view.update(&reply, &held);
        if reply.round == self.round {
            self.check_ahead(&reply);
        } else {
            self.round = reply.round;
            self.fans.clear();
        }
        self.take_in(&request, &reply);
    }

    fn line_called_upto(&self) -> Place {
        self.front
            .max(self.model.called_upto.unwrap_or(Place::START))
            .max(self.saved_called_upto())
    }

    fn saved_called_upto(&self) -> Place {
        // After a crash the line knows how far it had called before the edge hears of it.
        self.line.called_upto()
    }

    fn check_live_visits(&self, now_ms: u64) {
        for (id, visit) in self.line.visits() {
            assert!(
                visit.expires_at_ms > now_ms,
                "visit {id} has expired and still holds a slot"
            );
            assert!(
                visit.expires_at_ms <= visit.hard_end_ms,
                "visit {id} outlives its hard end"
            );
        }
    }

    fn check_ahead(&mut self, reply: &Reply) {
        let floor = reply.front.floor;
        let fans = self.fans.len();
        if fans == 0 {
            return;
        }
        for _ in 0..5 {
            let Some(place) = self.fans.keys().nth(self.rng.random_range(0..fans)) else {
                continue;
            };
            assert_eq!(
                self.view.ahead(*place),
                self.model.ahead(*place, floor),
                "ahead of {place}, floor {floor}"
            );
        }
    }
}
