//! What gathers between two ticks: entries, and who waits for the answer to them.
//!
//! Ticks take milliseconds and carry some eighty entries, so what gathers is small unless the store has stopped answering
//! or a whole crowd comes back at once. Every kind has a bound, and what comes beyond it is dropped. None of them breaks a
//! promise by that, for each is either asked for again or undone by the line itself:
//!
//! | dropped | what follows |
//! |---|---|
//! | a join | the fan takes no place yet, and the page asks again |
//! | an end | the slot is free when the visit expires, at most one `visit_ttl` later; this edge lets nobody in with it |
//! | a renewal | the next request asks for it again; whoever waits for one is answered as if the store were gone |
//! | a take | the grant is undone after its 5 s, and the fan is next |
//! | an exchange | the fan is told to come back in a moment |
//! | a leave, an absence | the place is called in vain, and passed |
//! | a return | the fan is held here; the line is told when it shows the place's block without the fan |
//! | an answer to a call | the fan is asked again |

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegate_queue::line::{Entered, Load, Place, Renew, Request, Round, VisitId, Visitor};
use tokio::sync::{Notify, oneshot};

/// Joins that may wait for a tick. Ticks take milliseconds; if this many wait, the store has stopped answering.
const JOINS_MAX: usize = 200_000;
/// Entries of each other kind that may: one for each visit that a room can have at most, or for each fan that an edge can
/// hold a socket of. None takes more than 64 bytes.
const ENTRIES_MAX: usize = 1_000_000;

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

/// Entries of one kind, the oldest first.
struct Queue<T, const MAX: usize = ENTRIES_MAX>(VecDeque<T>);

impl<T, const MAX: usize> Default for Queue<T, MAX> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T, const MAX: usize> Queue<T, MAX> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// False when there is no room for it; whoever waits for its answer hears that there is none.
    fn push(&mut self, entry: T) -> bool {
        let fits = self.0.len() < MAX;
        if fits {
            self.0.push_back(entry);
        }
        fits
    }

    /// As many as there is room for.
    fn extend(&mut self, entries: impl IntoIterator<Item = T>) {
        let room = MAX - self.0.len();
        self.0.extend(entries.into_iter().take(room));
    }

    /// As many as fit, from the first.
    fn drain(&mut self, mut fits: impl FnMut(&T) -> bool) -> Drain<'_, T> {
        let taken = self.0.iter().take_while(|entry| fits(entry)).count();
        self.0.drain(..taken)
    }
}

#[derive(Default)]
struct Gathered {
    joins: Queue<oneshot::Sender<Joined>, JOINS_MAX>,
    end: Queue<(VisitId, Tell<()>)>,
    renew: Queue<(Renew, Tell<Option<u64>>)>,
    take: Queue<VisitId>,
    enter: Queue<((VisitId, Visitor), oneshot::Sender<Entered>)>,
    leave: Queue<Place>,
    absent: Queue<Place>,
    back: Queue<(Place, Tell<bool>)>,
    here: Queue<Place>,
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

    fn put<T>(&self, put: impl FnOnce(&mut Gathered) -> T) -> T {
        let put = put(&mut self.lock());
        self.wake.notify_one();
        put
    }

