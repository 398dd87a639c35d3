//! The fans: what each of them does, and what becomes of it.

use rand::Rng;
use tidegate_queue::line::{
    ENTRIES_ANYWHERE, Entered, Known, Place, Renew, Reply, Request, VisitId, Visitor,
};

use super::World;

/// One fan, as the edge and the fan together see it.
#[derive(Clone, Debug)]
pub(super) struct Fan {
    pub(super) visitor: Visitor,
    pub(super) connected: bool,
    /// Never answers a call.
    pub(super) silent: bool,
    pub(super) answers_at_ms: Option<u64>,
    pub(super) answered: bool,
    pub(super) visit: Option<VisitId>,
    pub(super) hard_end_ms: u64,
    pub(super) entered: bool,
    pub(super) enters_at_ms: Option<u64>,
    /// Has neither a place nor a visit any more.
    pub(super) gone: bool,
}

impl World {
    /// Fans do what fans do, at random, and the edge gathers it.
    pub(super) fn live(&mut self) {
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
            if fan.gone || self.request.entries() > ENTRIES_ANYWHERE * 9 / 10 {
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

    pub(super) fn take_in(&mut self, request: &Request, reply: &Reply) {
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
            if let Entered::Yes { hard_end_ms, .. } = entered {
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
        for id in reply.ended.0.iter().map(|ended| &ended.visit) {
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
