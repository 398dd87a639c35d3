//! Seats as everyone sees them, live: read once for all who look, and told to all who listen.
//!
//! The database is the truth and the only clock. One question a showtime and moment, however many look (`board`), keeps a
//! `picture`; what looks different becomes an event (`wire`) for every listener (`listener`). With Redis, instances
//! also wake each other at once and know of seats that were just taken (`filter`); without it, each finds out
//! for itself a moment later. Knows nothing of HTTP.

mod best;
mod board;
mod listener;
mod picture;
mod seen;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_config::BookingRedis;
use tokio::sync::{OnceCell, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::{Hold, HoldId, HoldOutcome, Owner, Seat, SeatLimit, ShowtimeDetail, ShowtimeId, Stock};
use crate::filter::{BadFilter, Filter};
use crate::store::{Store, StoreError};
pub use best::BestWish;
use board::Board;
pub(crate) use listener::Listener;
pub(crate) use wire::{EventMark, SeatsDocument};

/// Listeners of this instance. Each is a connection with its buffers, some 20 kB: 200 MB in all.
pub(crate) const LISTENERS_MAX: usize = 10_000;

/// Showtimes kept in memory, of which each of 20,000 seats takes about a megabyte. Those nobody listens to make room, the
/// one longest unused first. It is also how many can be listened to at once: 256 of them are 2,560 questions a second.
const SHOWTIMES_MAX: usize = 256;

/// Why somebody cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// There is no such showtime.
    #[error("there is no such showtime")]
    NoShowtime,
    /// As many as this instance can serve listen already, or it is stopping.
    #[error("no more listeners can be served at the moment")]
    Full,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A showtime's board once it was read, and when somebody last wanted it.
struct Entry {
    board: Arc<OnceCell<Arc<Board>>>,
    used_at: Instant,
}

/// All showtimes that somebody looks at.
pub struct Live {
    store: Store,
    boards: Mutex<HashMap<ShowtimeId, Entry>>,
    showtimes_max: usize,
    places: Arc<Semaphore>,
    filter: Option<Filter>,
    stop: watch::Sender<bool>,
    /// Ended when this is dropped.
    _tasks: JoinSet<()>,
}

impl Live {
    /// Begins; with Redis where there is one, whether or not it can be reached.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn start(store: Store, redis: Option<&BookingRedis>) -> Result<Arc<Self>, BadFilter> {
        Self::with(store, redis, LISTENERS_MAX, SHOWTIMES_MAX)
    }

    fn with(
        store: Store,
        redis: Option<&BookingRedis>,
        listeners_max: usize,
        showtimes_max: usize,
    ) -> Result<Arc<Self>, BadFilter> {
        let (changed, mut news) = mpsc::channel(1024);
        let filter = redis.map(|redis| Filter::start(redis, changed)).transpose()?;
        Ok(Arc::new_cyclic(|live: &std::sync::Weak<Self>| {
            let mut tasks = JoinSet::new();
            let live = live.clone();
            tasks.spawn(async move {
                while let Some(showtime) = news.recv().await {
                    let Some(live) = live.upgrade() else { return };
                    live.changed(showtime);
                }
            });
            Self {
                store,
                boards: Mutex::default(),
                showtimes_max,
                places: Arc::new(Semaphore::new(listeners_max)),
                filter,
                stop: watch::Sender::new(false),
                _tasks: tasks,
            }
        }))
    }

    /// The seats of a showtime as everyone may see them, at most a second old; `None` where there is no such showtime.
    pub(crate) async fn seats(&self, id: ShowtimeId) -> Result<Option<Arc<SeatsDocument>>, StoreError> {
        match self.board(id).await? {
            Some(board) => Ok(Some(board.document(&self.store).await?)),
            None => Ok(None),
        }
    }

    /// A showtime with its map and its prices, at most a second old; `None` where there is none.
    pub(crate) async fn showtime(&self, id: ShowtimeId) -> Result<Option<Arc<ShowtimeDetail>>, StoreError> {
        match self.board(id).await? {
            Some(board) => Ok(Some(board.detail(&self.store).await?)),
            None => Ok(None),
        }
    }

    /// How much is left of a showtime once these seats are held, a moment ago; `None` where there is no such showtime.
    pub(crate) async fn stock(&self, id: ShowtimeId, held: &[Seat]) -> Result<Option<Stock>, StoreError> {
        match self.board(id).await? {
            Some(board) => Ok(Some(board.stock(&self.store, held).await?)),
            None => Ok(None),
        }
    }

    /// Claims the best seats of a showtime that fit the wish, or none.
    ///
    /// # Errors
    /// The database; [`StoreError::Busy`] also where too many wait for their turn.
    pub async fn hold_best(
        &self,
        id: ShowtimeId,
        wish: &BestWish<'_>,
        owner: &Owner,
        hold: &HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<HoldOutcome, StoreError> {
        match self.board(id).await? {
            Some(board) => board.hold_best(&self.store, wish, owner, hold, ttl, limit).await,
            None => Ok(HoldOutcome::NoShowtime),
        }
    }

    /// Seats to offer to somebody of whose seats some were just taken; none where there are none near.
    pub(crate) async fn instead_of(
        &self,
        id: ShowtimeId,
        asked: &[Seat],
        taken: &[Seat],
    ) -> Result<Vec<Seat>, StoreError> {
        match self.board(id).await? {
            Some(board) => board.instead_of(&self.store, asked, taken).await,
            None => Ok(Vec::new()),
        }
    }

    /// Begins to listen to a showtime, from where the listener was before.
    pub(crate) async fn listen(
        &self,
        id: ShowtimeId,
        last: Option<EventMark>,
    ) -> Result<Listener, ListenError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| ListenError::Full)?;
        let board = self.board(id).await?.ok_or(ListenError::NoShowtime)?;
        if !self.keeps(id, &board) {
            return Err(ListenError::Full);
        }
        let begun = board.listen(&self.store, last).await?;
        let (first, events, must_poll) = begun.ok_or(ListenError::Full)?;
        if must_poll {
            tokio::spawn(Arc::clone(&board).poll(self.store.clone(), self.stop.subscribe()));
        }
        Ok(Listener::new(first, events, place))
    }

    /// Those of the seats that somebody else has just taken, as far as that is known without the database; none where it
    /// has to be asked.
    pub(crate) async fn taken(&self, id: ShowtimeId, seats: &[Seat], owner: &Owner) -> Vec<Seat> {
        match &self.filter {
            Some(filter) => filter.taken(id, seats, owner).await,
            None => Vec::new(),
        }
    }

    /// Seats were held: everybody hears of it.
    pub(crate) fn held(&self, hold: &Hold, owner: &Owner) {
        self.changed(hold.showtime);
        if let Some(filter) = &self.filter {
            filter.held(hold, owner);
        }
    }

    /// Seats were given back.
    pub(crate) fn freed(&self, id: ShowtimeId, seats: &[Seat], owner: &Owner) {
        self.changed(id);
        if let Some(filter) = &self.filter {
            filter.freed(id, seats, owner);
        }
    }

    /// Ends every stream, and lets none begin. What is asked for otherwise is still answered.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        self.places.close();
        for entry in self.boards().values() {
            if let Some(board) = entry.board.get() {
                board.stop();
            }
        }
    }

    fn changed(&self, id: ShowtimeId) {
        let board = self
            .boards()
            .get(&id)
            .and_then(|entry| entry.board.get().cloned());
        if let Some(board) = board {
            board.changed();
        }
    }

    /// The showtime's board, read if nobody has yet. Of many who want it at once, one reads.
    async fn board(&self, id: ShowtimeId) -> Result<Option<Arc<Board>>, StoreError> {
        let cell = self.cell(id);
        let opened = cell.get_or_try_init(|| async {
            match Board::open(&self.store, id).await {
                Ok(Some(board)) => Ok(Arc::new(board)),
                Ok(None) => Err(None),
                Err(error) => Err(Some(error)),
            }
        });
        match opened.await {
            Ok(board) => {
                self.make_room(id);
                Ok(Some(Arc::clone(board)))
            }
            Err(why) => {
                // What is not there takes no place.
                let mut boards = self.boards();
                if boards.get(&id).is_some_and(|entry| entry.board.get().is_none()) {
                    boards.remove(&id);
                }
                why.map_or(Ok(None), Err)
            }
        }
    }

    fn cell(&self, id: ShowtimeId) -> Arc<OnceCell<Arc<Board>>> {
        let mut boards = self.boards();
        let now = Instant::now();
        if let Some(entry) = boards.get_mut(&id) {
            entry.used_at = now;
            return Arc::clone(&entry.board);
        }
        let board: Arc<OnceCell<Arc<Board>>> = Arc::default();
        boards.insert(
            id,
            Entry {
                board: Arc::clone(&board),
                used_at: now,
            },
        );
        board
    }

    /// Keeps the bound after a showtime was read: the one longest unused that nobody listens to goes, and where all are
    /// listened to, this one is read for its reader alone. What is still being read does not count, nor does what is not
    /// there: asking for showtimes that do not exist drives none out.
    fn make_room(&self, read: ShowtimeId) {
        let mut boards = self.boards();
        if boards.len() <= self.showtimes_max {
            return;
        }
        let kept = boards
            .iter()
            .filter_map(|(id, entry)| Some((*id, entry.used_at, entry.board.get()?)));
        let kept: Vec<_> = kept
            .map(|(id, used_at, board)| (id, used_at, board.has_listeners()))
            .collect();
        if kept.len() > self.showtimes_max {
            let idle = kept.iter().filter(|(id, _, listened)| *id != read && !listened);
            let oldest = idle.min_by_key(|(_, used_at, _)| *used_at);
            boards.remove(&oldest.map_or(read, |(id, ..)| *id));
        }
    }

    /// Whether this is the board that hears of changes.
    fn keeps(&self, id: ShowtimeId, board: &Arc<Board>) -> bool {
        let boards = self.boards();
        let kept = boards.get(&id).and_then(|entry| entry.board.get());
        kept.is_some_and(|kept| Arc::ptr_eq(kept, board))
    }

    fn boards(&self) -> MutexGuard<'_, HashMap<ShowtimeId, Entry>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
