//! The seats of one showtime, read by one question at a time and shown to everyone from memory. What looks different
//! after a question is an event, and every listener gets every event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, Notify, broadcast, watch};
use tokio::time::Instant;

use super::picture::{Picture, View};
use super::wire::{self, EventMark, SeatsDocument};
use crate::domain::{Seat, ShowtimeDetail, ShowtimeId, Stock};
use crate::store::{Cursor, SeatChanges, Store, StoreError};

/// How old seats may be when they are shown to somebody who does not listen. What this instance changed itself, or was
/// told of, is shown at once.
const AGE_MAX: Duration = Duration::from_secs(1);

/// How old the count of what is left may be beside an answer that counts its own seats.
const STOCK_AGE_MAX: Duration = Duration::from_millis(20);

/// How often the database is asked while somebody listens: half of the 200 ms in which a change has to be everywhere.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Between two questions, however often somebody says that something changed: a showtime on which a thousand seats a
/// second change is asked about a hundred times. Whoever wants its seats then waits no longer than this and an answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Between two events: twenty a second is more than anybody sees, and what thousands of listeners can be sent.
const TELL_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How long the database is left alone after it failed to answer.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Events that a listener may be behind before it is cut: at the most events there can be, three seconds.
pub(super) const BEHIND_MAX: usize = 64;

/// Events kept for listeners that come back: at the most events there can be, 12 s, which is longer than a browser takes.
/// Who comes later is told what differs by the database's own count.
const KEPT_MAX: usize = 256;

/// One showtime's seats.
pub(super) struct Board {
    pub(super) showtime: ShowtimeId,
    /// Held by whoever has their seats chosen.
    pub(super) choosing: AsyncMutex<()>,
    /// Held by whoever asks the database.
    pub(super) asking: AsyncMutex<()>,
    /// Held by whoever makes the document.
    writing: AsyncMutex<()>,
    seen: Mutex<Seen>,
    /// Wakes the poller.
    news: Notify,
}

pub(super) struct Seen {
    /// The showtime and the part of the document that stays; of this state of the catalogue.
    detail: Arc<ShowtimeDetail>,
    head: Arc<str>,
    catalogue: i64,
    pub(super) picture: Picture,
    /// When the last question was asked.
    asked_at: Instant,
    /// When somebody last said that something changed.
    changed_at: Option<Instant>,
    /// Counts what the picture looked like.
    version: u64,
    /// Of that version, where somebody wanted it.
    document: Option<Arc<SeatsDocument>>,
    /// Random, so that no other board's events are taken for this one's.
    epoch: u32,
    /// Of the last event.
    number: u64,
    /// The last events, the newest with `number`.
    kept: VecDeque<Bytes>,
    /// `None` once the service stops.
    events: Option<broadcast::Sender<Bytes>>,
    polled: bool,
}

impl Seen {
    fn mark(&self) -> EventMark {
        EventMark {
            epoch: self.epoch,
            number: self.number,
            moment: self.picture.moment(View::Told),
        }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.was_asked_within(AGE_MAX, now) && self.changed_at.is_none_or(|changed| changed < self.asked_at)
    }

    fn was_asked_within(&self, age: Duration, now: Instant) -> bool {
        now.duration_since(self.asked_at) < age
    }

    fn take_in(&mut self, read: &SeatChanges) {
        if self.picture.apply(read) {
            self.version += 1;
            self.document = None;
        }
    }

    /// Takes in the answer to a question that began where this picture ends, or at the beginning.
    pub(super) fn read(&mut self, asked_at: Instant, read: &SeatChanges) {
        self.asked_at = asked_at;
        self.take_in(read);
        if !self.polled {
            // Whoever was listening and comes back finds what it missed, event by event.
            self.tell();
        }
    }

    /// Makes an event of what looks different; whether anything does.
    fn tell(&mut self) -> bool {
        let changed = self.picture.tell();
        if changed.is_empty() {
            return false;
        }
        self.number += 1;
        let stock = self.picture.stock(View::Told);
        self.send(wire::change_event(self.mark(), stock, &changed));
        true
    }

