//! A random world around one line: fans who arrive, leave, vanish, return, answer slowly or never, and an edge whose
//! replies get lost and whose clock jumps.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidegate_config::Mode;
use tidegate_queue::line::{
    Change, ENTRIES_MAX, Known, Line, Place, Record, Renew, Reply, Request, Round, Saved, Settings, View,
    VisitId, Visitor,
};

use super::model::{Model, ModelVisit};
use super::settings;

/// Room time advances by at most this between two ticks.
const GAP_MAX_MS: u64 = 2_000;

/// One fan, as the edge and the fan together see it.
#[derive(Clone, Debug)]
struct Fan {
    visitor: Visitor,
    connected: bool,
    /// Never answers a call.
    silent: bool,
    answers_at_ms: Option<u64>,
    answered: bool,
    visit: Option<VisitId>,
    hard_end_ms: u64,
    entered: bool,
    enters_at_ms: Option<u64>,
    /// Has neither a place nor a visit any more.
    gone: bool,
}

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

    /// The store dies and is made again from what it wrote; sometimes the machine dies and the end of that is lost.
    fn crash(&mut self) {
        let lost = self.rng.random_bool(0.4);
        let mut lost_max = 0;
        if lost {
            lost_max = self
                .unsynced
                .iter()
                .filter(|r| matches!(r, Record::Granted { .. }))
                .count() as u32;
        } else {
            self.unsynced.iter().for_each(|record| self.saved.apply(record));
        }
        let unseen: BTreeSet<Place> = self
            .unsynced
            .iter()
            .filter_map(|r| match r {
                Record::Granted { visit, .. } => Some(visit.place),
                Record::Over(place) => Some(*place),
                _ => None,
            })
            .collect();
        self.unsynced.clear();
        let before = (!lost).then(|| self.line.visits().map(|(id, _)| id).collect::<Vec<_>>());
        let settings = self.line.settings().clone();
        let text = serde_json::to_string(&self.saved).expect("what is saved can be written");
        let saved: Saved = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(saved, self.saved, "what is saved survives being written");
        self.line = Line::restore(
            self.base.clone(),
            &saved,
            self.store_ms,
            self.rng.random(),
            lost_max,
        );
        self.line
            .take_records()
            .iter()
            .for_each(|record| self.saved.apply(record));

        if let Some(before) = before {
            let after: Vec<_> = self.line.visits().map(|(id, _)| id).collect();
            assert_eq!(after, before, "visits written down are there again");
        }
        let tuned = |s: &Settings| (s.mode, s.active_max, s.admit_per_min, s.paused, s.draining);
        assert_eq!(
            tuned(self.line.settings()),
            tuned(&settings),
            "live settings outlive a restart"
        );

        // The model starts from what the line can know, and from nothing it cannot.
        self.model.lost_presence();
        self.model.calls_over();
        self.model.no_shows = 0;
        self.model.allowance = 0;
        self.ticked_ms = self.store_ms;
        self.model.reserve = self.line.figures().reserve;
        self.model.now_ms = 0;
        self.model.rates.clear();
        self.model.admissions.clear();
        self.model.refunds.clear();
        self.model.visits = self
            .line
            .visits()
            .map(|(id, visit)| (id.place, ModelVisit::new(id, visit)))
            .collect();
        if lost {
            self.model.used.retain(|place| !unseen.contains(place));
        }
        self.model.used.extend(self.model.visits.keys());

        // The edge was in the same process: it starts anew, and its fans reconnect.
        self.boot += 1;
        self.seq = 0;
        self.request = Request::default();
        self.known = None;
        self.view = View::default();
        self.front = Place::START;
        for (place, fan) in &mut self.fans {
            fan.answered = false;
            fan.answers_at_ms = None;
            if fan.connected && !fan.entered && !fan.gone {
                fan.visit = None;
                fan.enters_at_ms = None;
                // The others reconnect later: a tick carries only so many.
                fan.connected = self.request.back.len() < ENTRIES_MAX * 9 / 10;
                if fan.connected {
                    self.request.back.push(*place);
                }
            }
        }
    }

    /// Fans do what fans do, at random, and the edge gathers it.
    fn live(&mut self) {
        if self.rng.random_ratio(1, 20) && !self.model.used.is_empty() {
            // Somebody kept the cookie of a place that is used, and tries it again.
            let kept = self.rng.random_range(0..self.model.used.len());
            let place = self.model.used.iter().nth(kept).copied();
            let place = place.filter(|place| !self.fans.contains_key(place));
            let list = if self.rng.random_bool(0.5) {
                &mut self.request.back
            } else {
                &mut self.request.here
            };
            list.extend(place);
        }
        let now = self.model.now_ms;
        let front = self.front;
        let places: Vec<Place> = self.fans.keys().copied().collect();
        for place in places {
            let Some(fan) = self.fans.get_mut(&place) else {
                continue;
            };
            if fan.gone || self.request.entries() > ENTRIES_MAX * 9 / 10 {
                continue;
            }
            let rng = &mut self.rng;
            if let Some(visit) = fan.visit.filter(|_| fan.entered) {
                // On the site: it goes on for a while, then the fan leaves in one of several ways.
                match rng.random_range(0..if self.settled { 4 } else { 60 }) {
                    0 => {
                        self.request.end.push(visit);
                        fan.gone = true;
                    }
                    1 if !self.settled => fan.gone = true,
                    2..=8 => self.request.renew.push(Renew {
                        visit,
                        hard_end_ms: fan.hard_end_ms,
                    }),
                    // The token is tried again, by its owner or by somebody else.
                    9 => self.request.enter.push((visit, fan.visitor)),
                    10 => self.request.enter.push((visit, Visitor(rng.random()))),
                    _ => {}
                }
                continue;
            }
            if let (Some(visit), Some(at)) = (fan.visit, fan.enters_at_ms)
                && now >= at
            {
                let visitor = if rng.random_ratio(1, 30) {
                    Visitor(rng.random())
                } else {
                    fan.visitor
                };
                self.request.enter.push((visit, visitor));
                fan.enters_at_ms = Some(now + 3_000);
            }
            if !fan.connected {
                if rng.random_ratio(1, 40) || self.settled {
                    fan.connected = true;
                    self.request.back.push(place);
                }
                continue;
            }
            if !self.settled && rng.random_ratio(1, 150) {
                fan.connected = false;
                fan.answered = false;
                fan.answers_at_ms = None;
                if rng.random_bool(0.7) {
                    self.request.absent.push(place);
                }
                continue;
            }
            if !self.settled && rng.random_ratio(1, 400) {
                fan.gone = true;
                fan.connected = false;
                self.request.leave.push(place);
                continue;
            }
            if fan.visit.is_none() && place > front && rng.random_ratio(1, 100) {
                // Too soon: nobody called.
                self.request.here.push(place);
            }
            if fan.visit.is_none() && !fan.answered && !fan.silent && place <= front {
                let slow = rng.random_range(0..4_000) * u64::from(!self.settled && rng.random_bool(0.5));
                let at = *fan.answers_at_ms.get_or_insert(now + slow);
                if now >= at {
                    fan.answered = true;
                    self.request.here.push(place);
                }
            }
        }
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

    fn take_in(&mut self, request: &Request, reply: &Reply) {
        self.front = reply.front.called_upto;
        let highest = self.model.numbers.last().copied().unwrap_or(Place::START);
        self.known = Some(Known::of(reply, highest, self.line.settings().clone()));
        let now = reply.now_ms;
        self.request = Request {
            grants_read: reply.grants.1,
            ended_read: reply.ended.1,
            settings_read: self.line.settings().version,
            ..Request::default()
        };
        if let Some(given) = reply.given {
            for (place, visit) in given.places() {
                let fan = Fan {
                    visitor: Visitor(self.rng.random()),
                    connected: true,
                    silent: self.rng.random_bool(0.25),
                    answers_at_ms: None,
                    answered: false,
                    visit,
                    hard_end_ms: given.hard_end_ms,
                    entered: visit.is_some(),
                    enters_at_ms: None,
                    gone: false,
                };
                self.fans.insert(place, fan);
            }
        }
        for ((visit, visitor), entered) in request.enter.iter().zip(&reply.entered) {
            let Some(fan) = self.fans.get_mut(&visit.place) else {
                continue;
            };
            if let tidegate_queue::line::Entered::Yes { hard_end_ms, .. } = entered {
                fan.entered |= fan.visitor == *visitor;
                fan.gone |= fan.visitor != *visitor;
                fan.hard_end_ms = *hard_end_ms;
            } else if !fan.entered && fan.visit == Some(*visit) {
                // Their token is for a grant that is over; the place is not.
                fan.visit = None;
                fan.answered = false;
                fan.answers_at_ms = None;
                fan.enters_at_ms = None;
            }
        }
        for id in &reply.ended.0 {
            let Some(fan) = self.fans.get_mut(&id.place).filter(|fan| fan.visit == Some(*id)) else {
                continue;
            };
            fan.gone |= fan.entered;
            fan.visit = None;
            fan.answered = false;
            fan.answers_at_ms = None;
            fan.enters_at_ms = None;
        }
        for place in &reply.spent {
            self.fans.entry(*place).and_modify(|fan| fan.gone = true);
        }
        for grant in &reply.grants.0 {
            let place = grant.visit.place;
            let alive = self.model.visits.get(&place).is_some_and(|v| v.id == grant.visit);
            let Some(fan) = self
                .fans
                .get_mut(&place)
                .filter(|fan| alive && fan.connected && !fan.gone)
            else {
                continue;
            };
            if fan.visit.is_none() {
                fan.visit = Some(grant.visit);
                fan.hard_end_ms = grant.hard_end_ms;
                let never = !self.settled && self.rng.random_ratio(1, 12);
                fan.enters_at_ms = (!never).then(|| now + self.rng.random_range(0..2_000));
                self.request.take.push(grant.visit);
            }
        }
        for renewed in &reply.renewed {
            if renewed.expires_at_ms.is_none() {
                let place = renewed.visit.place;
                self.fans
                    .entry(place)
                    .and_modify(|fan| fan.gone |= fan.visit == Some(renewed.visit));
            }
        }
        self.fans.retain(|_, fan| !fan.gone);
    }
}
