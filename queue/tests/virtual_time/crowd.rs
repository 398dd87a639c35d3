//! A crowd and its edge: fans who answer or do not, enter, stay a while and leave; ticks when there is something to say
//! and every 100 ms otherwise.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidegate_config::Mode;
use tidegate_queue::line::{
    Change, Counts, Line, Load, Place, Renew, Reply, Request, Settings, View, VisitId, Visitor,
};
use tidegate_queue::wait::Pace;

/// An edge with nothing to say ticks this often while someone waits.
const IDLE_MS: u64 = 100;
/// Two ticks are at least this far apart: a round trip.
const TRIP_MS: u64 = 5;

/// Settings of a room in which nothing but the rate binds.
pub fn settings(admit_per_min: u32) -> Settings {
    Settings {
        version: 1,
        mode: Mode::On,
        active_max: 1_000_000,
        admit_per_min,
        visit_ttl_ms: 300_000,
        visit_max_ms: 1_800_000,
        enter_within_ms: 60_000,
        answer_within_ms: 5_000,
        paused: false,
        draining: false,
        notice: None,
    }
}

/// How the fans of a crowd behave. Times are ranges drawn from evenly, in milliseconds.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Of a hundred fans, so many never answer.
    pub silent: u64,
    /// How long the others take to answer.
    pub answer_ms: (u64, u64),
    /// How long they stay on the site.
    pub stay_ms: (u64, u64),
    /// Of a hundred thousand fans in line, so many lose patience in a second.
    pub leaving: u64,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            silent: 0,
            answer_ms: (100, 900),
            stay_ms: (20_000, 60_000),
            leaving: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(u32),
    Answer(Place),
    Enter(VisitId),
    ComeBack(VisitId, u64),
    Leave(VisitId),
    GoAway(Place),
}

/// What a fan was told and what happened.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub ahead: u64,
    pub at_ms: u64,
    pub range_s: (u32, u32),
}

pub struct Crowd {
    pub line: Line,
    pub habits: Habits,
    pub now_ms: u64,
    pub ticks: u64,
    pub pace: Pace,
    /// Wait ranges told, and those of them whose fans have been admitted, with the seconds it took.
    pub told: HashMap<Place, Told>,
    pub kept: Vec<(Told, f64)>,
    /// The counts of the last tick in which they were asked for.
    pub counts: Arc<Counts>,
    /// Blocks in which anyone was ever admitted.
    pub admitted_blocks: BTreeSet<u64>,
    rng: StdRng,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    request: Request,
    answers: Vec<Place>,
    leaves: Vec<VisitId>,
    takes: Vec<VisitId>,
    enters: Vec<VisitId>,
    back: Vec<(VisitId, u64)>,
    absent: Vec<Place>,
    /// The line has more to do: the next tick is due at once.
    more: bool,
    front: Place,
    last_given: Place,
    /// Places that nobody holds, and whose fans went away.
    away: HashSet<Place>,
    nobody_upto: Place,
    view: View,
    seed: u64,
}

impl Crowd {
    pub fn new(settings: Settings, habits: Habits, seed: u64) -> Self {
        let now_ms = 1_790_000_000_000;
        Self {
            line: Line::new(settings, now_ms, 1),
            habits,
            now_ms,
            ticks: 0,
            pace: Pace::default(),
            told: HashMap::new(),
            kept: Vec::new(),
            counts: Arc::default(),
            admitted_blocks: BTreeSet::new(),
            rng: StdRng::seed_from_u64(seed),
            events: BinaryHeap::new(),
            request: Request::default(),
            answers: Vec::new(),
            leaves: Vec::new(),
            takes: Vec::new(),
            enters: Vec::new(),
            back: Vec::new(),
            absent: Vec::new(),
            more: false,
            front: Place::START,
            last_given: Place::START,
            away: HashSet::new(),
            nobody_upto: Place::START,
            view: View::default(),
            seed,
        }
    }

    /// `count` fans arrive in `in_ms` from now.
    pub fn arrive(&mut self, count: u32, in_ms: u64) {
        self.after(in_ms, Event::Arrive(count));
    }

