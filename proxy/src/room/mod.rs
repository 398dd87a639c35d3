//! One waiting room at this edge: what gathers for the next tick, the fans held here, the visits seen here, and the
//! snapshot every answer is computed from.
//!
//! Only the [`Driver`] talks to the store. Requests and sockets put what they have into the [`Inbox`], read the
//! [`Snapshot`], and are woken when something happened to their fan.

mod clock;
mod driver;
mod fans;
#[cfg(test)]
pub(crate) mod for_tests;
mod inbox;
mod joins;
mod reminders;
mod snapshot;
mod stamps;
mod used;
mod visits;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use http::HeaderValue;
use tidegate_queue::line::{self, Change, Place, Settings, Status, Visit, VisitId, Visitor};
use tidegate_queue::store::{LineStore, Round, StoreError};
use tidegate_queue::tokens::{self, KeyRing};
use tokio::sync::oneshot;

use crate::page::{Theme, ThemeError};
use crate::request::cookies::Names;
use crate::request::origin::Stock;

pub use clock::RoomClock;
pub use driver::Driver;
pub use fans::{Fan, Fans, Turn};
pub use inbox::{Inbox, Joined};
pub use joins::Joins;
pub use reminders::Reminders;
pub use snapshot::{Snapshot, Standing};
pub use visits::{Live, VisitCache};

use stamps::Stamps;
use used::UsedPlaces;

/// A request waits at most this long for a tick to answer it. Ticks take milliseconds; a store that is slower than
/// this is answered for as if it were gone.
const TICK_WITHIN: Duration = Duration::from_secs(3);

/// One waiting room.
pub struct Room {
    /// As the configuration file has it; what is in force is in the snapshot.
    pub config: tidegate_config::Room,
    /// Its id, as a header says it.
    pub id_value: HeaderValue,
    /// Its waiting page.
    pub theme: Theme,
    /// Where its line lives.
    pub store: Arc<dyn LineStore>,
    /// What gathers for the next tick.
    pub inbox: Inbox,
    /// The fans held here.
    pub fans: Fans,
    /// When those with a stream look again.
    pub reminders: Reminders,
    /// The visits seen here.
    pub visits: VisitCache,
    /// Joins counted per address.
    pub joins: Joins,
    /// What time it is in the room.
    pub clock: RoomClock,
    stamps: Stamps,
    used: UsedPlaces,
    snapshot: ArcSwap<Snapshot>,
    stock: ArcSwapOption<Stock>,
    names: [Names; 2],
}

/// What the line knows of a fan who came back with a place.
#[derive(Debug)]
pub enum Resumed {
    /// The place holds.
    Fan(Arc<Fan>),
    /// The place is used up, or of another round: its fan is an arrival.
    Arrival,
}

impl Room {
    /// A room whose line is `store`; `joins_per_min` bounds the joins of one address.
    pub fn new(
        config: tidegate_config::Room,
        store: Arc<dyn LineStore>,
        joins_per_min: u32,
    ) -> Result<Arc<Self>, ThemeError> {
        let theme = Theme::load(&config.page, config.on_turn)?;
        let settings = Arc::new(Settings::from(&config));
        let names = [Names::new(&config.id, false), Names::new(&config.id, true)];
        // Ids are lower-case letters, digits and hyphens.
        let id_value = HeaderValue::from_str(config.id.as_str()).expect("an id is visible ASCII");
        Ok(Arc::new(Self {
            id_value,
            theme,
            store,
            inbox: Inbox::default(),
            fans: Fans::default(),
            reminders: Reminders::default(),
            visits: VisitCache::default(),
            joins: Joins::new(joins_per_min),
            clock: RoomClock::default(),
            stamps: Stamps::default(),
            used: UsedPlaces::default(),
            snapshot: ArcSwap::from_pointee(Snapshot::before_the_first_tick(settings)),
            stock: ArcSwapOption::empty(),
            names,
            config,
        }))
    }

    /// The line as of the last tick that published one.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The cookie names, under TLS or not.
    pub fn names(&self, secure: bool) -> &Names {
        &self.names[usize::from(secure)]
    }

    /// What the origin last said is left.
    pub fn stock(&self) -> Option<Stock> {
        self.stock.load().as_deref().copied()
    }

