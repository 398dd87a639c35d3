//! A way to one Redis deployment that is made again when it breaks. It knows nothing of lines.
//!
//! Nothing is ever sent twice, except where the server said that it did not run it (`NOSCRIPT`, `MOVED`): who asked
//! decides whether to ask again.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue, Value};
use tidegate_config::{Deployment, RedisStore, StoreUrl};
use tidegate_redis::{Connection, Connector};
use tokio::sync::Semaphore;

use super::backoff::Backoff;
use super::error::{ConnectError, Fate, LinkError, sort, sort_open};

/// A connection over which nothing has come for so long after a question timed out is made again. Shorter than the
/// system's own patience with a peer that vanished, longer than Redis's fork for a large save.
const SILENT_MAX: Duration = Duration::from_millis(1_500);

/// Redirections followed for one command. One is a slot that moved; more are a map that is still being redrawn.
const REDIRECTIONS_MAX: u32 = 2;

/// A script by its hash, and by its text where the server does not know it.
pub(super) struct Script {
    text: String,
    hash: String,
}

impl Script {
    /// The script of a text.
    pub(super) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    fn command(&self, name: &str, script: &str, key: &[u8], args: &[&[u8]]) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(key).arg(args);
        command
    }
}

/// A way to one Redis deployment that is made again when it breaks.
pub(super) struct Link {
    connector: Connector,
    state: Mutex<State>,
    /// Held by whoever connects: one attempt at a time.
    attempt: Semaphore,
}

/// What is known about the connection.
#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Counts connections, so that an error of an old one does not end a new one.
    generation: u64,
    /// Since when questions time out, without an answer between them.
    silent_since: Option<Instant>,
    backoff: Backoff,
    /// Why the last attempt failed, for those who ask before the next.
    reason: Option<LinkError>,
}

impl Link {
    /// A link that connects when it is first used.
    ///
    /// # Errors
    /// The file of `tls_ca` cannot be used.
    pub(super) fn new(store: &RedisStore) -> Result<Self, ConnectError> {
        Ok(Self {
            connector: connector(store)?,
            state: Mutex::default(),
            attempt: Semaphore::new(1),
        })
    }

    /// A link that is connected.
    ///
    /// # Errors
    /// It cannot be; what stands in the way is said.
    pub(super) async fn connect(store: &RedisStore) -> Result<Self, ConnectError> {
        let link = Self::new(store)?;
        match link.connection().await {
            Ok(_) => Ok(link),
            Err(source) => Err(ConnectError::Link {
                url: store.url.to_string(),
                source,
            }),
        }
    }

    /// Where it leads. Shown without the password.
    pub(super) fn url(&self) -> &StoreUrl {
        self.connector.url()
    }

    /// Runs a script on the server that has `key`.
    ///
    /// Takes at most some five seconds when a connection must be made, a second otherwise. It is asked for by its
    /// hash; only a server that does not know it is sent the whole text, and keeps it.
    pub(super) async fn run(&self, script: &Script, key: &[u8], args: &[&[u8]]) -> Result<Value, LinkError> {
        match self
            .send(&script.command("EVALSHA", &script.hash, key, args))
            .await
        {
            Err(LinkError::Script { code, .. }) if code == "NOSCRIPT" => {
                self.send(&script.command("EVAL", &script.text, key, args)).await
            }
            answered => answered,
        }
    }

