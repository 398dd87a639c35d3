//! `[store]`.

use std::path::{Path, PathBuf};

use super::files;
use super::section::Section;
use super::values::{duration, parsed};
use crate::problems::Wrong;
use crate::{RedisStore, Store, StoreUrl, defaults, limits};

/// Reads `[store]`. Without a key it says nothing, and the line is embedded.
pub(crate) fn store(mut section: Section<'_>, base_dir: &Path) -> Store {
    let is_empty = section.entries().next().is_none();
    let url = section.take_option("url", parsed(url));
    let tls_ca = authorities(
        &mut section,
        "tls_ca",
        ("store.url", url.value.as_ref()),
        base_dir,
    );
    let usual_lag = url
        .value
        .as_ref()
        .map_or(defaults::MAX_REPLICA_LAG, StoreUrl::usual_lag);
    let max_replica_lag = section
        .take("max_replica_lag", usual_lag, duration(limits::MAX_REPLICA_LAG))
        .value;
    if !is_empty && !section.has("url") {
        section.missing(
            "url",
            "\"redis://127.0.0.1:6379\", or leave all of [store] out: the line is then in this process",
        );
    }
    section.finish();
    match url.value {
        Some(url) => Store::Redis(RedisStore {
            url,
            tls_ca,
            max_replica_lag,
        }),
        None => Store::Embedded,
    }
}

/// Reads the file of authorities beside the URL of this name, which has a use only where that says TLS.
pub(crate) fn authorities(
    section: &mut Section<'_>,
    key: &'static str,
    (name, url): (&str, Option<&StoreUrl>),
    base_dir: &Path,
) -> Option<PathBuf> {
    let file = section.take_option(key, parsed(files::pem(base_dir, "CERTIFICATE")));
    if file.is_written() && url.is_some_and(|url| !url.tls) {
        let message = format!("has a use only over TLS, and {name} says without");
        let remedy = format!("begin {name} with rediss, or leave {key} out");
        section.problem_on(file.line, &file.key, Wrong::new(message, remedy));
    }
    file.value
}

/// A store's URL. Nothing of it is shown: there may be a password in it.
pub(crate) fn url(text: &str) -> Result<StoreUrl, Wrong> {
    text.parse()
        .map_err(|bad: crate::BadStoreUrl| Wrong::new(bad.message, bad.remedy))
}