    fn send(&mut self, event: Bytes) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(event.clone());
        // Nobody may listen; whoever comes back finds it among the kept ones.
        self.events.as_ref().map(|events| events.send(event));
    }

    /// Whether a listener has heard of what is not told here yet.
    fn is_behind(&self, last: Option<EventMark>) -> bool {
        let told = self.picture.moment(View::Told);
        last.is_some_and(|EventMark { moment, .. }| moment.cursor > told.cursor || moment.now > told.now)
    }

    /// What a listener is to be told first.
    fn first_events(&self, last: Option<EventMark>) -> Vec<Bytes> {
        let Some(last) = last else {
            return vec![wire::seats_event(self.mark(), &self.picture)];
        };
        if last.epoch == self.epoch && last.number <= self.number {
            let missed = usize::try_from(self.number - last.number).unwrap_or(usize::MAX);
            if missed <= self.kept.len() {
                return self.kept.range(self.kept.len() - missed..).cloned().collect();
            }
        }
        if self.is_behind(Some(last)) {
            // Of another database, or of a time that was taken back.
            return vec![wire::seats_event(self.mark(), &self.picture)];
        }
        let changed = self.picture.told_since(last.moment);
        if changed.is_empty() {
            return Vec::new();
        }
        let stock = self.picture.stock(View::Told);
        vec![wire::change_event(self.mark(), stock, &changed)]
    }
}

impl Board {
    /// Reads a showtime's seats for the first time; `None` where there is no such showtime.
    pub(super) async fn open(store: &Store, id: ShowtimeId) -> Result<Option<Self>, StoreError> {
        let asked_at = Instant::now();
        // The seats before the map: a map that changes in between is read again, for its number is then another.
        let read = store.seat_changes(id, Cursor::default()).await?;
        let Some(showtime) = store.showtime(id).await?.map(Arc::new) else {
            return Ok(None);
        };
        let (events, _) = broadcast::channel(BEHIND_MAX);
        let mut seen = Seen {
            head: wire::head(&showtime).into(),
            detail: Arc::clone(&showtime),
            catalogue: read.catalogue,
            picture: Picture::new(&showtime.map),
            asked_at,
            changed_at: None,
            version: 0,
            document: None,
            epoch: rand::random(),
            number: 0,
            kept: VecDeque::new(),
            events: Some(events),
            polled: false,
        };
        seen.picture.apply(&read);
        seen.picture.tell();
        Ok(Some(Self {
            showtime: id,
            choosing: AsyncMutex::default(),
            asking: AsyncMutex::default(),
            writing: AsyncMutex::default(),
            seen: Mutex::new(seen),
            news: Notify::new(),
        }))
    }

    /// Says that something changed: the next reader sees it, and listeners are told at once.
    pub(super) fn changed(&self) {
        self.seen().changed_at = Some(Instant::now());
        self.news.notify_one();
    }

    /// Ends every stream, and lets none begin.
    pub(super) fn stop(&self) {
        self.seen().events = None;
        self.news.notify_one();
    }

    /// Whether somebody listens.
    pub(super) fn has_listeners(&self) -> bool {
        let seen = self.seen();
        seen.events
            .as_ref()
            .is_some_and(|events| events.receiver_count() > 0)
    }

    /// The document, at most a second old.
    pub(super) async fn document(&self, store: &Store) -> Result<Arc<SeatsDocument>, StoreError> {
        self.refresh(store).await?;
        if let Some(document) = &self.seen().document {
            return Ok(Arc::clone(document));
        }
        let _turn = self.writing.lock().await;
        let (json, stock, of) = {
            let seen = self.seen();
            if let Some(document) = &seen.document {
                return Ok(Arc::clone(document));
            }
            let json = wire::document(&seen.head, &seen.picture);
            (json, seen.picture.stock(View::Now), seen.version)
        };
        let document = Arc::new(SeatsDocument::new(json, stock));
        let mut seen = self.seen();
        if of == seen.version {
            seen.document = Some(Arc::clone(&document));
        }
        Ok(document)
    }

    /// The showtime with its map and its prices, at most a second old.
    pub(super) async fn detail(&self, store: &Store) -> Result<Arc<ShowtimeDetail>, StoreError> {
        let now = Instant::now();
        if !self.seen().was_asked_within(AGE_MAX, now) {
            self.ask_since(store, now).await?;
        }
        Ok(Arc::clone(&self.seen().detail))
    }

    /// How much is left once these seats are held, whether or not they have been seen so yet. What others changed here in
    /// the last moment may be missing: a drop asks thousands of times a second.
    pub(super) async fn stock(&self, store: &Store, held: &[Seat]) -> Result<Stock, StoreError> {
        let now = Instant::now();
        let known = {
            let seen = self.seen();
            seen.is_fresh(now) || seen.was_asked_within(STOCK_AGE_MAX, now)
        };
        if !known {
            self.ask_since(store, now).await?;
        }
        Ok(self.seen().picture.stock_with(held))
    }

