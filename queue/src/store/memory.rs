//! The embedded store: the line behind one lock, journaled so that a restart goes on where it was.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::journal::{Journal, JournalError};
use super::{LineStore, Round, StoreError};
use crate::line::{Change, Line, Record, Reply, Request, Settings, Visit, VisitId};

/// Where the store's time comes from.
pub trait Moment: Send + Sync {
    /// Unix time in milliseconds.
    fn now_ms(&self) -> u64;
}

/// The wall clock as it was at the start, carried on by the monotonic clock: setting the clock changes nothing.
pub struct SystemMoment {
    started_ms: u64,
    started: Instant,
}

impl Default for SystemMoment {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started_ms: since.as_millis() as u64,
            started: Instant::now(),
        }
    }
}

impl Moment for SystemMoment {
    fn now_ms(&self) -> u64 {
        self.started_ms + self.started.elapsed().as_millis() as u64
    }
}

struct Inner {
    line: Line,
    journal: Option<Journal>,
    /// What the line has done and the journal could not take yet. Bounded by one tick: until it is written, every
    /// call fails, and an edge repeats the tick it could not finish rather than send the next.
    unwritten: Vec<Record>,
}

/// One room's line in this process.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    moment: Arc<dyn Moment>,
    /// What the line began with, for one that has to be made again.
    settings: Settings,
    nonce: u32,
}

impl MemoryStore {
    /// A line that nothing outlives: for tests and benchmarks.
    pub fn volatile(settings: Settings, nonce: u32, moment: Arc<dyn Moment>) -> Self {
        let mut line = Line::new(settings.clone(), moment.now_ms(), nonce);
        line.take_records();
        Self {
            inner: Mutex::new(Inner {
                line,
                journal: None,
                unwritten: Vec::new(),
            }),
            moment,
            settings,
            nonce,
        }
    }

    /// The line journaled in `path`: made there when there is none, otherwise gone on with in a new epoch.
    ///
    /// After a crash of the whole machine the last second of the journal may be missing. As many slots as could have
    /// been given in it are then held back until the visits that were not seen are over.
    pub fn open(
        path: &Path,
        settings: Settings,
        nonce: u32,
        moment: Arc<dyn Moment>,
    ) -> Result<Self, JournalError> {
        let (mut journal, found) = Journal::open(path)?;
        let per_s = settings.admit_per_min.div_ceil(60);
        // A second unsynced, and the burst of another.
        let lost_max = if found.may_have_lost {
            per_s.saturating_mul(2).max(2)
        } else {
            0
        };
        let mut line = Line::restore(settings.clone(), &found.saved, moment.now_ms(), nonce, lost_max);
        journal.rewrite(&found.saved, &line.take_records())?;
        Ok(Self {
            inner: Mutex::new(Inner {
                line,
                journal: Some(journal),
                unwritten: Vec::new(),
            }),
            moment,
            settings,
            nonce,
        })
    }

    /// The line, whole. A call that panicked has left it in the middle of a step, and nothing is built on that: as after a
    /// restart the line is made again from its journal, where everything is that anybody was told.
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, JournalError> {
        let mut inner = match self.inner.lock() {
            Ok(inner) => return Ok(inner),
            Err(poisoned) => poisoned.into_inner(),
        };
        let found = inner.journal.as_ref().map(Journal::read_again).transpose()?;
        let saved = found.map(|found| found.saved).unwrap_or_default();
        let mut line = Line::restore(self.settings.clone(), &saved, self.moment.now_ms(), self.nonce, 0);
        let records = line.take_records();
        if let Some(journal) = &mut inner.journal {
            journal.rewrite(&saved, &records)?;
            let journal = journal.path().display();
            tracing::error!(%journal, "the line failed in the middle of a step and was made again from its journal");
        }
        (inner.line, inner.unwritten) = (line, Vec::new());
        self.inner.clear_poison();
        Ok(inner)
    }

    /// The exchange itself, for callers without a runtime.
    pub fn tick_now(&self, request: &Request) -> Result<Arc<Reply>, StoreError> {
        let mut inner = self.lock()?;
        let reply = inner.line.tick(self.moment.now_ms(), request)?;
        inner.write_down()?;
        Ok(reply)
    }
}

impl Inner {
    /// Nothing leaves before it is written down: not a reply, and not its repetition.
    fn write_down(&mut self) -> Result<(), JournalError> {
        self.unwritten.extend(self.line.take_records());
        match &mut self.journal {
            Some(journal) if !self.unwritten.is_empty() => journal.append(&self.unwritten)?,
            _ => {}
        }
        self.unwritten.clear();
        Ok(())
    }
}

#[async_trait::async_trait]
impl LineStore for MemoryStore {
    async fn tick(&self, request: &Request) -> Result<Arc<Reply>, StoreError> {
        self.tick_now(request)
    }

    fn nonce(&self) -> u32 {
        // It is alone with its store.
        0
    }

    async fn configure(&self, change: Change) -> Result<Arc<Settings>, StoreError> {
        let mut inner = self.lock()?;
        let settings = inner.line.configure(&change);
        inner.write_down()?;
        Ok(settings)
    }

