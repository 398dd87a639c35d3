//! Mail as files: one `.eml` a mail, under the mail's key, whole or not there at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::MailError;
use super::message::MailKey;
use crate::private;

/// Keeps two writers of this process out of each other's unfinished files.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// Where mails are put down.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the mail and says where. The same mail again replaces its file by the same bytes.
    pub(super) async fn write(&self, key: &MailKey, bytes: Vec<u8>) -> Result<PathBuf, MailError> {
        let (folder, path) = (self.0.clone(), self.0.join(format!("{key}.eml")));
        let written = path.clone();
        let work = move || write(&folder, &written, &bytes);
        let failed = |source| MailError::Folder {
            path: path.clone(),
            source,
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome.map_err(failed)?,
            Err(stopped) => return Err(failed(io::Error::other(stopped))),
        }
        Ok(path)
    }
}

/// For the owner only: mails carry tickets and links that reset passwords.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    private::folder(folder)?;
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{}-{number}.part", std::process::id()));
    let outcome = write_new(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if outcome.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    outcome
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a crash left behind may be another process's of the same number; it is nobody's now.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
