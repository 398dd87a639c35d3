//! Several edges of one site, with one key ring.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Proxy, Tidegate};

/// What one of several edges has of its own.
#[derive(Clone, Default)]
pub struct Edge {
    store: Option<String>,
    env: Vec<(String, String)>,
}

impl Edge {
    /// An edge on the store with this URL: the store's own, or one that leads there through a link.
    pub fn on(store: impl Into<String>) -> Self {
        Self {
            store: Some(store.into()),
            ..Self::default()
        }
    }

    /// An edge with a store in its own process.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// An edge whose wall clock is off by `shift`, as in `"-1h"`. What it measures time with goes right.
    pub fn clock(mut self, shift: &str) -> Self {
        let variables = [
            ("LD_PRELOAD", faketime_library().display().to_string()),
            ("FAKETIME", shift.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        self.env
            .extend(variables.map(|(name, value)| (name.to_owned(), value)));
        self
    }
}

/// Starts the edges one after the other, in front of `origin` with the room `drop`, and waits until each is ready. The
/// first makes the keys, the others get a copy.
pub fn edges(origin: SocketAddr, room: &str, edges: &[Edge]) -> Vec<Tidegate> {
    let mut started: Vec<Tidegate> = Vec::new();
    for edge in edges {
        let proxy = Proxy {
            room: room.to_owned(),
            store: edge.store.clone(),
            keys: started.first().map(Tidegate::key_file),
            env: edge.env.clone(),
        };
        started.push(Tidegate::start(origin, &proxy));
    }
    started
}

/// What libfaketime is preloaded from. Its folder has the name of the machine's architecture.
fn faketime_library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("system libraries").flatten();
    folders
        .map(|folder| folder.path().join(Path::new("faketime/libfaketimeMT.so.1")))
        .find(|file| file.exists())
        .expect("libfaketime is not installed; `make test` installs it")
}
