//! Reads the URL. What may be wrong with one is said without quoting it: a password with a `/` or an `@` in it ends up in
//! any part.

use std::str::FromStr;

use super::{BadStoreUrl, Deployment, Login, Node, StoreUrl};
use crate::file::words;
use crate::limits;
use crate::problems::did_you_mean;

fn bad<T>(message: impl Into<String>, remedy: impl Into<String>) -> Result<T, BadStoreUrl> {
    Err(BadStoreUrl {
        message: message.into(),
        remedy: remedy.into(),
    })
}

/// What stands before `://`, for plain servers, sentinels and clusters.
const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis-sentinel",
    "rediss-sentinel",
    "redis-cluster",
    "rediss-cluster",
];

/// Where Redis listens unless told otherwise.
const SERVER_PORT: u16 = 6379;

/// Where its sentinels listen unless told otherwise.
const SENTINEL_PORT: u16 = 26379;

const EXAMPLE: &str = "\"redis://127.0.0.1:6379\"";

impl FromStr for StoreUrl {
    type Err = BadStoreUrl;

    fn from_str(text: &str) -> Result<Self, BadStoreUrl> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return bad("is no store URL", format!("write the whole URL: {EXAMPLE}"));
        };
        if !SCHEMES.contains(&scheme) {
            return bad("begins with a scheme that is not spoken here", instead_of(scheme));
        }
        if rest.contains(['?', '#']) {
            return bad(
                "has something behind a '?' or '#'",
                "remove it; inside a password write '?' as %3F and '#' as %23",
            );
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(self::login(login)?), hosts),
            None if path.contains('@') => {
                return bad("has a '/' before its '@'", "inside a password write '/' as %2F");
            }
            None => (None, authority),
        };
        let tls = scheme.starts_with("rediss");
        let kind = scheme.split_once('-').map_or("", |(_, kind)| kind);
        let nodes = nodes(
            hosts,
            if kind == "sentinel" {
                SENTINEL_PORT
            } else {
                SERVER_PORT
            },
        )?;
        let mut path = path.split('/').skip(1).filter(|part| !part.is_empty());
        let deployment = match kind {
            "sentinel" => Deployment::Sentinel {
                sentinels: nodes,
                primary: primary(path.next())?,
            },
            "cluster" => Deployment::Cluster(nodes),
            _ => single(nodes)?,
        };
        let db = match path.next() {
            None => 0,
            Some(db) => match db.parse() {
                Ok(0) => 0,
                Ok(_) if kind == "cluster" => {
                    return bad("names a database, and a cluster has only one", "remove it");
                }
                Ok(db) => db,
                Err(_) => {
                    return bad(
                        "has no number for its database",
                        format!("write the number behind the last '/', or nothing: {EXAMPLE}"),
                    );
                }
            },
        };
        if path.next().is_some() {
            return bad("goes on behind its database", "remove what stands there");
        }
        Ok(Self {
            deployment,
            tls,
            login,
            db,
        })
    }
}

/// What to write instead of a scheme that is none of ours.
fn instead_of(scheme: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    let meant = match scheme.as_str() {
        "valkey" | "tcp" => Some("redis"),
        "valkeys" | "tls" => Some("rediss"),
        "redis+sentinel" => Some("redis-sentinel"),
        "redis+cluster" => Some("redis-cluster"),
        other => did_you_mean(other, SCHEMES),
    };
    match meant {
        Some(meant) => format!("write {meant}://"),
        None => format!(
            "write redis:// for one server, redis-sentinel:// or redis-cluster:// for several, each with \"rediss\" \
             for TLS: {EXAMPLE}"
        ),
    }
}

fn login(text: &str) -> Result<Login, BadStoreUrl> {
    if text.contains('@') {
        return bad(
            "has more than one '@'",
            "inside a user or password write '@' as %40",
        );
    }
    let Some((user, password)) = text.split_once(':') else {
        return bad(
            "has a user and no password",
            "write \"user:password@\", or \":password@\" for the default user",
        );
    };
    if password.contains(':') {
        return bad(
            "has more than one ':' before its '@'",
            "inside a user or password write ':' as %3A",
        );
    }
    if user.is_empty() && password.is_empty() {
        return bad(
            "has an empty password",
            "write it between ':' and '@', or leave both out",
        );
    }
    let user = decoded(user)?;
    Ok(Login {
        user: (!user.is_empty()).then_some(user),
        password: decoded(password)?,
    })
}

/// Text with its `%XX` resolved.
fn decoded(text: &str) -> Result<String, BadStoreUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
                _ => {
                    return bad(
                        "has a '%' without two hexadecimal digits",
                        "inside a user or password write '%' as %25",
                    );
                }
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).or_else(|_| bad("has a user or password that is not UTF-8", "write it as UTF-8"))
}

fn nodes(hosts: &str, port: u16) -> Result<Vec<Node>, BadStoreUrl> {
    let node = |text: &str| {
        let (host, port) =
            words::authority(text).or_else(|| words::host_name(text).map(|host| (host, port)))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Node { host, port })
    };
    let nodes: Option<Vec<Node>> = hosts.split(',').map(node).collect();
    match nodes {
        Some(nodes) if nodes.len() <= limits::STORE_NODES_MAX => Ok(nodes),
        Some(nodes) => bad(
            format!("names {} servers", nodes.len()),
            format!("write at most {}; they name the others", limits::STORE_NODES_MAX),
        ),
        None => bad(
            "has no host and port where they belong",
            format!("write host:port, an IPv6 address in brackets: {EXAMPLE} or \"redis://[::1]:6379\""),
        ),
    }
}

fn single(nodes: Vec<Node>) -> Result<Deployment, BadStoreUrl> {
    let count = nodes.len();
    match <[Node; 1]>::try_from(nodes) {
        Ok([node]) => Ok(Deployment::Single(node)),
        Err(_) => bad(
            format!("names {count} servers where one belongs"),
            "write redis-sentinel:// if these are sentinels, redis-cluster:// if they are nodes of a cluster",
        ),
    }
}

fn primary(name: Option<&str>) -> Result<String, BadStoreUrl> {
    let fits = |name: &&str| {
        name.len() <= limits::PRIMARY_NAME_LEN_MAX
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match name.filter(fits) {
        Some(name) => Ok(name.to_owned()),
        None => bad(
            "does not say what its sentinels call the primary",
            "write the name from \"sentinel monitor\" of sentinel.conf behind the hosts: \
             \"redis-sentinel://10.0.0.1,10.0.0.2,10.0.0.3/mymaster\"",
        ),
    }
}
