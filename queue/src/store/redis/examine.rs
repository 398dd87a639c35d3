//! Whether a Redis deployment can hold a line, looked at before anybody relies on it.
//!
//! What the server says about itself is judged by pure functions; one trial script shows what it lets this user do.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use redis::Value;
use tidegate_config::{Deployment, RedisStore, RoomId};

use super::error::{ConnectError, LinkError};
use super::keys;
use super::link::{Link, Script};

/// The oldest server taken: scripts that return errors as they are meant (7.0), and every server still maintained.
const VERSION_MIN: (u32, u32) = (7, 0);

/// Everything that a line's script, and who looks at its visits, needs leave for. What it writes it removes.
const TRIAL: &str = "\
local bits, hash, set, list = KEYS[1] .. ':bits', KEYS[1] .. ':hash', KEYS[1] .. ':set', KEYS[1] .. ':list'
redis.call('TIME')
redis.call('INFO', 'server')
redis.call('SET', bits, '1', 'PX', 1000)
redis.call('GET', bits)
redis.call('SETRANGE', bits, 7, '1')
redis.call('GETRANGE', bits, 0, 1)
redis.call('STRLEN', bits)
redis.call('BITFIELD', bits, 'SET', 'u8', '#0', 1)
redis.call('HSET', hash, 'a', '1')
redis.call('HGET', hash, 'a')
redis.call('HMGET', hash, 'a')
redis.call('HSCAN', hash, 0)
redis.call('HDEL', hash, 'a')
redis.call('ZADD', set, 1, 'a')
redis.call('ZRANGEBYSCORE', set, 0, 1)
redis.call('ZREM', set, 'a')
redis.call('RPUSH', list, 'a')
redis.call('LTRIM', list, 0, 0)
redis.call('LRANGE', list, 0, 0)
redis.call('LLEN', list)
redis.call('UNLINK', bits, hash, set, list)
return 1";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// An edge starts, and somebody should know.
    Warning,
    /// An edge does not start.
    Refusal,
}

/// Something about a deployment that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, with what is at stake.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, remedy, .. } = self;
        if remedy.is_empty() {
            f.write_str(what)
        } else {
            write!(f, "{what}: {remedy}")
        }
    }
}

fn refusal(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Refusal,
        what: what.into(),
        remedy: remedy.into(),
    }
}

fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Warning,
        ..refusal(what, remedy)
    }
}

/// Looks at the deployment. `trial_key` is written and removed in one step; nobody else sees it.
///
/// # Errors
/// It went out of reach meanwhile.
pub(super) async fn examine(
    link: &Link,
    store: &RedisStore,
    trial_key: &[u8],
) -> Result<Vec<Finding>, LinkError> {
    let mut findings = Vec::new();
    match link.query::<Value>(&redis::cmd("INFO")).await {
        Ok(answer) => {
            let settings = replica_settings(link).await;
            for text in texts(answer) {
                findings.extend(judge(&Info::read(&text), settings, store));
            }
        }
        Err(error) => findings.push(not_taken(error)?),
    }
    // Where it is clear already that the server is the wrong one, the trial would only say so again.
    if findings.iter().all(|found| found.severity != Severity::Refusal)
        && let Err(error) = link.run(&Script::new(TRIAL), trial_key, &[]).await
    {
        findings.push(not_taken(error)?);
    }
    findings.sort_by_key(|found| std::cmp::Reverse(found.severity));
    findings.dedup();
    Ok(findings)
}

/// Looks at the deployment and at what is already in it.
///
/// # Errors
/// It went out of reach meanwhile.
pub(super) async fn examine_all(
    link: &Link,
    store: &RedisStore,
    trial_key: &[u8],
    rooms: &[RoomId],
) -> Result<Vec<Finding>, LinkError> {
    let mut findings = examine(link, store, trial_key).await?;
    if findings.iter().all(|found| found.severity != Severity::Refusal) {
        findings.splice(0..0, foreign_keys(link, rooms).await?);
    }
    Ok(findings)
}

/// Looks at the deployment, says every warning in the log, and refuses it where it cannot hold a line.
///
/// # Errors
/// It is out of reach, or refused.
pub(super) async fn require_fit(
    link: &Link,
    store: &RedisStore,
    trial_key: &[u8],
    rooms: &[RoomId],
) -> Result<(), ConnectError> {
    let url = store.url.to_string();
    let found = match examine_all(link, store, trial_key, rooms).await {
        Ok(found) => found,
        Err(source) => return Err(ConnectError::Link { url, source }),
    };
    let (refusals, warnings): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|found| found.severity == Severity::Refusal);
    for found in warnings {
        tracing::warn!(store = %url, "{found}");
    }
    if refusals.is_empty() {
        return Ok(());
    }
    Err(ConnectError::Unfit {
        url,
        reasons: refusals.iter().map(Finding::to_string).collect(),
    })
}

