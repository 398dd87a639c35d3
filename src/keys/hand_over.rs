//! Hands the key ring of one edge to another: edges on one store must take each other's tokens.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _, stdin, stdout};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use tidegate_queue::tokens::KeyFile;

/// Bytes of a ring. Sixteen generations, as many as are kept, are under 6 kB.
const RING_BYTES_MAX: u64 = 64 * 1024;

/// Prints the whole ring, secrets included. Into a terminal, with its scrollback, only when `force` says so.
pub(super) fn share(ring: &KeyFile, force: bool) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    ensure!(
        force || !out.is_terminal(),
        "this would show the keys' secrets on the screen: send them on with `tidegate keys share | ssh other tidegate \
         keys adopt`, or into a file that only you can read; --force shows them"
    );
    eprintln!(
        "tidegate: whoever reads this can forge every place and visit of this site: keep it secret, and leave no copy"
    );
    writeln!(out, "{}", ring.to_text()).context("cannot write the keys")?;
    out.flush().context("cannot write the keys")
}

/// Reads a ring from a file or, without one or as `-`, from standard input, and checks all of it.
pub(super) fn received(file: Option<&Path>) -> anyhow::Result<KeyFile> {
    let file = file.filter(|file| *file != Path::new("-"));
    let source = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let mut text = Vec::new();
    let read = match file {
        None => stdin().lock().take(RING_BYTES_MAX + 1).read_to_end(&mut text),
        Some(file) => File::open(file).and_then(|file| file.take(RING_BYTES_MAX + 1).read_to_end(&mut text)),
    };
    read.with_context(|| format!("cannot read keys from {source}"))?;
    ensure!(
        text.len() as u64 <= RING_BYTES_MAX,
        "{source} is larger than any keys: give what `tidegate keys share` printed"
    );
    KeyFile::from_text(&text, &source).map_err(Into::into)
}

/// Writes a ring to `path`. One that is there stays, unless nothing of it is lost or `replace` says so.
pub(super) fn adopt(ring: &KeyFile, path: &Path, replace: bool) -> anyhow::Result<()> {
    if path.exists() && !replace {
        // A file that is damaged or exposed is for its owner to judge.
        let here = KeyFile::load_or_create(path, 0)?;
        if here == *ring {
            println!("these keys are here already, at {}", path.display());
            return Ok(());
        }
        if !ring.includes(&here) {
            bail!(
                "there are other keys at {}: without them every place and visit signed with them is worthless, and the \
                 fans who hold one start again at the end of the line. If nobody does, say --replace",
                path.display()
            );
        }
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the data directory {}", folder.display()))?;
    }
    ring.save(path)?;
    let list = ring.list();
    let newest = list.first().context("a ring has keys")?;
    println!(
        "{} signs at {} from now on; {} older ones verify",
        newest.kid,
        path.display(),
        list.len() - 1
    );
    Ok(())
}