    /// Where there is no room for the question, the answer is that there will be none.
    fn ask<T>(&self, put: impl FnOnce(&mut Gathered, oneshot::Sender<T>) -> bool) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        self.put(|gathered| put(gathered, tell));
        told
    }

    /// A new fan; `None` when far too many wait already.
    pub(super) fn join(&self) -> Option<oneshot::Receiver<Joined>> {
        let (tell, told) = oneshot::channel();
        self.put(|gathered| gathered.joins.push(tell)).then_some(told)
    }

    /// A fan who came back; told whether the place still waits or is under way.
    pub(super) fn back(&self, place: Place) -> oneshot::Receiver<bool> {
        self.ask(|gathered, tell| gathered.back.push((place, Some(tell))))
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
        self.ask(|gathered, tell| gathered.enter.push(((visit, visitor), tell)))
    }

    pub(super) fn renew_and_tell(&self, visit: VisitId, hard_end_ms: u64) -> oneshot::Receiver<Option<u64>> {
        let renew = Renew { visit, hard_end_ms };
        self.ask(|gathered, tell| gathered.renew.push((renew, Some(tell))))
    }

    /// False where it has to be asked for again.
    pub(super) fn renew(&self, visit: VisitId, hard_end_ms: u64) -> bool {
        self.put(|gathered| gathered.renew.push((Renew { visit, hard_end_ms }, None)))
    }

    pub(super) fn end_and_tell(&self, visit: VisitId) -> oneshot::Receiver<()> {
        self.ask(|gathered, tell| gathered.end.push((visit, Some(tell))))
    }

    /// The origin's word that a visit is over.
    pub fn end(&self, visit: VisitId) {
        self.put(|gathered| gathered.end.push((visit, None)));
    }

    pub(super) fn take(&self, visit: VisitId) {
        self.put(|gathered| gathered.take.push(visit));
    }

    /// False where the fan has to be asked again.
    pub(super) fn here(&self, place: Place) -> bool {
        self.put(|gathered| gathered.here.push(place))
    }

    /// A fan gives the place up.
    pub fn leave(&self, place: Place) {
        self.put(|gathered| gathered.leave.push(place));
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
        for (visit, tell) in gathered.end.drain(|_| load.add_visit()) {
            request.end.push(visit);
            batch.ended.push(tell);
        }
        request.take.extend(gathered.take.drain(|_| load.add_visit()));
        request
            .here
            .extend(gathered.here.drain(|place| load.add_place(*place)));
        for (entry, tell) in gathered.enter.drain(|_| load.add_visit()) {
            request.enter.push(entry);
            batch.entered.push(tell);
        }
        for (renew, tell) in gathered.renew.drain(|_| load.add_visit()) {
            request.renew.push(renew);
            batch.renewed.push(tell);
        }
        request
            .leave
            .extend(gathered.leave.drain(|place| load.add_place(*place)));
        for (place, tell) in gathered.back.drain(|(place, _)| load.add_place(*place)) {
            request.back.push(place);
            batch.back.push((place, tell));
        }
        request
            .absent
            .extend(gathered.absent.drain(|place| load.add_place(*place)));
        let joins = gathered.joins.0.len().min(joins_max);
        batch.joins.extend(gathered.joins.0.drain(..joins));
        request.arrivals = joins as u32;
        !gathered.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_queue::line::Turn;

    use super::*;

    const VISIT: VisitId = VisitId {
        place: Place::START,
        turn: Turn(1),
    };

    #[tokio::test]
    async fn what_comes_beyond_the_bound_is_refused_and_whoever_waits_for_it_is_told_at_once() {
        let inbox = Inbox::default();
        inbox.put(|gathered| {
            gathered
                .joins
                .extend((0..JOINS_MAX).map(|_| oneshot::channel().0));
            gathered.end.extend((0..ENTRIES_MAX).map(|_| (VISIT, None)));
            gathered
                .enter
                .extend((0..ENTRIES_MAX).map(|_| ((VISIT, Visitor(1)), oneshot::channel().0)));
            gathered.here.extend((0..=ENTRIES_MAX).map(|_| Place::START));
        });
        assert!(inbox.join().is_none());
        assert!(inbox.end_and_tell(VISIT).await.is_err());
        assert!(inbox.enter(VISIT, Visitor(1)).await.is_err());
        assert!(!inbox.here(Place::START));
        assert!(inbox.renew(VISIT, 1), "each kind has a bound of its own");
        let mut batch = Batch::default();
        assert!(inbox.fill(&mut batch, 10), "and nothing of it was lost");
        assert_eq!(batch.joins.len(), 10);
        assert!(inbox.join().is_some() && inbox.lock().here.0.len() == ENTRIES_MAX);
    }
}
