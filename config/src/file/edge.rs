//! `[edge]`, `[edge.tls]` and `[[upstream]]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::section::Section;
use super::spot::Spot;
use super::values::{address, duration, network, parsed, whole};
use super::{files, words};
use crate::problems::Wrong;
use crate::{Edge, Tls, Upstream, defaults, limits};

/// `[edge]` as it stands in the file.
pub(crate) struct EdgeInFile {
    pub(crate) edge: Edge,
    /// The line of its header, or 1.
    pub(crate) line: usize,
    pub(crate) listen: Vec<Spot<SocketAddr>>,
    pub(crate) admin_listen: Spot<SocketAddr>,
}

/// Reads `[edge]`.
pub(crate) fn edge(mut section: Section<'_>, base_dir: &Path) -> EdgeInFile {
    let listen = section
        .list_not_empty("listen", limits::LISTEN_MAX, "[\"127.0.0.1:8080\"]", |value| {
            parsed(address)(value)
        })
        .unwrap_or_else(|| vec![section.left_out("listen", defaults::EDGE_LISTEN)]);
    let admin_listen = section.take("admin_listen", defaults::ADMIN_LISTEN, parsed(address));
    let edge = Edge {
        listen: listen.iter().map(|spot| spot.value).collect(),
        admin_listen: admin_listen.value,
        admin_token: section
            .take_option("admin_token", parsed(words::admin_token))
            .value,
        data_dir: section
            .take("data_dir", PathBuf::from(defaults::DATA_DIR), parsed(folder))
            .value,
        trusted_proxies: section
            .list(
                "trusted_proxies",
                limits::TRUSTED_PROXIES_MAX,
                "[\"10.0.0.0/8\"]",
                |v| parsed(network)(v),
            )
            .map(|list| list.into_iter().map(|spot| spot.value).collect())
            .unwrap_or_default(),
        prefix: section
            .take("prefix", defaults::PREFIX.to_owned(), parsed(words::prefix))
            .value,
        sockets_max: section
            .take("sockets_max", defaults::SOCKETS_MAX, whole(limits::SOCKETS))
            .value,
        sockets_per_address_max: section
            .take(
                "sockets_per_address_max",
                defaults::SOCKETS_PER_ADDRESS_MAX,
                whole(limits::SOCKETS),
            )
            .value,
        joins_per_address_per_min: section
            .take(
                "joins_per_address_per_min",
                defaults::JOINS_PER_ADDRESS_PER_MIN,
                whole(limits::JOINS),
            )
            .value,
        drain_within: section
            .take(
                "drain_within",
                defaults::DRAIN_WITHIN,
                duration(limits::DRAIN_WITHIN),
            )
            .value,
        tls: section.table("tls").map(|section| tls(section, base_dir)),
    };
    let line = section.line;
    section.finish();
    EdgeInFile {
        edge,
        line,
        listen,
        admin_listen,
    }
}

/// A folder that is made when it is not there, so it need not exist.
fn folder(text: &str) -> Result<PathBuf, Wrong> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Wrong::new(
            "is no folder",
            format!("write \"{}\", or leave the key out", defaults::DATA_DIR),
        ));
    }
    Ok(PathBuf::from(text))
}

fn tls(mut section: Section<'_>, base_dir: &Path) -> Tls {
    let cert = section.need(
        "cert",
        PathBuf::new(),
        "\"fullchain.pem\"",
        parsed(files::pem(base_dir, "CERTIFICATE")),
    );
    let key = section.need(
        "key",
        PathBuf::new(),
        "\"key.pem\"",
        parsed(files::pem(base_dir, "PRIVATE KEY")),
    );
    section.finish();
    Tls {
        cert: cert.value,
        key: key.value,
    }
}

/// One `[[upstream]]` as it stands in the file.
pub(crate) struct UpstreamInFile {
    pub(crate) upstream: Upstream,
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) name: Spot<String>,
    pub(crate) servers: Vec<Spot<String>>,
}

/// Reads one `[[upstream]]`.
pub(crate) fn upstream(mut section: Section<'_>) -> UpstreamInFile {
    let name = section.need("name", String::new(), "\"shop\"", parsed(words::name));
    let example = "[\"127.0.0.1:8081\"]";
    if !section.has("servers") {
        section.missing("servers", example);
    }
    let servers = section
        .list_not_empty("servers", limits::SERVERS_MAX, example, |value| {
            parsed(words::server)(value)
        })
        .unwrap_or_default();
    let upstream = Upstream {
        name: name.value.clone(),
        servers: servers.iter().map(|spot| spot.value.clone()).collect(),
    };
    let (line, path) = (section.line, section.path.clone());
    section.finish();
    UpstreamInFile {
        upstream,
        line,
        path,
        name,
        servers,
    }
}
