//! The URL of a Redis deployment: one server, servers watched by sentinels, or a cluster.

mod parse;

use std::fmt;
use std::time::Duration;

use crate::defaults;

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

#[cfg(test)]
mod tests;
