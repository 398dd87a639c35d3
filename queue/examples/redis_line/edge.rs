//! One edge on a line: it says what it is told to say, and remembers what an edge remembers between two ticks.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_config::RedisStore;
use tidegate_queue::line::{Change, Epoch, Known, Load, Place, Reply, Request, Round, Settings, Status};
use tidegate_queue::store::LineStore as _;
use tidegate_queue::store::redis::{Redis, RedisLine};

/// What a measurement comes to.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Edges of one store must share a signing key; these sign nothing.
const KID: &str = "bench";
/// A new line waits for the edges it may have had before, some five seconds of ticks.
const WHILE_REGROUPING: Duration = Duration::from_millis(100);

/// In pieces that each fill a tick.
pub fn full_ticks<T>(entries: &[T], add: impl Fn(&mut Load, &T) -> bool) -> Vec<&[T]> {
    let (mut rest, mut ticks) = (entries, Vec::new());
    while !rest.is_empty() {
        let mut load = Load::default();
        let fits = rest.iter().take_while(|entry| add(&mut load, entry)).count();
        let (tick, left) = rest.split_at(fits);
        ticks.push(tick);
        rest = left;
    }
    ticks
}

/// Entries about places, in full ticks.
pub fn of_places(places: &[Place]) -> Vec<&[Place]> {
    full_ticks(places, |load, place| load.add_place(*place))
}

/// Entries about visits, in full ticks.
pub fn of_visits<T>(visits: &[T]) -> Vec<&[T]> {
    full_ticks(visits, |load, _| load.add_visit())
}

/// One edge on one line, by a connection of its own.
pub struct Edge {
    line: RedisLine,
    boot: u64,
    seq: u64,
    grants_read: u64,
    ended_read: u64,
    known: Option<Known>,
}

/// A store on this machine.
pub fn store(url: &str) -> Outcome<RedisStore> {
    Ok(RedisStore {
        url: url.parse()?,
        tls_ca: None,
        max_replica_lag: Duration::from_secs(10),
    })
}

impl Edge {
    /// The edge of this boot on the line of `room`, which has `settings` if it has none yet.
    pub async fn connect(url: &str, room: &str, settings: &Settings, boot: u64) -> Outcome<Self> {
        let nonce = u32::try_from(boot)?;
        let redis = Redis::connect(&store(url)?, &[KID.to_owned()], nonce, &[]).await?;
        Ok(Self {
            line: redis.line(&room.parse()?, settings.clone()),
            boot,
            seq: 0,
            grants_read: 0,
            ended_read: 0,
            known: None,
        })
    }

    /// Knows, before its first tick, of a line that gave places up to `last` and called up to `called`, an hour ago: the
    /// store learns of it and has such a line at once. The epoch is returned.
    pub fn recalls(&mut self, settings: &Settings, last: u64, called: u64) -> Outcome<Epoch> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        let epoch = Epoch::begin(now_ms - 3_600_000, 0, None);
        let place = |number| Place { epoch, number };
        self.known = Some(Known {
            round: Round(epoch.0),
            closed: false,
            epoch,
            place: place(last),
            called_upto: place(called),
            active: 0,
            silent_ms: 0,
            settings: Arc::new(settings.clone()),
        });
        Ok(epoch)
    }

    /// One exchange. `says` is what it carries beside what every tick does.
    pub async fn tick(&mut self, says: Request) -> Outcome<Arc<Reply>> {
        let request = self.request(says);
        self.send(&request).await
    }

    /// The request of a tick, to be sent.
    pub fn request(&mut self, says: Request) -> Request {
        self.seq += 1;
        Request {
            boot: self.boot,
            seq: self.seq,
            known: self.known.clone(),
            grants_read: self.grants_read,
            ended_read: self.ended_read,
            settings_read: self.known.as_ref().map_or(0, |known| known.settings.version),
            ..says
        }
    }

    /// Sends it and takes in the reply.
    pub async fn send(&mut self, request: &Request) -> Outcome<Arc<Reply>> {
        let reply = self.line.tick(request).await?;
        (self.grants_read, self.ended_read) = (reply.grants.1, reply.ended.1);
        let given = reply.given.and_then(|given| given.places().last());
        let before = self.known.take();
        let last = given.map(|(place, _)| place);
        let place = last.max(before.as_ref().map(|known| known.place));
        let settings = reply
            .settings
            .clone()
            .or_else(|| before.map(|known| known.settings))
            .ok_or("the first reply brought no settings")?;
        self.known = Some(Known::of(&reply, place.unwrap_or(Place::START), settings));
        Ok(reply)
    }

    /// Ticks until the line has done waiting for other edges.
    pub async fn until_regrouped(&mut self) -> Outcome<()> {
        while self.tick(Request::default()).await?.status == Status::Regroup {
            tokio::time::sleep(WHILE_REGROUPING).await;
        }
        Ok(())
    }

    /// Changes the settings of the line.
    pub async fn configure(&self, change: Change) -> Outcome<()> {
        self.line.configure(change).await?;
        Ok(())
    }

    /// Pauses it, or lets it go on.
    pub async fn pause(&self, paused: bool) -> Outcome<()> {
        let paused = Some(paused);
        self.configure(Change {
            paused,
            ..Change::default()
        })
        .await
    }
}
