//! Typed, validated configuration of Tidegate.
//!
//! A file is read in two steps: `file/` reads what stands in it, key by key, and `check/` compares what stands in
//! different places. Both collect problems instead of stopping at the first, so that an operator sees all of them at
//! once, each with its line and what to write instead. What comes out is [`Config`]: checked, with every default
//! filled in. Nothing here reads the environment or opens a socket, except [`check`](fn@check), which says so.

mod booking;
mod check;
mod file;
mod model;
mod overrides;
mod problems;
mod store_url;

pub mod defaults;
pub mod examples;
pub mod limits;

use std::path::Path;

pub use booking::*;
pub use model::*;
pub use overrides::Overrides;
pub use problems::{PageFault, Problem, Problems};
pub use store_url::{BadStoreUrl, Deployment, Login, Node, StoreUrl};

/// Reads and validates the text of a configuration file.
///
/// `source` is what to call it in problems; files it names are looked up from `base_dir`.
///
/// # Errors
/// Every problem of the text, in the order of its lines.
pub fn parse(text: &str, source: &str, base_dir: &Path) -> Result<Config, Problems> {
    file::read(text, source, base_dir, None)
}

/// Reads and validates a configuration file.
///
/// # Errors
/// As [`parse`]; a file that cannot be read is a problem like any other.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let text = file::text_of(path)?;
    parse(&text, &path.display().to_string(), folder_of(path))
}

/// As [`load`], and looks besides whether the addresses it names exist: the names of upstream servers are resolved,
/// and each listener's address must be one of this machine's. What is wrong with a room's waiting page is asked of
/// `pages`, since whoever shows it knows its texts and reads its files.
///
/// Kept apart from [`load`] because an edge must be able to start while the name service is down.
///
/// # Errors
/// As [`load`].
pub fn check(path: &Path, pages: &dyn Fn(&Room) -> Vec<PageFault>) -> Result<Config, Problems> {
    let text = file::text_of(path)?;
    file::read(
        &text,
        &path.display().to_string(),
        folder_of(path),
        Some(&check::Outside {
            addresses: &check::System,
            pages,
        }),
    )
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
