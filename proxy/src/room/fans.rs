//! The fans this edge holds: those with a socket here, and those who poll or have just loaded the page.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tidegate_queue::line::{BlockId, BlockView, Place, Round, VisitId, Visitor};
use tokio::sync::Notify;

use super::reminders::Reminder;

/// Moments are kept as milliseconds since this process began to hold fans.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(super) fn moment_ms() -> u64 {
    STARTED.elapsed().as_millis() as u64
}

/// Of `ahead`, before anything is.
const NOT_SHOWN: u64 = u64::MAX;

/// So many sweeps go once around all fans.
const SWEEP_SHARE: usize = 10;
/// A sweep looks at so many more, so that a small crowd is done in one.
const SWEEP_MIN: usize = 1_000;

/// A fan's turn: the visit that waits to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The visit.
    pub visit: VisitId,
    /// When it ends whatever happens, in room time.
    pub hard_end_ms: u64,
}

/// One fan. Several tabs of a visitor share it.
#[derive(Debug)]
pub struct Fan {
    /// Where the fan stands.
    pub place: Place,
    /// In which round.
    pub round: Round,
    /// Whose place it is.
    pub visitor: Visitor,
    /// Tells everyone who waits with this fan that something happened.
    pub wake: Notify,
    pub(super) reminder: Reminder,
    sockets: AtomicU32,
    seen_at_ms: AtomicU64,
    answered: AtomicBool,
    spent: AtomicBool,
    shown_ahead: AtomicU64,
    told: OnceLock<Told>,
    turn: Mutex<Option<Turn>>,
}

/// The wait a fan was first told, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    at_ms: u64,
    range_s: (u32, u32),
}

impl Fan {
    fn new(place: Place, round: Round, visitor: Visitor) -> Self {
        Self {
            place,
            round,
            visitor,
            wake: Notify::new(),
            reminder: Reminder::default(),
            sockets: AtomicU32::new(0),
            seen_at_ms: AtomicU64::new(moment_ms()),
            answered: AtomicBool::new(false),
            spent: AtomicBool::new(false),
            shown_ahead: AtomicU64::new(NOT_SHOWN),
            told: OnceLock::new(),
            turn: Mutex::new(None),
        }
    }

    /// The fan showed a sign of life.
    pub fn seen(&self) {
        self.seen_at_ms.store(moment_ms(), Ordering::Relaxed);
    }