    /// Takes the origin's word for what is left; everyone in line is told.
    pub fn set_stock(&self, stock: Stock) {
        if self.stock() != Some(stock) {
            self.stock.store(Some(Arc::new(stock)));
        }
    }

    /// Joins a new fan; answered by the next tick, or by this edge itself while the store does not answer.
    pub async fn join(&self) -> Joined {
        if !self.snapshot().store_up {
            return self.stamp();
        }
        match self.inbox.join() {
            Some(answer) => within(answer).await.unwrap_or_else(|| self.stamp()),
            None => Joined::StoreLost,
        }
    }

    /// A place that says when the fan arrived, which the store takes over when it answers again.
    fn stamp(&self) -> Joined {
        let snapshot = self.snapshot();
        if snapshot.round == line::Round(0) {
            return Joined::StoreLost;
        }
        if snapshot.settings.draining || snapshot.status == Status::Closed {
            return Joined::NoPlaces;
        }
        let place = self
            .stamps
            .next(self.clock.now_ms(), self.store.nonce(), snapshot.epoch);
        self.inbox.back_again(vec![place]);
        Joined::Waiting {
            round: snapshot.round,
            place,
            // Those who were stamped before are held here, and the store knows nothing of them.
            ahead: snapshot.figures.waiting.max(self.fans.len() as u64),
        }
    }

    /// Holds the fan of a place token that was verified. One not held here yet is reported to the line first, which
    /// knows whether the place is still good.
    pub async fn resume(&self, claims: &tokens::Place) -> Resumed {
        if claims.round < self.snapshot().round {
            return Resumed::Arrival;
        }
        let place = claims.place();
        if self.used.contains(place) {
            return Resumed::Arrival;
        }
        if let Some(fan) = self.fans.get(place) {
            fan.seen();
            return if fan.visitor == claims.visitor {
                Resumed::Fan(fan)
            } else {
                Resumed::Arrival
            };
        }
        let hold = || Resumed::Fan(self.fans.hold(place, claims.round, claims.visitor));
        if !self.snapshot().store_up {
            // The line hears of them when it is back, and says so if the place is used up.
            self.inbox.back_again(vec![place]);
            return hold();
        }
        match within(self.inbox.back(place)).await {
            Some(true) | None => hold(),
            Some(false) => Resumed::Arrival,
        }
    }

    /// Holds a fan whose place was just given, with so many before it.
    pub fn hold_new(&self, place: Place, round: line::Round, visitor: Visitor, ahead: u64) -> Arc<Fan> {
        let fan = self.fans.hold(place, round, visitor);
        fan.show_ahead(ahead);
        fan
    }

    /// The fan gives the place up.
    pub fn leave(&self, place: Place) {
        self.inbox.leave(place);
        self.fans.spend(place);
    }

    /// Answers the fan's call, once: whether this was the answer.
    pub fn answer(&self, fan: &Fan) -> bool {
        if !fan.answers() {
            return false;
        }
        let heard = self.inbox.here(fan.place);
        if !heard {
            fan.unanswer();
        }
        heard
    }

    /// Whether the fan has been asked and may answer.
    pub fn is_called(&self, fan: &Fan) -> bool {
        fan.place <= self.snapshot().front.called_upto
    }

