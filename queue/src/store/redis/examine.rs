//! Whether a Redis deployment can hold a line, looked at before anybody relies on it.
//!
//! What the server says about itself is judged by pure functions ([`info`]); one trial script shows what it lets this user
//! do.

mod info;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use redis::Value;
use tidegate_config::{RedisStore, RoomId};

use super::error::{ConnectError, LinkError};
use super::keys;
use super::link::{Link, Script};
use info::{Info, ReplicaSettings};

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
                findings.extend(info::judge(&Info::read(&text), settings, store));
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

/// Asks for the settings; nothing where that is not allowed, as with many hosted services.
async fn replica_settings(link: &Link) -> Option<ReplicaSettings> {
    let command = redis::cmd("CONFIG").arg("GET").arg("min-replicas-*").to_owned();
    let told: BTreeMap<String, u64> = link.query(&command).await.ok()?;
    Some(ReplicaSettings {
        to_write: u32::try_from(*told.get("min-replicas-to-write")?).ok()?,
        max_lag: Duration::from_secs(*told.get("min-replicas-max-lag")?),
    })
}