    /// A listener's first events and all after them; `None` once the service stops. The answer's flag says that nobody
    /// polls yet: the caller is to [`poll`](Self::poll).
    pub(super) async fn listen(
        &self,
        store: &Store,
        last: Option<EventMark>,
    ) -> Result<Option<(Vec<Bytes>, broadcast::Receiver<Bytes>, bool)>, StoreError> {
        self.refresh(store).await?;
        if self.seen().is_behind(last) {
            // It comes from an instance that has just read, or this one has read and told nobody.
            self.ask_since(store, Instant::now()).await?;
            self.seen().tell();
        }
        let mut seen = self.seen();
        let Some(events) = seen.events.as_ref().map(broadcast::Sender::subscribe) else {
            return Ok(None);
        };
        let first = seen.first_events(last);
        let must_poll = !std::mem::replace(&mut seen.polled, true);
        Ok(Some((first, events, must_poll)))
    }

    /// Asks the database again and again for as long as somebody listens.
    pub(super) async fn poll(self: Arc<Self>, store: Store, mut stop: watch::Receiver<bool>) {
        let (mut failed, mut told_at) = (false, Instant::now());
        loop {
            let next = async {
                let _ = tokio::time::timeout(ASK_EVERY, self.news.notified()).await;
                tokio::time::sleep_until(told_at + TELL_AGAIN_AFTER).await;
            };
            tokio::select! {
                () = next => {}
                _ = stop.wait_for(|stop| *stop) => return self.stop(),
            }
            if !self.is_still_wanted() {
                return;
            }
            // Another's question since now is as good as one's own.
            match self.ask_since(&store, Instant::now()).await {
                Ok(()) => failed = false,
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(showtime = %self.showtime, %error, "cannot read what changed; trying again");
                    }
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
            if self.seen().tell() {
                told_at = Instant::now();
            }
        }
    }

    /// Whether somebody listens; otherwise the next listener has to poll.
    fn is_still_wanted(&self) -> bool {
        let mut seen = self.seen();
        let listeners = seen.events.as_ref().map_or(0, broadcast::Sender::receiver_count);
        seen.polled = listeners > 0;
        seen.polled
    }

    /// Asks the database unless what is known is fresh.
    pub(super) async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let now = Instant::now();
        if self.seen().is_fresh(now) {
            return Ok(());
        }
        self.ask_since(store, now).await
    }

    /// Asks the database unless it was asked since then. Of many who want that at once, one asks.
    async fn ask_since(&self, store: &Store, since: Instant) -> Result<(), StoreError> {
        let _turn = self.asking.lock().await;
        if self.seen().asked_at >= since {
            return Ok(());
        }
        self.ask(store).await
    }

    /// One question, by whoever has the turn.
    async fn ask(&self, store: &Store) -> Result<(), StoreError> {
        let (since, catalogue, again_at) = {
            let seen = self.seen();
            let again_at = seen.asked_at + ASK_AGAIN_AFTER;
            (seen.picture.moment(View::Now).cursor, seen.catalogue, again_at)
        };
        tokio::time::sleep_until(again_at).await;
        let asked_at = Instant::now();
        let read = store.seat_changes(self.showtime, since).await?;
        if read.catalogue != catalogue && self.redraw(store, asked_at, &read).await? {
            return Ok(());
        }
        self.seen().read(asked_at, &read);
        Ok(())
    }

    /// After a change of the catalogue: whether it was to this map or its prices, and everything was read anew.
    async fn redraw(&self, store: &Store, asked_at: Instant, read: &SeatChanges) -> Result<bool, StoreError> {
        let Some(showtime) = store.showtime(self.showtime).await?.map(Arc::new) else {
            return Ok(false);
        };
        let head: Arc<str> = wire::head(&showtime).into();
        let same = self.seen().head == head;
        let all = match same {
            true => None,
            false => Some(store.seat_changes(self.showtime, Cursor::default()).await?),
        };
        let mut seen = self.seen();
        seen.catalogue = read.catalogue;
        seen.detail = Arc::clone(&showtime);
        let Some(all) = all else {
            return Ok(false);
        };
        seen.head = head;
        seen.asked_at = asked_at;
        seen.picture = Picture::new(&showtime.map);
        seen.take_in(&all);
        seen.picture.tell();
        seen.epoch = rand::random();
        seen.number = 0;
        seen.kept.clear();
        let event = wire::seats_event(seen.mark(), &seen.picture);
        seen.events.as_ref().map(|events| events.send(event));
        seen.version += 1;
        seen.document = None;
        Ok(true)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic in between leaves a picture that the next question sets right.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