    /// Any one command. In a cluster it goes to the node that has its key.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        let value = self.send(command).await?;
        T::from_redis_value(value).map_err(|error| LinkError::Answer(error.to_string()))
    }

    async fn send(&self, command: &Cmd) -> Result<Value, LinkError> {
        let mut redirections = 0;
        loop {
            let (mut connection, generation) = self.connection().await?;
            let answer: Result<Value, _> = command.query_async(&mut connection).await;
            let error = match answer {
                Ok(value) => {
                    self.state().answered(generation);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let (sorted, fate) = sort(&error);
            let moved = error.code() == Some("MOVED");
            if moved && matches!(connection, Connection::Cluster(_)) && redirections < REDIRECTIONS_MAX {
                // The node did not run it, and the library is drawing its map of slots anew.
                redirections += 1;
                continue;
            }
            self.after(generation, fate, &sorted);
            if moved && matches!(connection, Connection::Server(_)) {
                return Err(LinkError::Refused(
                    "this server is a node of a cluster: begin store.url with redis-cluster".to_owned(),
                ));
            }
            return Err(sorted);
        }
    }

    /// The connection, made if there is none and it is time to try.
    async fn connection(&self) -> Result<(Connection, u64), LinkError> {
        if let Some(current) = self.state().current() {
            return Ok(current);
        }
        let _turn = self
            .attempt
            .acquire()
            .await
            .expect("the semaphore is never closed");
        {
            let state = self.state();
            if let Some(current) = state.current() {
                return Ok(current);
            }
            if !state.backoff.is_over(Instant::now()) {
                return Err(state.reason());
            }
        }
        let opened = self.connector.open().await;
        let opened = opened.map_err(|error| sort_open(&error, self.connector.url().tls));
        let mut state = self.state();
        match opened {
            Ok(connection) => {
                state.opened(connection.clone());
                Ok((connection, state.generation))
            }
            Err(error) => {
                state.backoff.failed(Instant::now(), rand::random());
                state.reason = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Draws the consequence of an error for the connection it came over.
    fn after(&self, generation: u64, fate: Fate, error: &LinkError) {
        // A cluster's connection mends itself node by node; it is given up only when nothing comes of that.
        let fate = match (&self.connector.url().deployment, fate) {
            (Deployment::Cluster(_), Fate::Broken | Fate::Astray) => Fate::Silent,
            // Another connection to a server that is the only one leads to the same.
            (Deployment::Single(_), Fate::Astray) => Fate::Sound,
            (_, fate) => fate,
        };
        let now = Instant::now();
        let mut state = self.state();
        let given_up = match fate {
            Fate::Sound => {
                state.answered(generation);
                false
            }
            Fate::Silent => state.is_silent(generation, now),
            Fate::Astray | Fate::Broken => true,
        };
        if given_up {
            state.broke(generation, now, error);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is whole after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file of authorities, where one is named. Opens no connection.
fn connector(store: &RedisStore) -> Result<Connector, ConnectError> {
    let unusable = |path: &PathBuf, reason: String| ConnectError::TlsCa {
        path: path.clone(),
        reason,
    };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| unusable(path, error.to_string()));
    let authorities = store.tls_ca.as_ref().map(read).transpose()?;
    Connector::new(&store.url, authorities, "tidegate").map_err(|error| match &store.tls_ca {
        Some(path) => unusable(path, error.to_string()),
        None => ConnectError::Link {
            url: store.url.to_string(),
            source: sort(&error).0,
        },
    })
}

impl State {
    fn current(&self) -> Option<(Connection, u64)> {
        let connection = self.connection.clone()?;
        Some((connection, self.generation))
    }

    fn reason(&self) -> LinkError {
        let unknown = || LinkError::Unreachable("the connection broke".to_owned());
        self.reason.clone().unwrap_or_else(unknown)
    }

    fn opened(&mut self, connection: Connection) {
        self.connection = Some(connection);
        self.generation += 1;
        self.silent_since = None;
        // The waits are forgotten with the first answer: a server that takes connections and breaks them is no better
        // than one that takes none.
        self.reason = None;
    }

    fn answered(&mut self, generation: u64) {
        if generation == self.generation {
            self.silent_since = None;
            self.backoff.succeeded();
        }
    }

    /// Notes a question that timed out. Whether too many did.
    fn is_silent(&mut self, generation: u64, now: Instant) -> bool {
        if generation != self.generation {
            return false;
        }
        let since = *self.silent_since.get_or_insert(now);
        now.duration_since(since) >= SILENT_MAX
    }

    fn broke(&mut self, generation: u64, now: Instant, error: &LinkError) {
        if generation == self.generation && self.connection.take().is_some() {
            self.backoff.failed(now, rand::random());
            self.reason = Some(error.clone());
        }
    }
}
