//! Redis beside the database, where it is configured: it knows of seats that were just taken, and instances wake each
//! other through it. It is never the truth. Every question has a deadline of milliseconds; without an answer, booking
//! goes on as if it were not there.
//!
//! What is forgotten there (a crash, a failover, a flush) costs a question to the database. What is left there too long
//! (the news of a release was lost) would keep a free seat from everyone until its key ends, so now and then a refused
//! fan is let through to the database ([`Passes`]): a key that lies is found out within a second, and overwritten.

mod keys;
mod link;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use redis::RedisError;
use tidegate_config::BookingRedis;
use tidegate_redis::Connector;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::{Hold, Owner, Seat, ShowtimeId};
use link::Link;

/// How long a hold waits for Redis before it goes to the database: many times what an answer takes, and too little for a
/// fan to notice.
const ANSWER_WITHIN: Duration = Duration::from_millis(25);

/// How long what nobody waits for may take.
const NOTE_WITHIN: Duration = Duration::from_millis(250);

/// Notes on their way to Redis. Beyond these they are dropped: Redis is slower than the holds are.
const NOTES_MAX: usize = 1024;

/// A refused fan is let through to the database this often for each seat.
const PASS_EVERY: Duration = Duration::from_secs(1);

/// Seats share these by chance; a few thousand contested ones at once seldom do.
const PASSES: usize = 4096;

/// News may be silent for long; a connection over which nothing came is made anew, in case it is dead.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// Before listening for news again.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Names the holder of each seat for so long, and says that the showtime changed.
const HELD: &str = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end \
     return redis.call('PUBLISH', ARGV[3], ARGV[4])";

/// Forgets the seats that are still this holder's, and says that the showtime changed.
const FREED: &str = "for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end end \
     return redis.call('PUBLISH', ARGV[3], ARGV[4])";

/// Why Redis cannot be used, whether or not it is there.
#[derive(Debug, thiserror::Error)]
pub enum BadFilter {
    /// Its URL.
    #[error("booking.redis_url cannot be used: {0}")]
    Url(RedisError),
    /// The file of authorities.
    #[error("booking.redis_tls_ca: {} cannot be used: {why}", path.display())]
    TlsCa {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What an instance says of itself, so that it does not listen to itself.
type Instance = u64;

/// What Redis is to be told.
struct Note {
    script: &'static str,
    showtime: ShowtimeId,
    keys: Vec<String>,
    owner: Owner,
    ttl_ms: i64,
}

fn connector(redis: &BookingRedis) -> Result<Connector, BadFilter> {
    let unusable = |path: &PathBuf, why: String| BadFilter::TlsCa {
        path: path.clone(),
        why,
    };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| unusable(path, error.to_string()));
    let authorities = redis.tls_ca.as_ref().map(read).transpose()?;
    Connector::new(&redis.url, authorities, "tidegate-booking").map_err(|error| match &redis.tls_ca {
        Some(path) => unusable(path, error.to_string()),
        None => BadFilter::Url(error),
    })
}

/// The filter, and the news of other instances.
pub(crate) struct Filter {
    link: Arc<Link>,
    notes: mpsc::Sender<Note>,
    passes: Passes,
    /// Ended when this is dropped.
    _tasks: JoinSet<()>,
}

impl Filter {
    /// Begins to connect, and sends the showtimes on which other instances change something to `changed`.
    pub(crate) fn start(redis: &BookingRedis, changed: mpsc::Sender<ShowtimeId>) -> Result<Self, BadFilter> {
        let connector = Arc::new(connector(redis)?);
        let link = Arc::new(Link::new(Arc::clone(&connector)));
        let (notes, to_send) = mpsc::channel(NOTES_MAX);
        let instance: Instance = rand::random();
        let mut tasks = JoinSet::new();
        tasks.spawn(send(Arc::clone(&link), to_send, instance));
        tasks.spawn(hear(connector, changed, instance));
        Ok(Self {
            link,
            notes,
            passes: Passes::new(),
            _tasks: tasks,
        })
    }

    /// Those of the seats that somebody else holds, in the order asked. None where Redis does not know, does not answer,
    /// or is not to be believed this time.
    pub(crate) async fn taken(&self, showtime: ShowtimeId, seats: &[Seat], owner: &Owner) -> Vec<Seat> {
        let mut question = redis::cmd("MGET");
        for seat in seats {
            question.arg(keys::seat(showtime, seat));
        }
        let holders: Option<Vec<Option<String>>> = self.link.ask(&question, ANSWER_WITHIN).await;
        let others = seats.iter().zip(holders.unwrap_or_default());
        let others =
            others.filter(|(_, holder)| holder.as_deref().is_some_and(|holder| holder != owner.as_str()));
        let taken: Vec<Seat> = others.map(|(seat, _)| seat.clone()).collect();
        match taken.first() {
            Some(first) if self.passes.take(showtime, first) => Vec::new(),
            _ => taken,
        }
    }

