//! The double's line: small, correct, and wrong in exactly one way when told to.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::{ROOM, token};

/// Ticks between two position frames.
const POSITION_EVERY: u64 = 10;
/// Fans asked ahead of those who can be admitted.
const CALLED_AHEAD: usize = 20;
/// After this long a silent fan no longer counts as asked.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// How long the faults of order hold their victims back.
const HELD_BACK: Duration = Duration::from_secs(2);

/// The one thing the double does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    PlaceTwice,
    PlaceChanged,
    CalledOutOfTurn,
    NeverCalled,
    Overtaken,
    NeverAdmitted,
    OverTheLimit,
    /// The limit is kept by each edge and not by all together.
    LimitByEdge,
    OverTheRate,
    AheadGrows,
    TokenForSomeoneElse,
    TurnedAway,
    Errors,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) limit: usize,
    pub(crate) rate_per_s: f64,
    pub(crate) fault: Fault,
}

/// What becomes of someone who arrives.
pub(super) enum Arrival {
    Straight,
    Waits,
}

#[derive(Default)]
struct Waiting {
    socket: Option<UnboundedSender<Value>>,
    /// Which socket that is, of all that were opened.
    opened: u64,
    edge: usize,
    called_at: Option<Instant>,
    ready_at: Option<Instant>,
    shown: Option<usize>,
    frames: u32,
}

pub(super) struct Line {
    pub(super) rules: Rules,
    pub(super) next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Who is on the site, and which edge let them in.
    live: HashMap<u64, usize>,
    opened: u64,
    allowance: f64,
    accrued_at: Instant,
    ticks: u64,
}