/// Keys of these rooms, and of all, that are not what an edge has there. The line would be begun over some of them.
///
/// # Errors
/// It went out of reach meanwhile.
pub(super) async fn foreign_keys(link: &Link, rooms: &[RoomId]) -> Result<Vec<Finding>, LinkError> {
    let mut findings = Vec::new();
    for (key, expected) in keys::typed(rooms) {
        let found: String = match link.query(redis::cmd("TYPE").arg(&key)).await {
            Ok(found) => found,
            // A user without the right to ask hears of it from the first tick.
            Err(LinkError::Refused(_)) => break,
            Err(error) => return Err(error),
        };
        if found != "none" && found != expected {
            findings.push(refusal(
                format!(
                    "the key {key} is somebody else's: it is a {found}, and an edge has a {expected} there"
                ),
                "remove it, or name another database or server in store.url",
            ));
        }
    }
    Ok(findings)
}

/// What a command that the server did not take says about it. Out of reach is no finding.
fn not_taken(error: LinkError) -> Result<Finding, LinkError> {
    match error {
        LinkError::Unreachable(text) if text.starts_with("CLUSTERDOWN") => Ok(refusal(
            text,
            "bring the nodes back that serve its slots (CLUSTER INFO shows cluster_state)",
        )),
        // Its text ends in a remedy.
        LinkError::Refused(text) => Ok(refusal(text, "")),
        LinkError::Script { code, text } => Ok(refusal(
            format!("{code} {text}"),
            "use Redis 7.0 or newer, or Valkey, with scripts allowed",
        )),
        error @ (LinkError::Unreachable(_) | LinkError::Answer(_)) => Err(error),
    }
}

/// The INFO of one server, or of each node of a cluster.
fn texts(answer: Value) -> Vec<String> {
    match answer {
        Value::Map(nodes) => nodes.into_iter().flat_map(|(_, text)| texts(text)).collect(),
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(&bytes).into_owned()],
        Value::VerbatimString { text, .. } => vec![text],
        _ => Vec::new(),
    }
}

/// What a primary asks of its replicas before it takes a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReplicaSettings {
    /// `min-replicas-to-write`.
    to_write: u32,
    /// `min-replicas-max-lag`.
    max_lag: Duration,
}

/// Asks for the settings; nothing where that is not allowed, as with many hosted services.
async fn replica_settings(link: &Link) -> Option<ReplicaSettings> {
    let command = redis::cmd("CONFIG").arg("GET").arg("min-replicas-*").to_owned();
    let told: BTreeMap<String, u64> = link.query(&command).await.ok()?;
    Some(ReplicaSettings {
        to_write: u32::try_from(*told.get("min-replicas-to-write")?).ok()?,
        max_lag: Duration::from_secs(*told.get("min-replicas-max-lag")?),
    })
}

/// The answer to `INFO`, by field.
struct Info<'t>(BTreeMap<&'t str, &'t str>);

impl<'t> Info<'t> {
    fn read(text: &'t str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.trim_end().split_once(':'))
                .collect(),
        )
    }

    fn text(&self, field: &str) -> &'t str {
        self.0.get(field).copied().unwrap_or_default()
    }

    fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap_or_default()
    }

    /// Major and minor version of Redis, or of what says that it is compatible with it.
    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.text("redis_version").split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// Everything that one server's own words give away.
fn judge(info: &Info<'_>, settings: Option<ReplicaSettings>, store: &RedisStore) -> Vec<Finding> {
    let mut findings = Vec::new();
    if info.version().is_some_and(|version| version < VERSION_MIN) {
        findings.push(refusal(
            format!("this is Redis {}, which is too old", info.text("redis_version")),
            "use 7.0 or newer, or Valkey",
        ));
    }
    let in_cluster = info.text("cluster_enabled") == "1";
    let names_cluster = matches!(store.url.deployment, Deployment::Cluster(_));
    if in_cluster && !names_cluster {
        findings.push(refusal(
            "this server is a node of a cluster",
            "begin store.url with redis-cluster",
        ));
    }
    if info.text("role") == "slave" && !names_cluster {
        findings.push(refusal(
            format!(
                "this server is a replica of {}:{} and takes no writes",
                info.text("master_host"),
                info.text("master_port")
            ),
            "name its primary in store.url, or the sentinels that know it",
        ));
    }
    let policy = info.text("maxmemory_policy");
    if !matches!(policy, "" | "noeviction") {
        findings.push(refusal(
            format!("maxmemory-policy is {policy}: once its memory is full, the server drops places in line"),
            "set it to noeviction, or give the line a server of its own",
        ));
    }
    findings.extend(judge_replicas(info, settings, store.max_replica_lag));
    findings
}