    async fn turn(&self, round: Round) -> Result<(), StoreError> {
        let mut inner = self.lock()?;
        match round {
            Round::Close => inner.line.close(self.moment.now_ms()),
            Round::Open => inner.line.open(),
        }
        Ok(inner.write_down()?)
    }

    async fn visit(&self, id: VisitId) -> Result<Option<Visit>, StoreError> {
        Ok(self.lock()?.line.visit(id).copied())
    }

    async fn visits(&self, most: usize) -> Result<Vec<(VisitId, Visit)>, StoreError> {
        let inner = self.lock()?;
        let first = inner.line.visits().take(most);
        Ok(first.map(|(id, visit)| (id, *visit)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Status;

    fn places(store: &MemoryStore, seq: u64) -> Result<u64, StoreError> {
        let request = Request {
            boot: 1,
            seq,
            arrivals: 3,
            ..Request::default()
        };
        store
            .tick_now(&request)
            .map(|reply| reply.given.map_or(0, |given| given.first.number + 2))
    }

    #[tokio::test]
    async fn a_visit_is_found_by_its_id_until_it_is_over() {
        let mut settings = Settings::for_tests();
        settings.mode = tidegate_config::Mode::Auto;
        let store = MemoryStore::volatile(settings, 1, Arc::new(SystemMoment::default()));
        assert_eq!(places(&store, 1).expect("places"), 3);
        let listed = store.visits(2).await.expect("a list");
        assert_eq!(listed.len(), 2, "no more than asked for");
        for (id, visit) in listed {
            assert_eq!(store.visit(id).await.expect("an answer"), Some(visit));
            let another = VisitId {
                turn: crate::line::Turn(id.turn.0 + 100),
                ..id
            };
            assert_eq!(
                store.visit(another).await.expect("an answer"),
                None,
                "another turn"
            );
            let end = Request {
                boot: 2,
                seq: id.turn.0,
                end: vec![id],
                ..Request::default()
            };
            store.tick_now(&end).expect("a tick");
            assert_eq!(store.visit(id).await.expect("an answer"), None, "it is over");
        }
    }

    #[test]
    fn a_reply_does_not_leave_while_the_disk_is_full_and_nothing_is_lost_when_there_is_room_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("drop.journal");
        let moment: Arc<dyn Moment> = Arc::new(SystemMoment::default());
        let store =
            MemoryStore::open(&path, Settings::for_tests(), 1, moment.clone()).expect("a new journal");
        assert_eq!(places(&store, 1).expect("room on the disk"), 3);
        // The file takes nothing more, and a new one cannot take its place.
        store
            .lock()
            .expect("a line")
            .journal
            .as_mut()
            .expect("a journal")
            .fill_up();
        std::fs::create_dir(path.with_extension("next")).expect("something in the way");
        assert!(
            matches!(places(&store, 2), Err(StoreError::Journal(_))),
            "the reply stays"
        );
        assert!(
            matches!(places(&store, 2), Err(StoreError::Journal(_))),
            "and so does its repetition"
        );
        std::fs::remove_dir(path.with_extension("next")).expect("the way is free");
        assert_eq!(
            places(&store, 2).expect("room again"),
            6,
            "the same numbers, given once"
        );
        drop(store);
        let store = MemoryStore::open(&path, Settings::for_tests(), 2, moment).expect("the journal is whole");
        assert_eq!(
            store.lock().expect("a line").line.figures().issued,
            6,
            "what left was written down"
        );
    }

    #[test]
    fn a_line_that_failed_in_the_middle_of_a_step_is_made_again_from_what_was_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let moment: Arc<dyn Moment> = Arc::new(SystemMoment::default());
        let path = folder.path().join("drop.journal");
        let store = MemoryStore::open(&path, Settings::for_tests(), 1, moment).expect("a new journal");
        assert_eq!(places(&store, 1).expect("places"), 3);
        let begun = store.lock().expect("a line").line.figures();
        // Half of a step: the line gave places, and nobody wrote that down.
        let fails = || {
            let mut inner = store.lock().expect("a line");
            let request = Request {
                boot: 1,
                seq: 2,
                arrivals: 5,
                ..Request::default()
            };
            inner.line.tick(store.moment.now_ms(), &request).expect("a tick");
            panic!("on purpose");
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails)).expect_err("a panic");

        let request = Request {
            boot: 1,
            seq: 2,
            arrivals: 3,
            ..Request::default()
        };
        let reply = store.tick_now(&request).expect("a line that is whole");
        assert_eq!(
            reply.status,
            Status::Regroup,
            "nobody is admitted before edges have spoken"
        );
        let given = reply.given.expect("places");
        assert_eq!(
            (given.first.number, given.straight),
            (1, 0),
            "an epoch of its own"
        );
        assert_eq!(
            reply.figures.issued,
            begun.issued + 3,
            "what was not written down never was"
        );
        drop(store);
        let (_, found) = Journal::open(&path).expect("the journal is whole");
        assert!(!found.saved.is_empty());
    }
}
