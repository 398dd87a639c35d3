//! The embedded store's journal: one JSON record a line, appended before the reply it belongs to leaves.
//!
//! Appending is a write to the file, which survives the death of the process; a thread brings it to the disk once a
//! second, for the death of the machine. Which of the two happened is told by the kernel's boot id in the first line.
//! At every start, and when it has grown, the journal is written anew as a snapshot.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::line::{Record, Saved};

/// The journal is written anew when this much was appended since it last was.
const GROWN_BYTES: u64 = 32 << 20;
/// How often what was appended is brought to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("cannot {doing} the line's journal {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error(
        "the line's journal {} is damaged at line {line}; restore it from a backup, or move it away to begin with an \
         empty line, in which everyone who waits now is new",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// Another process has it.
    #[error("the line's journal {} is in use by another process; give this one its own data directory", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    /// Everything before; always the first line.
    Snapshot { boot_id: String, saved: Box<Saved> },
    /// What happened next.
    Then(Record),
}

/// What a journal said.
pub(super) struct Found {
    pub(super) saved: Saved,
    /// The machine went down since, and may have taken the last second with it.
    pub(super) may_have_lost: bool,
}

pub(super) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    /// Held locked for as long as the journal is in use.
    _lock: File,
    saved: Saved,
    appended: u64,
    /// A write failed half-way: the file may end in a piece of a record, or not be the one that is found at the next start.
    /// It is written anew before anything else.
    torn: bool,
    sync: mpsc::Sender<Arc<File>>,
}

impl Journal {
    /// Reads what is there and takes the journal for this process. Nothing is changed yet.
    pub(super) fn open(path: &Path) -> Result<(Self, Found), JournalError> {
        let io = |doing| {
            move |source| JournalError::Io {
                doing,
                path: path.to_owned(),
                source,
            }
        };
        let lock = private(path.with_extension("lock")).map_err(io("lock"))?;
        if !taken(&lock).map_err(io("lock"))? {
            return Err(JournalError::InUse {
                path: path.to_owned(),
            });
        }
        let file = private(path.to_owned()).map_err(io("open"))?;
        let text = fs::read(path).map_err(io("read"))?;
        let found = read(path, &text)?;
        let (sync, syncs) = mpsc::channel::<Arc<File>>();
        std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || bring_to_disk(&syncs))
            .map_err(io("start the writer of"))?;
        let file = Arc::new(file);
        let saved = found.saved.clone();
        Ok((
            Self {
                path: path.to_owned(),
                file,
                _lock: lock,
                saved,
                appended: 0,
                torn: false,
                sync,
            },
            found,
        ))
    }

    /// Replaces the journal by a snapshot of `saved` and what happened since.
    pub(super) fn rewrite(&mut self, saved: &Saved, records: &[Record]) -> Result<(), JournalError> {
        let io = |doing| {
            let path = self.path.clone();
            move |source| JournalError::Io { doing, path, source }
        };
        let next = self.path.with_extension("next");
        let mut file = private(next.clone()).map_err(io("create"))?;
        file.set_len(0).map_err(io("create"))?;
        let snapshot = Entry::Snapshot {
            boot_id: boot_id(),
            saved: Box::new(saved.clone()),
        };
        let mut text = line_of(&snapshot).map_err(io("write"))?;
        for record in records {
            text.extend(line_of(&Entry::Then(record.clone())).map_err(io("write"))?);
        }
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(io("write"))?;
        // Until it is known which of the two is there, and would be after the machine's death, nothing is appended to
        // either.
        self.torn = true;
        disk::replace(&next, &self.path).map_err(io("replace"))?;
        self.torn = false;
        self.saved = saved.clone();
        records.iter().for_each(|record| self.saved.apply(record));
        self.file = Arc::new(file);
        self.appended = 0;
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What a restart would find now.
    pub(super) fn read_again(&self) -> Result<Found, JournalError> {
        let text = fs::read(&self.path).map_err(|source| JournalError::Io {
            doing: "read",
            path: self.path.clone(),
            source,
        })?;
        read(&self.path, &text)
    }

    /// Appends records. When this returns, they outlive the process; when it fails, they may be appended again.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if self.torn || self.appended > GROWN_BYTES {
            let saved = self.saved.clone();
            return self.rewrite(&saved, records);
        }
        let path = self.path.clone();
        let io = |source| JournalError::Io {
            doing: "append to",
            path,
            source,
        };
        let written = lines_of(records).and_then(|text| {
            (&*self.file).write_all(&text)?;
            Ok(text.len() as u64)
        });
        match written {
            Ok(bytes) => self.appended += bytes,
            Err(error) => {
                self.torn = true;
                return Err(io(error));
            }
        }
        records.iter().for_each(|record| self.saved.apply(record));
        // The writer is gone only when the process is.
        let _ = self.sync.send(self.file.clone());
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// As if the disk were full from now on.
    pub(super) fn fill_up(&mut self) {
        let full = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a device that takes nothing");
        self.file = Arc::new(full);
    }
}

