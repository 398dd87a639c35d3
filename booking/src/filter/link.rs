//! A connection to Redis that is made again when it breaks, and that nobody waits for: where there is none, Redis is as
//! good as not there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use tidegate_redis::{Connection, Connector};
use tokio::time::Instant;

/// Before the next attempt to connect. Each costs Redis a handshake, and a hold on seats nothing.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A way to one deployment.
pub(super) struct Link {
    connector: Arc<Connector>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Counts connections, so that an error of an old one does not end a new one.
    generation: u64,
    connecting: bool,
    not_before: Option<Instant>,
    /// Whether it was said that Redis is out of reach.
    said: bool,
}

impl Link {
    /// A link that connects in the background from now on.
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        let link = Self {
            connector,
            state: Arc::default(),
        };
        link.connect();
        link
    }

    /// Sends a command, if there is a connection, and waits no longer than that for its answer. After an error or a
    /// silence the connection is given up: whoever comes next goes without, until there is a new one.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd, within: Duration) -> Option<T> {
        let found = {
            let state = lock(&self.state);
            state
                .connection
                .clone()
                .map(|connection| (connection, state.generation))
        };
        let Some((mut connection, generation)) = found else {
            self.connect();
            return None;
        };
        match tokio::time::timeout(within, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => self.failed(generation, &error),
            Err(_) => self.failed(generation, &"no answer in time"),
        }
        None
    }

    fn failed(&self, generation: u64, why: &dyn std::fmt::Display) {
        let mut state = lock(&self.state);
        if state.generation == generation && state.connection.take().is_some() {
            state.not_before = Some(Instant::now() + AGAIN_AFTER);
            state.out_of_reach(why);
        }
    }

    /// Begins to connect, if nobody does and it is time.
    fn connect(&self) {
        {
            let mut state = lock(&self.state);
            let now = Instant::now();
            if state.connecting || state.not_before.is_some_and(|moment| now < moment) {
                return;
            }
            state.connecting = true;
        }
        let (connector, state) = (Arc::clone(&self.connector), Arc::clone(&self.state));
        // Ends by itself: every step has a deadline.
        tokio::spawn(async move {
            let opened = connector.open().await;
            let mut state = lock(&state);
            state.connecting = false;
            match opened {
                Ok(connection) => {
                    state.connection = Some(connection);
                    state.generation += 1;
                    if std::mem::take(&mut state.said) {
                        tracing::info!("Redis is back: instances wake each other again");
                    }
                }
                Err(error) => {
                    state.not_before = Some(Instant::now() + AGAIN_AFTER);
                    state.out_of_reach(&error);
                }
            }
        });
    }
}

impl State {
    fn out_of_reach(&mut self, why: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!(%why, "booking goes on without Redis; seats are shown a moment later");
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change is whole after each statement.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
