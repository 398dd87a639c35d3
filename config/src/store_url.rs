//! The URL of a Redis deployment: one server, servers watched by sentinels, or a cluster.
//!
//! What may be wrong with one is said without quoting it: a password with a `/` or an `@` in it ends up in any part.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::file::words;
use crate::problems::did_you_mean;
use crate::{defaults, limits};

/// Where a Redis deployment is and who asks. `Debug` and `Display` never show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    /// The servers.
    pub deployment: Deployment,
    /// Whether they are spoken to over TLS.
    pub tls: bool,
    /// Name and password, where the servers ask for them.
    pub login: Option<Login>,
    /// The database; 0 in a cluster, which has no other.
    pub db: u32,
}

/// How the servers are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// One server, `redis://`.
    Single(Node),
    /// `redis-sentinel://`: sentinels know which server is the primary.
    Sentinel {
        /// The sentinels; never empty.
        sentinels: Vec<Node>,
        /// What the sentinels call the primary.
        primary: String,
    },
    /// `redis-cluster://`: nodes of a cluster, which name the others; never empty.
    Cluster(Vec<Node>),
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user; `None` is Redis's default user.
    pub user: Option<String>,
    /// The password, in clear.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password: _ } = self;
        f.debug_struct("Login")
            .field("user", user)
            .field("password", &"...")
            .finish()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl StoreUrl {
    /// How long a replaced primary may go on answering, where the file does not say.
    pub(crate) fn usual_lag(&self) -> Duration {
        match self.deployment {
            Deployment::Single(_) => defaults::MAX_REPLICA_LAG_ALONE,
            Deployment::Sentinel { .. } | Deployment::Cluster(_) => defaults::MAX_REPLICA_LAG,
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, nodes) = match &self.deployment {
            Deployment::Single(node) => ("", std::slice::from_ref(node)),
            Deployment::Sentinel { sentinels, .. } => ("-sentinel", &**sentinels),
            Deployment::Cluster(nodes) => ("-cluster", &**nodes),
        };
        write!(f, "redis{}{kind}://", if self.tls { "s" } else { "" })?;
        if let Some(login) = &self.login {
            write!(f, "{}:...@", login.user.as_deref().unwrap_or_default())?;
        }
        for (index, node) in nodes.iter().enumerate() {
            write!(f, "{}{node}", if index == 0 { "" } else { "," })?;
        }
        if let Deployment::Sentinel { primary, .. } = &self.deployment {
            write!(f, "/{primary}")?;
        }
        match self.db {
            0 => Ok(()),
            db => write!(f, "/{db}"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// Why a text is no store URL. Shows nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {remedy}")]
pub struct BadStoreUrl {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> StoreUrl {
        text.parse().unwrap_or_else(|bad| panic!("{text}: {bad}"))
    }

    fn remedy(text: &str) -> String {
        text.parse::<StoreUrl>()
            .map(|url| panic!("{text} is taken as {url}"))
            .unwrap_or_else(|bad| bad.remedy)
    }

    fn node(host: &str, port: u16) -> Node {
        Node {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn one_server() {
        let url = read("redis://Cache.internal");
        assert_eq!(url.deployment, Deployment::Single(node("cache.internal", 6379)));
        assert_eq!((url.tls, url.db, &url.login), (false, 0, &None));
        let url = read("rediss://edge:p%40ss%2Fw%C3%B6rd@[::1]:7000/3");
        assert_eq!(url.deployment, Deployment::Single(node("::1", 7000)));
        let login = url.login.as_ref().expect("a login");
        assert_eq!(
            (login.user.as_deref(), login.password.as_str()),
            (Some("edge"), "p@ss/wörd")
        );
        assert_eq!((url.tls, url.db), (true, 3));
        assert_eq!(url.to_string(), "rediss://edge:...@[::1]:7000/3");
        let url = read("redis://:secret@h/");
        assert_eq!(url.login.expect("a login").user, None);
        assert_eq!(
            read("redis://edge:@h").login.expect("a login").password,
            "",
            "a user may have none"
        );
    }

    #[test]
    fn several_servers() {
        let url = read("redis-sentinel://:pw@a,b:1,c/my-master/2");
        let sentinels = vec![node("a", 26379), node("b", 1), node("c", 26379)];
        let primary = "my-master".to_owned();
        assert_eq!(url.deployment, Deployment::Sentinel { sentinels, primary });
        assert_eq!(url.db, 2);
        assert_eq!(
            url.to_string(),
            "redis-sentinel://:...@a:26379,b:1,c:26379/my-master/2"
        );
        let url = read("rediss-cluster://a,b:1/0");
        assert_eq!(
            url.deployment,
            Deployment::Cluster(vec![node("a", 6379), node("b", 1)])
        );
        assert!(url.tls);
        assert_eq!(
            read(&url.to_string()),
            url,
            "what is shown without a password is a URL"
        );
    }

    #[test]
    fn each_mistake_has_its_remedy() {
        for (text, hint) in [
            ("127.0.0.1:6379", "whole URL"),
            ("http://h", "redis-sentinel://"),
            ("valkey://h", "write redis://"),
            ("redis+sentinel://h/m", "write redis-sentinel://"),
            ("rdis://h", "write redis://"),
            ("redis://", "host:port"),
            ("redis://h:0", "host:port"),
            ("redis://h:port", "host:port"),
            ("redis://::1", "in brackets"),
            ("redis://a,b", "redis-cluster://"),
            ("redis://secret@h", "\":password@\""),
            ("redis://:@h", "leave both out"),
            ("redis://u:a@b@h", "%40"),
            ("redis://u:a:b@h", "%3A"),
            ("redis://u:a/b@h", "%2F"),
            ("redis://u:a?b@h", "%3F"),
            ("redis://u:a%zz@h", "%25"),
            ("redis://u:%ff@h", "UTF-8"),
            ("redis://h/x", "number"),
            ("redis://h/-1", "number"),
            ("redis://h/1/2", "remove"),
            ("redis-cluster://h/1", "remove"),
            ("redis-sentinel://h", "sentinel monitor"),
            ("redis-sentinel://h/a b", "sentinel monitor"),
        ] {
            assert!(remedy(text).contains(hint), "{text}: {}", remedy(text));
        }
        let many = vec!["h"; 65].join(",");
        assert!(remedy(&format!("redis-cluster://{many}")).contains("at most 64"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = read("redis://edge:hunter2@h");
        assert!(!format!("{url} {url:?} {:?}", url.login).contains("hunter2"));
        for text in [
            "redis://edge:hunter2@",
            "redis://edge:hunter2",
            "redis://hunter2@h",
            "redis://:/hunter2@h",
            "redis://:a@hunter2@h",
            "redis://:%hunter2@h",
            "redis://:x@h/hunter2",
            "hunter2",
            "redis-sentinel://:x@h/hunter2 hunter2",
            "redis://:x@h?hunter2",
        ] {
            let bad = text.parse::<StoreUrl>().expect_err("it is wrong");
            assert!(!format!("{bad} {bad:?}").contains("hunter2"), "{text}: {bad}");
        }
    }
}
