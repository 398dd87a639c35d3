//! A primary, its replicas and three sentinels that watch them, with a link in front of each replica's stream.
//!
//! A replica follows the primary through its link, while the sentinels know the primary by its own address. They would
//! set the replica right after their failover timeout, so that timeout is long until the primary is meant to fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{FaultLink, Persistence, RedisServer, eventually, free_port};

/// The name the sentinels know the primary by.
const NAME: &str = "line";
const SENTINELS: usize = 3;
/// Sentinels that must agree that the primary is gone.
const QUORUM: usize = 2;
/// Silence that a sentinel takes for a loss: long enough for a machine that builds at the same time.
const DOWN_AFTER_MS: u32 = 1_000;
/// After this long the sentinels try a failover again, and set replicas right that follow another address.
const FAILOVER_TIMEOUT_MS: u32 = 2_000;
/// Longer than any test, so that a replica stays behind its link.
const LEAVE_REPLICAS_MS: u32 = 600_000;
/// How often the sentinels look at the servers and tell each other. Their own ten seconds between two looks would have an
/// old primary wait for longer than a test. Pings stay as they are: what is known of a replica is good for five of them.
const PERIODS_MS: [(&str, &str); 2] = [("INFO-PERIOD", "500"), ("PUBLISH-PERIOD", "250")];
/// Replicas attach and sentinels meet within a second or two.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What a sentinel says of somebody it knows.
type Figures = BTreeMap<String, String>;

/// A store that fails over.
pub struct SentinelTrio {
    // Dropped first, so that nobody starts a failover while the servers go.
    sentinels: Vec<RedisServer>,
    servers: Vec<RedisServer>,
    links: Vec<FaultLink>,
    /// The port of the primary that was last agreed on.
    agreed: AtomicU16,
}

impl SentinelTrio {
    /// A primary and replicas that keep nothing on disk.
    pub fn start(replicas: usize) -> Self {
        Self::with(replicas, Persistence::None, &[])
    }

    /// A primary and replicas with further arguments, for example `["--min-replicas-to-write", "1"]`.
    pub fn with(replicas: usize, persistence: Persistence, extra: &[&str]) -> Self {
        // Without the pause in which a primary collects replicas for one transfer.
        let extra = [&["--repl-diskless-sync-delay", "0"], extra].concat();
        let primary = RedisServer::with(persistence, &extra);
        let links: Vec<_> = (0..replicas).map(|_| FaultLink::to(primary.address())).collect();
        let mut servers = vec![primary];
        for link in &links {
            let port = link.address().port().to_string();
            let follow = ["--replicaof", "127.0.0.1", &port];
            servers.push(RedisServer::with(persistence, &[&extra[..], &follow].concat()));
        }
        for replica in &servers[1..] {
            eventually("a replica follows", READY_WITHIN, || {
                (replica.info("replication")["master_link_status"] == "up").then_some(())
            });
        }
        let agreed = AtomicU16::new(servers[0].address().port());
        let trio = Self {
            sentinels: sentinels(&servers),
            servers,
            links,
            agreed,
        };
        trio.wait_watched();
        trio
    }