impl Line {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            next: 0,
            waiting: BTreeMap::new(),
            live: HashMap::new(),
            opened: 0,
            allowance: rules.rate_per_s.max(1.0),
            accrued_at: Instant::now(),
            ticks: 0,
        }
    }

    pub(super) fn tick(&mut self) {
        self.ticks += 1;
        self.accrue();
        self.call();
        while let Some(id) = self.next_to_admit() {
            self.admit(id);
        }
        if self.ticks.is_multiple_of(POSITION_EVERY) {
            self.show_positions();
        }
    }

    /// Brings the allowance up to now. Before every admission, so that what accrued over the cap is lost in time.
    fn accrue(&mut self) {
        let accrues = if self.rules.fault == Fault::OverTheRate {
            2.0
        } else {
            1.0
        };
        let now = Instant::now();
        let gain = self.rules.rate_per_s * accrues * (now - self.accrued_at).as_secs_f64();
        self.accrued_at = now;
        self.allowance = (self.allowance + gain).min(self.rules.rate_per_s.max(1.0));
    }

    /// Some in the middle of the line; several, so that willing fans are among them.
    fn victim(&self, fault: Fault, id: u64) -> bool {
        self.rules.fault == fault && (40..46).contains(&id)
    }

    /// The number that a place carries.
    pub(super) fn number(&self, id: u64) -> u64 {
        if self.rules.fault == Fault::PlaceTwice && id == 42 {
            41
        } else {
            id
        }
    }

    fn call(&mut self) {
        let now = Instant::now();
        let asked = |fan: &Waiting| {
            fan.called_at
                .is_some_and(|at| fan.ready_at.is_some() || now - at < ANSWER_WITHIN)
        };
        let mut asked = self.waiting.values().filter(|fan| asked(fan)).count();
        let later_called = self.waiting.range(46..).find_map(|(_, fan)| fan.called_at);
        let skipped: Vec<u64> = (40..46)
            .filter(|id| {
                let held = self.victim(Fault::CalledOutOfTurn, *id)
                    && later_called.is_none_or(|at| now - at < HELD_BACK);
                held || self.victim(Fault::NeverCalled, *id)
            })
            .collect();
        for (id, fan) in &mut self.waiting {
            if asked >= CALLED_AHEAD {
                break;
            }
            if let Some(socket) = &fan.socket
                && fan.called_at.is_none()
                && !skipped.contains(id)
            {
                let _ = socket.send(json!({"type": "called"}));
                fan.called_at = Some(now);
                asked += 1;
            }
        }
    }

    fn room_for_one(&self, edge: usize) -> bool {
        let beyond = if self.rules.fault == Fault::OverTheLimit {
            3
        } else {
            0
        };
        let counts = |at: usize| self.rules.fault != Fault::LimitByEdge || at == edge;
        let live = self.live.values().filter(|at| counts(**at)).count();
        self.allowance >= 1.0 && live < self.rules.limit + beyond
    }

    fn next_to_admit(&self) -> Option<u64> {
        let held_back = |id: u64, ready_at: Instant| {
            self.victim(Fault::NeverAdmitted, id)
                || (self.victim(Fault::Overtaken, id) && ready_at.elapsed() < HELD_BACK)
        };
        let ready = |(id, fan): (&u64, &Waiting)| {
            let ready = fan.ready_at.is_some_and(|at| !held_back(*id, at)) && fan.socket.is_some();
            ready.then_some((*id, fan.edge))
        };
        let (id, edge) = self.waiting.iter().find_map(ready)?;
        self.room_for_one(edge).then_some(id)
    }

    fn admit(&mut self, id: u64) {
        let Some(fan) = self.waiting.remove(&id) else {
            return;
        };
        self.allowance -= 1.0;
        self.live.insert(id, fan.edge);
        let named = if self.victim(Fault::TokenForSomeoneElse, id) {
            id + 1
        } else {
            self.number(id)
        };
        let frame = json!({
            "type": "admitted", "admission_token": token(id, named),
            "enter": format!("/_tidegate/rooms/{ROOM}/enter"), "expires_in_s": 60,
        });
        let _ = fan.socket.map(|socket| socket.send(frame));
    }

    fn show_positions(&mut self) {
        let grows = self.rules.fault == Fault::AheadGrows;
        let rate = self.rules.rate_per_s;
        let present = self.waiting.iter_mut().filter(|(_, fan)| fan.socket.is_some());
        for (ahead, (id, fan)) in present.enumerate() {
            fan.frames += 1;
            let mut shown = fan.shown.map_or(ahead, |before| before.min(ahead));
            if grows && (40..46).contains(id) && fan.frames == 3 {
                shown += 30;
            }
            fan.shown = Some(shown);
            let wait_s = [
                (shown as f64 / rate).floor(),
                (shown as f64 / rate * 8.0).ceil() + 2.0,
            ];
            let frame = json!({"type": "position", "state": "waiting", "ahead": shown, "wait_s": wait_s,
                "rate_per_min": (rate * 60.0) as u64, "notice": null});
            let _ = fan.socket.as_ref().map(|socket| socket.send(frame));
        }
    }

    /// Someone without a visit arrives, and gets the next id.
    pub(super) fn arrive(&mut self, edge: usize) -> (u64, Arrival) {
        let id = self.next;
        self.next += 1;
        self.accrue();
        if self.waiting.is_empty() && self.room_for_one(edge) {
            self.allowance -= 1.0;
            self.live.insert(id, edge);
            return (id, Arrival::Straight);
        }
        self.waiting.insert(id, Waiting::default());
        (id, Arrival::Waits)
    }

    /// A socket opened for a place; what the line says to it comes out of the receiver. Who was called and has not
    /// answered is told again.
    pub(super) fn open(&mut self, id: u64, edge: usize) -> (u64, UnboundedReceiver<Value>) {
        let (socket, frames) = unbounded_channel();
        self.opened += 1;
        let moved = self.victim(Fault::PlaceChanged, id);
        let number = if moved { id + 1_000 } else { self.number(id) };
        let place = json!({"type": "place", "number": number, "place_token": token(id, number)});
        let _ = socket.send(place);
        if let Some(fan) = self.waiting.get_mut(&id) {
            if fan.called_at.is_some() && fan.ready_at.is_none() {
                let _ = socket.send(json!({"type": "called"}));
            }
            (fan.socket, fan.opened, fan.edge, fan.shown) = (Some(socket), self.opened, edge, None);
        }
        (self.opened, frames)
    }

    /// A fan answers a call.
    pub(super) fn here(&mut self, id: u64) {
        if let Some(fan) = self.waiting.get_mut(&id) {
            fan.ready_at.get_or_insert_with(Instant::now);
        }
    }

    /// One of a fan's sockets is gone; the place is kept.
    pub(super) fn gone(&mut self, id: u64, socket: u64) {
        if let Some(fan) = self.waiting.get_mut(&id)
            && fan.opened == socket
        {
            fan.socket = None;
        }
    }

    /// Whether an admitted fan is let in.
    pub(super) fn opens_to(&self, id: u64) -> bool {
        !self.victim(Fault::TurnedAway, id)
    }

    /// Whether a visit is live.
    pub(super) fn is_live(&self, id: u64) -> bool {
        self.live.contains_key(&id)
    }

    /// Ends a visit; false when there was none.
    pub(super) fn release(&mut self, id: u64) -> bool {
        self.live.remove(&id).is_some()
    }
}