    /// `per_s` fans arrive each second for `seconds`, starting `in_ms` from now.
    pub fn stream(&mut self, per_s: u32, seconds: u64, in_ms: u64) {
        for tenth in 0..seconds * 10 {
            let count = per_s / 10 + u32::from(tenth % 10 < u64::from(per_s % 10));
            if count > 0 {
                self.arrive(count, in_ms + tenth * 100);
            }
        }
    }

    /// Makes `count` places that no edge holds; the room must be paused.
    pub fn nobody(&mut self, count: u32) {
        self.arrive(count, 0);
        self.run(IDLE_MS);
        let last = self.last_given;
        for number in last.number - u64::from(count) + 1..=last.number {
            self.absent.push(Place { number, ..last });
        }
        while !self.absent.is_empty() {
            self.run(IDLE_MS);
        }
        self.nobody_upto = last;
    }

    pub fn configure(&mut self, change: Change) {
        self.line.configure(&change);
    }

    /// Lets time pass.
    pub fn run(&mut self, for_ms: u64) {
        let until_ms = self.now_ms + for_ms;
        while self.now_ms < until_ms {
            let soonest = self.events.peek().map_or(u64::MAX, |Reverse((at_ms, _))| *at_ms);
            let next_ms = if self.waiting_to_be_said() || self.more {
                self.now_ms + TRIP_MS
            } else {
                soonest.clamp(self.now_ms + TRIP_MS, self.now_ms + IDLE_MS)
            };
            self.now_ms = next_ms;
            while let Some(Reverse((at_ms, event))) = self.events.peek().copied() {
                if at_ms > self.now_ms {
                    break;
                }
                self.events.pop();
                self.happen(event);
            }
            self.tick(None);
        }
    }

    /// Tells a fan who waits uncalled how long it will be, in a tick of its own.
    pub fn tell_someone(&mut self) {
        let first = self.front.number.max(self.nobody_upto.number) + 1;
        if self.last_given.number < first {
            return;
        }
        let number = self.rng.random_range(first..=self.last_given.number);
        let place = Place {
            number,
            ..self.last_given
        };
        if !self.is_silent(place) && !self.away.contains(&place) && !self.told.contains_key(&place) {
            self.now_ms += TRIP_MS;
            self.tick(Some(place));
        }
    }

    /// The next tick brings the counts.
    pub fn count(&mut self) {
        self.request.counts = true;
        self.now_ms += TRIP_MS;
        self.tick(None);
    }

