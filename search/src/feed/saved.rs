//! The last catalogue read, kept in a file so that a restart need not wait for booking.
//!
//! One line about the reading, then one line an event. The file is written beside and renamed over the old one, so it
//! is whole or absent; one that cannot be understood, of another format for instance, is as good as absent.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, CatalogueVersion, Event};

/// Raised when the lines change their shape.
const FORMAT: u32 = 1;

/// Where the catalogue is kept.
#[derive(Clone, Debug)]
pub(crate) struct SavedFile {
    directory: PathBuf,
}

/// Why a saved catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SavedError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("line {line} of {path} cannot be understood: {source}")]
    Line {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error("{path} has format {format} and this version reads {FORMAT}")]
    Format { path: PathBuf, format: u32 },
    #[error("{path} has {found} of {expected} events")]
    Short {
        path: PathBuf,
        found: usize,
        expected: usize,
    },
    #[error("its index cannot be built: {0}")]
    Index(tantivy::TantivyError),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    events: usize,
    version: Option<CatalogueVersion>,
    read_at: StoredTimestamp,
}

/// Seconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct StoredTimestamp(i64);

impl SavedFile {
    /// Prepares the directory, making sure now that it can be written.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let saved = Self {
            directory: directory.to_owned(),
        };
        File::create(saved.fresh())?;
        fs::remove_file(saved.fresh())?;
        Ok(saved)
    }

    /// Replaces what is saved.
    pub(crate) fn save(&self, catalogue: &Catalogue) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(self.fresh())?);
        let head = Head {
            format: FORMAT,
            events: catalogue.events.len(),
            version: catalogue.version.clone(),
            read_at: StoredTimestamp(catalogue.read_at.as_second()),
        };
        write_line(&mut file, &head)?;
        for event in &catalogue.events {
            write_line(&mut file, event)?;
        }
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(self.fresh(), self.path())
    }

    /// What was saved last; `None` where nothing was.
    pub(crate) fn load(&self) -> Result<Option<Catalogue>, SavedError> {
        let path = self.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SavedError::Read { path, source }),
        };
        let mut lines = BufReader::new(file).lines();
        let first = lines.next().transpose().map_err(|source| SavedError::Read {
            path: path.clone(),
            source,
        })?;
        let head: Head = understand(&path, 1, &first.unwrap_or_default())?;
        if head.format != FORMAT {
            return Err(SavedError::Format {
                path,
                format: head.format,
            });
        }
        let mut events = Vec::new();
        for (at, line) in lines.enumerate() {
            let line = line.map_err(|source| SavedError::Read {
                path: path.clone(),
                source,
            })?;
            events.push(understand::<Event>(&path, at + 2, &line)?);
        }
        if events.len() != head.events {
            return Err(SavedError::Short {
                path,
                found: events.len(),
                expected: head.events,
            });
        }
        let read_at = Timestamp::from_second(head.read_at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Some(Catalogue {
            version: head.version,
            read_at,
            events,
        }))
    }

    fn path(&self) -> PathBuf {
        self.directory.join("catalogue.jsonl")
    }

    fn fresh(&self) -> PathBuf {
        self.directory.join("catalogue.jsonl.new")
    }
}

fn write_line(file: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, value)?;
    file.write_all(b"\n")
}

fn understand<'a, T: Deserialize<'a>>(path: &Path, line: usize, text: &'a str) -> Result<T, SavedError> {
    serde_json::from_str(text).map_err(|source| SavedError::Line {
        path: path.to_owned(),
        line,
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let event = serde_json::json!({"id": 1, "title": "Ghosts\n\u{2028}", "showtimes":
            [{"id": 2, "starts_at": "2030-05-01T20:00:00-07:00", "seats_left": 3}]});
        Catalogue {
            version: Some(CatalogueVersion("\"v1\"".to_owned())),
            read_at: Timestamp::from_second(1_900_000_000).unwrap(),
            events: vec![serde_json::from_value(event).unwrap()],
        }
    }

    #[test]
    fn what_is_saved_comes_back_and_nothing_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let saved = SavedFile::open(directory.path()).unwrap();
        assert_eq!(saved.load().unwrap(), None);
        saved.save(&catalogue()).unwrap();
        saved.save(&catalogue()).unwrap();
        assert_eq!(saved.load().unwrap(), Some(catalogue()));
    }

    #[test]
    fn a_damaged_or_foreign_file_is_told_apart_from_a_catalogue() {
        let directory = tempfile::tempdir().unwrap();
        let saved = SavedFile::open(directory.path()).unwrap();
        saved.save(&catalogue()).unwrap();
        let whole = fs::read_to_string(saved.path()).unwrap();
        let head = whole.lines().next().unwrap();
        fs::write(saved.path(), format!("{head}\n")).unwrap();
        assert!(matches!(
            saved.load(),
            Err(SavedError::Short {
                found: 0,
                expected: 1,
                ..
            })
        ));
        fs::write(saved.path(), &whole[..whole.len() - 9]).unwrap();
        assert!(matches!(saved.load(), Err(SavedError::Line { line: 2, .. })));
        fs::write(saved.path(), whole.replace("\"format\":1", "\"format\":9")).unwrap();
        assert!(matches!(saved.load(), Err(SavedError::Format { format: 9, .. })));
        fs::write(saved.path(), "").unwrap();
        assert!(matches!(saved.load(), Err(SavedError::Line { line: 1, .. })));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_found_out_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(SavedFile::open(&file.join("search")).is_err());
    }
}
