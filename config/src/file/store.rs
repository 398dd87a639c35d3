//! `[store]`.

use std::path::Path;

use super::files;
use super::section::Section;
use super::values::{duration, parsed};
use crate::problems::Wrong;
use crate::{RedisStore, Store, StoreUrl, defaults, limits};

/// Reads `[store]`. Without a key it says nothing, and the line is embedded.
pub(crate) fn store(mut section: Section<'_>, base_dir: &Path) -> Store {
    let is_empty = section.entries().next().is_none();
    let url = section.take_option("url", parsed(url));
    let tls_ca = section.take_option("tls_ca", parsed(files::pem(base_dir, "CERTIFICATE")));
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
    if let Some(url) = &url.value
        && !url.tls
        && tls_ca.is_written()
    {
        let message = "has a use only over TLS, and store.url says without";
        let remedy = "begin store.url with rediss, or leave tls_ca out";
        section.problem_on(tls_ca.line, &tls_ca.key, Wrong::new(message, remedy));
    }
    section.finish();
    match url.value {
        Some(url) => Store::Redis(RedisStore {
            url,
            tls_ca: tls_ca.value,
            max_replica_lag,
        }),
        None => Store::Embedded,
    }
}

/// A store's URL. Nothing of it is shown: there may be a password in it.
pub(crate) fn url(text: &str) -> Result<StoreUrl, Wrong> {
    text.parse()
        .map_err(|bad: crate::BadStoreUrl| Wrong::new(bad.message, bad.remedy))
}