fn lines_of(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(records.len() * 96);
    for record in records {
        text.extend(line_of(&Entry::Then(record.clone()))?);
    }
    Ok(text)
}

/// Waits a second at most for a lock: a process that was just told to stop may still be at it, and a child that
/// another thread is starting holds what its parent held until it runs its own program.
fn taken(lock: &File) -> io::Result<bool> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let asked = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(trouble)) => return Err(trouble),
            Err(TryLockError::WouldBlock) if asked.elapsed() > PATIENCE => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// A file for its owner only, written at its end.
fn private(path: PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn line_of(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// The kernel's id of this start of the machine; empty where there is none, which counts as another start.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn read(path: &Path, text: &[u8]) -> Result<Found, JournalError> {
    let mut found = Found {
        saved: Saved::default(),
        may_have_lost: false,
    };
    let complete = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    // A last line without its end was being written when the process died: its reply never left.
    for (index, line) in text[..complete].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let damaged = JournalError::Damaged {
            path: path.to_owned(),
            line: index + 1,
        };
        match (index, serde_json::from_slice(line)) {
            (0, Ok(Entry::Snapshot { boot_id: then, saved })) => {
                let now = boot_id();
                found = Found {
                    saved: *saved,
                    may_have_lost: now.is_empty() || then != now,
                };
            }
            (1.., Ok(Entry::Then(record))) => found.saved.apply(&record),
            _ => return Err(damaged),
        }
    }
    Ok(found)
}

/// Brings the newest file to the disk, at most once in [`SYNC_EVERY`].
fn bring_to_disk(syncs: &mpsc::Receiver<Arc<File>>) {
    while let Ok(file) = syncs.recv() {
        let file = syncs.try_iter().last().unwrap_or(file);
        if let Err(error) = file.sync_data() {
            tracing::error!(%error, "the line's journal could not be brought to the disk");
        }
        std::thread::sleep(SYNC_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Line, Place, Request, Settings, Status};

    #[test]
    fn a_torn_last_line_is_forgotten_and_damage_before_it_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("drop.journal");
        let (mut journal, found) = Journal::open(&path).expect("a new journal");
        assert!(found.saved.is_empty());
        let mut line = Line::new(Settings::for_tests(), 1_790_000_000_000, 1);
        journal
            .rewrite(&found.saved, &line.take_records())
            .expect("a snapshot");
        line.tick(
            1_790_000_000_100,
            &Request {
                boot: 1,
                seq: 1,
                arrivals: 3,
                ..Request::default()
            },
        )
        .expect("a tick");
        journal.append(&line.take_records()).expect("an append");
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse { .. })));
        let leaving = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(journal);
        });
        Journal::open(&path).expect("a journal whose last user was about to go");
        leaving.join().expect("it went");

        let whole = fs::read(&path).expect("the journal");
        fs::write(&path, [&whole[..], b"{\"then\":{\"numb"].concat()).expect("a torn line");
        let (torn, found) = Journal::open(&path).expect("a torn journal is read");
        assert!(!found.may_have_lost);
        drop(torn);
        let mut again = Line::restore(Settings::for_tests(), &found.saved, 1_790_000_001_000, 2, 0);
        assert_eq!(again.status(), Status::Regroup);
        let reply = again
            .tick(
                1_790_000_001_100,
                &Request {
                    boot: 2,
                    seq: 1,
                    arrivals: 1,
                    ..Request::default()
                },
            )
            .expect("a tick");
        let given = reply.given.expect("a place").first;
        assert!(
            given
                > Place {
                    number: 3,
                    ..Place::START
                }
                && given.number == 1,
            "a new epoch: {given}"
        );

        fs::write(&path, [b"garbage\n", &whole[..]].concat()).expect("damage");
        assert!(matches!(
            Journal::open(&path),
            Err(JournalError::Damaged { line: 1, .. })
        ));
    }
}
