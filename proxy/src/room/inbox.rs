//! What gathers between two ticks: entries, and who waits for the answer to them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegate_queue::line::{Entered, Load, Place, Renew, Request, Round, VisitId, Visitor};
use tokio::sync::{Notify, oneshot};

/// Joins that may wait for a tick. Ticks take milliseconds; if this many wait, the store has stopped answering.
const JOINS_MAX: usize = 200_000;

/// What became of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Nobody was in line: the visit is theirs.
    Straight {
        /// The round.
        round: Round,
        /// The visit.
        visit: VisitId,
        /// Until when, unless they come back, and when it ends at the latest; room time.
        lives: (u64, u64),
    },
    /// A place.
    Waiting {
        /// The round.
        round: Round,
        /// The place.
        place: Place,
        /// How many stand before it.
        ahead: u64,
    },
    /// The room gives no places: it is draining, or its round is over.
    NoPlaces,
    /// The store does not answer.
    StoreLost,
}

type Tell<T> = Option<oneshot::Sender<T>>;

#[derive(Default)]
struct Gathered {
    joins: VecDeque<oneshot::Sender<Joined>>,
    end: VecDeque<(VisitId, Tell<()>)>,
    renew: VecDeque<(Renew, Tell<Option<u64>>)>,
    take: VecDeque<VisitId>,
    enter: VecDeque<((VisitId, Visitor), oneshot::Sender<Entered>)>,
    leave: VecDeque<Place>,
    absent: VecDeque<Place>,
    back: VecDeque<(Place, Tell<bool>)>,
    here: VecDeque<Place>,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        let visits =
            self.end.is_empty() && self.renew.is_empty() && self.take.is_empty() && self.enter.is_empty();
        let places =
            self.leave.is_empty() && self.absent.is_empty() && self.back.is_empty() && self.here.is_empty();
        visits && places && self.joins.is_empty()
    }
}

/// One tick's worth, with everyone who waits for it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) request: Request,
    pub(super) joins: Vec<oneshot::Sender<Joined>>,
    pub(super) ended: Vec<Tell<()>>,
    pub(super) renewed: Vec<Tell<Option<u64>>>,
    pub(super) entered: Vec<oneshot::Sender<Entered>>,
    pub(super) back: Vec<(Place, Tell<bool>)>,
}