    /// The sentinels as the URL of a store.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.address().to_string())
            .collect();
        format!("redis-sentinel://{}/{NAME}", addresses.join(","))
    }

    /// The server the sentinels last agreed on, as far as was asked.
    pub fn primary(&self) -> &RedisServer {
        self.on(self.agreed.load(Ordering::Relaxed)).expect("one of ours")
    }

    /// The first primary, and then the replicas in the order of their links.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The links through which the replicas follow the first primary. After a failover they carry nothing.
    pub fn links(&self) -> &[FaultLink] {
        &self.links
    }

    /// Nothing more reaches the replicas, which go on believing that they follow.
    pub fn stall_replication(&self) {
        self.links.iter().for_each(FaultLink::stall);
    }

    /// Kills the primary, and returns it.
    pub fn kill_primary(&self) -> &RedisServer {
        let primary = self.primary();
        primary.kill();
        self.expect_failover();
        primary
    }

    /// Freezes the primary, and returns it: thawed after the failover, it takes itself for the primary for a moment.
    pub fn freeze_primary(&self) -> &RedisServer {
        let primary = self.primary();
        primary.freeze();
        self.expect_failover();
        primary
    }

    /// Waits until every sentinel names one server, another than before, that takes itself for the primary.
    pub fn wait_for_failover(&self, within: Duration) -> &RedisServer {
        let before = self.agreed.load(Ordering::Relaxed);
        eventually("every sentinel names the new primary", within, || {
            let named = self.named_primaries();
            let port = *named.first()?;
            let agreed =
                port != before && named.len() == SENTINELS && named.iter().all(|other| *other == port);
            let primary = agreed.then(|| self.on(port))??;
            (primary.role()? == "master").then(|| {
                self.agreed.store(port, Ordering::Relaxed);
                primary
            })
        })
    }

    /// What each sentinel that answers names the primary's port.
    fn named_primaries(&self) -> Vec<u16> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        self.sentinels
            .iter()
            .filter_map(|sentinel| sentinel.try_command::<(String, u16)>(&words).ok())
            .map(|(_, port)| port)
            .collect()
    }

    fn on(&self, port: u16) -> Option<&RedisServer> {
        self.servers.iter().find(|server| server.address().port() == port)
    }

    /// A vote that was split must be repeated soon.
    fn expect_failover(&self) {
        let timeout = FAILOVER_TIMEOUT_MS.to_string();
        for sentinel in &self.sentinels {
            sentinel.command::<()>(&["SENTINEL", "SET", NAME, "failover-timeout", &timeout]);
        }
    }

    /// Waits until every sentinel could promote any of the replicas: it hears the others, and has seen each follow.
    pub fn wait_watched(&self) {
        for sentinel in &self.sentinels {
            let known = |what| sentinel.command::<Vec<Figures>>(&["SENTINEL", what, NAME]);
            eventually("a sentinel knows everyone", READY_WITHIN, || {
                let (mut others, mut replicas) = (known("SENTINELS"), known("REPLICAS"));
                others.retain(|other| other["flags"] == "sentinel");
                replicas
                    .retain(|replica| replica["flags"] == "slave" && replica["master-link-status"] == "ok");
                (others.len() == SENTINELS - 1 && replicas.len() == self.links.len()).then_some(())
            });
        }
    }
}

/// Sentinels that know the replicas and each other from the start, so that nobody waits for them to meet.
fn sentinels(servers: &[RedisServer]) -> Vec<RedisServer> {
    let id = |port: u16| format!("{port:040x}");
    let ports: Vec<u16> = (0..SENTINELS).map(|_| free_port()).collect();
    let start = |port: u16| {
        let primary = servers[0].address().port();
        let mut config = format!(
            "port {port}\nbind 127.0.0.1\nlogfile log.txt\nsentinel myid {}\n\
             sentinel monitor {NAME} 127.0.0.1 {primary} {QUORUM}\n\
             sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {NAME} {LEAVE_REPLICAS_MS}\n",
            id(port)
        );
        for replica in &servers[1..] {
            let replica = replica.address().port();
            config.push_str(&format!("sentinel known-replica {NAME} 127.0.0.1 {replica}\n"));
        }
        for other in ports.iter().filter(|other| **other != port) {
            let id = id(*other);
            config.push_str(&format!(
                "sentinel known-sentinel {NAME} 127.0.0.1 {other} {id}\n"
            ));
        }
        let sentinel = RedisServer::run_on(port, |folder| {
            // A sentinel keeps what it learns in its own file.
            let file = folder.join("sentinel.conf");
            std::fs::write(&file, config).expect("the configuration can be written");
            vec![file.display().to_string(), "--sentinel".to_owned()]
        });
        for (period, ms) in PERIODS_MS {
            sentinel.command::<()>(&["SENTINEL", "DEBUG", period, ms]);
        }
        sentinel
    };
    ports.iter().map(|port| start(*port)).collect()
}
