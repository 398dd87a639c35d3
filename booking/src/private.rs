//! Files with secrets (keys, hashes of passwords, whose seats are whose): for their owner alone.

use std::io;
use std::path::Path;

/// Makes a folder, for its owner alone, unless it is there: then it is somebody's decision.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Sees to it that SQLite finds a file that is its owner's alone: it gives the files beside it, its log and its index, the
/// same access. What others may read is closed to them. What cannot be made or closed is left to SQLite to complain about,
/// or is told.
pub(crate) fn file(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if options.open(path).is_ok() {
        return;
    }
    #[cfg(unix)]
    for beside in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        close(Path::new(&name));
    }
}

#[cfg(unix)]
fn close(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(known) = std::fs::metadata(path) else {
        return;
    };
    let mode = known.permissions().mode();
    if !known.is_file() || mode & 0o077 == 0 {
        return;
    }
    let owners = std::fs::Permissions::from_mode(mode & 0o700);
    match std::fs::set_permissions(path, owners) {
        Ok(()) => {
            tracing::warn!(path = %path.display(), "a file with secrets was open to others; it is closed to them now")
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "a file with secrets is open to others and cannot be closed")
        }
    }
}