/// Where requests and sockets leave what the next tick must carry.
#[derive(Default)]
pub struct Inbox {
    gathered: Mutex<Gathered>,
    wake: Notify,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        // Pushing and popping leave the queues whole even if a caller panics.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: impl FnOnce(&mut Gathered)) {
        put(&mut self.lock());
        self.wake.notify_one();
    }

    fn ask<T>(&self, put: impl FnOnce(&mut Gathered, oneshot::Sender<T>)) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        self.put(|gathered| put(gathered, tell));
        told
    }

    /// A new fan; `None` when far too many wait already.
    pub(super) fn join(&self) -> Option<oneshot::Receiver<Joined>> {
        if self.lock().joins.len() >= JOINS_MAX {
            return None;
        }
        Some(self.ask(|gathered, tell| gathered.joins.push_back(tell)))
    }

    /// A fan who came back; told whether the place still waits or is under way.
    pub(super) fn back(&self, place: Place) -> oneshot::Receiver<bool> {
        self.ask(|gathered, tell| gathered.back.push_back((place, Some(tell))))
    }

    /// Fans held here all along, whom the line may not count.
    pub(super) fn back_again(&self, places: Vec<Place>) {
        if !places.is_empty() {
            self.put(|gathered| {
                gathered
                    .back
                    .extend(places.into_iter().map(|place| (place, None)))
            });
        }
    }

    /// A fan exchanging the admission token.
    pub fn enter(&self, visit: VisitId, visitor: Visitor) -> oneshot::Receiver<Entered> {
        self.ask(|gathered, tell| gathered.enter.push_back(((visit, visitor), tell)))
    }

    pub(super) fn renew_and_tell(&self, visit: VisitId, hard_end_ms: u64) -> oneshot::Receiver<Option<u64>> {
        self.ask(|gathered, tell| {
            gathered
                .renew
                .push_back((Renew { visit, hard_end_ms }, Some(tell)))
        })
    }

    pub(super) fn renew(&self, visit: VisitId, hard_end_ms: u64) {
        self.put(|gathered| gathered.renew.push_back((Renew { visit, hard_end_ms }, None)));
    }

    pub(super) fn end_and_tell(&self, visit: VisitId) -> oneshot::Receiver<()> {
        self.ask(|gathered, tell| gathered.end.push_back((visit, Some(tell))))
    }

    /// The origin's word that a visit is over.
    pub fn end(&self, visit: VisitId) {
        self.put(|gathered| gathered.end.push_back((visit, None)));
    }

    pub(super) fn take(&self, visit: VisitId) {
        self.put(|gathered| gathered.take.push_back(visit));
    }

    pub(super) fn here(&self, place: Place) {
        self.put(|gathered| gathered.here.push_back(place));
    }

    /// A fan gives the place up.
    pub fn leave(&self, place: Place) {
        self.put(|gathered| gathered.leave.push_back(place));
    }

    pub(super) fn absent(&self, places: Vec<Place>) {
        if !places.is_empty() {
            self.put(|gathered| gathered.absent.extend(places));
        }
    }

    /// What a join brought whose fan is not there any more: they have gone, or have a place that this edge gave them.
    pub(super) fn take_back(&self, joined: Joined) {
        match joined {
            Joined::Waiting { place, .. } => self.absent(vec![place]),
            Joined::Straight { visit, .. } => self.end(visit),
            Joined::NoPlaces | Joined::StoreLost => {}
        }
    }

    /// Asks for a tick soon, with nothing to carry.
    pub(super) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Until something has gathered since the last tick.
    pub(super) async fn gathered(&self) {
        self.wake.notified().await;
    }

    /// Takes as much as one tick may carry, and at most so many joins; true when something is left for the next.
    pub(super) fn fill(&self, batch: &mut Batch, joins_max: usize) -> bool {
        let mut gathered = self.lock();
        let mut load = Load::default();
        let request = &mut batch.request;
        // Ends before all else: a slot that is free must not wait for those who ask for one.
        for (visit, tell) in drain(&mut gathered.end, |_| load.add_visit()) {
            request.end.push(visit);
            batch.ended.push(tell);
        }
        request
            .take
            .extend(drain(&mut gathered.take, |_| load.add_visit()));
        request
            .here
            .extend(drain(&mut gathered.here, |place| load.add_place(*place)));
        for (entry, tell) in drain(&mut gathered.enter, |_| load.add_visit()) {
            request.enter.push(entry);
            batch.entered.push(tell);
        }
        for (renew, tell) in drain(&mut gathered.renew, |_| load.add_visit()) {
            request.renew.push(renew);
            batch.renewed.push(tell);
        }
        request
            .leave
            .extend(drain(&mut gathered.leave, |place| load.add_place(*place)));
        for (place, tell) in drain(&mut gathered.back, |(place, _)| load.add_place(*place)) {
            request.back.push(place);
            batch.back.push((place, tell));
        }
        request
            .absent
            .extend(drain(&mut gathered.absent, |place| load.add_place(*place)));
        let joins = gathered.joins.len().min(joins_max);
        batch.joins.extend(gathered.joins.drain(..joins));
        request.arrivals = joins as u32;
        !gathered.is_empty()
    }
}

/// As many as fit, from the first.
fn drain<T>(
    queue: &mut VecDeque<T>,
    mut fits: impl FnMut(&T) -> bool,
) -> std::collections::vec_deque::Drain<'_, T> {
    let taken = queue.iter().take_while(|entry| fits(entry)).count();
    queue.drain(..taken)
}
