//! What a server says about itself, judged: pure functions of its answer to `INFO` and of what it asks of replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_config::{Deployment, RedisStore};

use super::{Finding, refusal, warning};

/// The oldest server taken: scripts that return errors as they are meant (7.0), and every server still maintained.
const VERSION_MIN: (u32, u32) = (7, 0);

/// What a primary asks of its replicas before it takes a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplicaSettings {
    /// `min-replicas-to-write`.
    pub(super) to_write: u32,
    /// `min-replicas-max-lag`.
    pub(super) max_lag: Duration,
}

/// The answer to `INFO`, by field.
pub(super) struct Info<'t>(BTreeMap<&'t str, &'t str>);

impl<'t> Info<'t> {
    pub(super) fn read(text: &'t str) -> Self {
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
pub(super) fn judge(info: &Info<'_>, settings: Option<ReplicaSettings>, store: &RedisStore) -> Vec<Finding> {
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