    /// Notes a socket of the fan until the returned guard is dropped.
    pub fn connect(self: &Arc<Self>) -> Connected {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    /// True the first time the fan answers a call.
    pub(super) fn answers(&self) -> bool {
        !self.answered.swap(true, Ordering::Relaxed)
    }

    /// The answer was lost: it is asked for again.
    pub(super) fn unanswer(&self) {
        if self.turn().is_none() {
            self.answered.store(false, Ordering::Relaxed);
        }
    }

    /// Whether the fan has answered the call.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether the place is used up.
    pub fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    /// The fan's turn, once it has come.
    pub fn turn(&self) -> Option<Turn> {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to show of `ahead`: it holds still rather than grow.
    pub fn show_ahead(&self, ahead: u64) -> u64 {
        self.shown_ahead.fetch_min(ahead, Ordering::Relaxed).min(ahead)
    }

    /// What was shown of it last.
    pub(super) fn shown_ahead(&self) -> Option<u64> {
        Some(self.shown_ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != NOT_SHOWN)
    }

    /// Notes the wait the fan is told; the first one counts.
    pub(super) fn is_told(&self, range_s: (u32, u32)) {
        self.told.get_or_init(|| Told {
            at_ms: moment_ms(),
            range_s,
        });
    }

    /// Whether the fan, admitted now, waited as long as was first said; nothing when nothing was.
    pub(super) fn waited_as_told(&self) -> Option<bool> {
        let Told {
            at_ms,
            range_s: (low_s, high_s),
        } = *self.told.get()?;
        let waited_ms = moment_ms().saturating_sub(at_ms);
        Some((u64::from(low_s) * 1_000..=u64::from(high_s) * 1_000).contains(&waited_ms))
    }

    /// The fan went straight through: the turn came with the place.
    pub fn has_turn(&self, turn: Turn) {
        self.answered.store(true, Ordering::Relaxed);
        self.set_turn(Some(turn));
    }

    pub(super) fn set_turn(&self, turn: Option<Turn>) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        if turn.is_none() {
            self.answered.store(false, Ordering::Relaxed);
        }
        self.wake.notify_waiters();
    }

    /// Whether the fan has no socket and was last seen before `since_ms`.
    fn is_away(&self, since_ms: u64) -> bool {
        self.sockets.load(Ordering::Relaxed) == 0 && self.seen_at_ms.load(Ordering::Relaxed) < since_ms
    }
}

/// A socket of a fan. The fan counts as seen when it goes.
#[derive(Debug)]
pub struct Connected(Arc<Fan>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.seen();
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Held {
    by_place: BTreeMap<Place, Arc<Fan>>,
    blocks: BTreeMap<BlockId, u32>,
    /// The first place that the next sweep looks at; none begins at the front.
    sweep_from: Option<Place>,
}

/// All fans held, in line order.
#[derive(Default)]
pub struct Fans {
    held: Mutex<Held>,
}

impl Fans {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.lock().by_place.len()
    }

    /// Whether nobody is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fan at `place`, if held here.
    pub fn get(&self, place: Place) -> Option<Arc<Fan>> {
        self.lock().by_place.get(&place).cloned()
    }

    /// Holds the fan at `place` from now on.
    pub(super) fn hold(&self, place: Place, round: Round, visitor: Visitor) -> Arc<Fan> {
        let mut held = self.lock();
        if let Some(fan) = held.by_place.get(&place) {
            fan.seen();
            return fan.clone();
        }
        let fan = Arc::new(Fan::new(place, round, visitor));
        held.by_place.insert(place, fan.clone());
        *held.blocks.entry(place.block()).or_default() += 1;
        fan
    }

    /// Lets the fan go: the place is used up.
    pub(super) fn spend(&self, place: Place) {
        if let Some(fan) = self.lock().remove(place) {
            fan.spent.store(true, Ordering::Relaxed);
            fan.wake.notify_waiters();
        }
    }

    /// Lets everyone go: the round is over.
    pub(super) fn spend_all(&self) {
        let held = std::mem::take(&mut *self.lock());
        for fan in held.by_place.into_values() {
            fan.spent.store(true, Ordering::Relaxed);
            fan.wake.notify_waiters();
        }
    }

    /// Looks at the next of the fans, a [`SWEEP_SHARE`]th of them, and lets go of those who have not been seen for
    /// `away_after`. Returns their places. In slices, since everyone else waits for it.
    pub(super) fn sweep(&self, away_after: Duration) -> Vec<Place> {
        let since_ms = moment_ms().saturating_sub(away_after.as_millis() as u64);
        let mut held = self.lock();
        let slice = held.by_place.len() / SWEEP_SHARE + SWEEP_MIN;
        let from = held.sweep_from.map_or(Bound::Unbounded, Bound::Included);
        let mut fans = held.by_place.range((from, Bound::Unbounded));
        let looked_at = fans.by_ref().take(slice);
        let away: Vec<Place> = looked_at
            .filter(|(_, fan)| fan.is_away(since_ms))
            .map(|(place, _)| *place)
            .collect();
        let next = fans.next().map(|(place, _)| *place);
        held.sweep_from = next;
        away.iter().for_each(|place| drop(held.remove(*place)));
        away
    }

    /// Everyone held, each to answer the call anew.
    pub(super) fn call_again(&self) -> Vec<Place> {
        let held = self.lock();
        held.by_place.values().for_each(|fan| fan.unanswer());
        held.by_place.keys().copied().collect()
    }

    /// The fans in line whom `blocks` show absent, and whether they have answered the call.
    pub(super) fn unseen_in(&self, blocks: &[BlockView]) -> Vec<(Place, bool)> {
        let held = self.lock();
        let mut unseen = Vec::new();
        for block in blocks {
            let fans = held.by_place.range(block.id.places());
            unseen.extend(
                fans.filter(|(place, fan)| !block.has_present(**place) && fan.turn().is_none())
                    .map(|(place, fan)| {
                        fan.wake.notify_waiters();
                        (*place, fan.has_answered())
                    }),
            );
        }
        unseen
    }

    /// The blocks in which fans are held.
    pub(super) fn blocks(&self) -> BTreeSet<BlockId> {
        self.lock().blocks.keys().copied().collect()
    }

    /// Wakes the fans after `from` up to and including `upto`.
    pub(super) fn wake_between(&self, from: Place, upto: Place) {
        if from < upto {
            let held = self.lock();
            let called = held
                .by_place
                .range((Bound::Excluded(from), Bound::Included(upto)));
            called.for_each(|(_, fan)| fan.wake.notify_waiters());
        }
    }

    /// Wakes everyone.
    pub fn wake_all(&self) {
        self.lock()
            .by_place
            .values()
            .for_each(|fan| fan.wake.notify_waiters());
    }
}

impl Held {
    fn remove(&mut self, place: Place) -> Option<Arc<Fan>> {
        let fan = self.by_place.remove(&place)?;
        let block = place.block();
        if let Some(count) = self.blocks.get_mut(&block) {
            *count -= 1;
            if *count == 0 {
                self.blocks.remove(&block);
            }
        }
        Some(fan)
    }
}
