//! What is to outlive the machine.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Puts the file `next`, which has been synced, in the place of `path` in the same folder. A rename changes the folder, and
/// only once that is on the disk too does the machine's death not bring the old file back.
pub(crate) fn replace(next: &Path, path: &Path) -> io::Result<()> {
    fs::rename(next, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
