//! The seats of one showtime, read by one question at a time and shown to everyone from memory (`seen`). What looks
//! different after a question is an event, and every listener gets every event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, Notify, broadcast, watch};
use tokio::time::Instant;

use super::picture::View;
use super::seen::{AGE_MAX, Seen};
use super::wire::{self, EventMark, SeatsDocument};
use crate::domain::{Seat, ShowtimeDetail, ShowtimeId, Stock};
use crate::store::{Cursor, SeatChanges, Store, StoreError};

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

impl Board {
    /// Reads a showtime's seats for the first time; `None` where there is no such showtime.
    pub(super) async fn open(store: &Store, id: ShowtimeId) -> Result<Option<Self>, StoreError> {
        let asked_at = Instant::now();
        // The seats before the map: a map that changes in between is read again, for its number is then another.
        let read = store.seat_changes(id, Cursor::default()).await?;
        let Some(showtime) = store.showtime(id).await?.map(Arc::new) else {
            return Ok(None);
        };
        let seen = Seen::new(showtime, asked_at, &read);
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
        seen.detail = showtime;
        let Some(all) = all else {
            return Ok(false);
        };
        seen.begin_anew(head, asked_at, &all);
        Ok(true)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic in between leaves a picture that the next question sets right.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
