//! Why an edge does not start, in words that say what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tidegate_queue::store::redis::ConnectError;
use tidegate_queue::store::{JournalError, StoreError};
use tidegate_queue::tokens::KeyFileError;

use crate::page::ThemeError;
use crate::request::route::BadRoute;
use crate::users::reader::BadAddress;

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address} ({what}): {source}{}", hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: {source}; choose another with --data-dir, or make this one writable", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The Redis that holds the lines.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A line did not take its first tick.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A room's page.
    #[error("room {room}: {source}")]
    Theme {
        /// Which room.
        room: String,
        /// What is wrong with it.
        source: ThemeError,
    },
    /// A route.
    #[error(transparent)]
    Route(#[from] BadRoute),
    /// An upstream's server.
    #[error("upstream {upstream}: cannot resolve {server}: {source}")]
    Upstream {
        /// Which upstream.
        upstream: String,
        /// Which server.
        server: String,
        /// Why not.
        source: io::Error,
    },
    /// The address of the users' keys.
    #[error(transparent)]
    Users(#[from] BadAddress),
    /// The certificate.
    #[error("cannot use the certificate {} with the key {}: {reason}", cert.display(), key.display())]
    Tls {
        /// Certificate file.
        cert: PathBuf,
        /// Key file.
        key: PathBuf,
        /// Why not.
        reason: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; stop what listens there, or choose another address with --listen or --admin-listen"
        }
        io::ErrorKind::PermissionDenied => "; ports under 1024 need privileges: choose another address",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}