    /// Waits until the fan's turn has come or the place is found to be used up, at most for `patience`. For callers
    /// that hold no socket.
    pub async fn turn_within(&self, fan: &Fan, patience: Duration) -> Option<Turn> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let woken = fan.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if let Some(turn) = fan.turn() {
                return Some(turn);
            }
            if fan.is_spent() {
                return None;
            }
            tokio::time::timeout_at(deadline, woken).await.ok()?;
        }
    }

    /// The admission token for a fan whose turn it is, and how many seconds it lives. The line hears that it is on
    /// its way.
    pub fn admission(&self, ring: &KeyRing, fan: &Fan, turn: Turn) -> (String, u32) {
        self.inbox.take(turn.visit);
        let lives_s = self.config.enter_within.as_secs().clamp(1, u64::from(u32::MAX));
        let exp = self.clock.now_ms() / 1_000 + lives_s;
        let claims = tokens::Admission {
            room: self.config.id.as_str().to_owned(),
            round: fan.round,
            epoch: fan.place.epoch,
            number: fan.place.number,
            visitor: fan.visitor,
            visit: turn.visit,
            exp,
        };
        (ring.sign(&claims), lives_s as u32)
    }

    /// The place token of a fan.
    pub fn place_token(&self, ring: &KeyRing, fan: &Fan) -> String {
        ring.sign(&tokens::Place {
            room: self.config.id.as_str().to_owned(),
            round: fan.round,
            epoch: fan.place.epoch,
            number: fan.place.number,
            visitor: fan.visitor,
        })
    }

    /// The visit token for a visit that lives until `expires_at_ms`.
    pub fn visit_token(
        &self,
        ring: &KeyRing,
        round: line::Round,
        visit: VisitId,
        visitor: Visitor,
        (expires_at_ms, hard_end_ms): (u64, u64),
    ) -> String {
        ring.sign(&tokens::Visit {
            room: self.config.id.as_str().to_owned(),
            round,
            epoch: visit.place.epoch,
            number: visit.place.number,
            visitor,
            visit,
            exp: expires_at_ms.div_ceil(1_000),
            end: hard_end_ms.div_ceil(1_000),
        })
    }

    /// The live visit of a visit token, asked of the line where this edge does not know it yet.
    pub async fn visit(&self, ring: &KeyRing, token: &str) -> Option<(Arc<Live>, u64)> {
        let now_ms = self.clock.now_ms();
        if let Some((live, token_exp)) = self.visits.by_token(token) {
            if !live.is_live(now_ms) {
                return None;
            }
            if live.wants_renewal(now_ms, self.snapshot().settings.visit_ttl_ms)
                && !self.inbox.renew(live.id, live.hard_end_ms)
            {
                live.is_not_renewed();
            }
            return Some((live, token_exp));
        }
        // Whether it is still live is the line's to say; its `exp` decides only while the line does not answer.
        let claims: tokens::Visit = ring.verify(token, 0).ok()?;
        let snapshot = self.snapshot();
        if claims.room != self.config.id.as_str() || claims.round < snapshot.round {
            return None;
        }
        if self.visits.is_over(claims.visit, snapshot.store_up) {
            return None;
        }
        let hard_end_ms = claims.end * 1_000;
        let asked = if snapshot.store_up {
            within(self.inbox.renew_and_tell(claims.visit, hard_end_ms)).await
        } else {
            None
        };
        let expires_at_ms = match asked {
            Some(answer) => answer?,
            None => claims.exp * 1_000,
        };
        let live = self.visits.insert(token, &claims, expires_at_ms);
        live.is_live(now_ms).then_some((live, claims.exp))
    }

    /// The visit of a token that was signed a moment ago, for the very request that brought it about. It is not
    /// remembered: only the fan's coming back with the cookie makes the visit live.
    pub fn fresh_visit(&self, ring: &KeyRing, token: &str) -> Option<Arc<Live>> {
        let claims: tokens::Visit = ring.verify(token, 0).ok()?;
        Some(Arc::new(Live::new(&claims, claims.exp * 1_000)))
    }

    /// Ends a visit and waits until the slot is free.
    pub async fn end_visit(&self, visit: VisitId) {
        self.visits.end(visit, self.clock.now_ms());
        // A store that does not answer ends it at its expiry.
        let _ = within(self.inbox.end_and_tell(visit)).await;
    }

    /// Changes the room's settings for every edge, and this one at once.
    pub async fn configure(&self, change: Change) -> Result<Arc<Settings>, StoreError> {
        let settings = self.store.configure(change).await?;
        self.inbox.nudge();
        Ok(settings)
    }

    /// Ends the round, or begins the next.
    pub async fn turn_round(&self, round: Round) -> Result<(), StoreError> {
        self.store.turn(round).await?;
        self.inbox.nudge();
        Ok(())
    }

    /// The live visit `id` names, asked of the line; nothing when it is over.
    pub async fn find_visit(&self, id: VisitId) -> Result<Option<Visit>, StoreError> {
        self.store.visit(id).await
    }

    /// The first `most` live visits.
    pub async fn list_visits(&self, most: usize) -> Result<Vec<(VisitId, Visit)>, StoreError> {
        self.store.visits(most).await
    }

    fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }
}

async fn within<T>(answer: oneshot::Receiver<T>) -> Option<T> {
    // Pingora's timers are shared and coarse, and cost a request less than a timer of its own.
    pingora::time::timeout(TICK_WITHIN, answer).await.ok()?.ok()
}