    pub fn is_silent(&self, place: Place) -> bool {
        // An independent draw for each fan, the same whenever it is asked for.
        let mut x = (place.number ^ (self.seed << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % 100 < self.habits.silent
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.events.push(Reverse((self.now_ms + ms, event)));
    }

    fn draw(&mut self, (from, to): (u64, u64)) -> u64 {
        self.rng.random_range(from..=to)
    }

    fn waiting_to_be_said(&self) -> bool {
        let lists = [self.leaves.len(), self.takes.len(), self.enters.len()];
        let others = [self.answers.len(), self.back.len(), self.absent.len()];
        lists.iter().chain(&others).any(|left| *left > 0) || self.request.arrivals > 0
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(count) => self.request.arrivals += count,
            Event::Answer(place) if !self.away.contains(&place) => self.answers.push(place),
            Event::Answer(_) => {}
            Event::Enter(visit) => self.enters.push(visit),
            Event::ComeBack(visit, hard_end_ms) => self.back.push((visit, hard_end_ms)),
            Event::Leave(visit) => self.leaves.push(visit),
            Event::GoAway(place) => {
                if place > self.front {
                    self.away.insert(place);
                    self.told.remove(&place);
                    self.absent.push(place);
                }
            }
        }
    }

    fn tick(&mut self, telling: Option<Place>) {
        // As an edge fills it: in the same order, as many as a tick can carry.
        fn some<T>(list: &mut Vec<T>, mut fits: impl FnMut(&T) -> bool) -> Vec<T> {
            let fitting = list.iter().take_while(|entry| fits(entry)).count();
            list.drain(..fitting).collect()
        }
        let mut load = Load::default();
        self.ticks += 1;
        let mut request = std::mem::take(&mut self.request);
        (request.boot, request.seq) = (1, self.ticks);
        request.end = some(&mut self.leaves, |_| load.add_visit());
        request.take = some(&mut self.takes, |_| load.add_visit());
        request.here = some(&mut self.answers, |place| load.add_place(*place));
        let entering = some(&mut self.enters, |_| load.add_visit());
        request.enter = entering
            .iter()
            .map(|visit| (*visit, Visitor(visit.place.number.into())))
            .collect();
        let renewing = some(&mut self.back, |_| load.add_visit()).into_iter();
        request.renew = renewing
            .map(|(visit, hard_end_ms)| Renew { visit, hard_end_ms })
            .collect();
        request.absent = some(&mut self.absent, |place| load.add_place(*place));
        if let Some(place) = telling {
            request.counts = true;
            request.blocks = vec![place.block(), self.front.block(), self.view.floor_block()];
        }
        let reply = self
            .line
            .tick(self.now_ms, &request)
            .expect("a well-formed tick is answered");
        self.line.take_records();
        self.request = Request {
            grants_read: reply.grants.1,
            ended_read: reply.ended.1,
            settings_read: self.line.settings().version,
            ..Request::default()
        };
        self.more = reply.more;
        self.pace.observe(&reply, self.line.settings());
        if let Some(counts) = &reply.counts {
            self.counts = counts.clone();
        }
        for (entered, visit) in reply.entered.iter().zip(&entering) {
            if let tidegate_queue::line::Entered::Yes { hard_end_ms, .. } = entered {
                self.arrived_on_site(*visit, *hard_end_ms);
            }
        }
        self.given(&reply);
        self.called(reply.front.called_upto);
        for grant in &reply.grants.0 {
            self.granted(grant.visit);
        }
        if let Some(place) = telling {
            self.tell(place, &reply);
        }
    }

    fn given(&mut self, reply: &Reply) {
        let Some(given) = reply.given else { return };
        for (place, visit) in given.places() {
            if let Some(visit) = visit {
                self.arrived_on_site(visit, given.hard_end_ms);
            } else if self.habits.leaving > 0 {
                let share: f64 = self.rng.random_range(1e-9..1.0);
                let patience_s = -share.ln() * 100_000.0 / self.habits.leaving as f64;
                self.after((patience_s * 1_000.0) as u64, Event::GoAway(place));
            }
            self.last_given = place;
        }
    }

    fn called(&mut self, upto: Place) {
        let from = self.front.max(self.nobody_upto);
        let first = if from.epoch == upto.epoch {
            from.number + 1
        } else {
            1
        };
        for number in first..=upto.number {
            let place = Place { number, ..upto };
            if !self.is_silent(place) && !self.away.contains(&place) {
                let in_ms = self.draw(self.habits.answer_ms);
                self.after(in_ms, Event::Answer(place));
            }
        }
        self.front = upto;
    }

    fn granted(&mut self, visit: VisitId) {
        self.takes.push(visit);
        self.after(200, Event::Enter(visit));
        self.admitted_blocks
            .insert(visit.place.number / tidegate_queue::line::BLOCK);
        if let Some(told) = self.told.remove(&visit.place) {
            let took_s = (self.now_ms - told.at_ms) as f64 / 1_000.0;
            self.kept.push((told, took_s));
        }
    }

    fn arrived_on_site(&mut self, visit: VisitId, hard_end_ms: u64) {
        self.after(300, Event::ComeBack(visit, hard_end_ms));
        let stay_ms = self.draw(self.habits.stay_ms);
        self.after(stay_ms.max(400), Event::Leave(visit));
    }

    fn tell(&mut self, place: Place, reply: &Reply) {
        let held = reply.blocks.iter().map(|block| block.id).collect();
        self.view.update(reply, &held);
        let ahead = self.view.ahead(place);
        if let Some(range_s) = self.pace.range_s(ahead, self.line.settings()) {
            let at_ms = self.now_ms;
            self.told.insert(
                place,
                Told {
                    ahead,
                    at_ms,
                    range_s,
                },
            );
        }
    }
}
