//! How many sockets this process may hold.

use anyhow::{Context as _, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Most fans of one rehearsal, each with one socket at a time. Common limits allow 20,000 open files a process.
pub(crate) const FANS_MAX: usize = 18_000;

/// Files beside the fans' sockets: the runtime, standard streams, the admin API, those closing while others open.
const FILES_BESIDE: u64 = 200;

/// Makes room for one socket a fan; returns the new number of open files when it had to be raised.
pub(crate) fn allow_sockets(fans: usize) -> anyhow::Result<Option<u64>> {
    let needed = fans as u64 + FILES_BESIDE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    if soft >= needed {
        return Ok(None);
    }
    if hard < needed {
        let possible = hard.saturating_sub(FILES_BESIDE);
        bail!(
            "{fans} fans need {needed} open files and this process may have {hard}: \
             come with --fans {possible}, or raise the hard limit (ulimit -Hn)"
        );
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard).context("cannot raise the limit of open files")?;
    Ok(Some(needed))
}