/// Whether a primary that was replaced and does not know it stops by itself.
fn judge_replicas(
    info: &Info<'_>,
    settings: Option<ReplicaSettings>,
    max_replica_lag: Duration,
) -> Option<Finding> {
    const AT_STAKE: &str = "a primary that is cut off while a replica takes its place goes on admitting fans";
    if info.text("role") != "master" || info.number("connected_slaves") == 0 {
        return None;
    }
    let limit = max_replica_lag.as_secs();
    let remedy = format!(
        "set min-replicas-to-write to 1 or more and min-replicas-max-lag to at most {limit} (store.max_replica_lag)"
    );
    // The server shows this field only while both settings are above 0.
    if !info.0.contains_key("min_slaves_good_slaves") {
        return Some(warning(format!("min-replicas-to-write is 0: {AT_STAKE}"), remedy));
    }
    match settings {
        None => Some(warning(
            "min-replicas-max-lag cannot be read: CONFIG is not allowed here",
            format!("see that it is at most {limit} s, which is store.max_replica_lag"),
        )),
        Some(settings) if settings.max_lag > max_replica_lag => Some(warning(
            format!(
                "min-replicas-max-lag is {} s, longer than store.max_replica_lag: {AT_STAKE} for longer than is \
                 accounted for",
                settings.max_lag.as_secs()
            ),
            remedy,
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(url: &str) -> RedisStore {
        RedisStore {
            url: url.parse().expect("a URL"),
            tls_ca: None,
            max_replica_lag: Duration::from_secs(10),
        }
    }

    const SOUND: &str = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:1000\r\n\
                         maxmemory_policy:noeviction\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\
                         # Cluster\r\ncluster_enabled:0\r\n";

    fn said(changes: &[(&str, &str)], settings: Option<ReplicaSettings>, url: &str) -> Vec<String> {
        let mut text = SOUND.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        judge(&Info::read(&text), settings, &store(url))
            .iter()
            .map(|found| format!("{:?}: {found}", found.severity))
            .collect()
    }

    fn one(changes: &[(&str, &str)]) -> String {
        let said = said(changes, None, "redis://h");
        assert_eq!(said.len(), 1, "{said:?}");
        said.concat()
    }

    #[test]
    fn a_sound_server_has_no_findings() {
        assert_eq!(said(&[], None, "redis://h"), [""; 0]);
        let valkey = (
            "redis_version:7.0.15",
            "redis_version:7.2.4\r\nvalkey_version:8.1.0",
        );
        assert_eq!(said(&[valkey], None, "redis://h"), [""; 0]);
    }

    #[test]
    fn each_unfit_server_is_refused_with_its_remedy() {
        let old = one(&[("7.0.15", "6.2.14")]);
        assert!(
            old.contains("Redis 6.2.14") && old.contains("7.0 or newer"),
            "{old}"
        );
        let replica = one(&[("role:master", "role:slave\r\nmaster_host:db1\r\nmaster_port:6379")]);
        assert!(
            replica.contains("replica of db1:6379") && replica.contains("sentinels"),
            "{replica}"
        );
        // A bound may be set while the line is in it.
        let unbounded = one(&[("maxmemory:1000", "maxmemory:0"), ("noeviction", "allkeys-lru")]);
        assert!(unbounded.contains("allkeys-lru"), "{unbounded}");
        let evicting = one(&[("noeviction", "volatile-ttl")]);
        assert!(
            evicting.contains("volatile-ttl") && evicting.contains("set it to noeviction"),
            "{evicting}"
        );
        let cluster = one(&[("cluster_enabled:0", "cluster_enabled:1")]);
        assert!(cluster.contains("redis-cluster"), "{cluster}");
        for said in [old, replica, evicting, cluster] {
            assert!(said.starts_with("Refusal: ") && !said.contains('\n'), "{said}");
        }
        let nodes = [
            ("cluster_enabled:0", "cluster_enabled:1"),
            ("role:master", "role:slave"),
        ];
        assert_eq!(
            said(&nodes, None, "redis-cluster://h"),
            [""; 0],
            "a cluster has replicas too"
        );
    }

    #[test]
    fn a_primary_that_would_not_stop_by_itself_is_worth_a_warning() {
        let replicas = ("connected_slaves:0", "connected_slaves:1");
        let lax = one(&[replicas]);
        assert!(
            lax.starts_with("Warning: min-replicas-to-write is 0") && lax.contains("at most 10"),
            "{lax}"
        );
        let guarded = (
            "connected_slaves:0",
            "connected_slaves:1\r\nmin_slaves_good_slaves:1",
        );
        let lag = |secs| {
            Some(ReplicaSettings {
                to_write: 1,
                max_lag: Duration::from_secs(secs),
            })
        };
        assert_eq!(said(&[guarded], lag(10), "redis://h"), [""; 0]);
        let long = said(&[guarded], lag(11), "redis://h").concat();
        assert!(
            long.starts_with("Warning: min-replicas-max-lag is 11 s"),
            "{long}"
        );
        let unknown = said(&[guarded], None, "redis://h").concat();
        assert!(
            unknown.starts_with("Warning: min-replicas-max-lag cannot be read"),
            "{unknown}"
        );
    }
}
