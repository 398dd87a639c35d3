//! The feed: reads booking's catalogue again and again and puts a new snapshot in place of the old one.
//!
//! Whatever goes wrong, the last good snapshot stays. Trouble is logged when it begins and when it ends, not on every
//! attempt in between.

mod backoff;
mod client;
mod saved;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::index::Snapshot;
use crate::service::Current;
use backoff::Backoff;
pub(crate) use client::{CatalogueClient, UrlError};
use client::{ReadError, Reading};
pub(crate) use saved::{SavedError, SavedFile};

/// One reading of everything. A catalogue of a million events takes a few thousand requests of a few milliseconds.
const READING_DEADLINE: Duration = Duration::from_secs(300);

/// After this long the catalogue is read again though its version is the same: booking's version names what is put on,
/// while the seats left, which search passes on, move without it.
const FIGURES_AGE_MAX: Duration = Duration::from_secs(120);

/// Reads the catalogue and feeds the index.
pub(crate) struct Feed {
    client: CatalogueClient,
    saved: SavedFile,
    current: Arc<Current>,
    refresh_every: Duration,
    in_trouble: bool,
}

/// Why a refresh changed nothing.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("reading the catalogue took longer than {}", humane(READING_DEADLINE))]
    TooSlow,
    #[error("the index could not be built: {0}")]
    Index(#[from] tantivy::TantivyError),
    #[error("building the index was aborted: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

impl Feed {
    /// A feed that keeps `current` fresh once [followed](Self::follow).
    pub(crate) fn new(
        client: CatalogueClient,
        saved: SavedFile,
        current: Arc<Current>,
        refresh_every: Duration,
    ) -> Self {
        Self {
            client,
            saved,
            current,
            refresh_every,
            in_trouble: false,
        }
    }

    /// Puts the catalogue saved by an earlier life in place, so that a restart answers at once, also while booking is
    /// away. Without one, or with one that cannot be read, the first reading has to be waited for.
    pub(crate) async fn restore(&self) {
        let saved = self.saved.clone();
        let restored = tokio::task::spawn_blocking(move || {
            let Some(catalogue) = saved.load()? else {
                return Ok(None);
            };
            Snapshot::build(catalogue).map(Some).map_err(SavedError::Index)
        });
        match restored.await {
            Ok(Ok(Some(snapshot))) => {
                info!(events = snapshot.len(), read_at = %snapshot.read_at(), "search answers from the saved catalogue");
                self.current.put(snapshot);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => warn!(%error, "the saved catalogue is of no use, waiting for booking's"),
            Err(error) => warn!(%error, "restoring the saved catalogue was aborted, waiting for booking's"),
        }
    }

    /// Refreshes until stopped.
    pub(crate) async fn follow(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.refresh_every);
        loop {
            let began = Instant::now();
            let refreshed = tokio::select! {
                () = stop.cancelled() => return,
                refreshed = self.refresh() => refreshed,
            };
            let pause = match refreshed {
                Ok(()) => {
                    self.over();
                    backoff.reset();
                    // A large catalogue that changes all the time is not read all the time.
                    self.refresh_every.max(began.elapsed())
                }
                Err(error) => {
                    let pause = backoff.next(rand::random());
                    self.trouble(&error, pause);
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn refresh(&self) -> Result<(), RefreshError> {
        let began_at = Timestamp::now();
        let snapshot = self
            .current
            .snapshot()
            .filter(|snapshot| fresh(snapshot.read_at(), began_at));
        let known = snapshot.and_then(|snapshot| snapshot.version().cloned());
        let reading = timeout(READING_DEADLINE, self.client.read(known.as_ref(), began_at));
        let reading = reading.await.map_err(|_| RefreshError::TooSlow)??;
        match reading {
            Reading::Unchanged => debug!("the catalogue is unchanged"),
            Reading::Catalogue {
                catalogue,
                unreadable,
            } => {
                let saved = self.saved.clone();
                let (snapshot, kept) = tokio::task::spawn_blocking(move || {
                    let kept = saved.save(&catalogue);
                    (Snapshot::build(catalogue), kept)
                })
                .await?;
                let snapshot = snapshot?;
                if let Err(error) = kept {
                    warn!(%error, "the catalogue could not be saved; a restart will have to wait for booking");
                }
                if unreadable > 0 {
                    warn!(
                        unreadable,
                        "events of the catalogue were left out because they could not be read"
                    );
                }
                info!(events = snapshot.len(), "the index was rebuilt");
                self.current.put(snapshot);
            }
        }
        self.current.confirm(began_at);
        Ok(())
    }

    fn trouble(&mut self, error: &RefreshError, pause: Duration) {
        if std::mem::replace(&mut self.in_trouble, true) {
            debug!(%error, next_in = %humane(pause), "the catalogue still cannot be read");
        } else {
            warn!(%error, "the catalogue cannot be read; trying again until it can");
        }
    }

    fn over(&mut self) {
        if std::mem::replace(&mut self.in_trouble, false) {
            info!("the catalogue can be read again");
        }
    }
}

/// Whether a reading may stand as long as its version does.
fn fresh(read_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(read_at).unsigned_abs() < FIGURES_AGE_MAX
}

fn humane(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_version_keeps_a_reading_only_while_its_figures_are_young() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert!(fresh(at(1_000), at(1_119)));
        assert!(!fresh(at(1_000), at(1_120)));
        assert!(
            !fresh(at(9_000), at(1_000)),
            "a clock that was set back proves nothing"
        );
    }
}