    /// Notes a hold, for as long as it lasts. Returns at once.
    pub(crate) fn held(&self, hold: &Hold, owner: &Owner) {
        // A second less than there may be: what is forgotten too early costs a question.
        let ttl_ms = hold.seconds_left.saturating_mul(1000).max(1);
        self.note(HELD, hold.showtime, &hold.seats, owner, ttl_ms);
    }

    /// Notes a release. Returns at once.
    pub(crate) fn freed(&self, showtime: ShowtimeId, seats: &[Seat], owner: &Owner) {
        self.note(FREED, showtime, seats, owner, 0);
    }

    fn note(&self, script: &'static str, showtime: ShowtimeId, seats: &[Seat], owner: &Owner, ttl_ms: i64) {
        let note = Note {
            script,
            showtime,
            keys: seats.iter().map(|seat| keys::seat(showtime, seat)).collect(),
            owner: owner.clone(),
            ttl_ms,
        };
        // A note that finds no room is lost, like one that Redis forgets.
        let _ = self.notes.try_send(note);
    }
}

/// Sends notes one after another, so that a release never comes before its hold.
async fn send(link: Arc<Link>, mut notes: mpsc::Receiver<Note>, instance: Instance) {
    while let Some(note) = notes.recv().await {
        let mut command = redis::cmd("EVAL");
        command.arg(note.script).arg(note.keys.len()).arg(&note.keys);
        command.arg(note.owner.as_str()).arg(note.ttl_ms);
        command
            .arg(keys::CHANGED)
            .arg(format!("{} {instance}", note.showtime));
        let _: Option<i64> = link.ask(&command, NOTE_WITHIN).await;
    }
}

/// Hears of others' changes for as long as somebody wants to know.
async fn hear(connector: Arc<Connector>, changed: mpsc::Sender<ShowtimeId>, instance: Instance) {
    while !changed.is_closed() {
        if let Ok(mut news) = connector.listen().await
            && let Ok(Ok(())) = tokio::time::timeout(SILENT_MAX, news.subscribe(keys::CHANGED)).await
        {
            let mut messages = news.on_message();
            while let Ok(Some(message)) = tokio::time::timeout(SILENT_MAX, messages.next()).await {
                // Whoever is behind with these asks every moment anyway.
                others(message.get_payload_bytes(), instance).map(|showtime| changed.try_send(showtime));
            }
        }
        tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
    }
}

/// The showtime in a message, unless it is one's own.
fn others(message: &[u8], instance: Instance) -> Option<ShowtimeId> {
    let (showtime, by) = std::str::from_utf8(message).ok()?.split_once(' ')?;
    let by: Instance = by.parse().ok()?;
    (by != instance).then(|| showtime.parse().ok()).flatten()
}

/// When a refused fan was last let through, by seat.
struct Passes {
    begun_at: Instant,
    hasher: RandomState,
    /// Milliseconds since `begun_at`, plus one; 0 is never.
    last: Box<[AtomicU64]>,
}

impl Passes {
    fn new() -> Self {
        Self {
            begun_at: Instant::now(),
            hasher: RandomState::new(),
            last: (0..PASSES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether this one is let through.
    fn take(&self, showtime: ShowtimeId, seat: &Seat) -> bool {
        let at = self.hasher.hash_one((showtime, seat)) as usize % PASSES;
        let now = self.begun_at.elapsed().as_millis() as u64 + 1;
        let last = self.last[at].load(Ordering::Relaxed);
        let due = last == 0 || now >= last + PASS_EVERY.as_millis() as u64;
        due && self.last[at]
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_second_is_let_through_for_each_seat() {
        let passes = Passes::new();
        let seat = |text: &str| text.parse::<Seat>().expect("a seat");
        let taken = (0..100)
            .filter(|_| passes.take(ShowtimeId(1), &seat("A-1")))
            .count();
        assert_eq!(taken, 1);
        let others = (1..=100).filter(|n| passes.take(ShowtimeId(1), &seat(&format!("B-{n}"))));
        assert!(others.count() > 80, "other seats have their own");
    }

    #[test]
    fn messages_of_others_are_read_and_nonsense_is_not() {
        assert_eq!(others(b"17 5", 4), Some(ShowtimeId(17)));
        for message in [&b"17 4"[..], b"17", b"x 5", b"17 x", b"\xff 5", b""] {
            assert_eq!(others(message, 4), None, "{message:?}");
        }
    }
}
