//! Which server of a Redis deployment to ask, and a connection to it.
//!
//! A deployment is one server, a primary that sentinels name, or a cluster. What to do when a connection breaks is for
//! whoever uses it: the line asks again until it is answered, booking goes on without.

mod connection;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};
use tidegate_config::{Deployment, Login, Node, StoreUrl};
use tokio::time::timeout;

pub use connection::Connection;

/// An answer. What is asked for takes under a millisecond; what takes this long is a server that hangs.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// One connection with its handshakes: three round trips around the world.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// All it takes to find the server and connect to it. Two sentinels may be dead.
const OPEN_WITHIN: Duration = Duration::from_secs(4);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// This server does not answer as it should.
    #[error("{node}: {source}")]
    At {
        /// Which.
        node: Node,
        /// What it does instead.
        source: RedisError,
    },
    /// The nodes of a cluster do not.
    #[error("{0}")]
    Cluster(RedisError),
    /// The sentinel does not know the name in the URL.
    #[error("the sentinel {sentinel} knows no primary by this name")]
    UnknownPrimary {
        /// Which sentinel.
        sentinel: Node,
    },
    /// What the sentinel names has become something else, or has not become it yet.
    #[error("the sentinel {sentinel} names {named} as the primary, which says that it is a {role}")]
    NotPrimary {
        /// Which sentinel.
        sentinel: Node,
        /// Whom it names.
        named: Node,
        /// What that one calls itself.
        role: String,
    },
    /// The URL names nobody.
    #[error("there is no server to ask")]
    Nobody,
    /// Together it took too long.
    #[error("no connection within {} s", OPEN_WITHIN.as_secs())]
    Late,
}

/// What is needed to open a connection, again and again.
pub struct Connector {
    url: StoreUrl,
    /// Whom to trust under TLS, as PEM; the system's own authorities where there is nothing.
    authorities: Option<Vec<u8>>,
    /// What the connections call themselves in `CLIENT LIST`.
    name: &'static str,
    /// The sentinel that answered last, which is asked first.
    sentinel: AtomicUsize,
}

impl Connector {
    /// Takes what the configuration names. Opens nothing.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn new(url: &StoreUrl, authorities: Option<Vec<u8>>, name: &'static str) -> Result<Self, RedisError> {
        if url.tls {
            provide_cryptography();
        }
        let connector = Self {
            url: url.clone(),
            authorities,
            name,
            sentinel: AtomicUsize::new(0),
        };
        // To try the certificates with; nothing is sent there.
        let nowhere = Node {
            host: "localhost".to_owned(),
            port: 0,
        };
        connector.client(&nowhere, None, 0)?;
        Ok(connector)
    }

    /// Where it leads, shown without the password.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// Opens a connection for commands.
    ///
    /// # Errors
    /// After four seconds at the latest.
    pub async fn open(&self) -> Result<Connection, OpenError> {
        let opened = async {
            match &self.url.deployment {
                Deployment::Single(node) => Ok(Connection::Server(self.server(node).await?)),
                Deployment::Sentinel { .. } => Ok(Connection::Server(self.primary().await?.1)),
                Deployment::Cluster(nodes) => {
                    let client = self.cluster(nodes).map_err(OpenError::Cluster)?;
                    let connected = client.get_async_connection().await;
                    Ok(Connection::Cluster(connected.map_err(OpenError::Cluster)?))
                }
            }
        };
        timeout(OPEN_WITHIN, opened).await.unwrap_or(Err(OpenError::Late))
    }

    /// Opens a connection that hears what is published. In a cluster any node hears everything.
    ///
    /// # Errors
    /// After four seconds at the latest.
    pub async fn listen(&self) -> Result<PubSub, OpenError> {
        let listening = async {
            match &self.url.deployment {
                Deployment::Single(node) => self.listen_to(node).await,
                Deployment::Sentinel { .. } => self.listen_to(&self.primary().await?.0).await,
                Deployment::Cluster(nodes) => {
                    let mut last = OpenError::Nobody;
                    for node in nodes {
                        match self.listen_to(node).await {
                            Ok(listening) => return Ok(listening),
                            Err(error) => last = error,
                        }
                    }
                    Err(last)
                }
            }
        };
        timeout(OPEN_WITHIN, listening)
            .await
            .unwrap_or(Err(OpenError::Late))
    }

    async fn server(&self, node: &Node) -> Result<MultiplexedConnection, OpenError> {
        let connected = self.connect(node, self.url.login.as_ref(), self.url.db).await;
        connected.map_err(at(node))
    }

    async fn listen_to(&self, node: &Node) -> Result<PubSub, OpenError> {
        let client = self.client(node, self.url.login.as_ref(), 0).map_err(at(node))?;
        // This one has no limit of its own.
        let listening = timeout(CONNECT_WITHIN, client.get_async_pubsub()).await;
        listening
            .unwrap_or_else(|late| Err(std::io::Error::from(late).into()))
            .map_err(at(node))
    }

    /// The server that one of the sentinels names as the primary, and that says so itself.
    async fn primary(&self) -> Result<(Node, MultiplexedConnection), OpenError> {
        let Deployment::Sentinel { sentinels, primary } = &self.url.deployment else {
            return Err(OpenError::Nobody);
        };
        let first = self.sentinel.load(Ordering::Relaxed);
        let mut last = OpenError::Nobody;
        for step in 0..sentinels.len() {
            let index = (first + step) % sentinels.len();
            match self.primary_by(&sentinels[index], primary).await {
                Ok(found) => {
                    self.sentinel.store(index, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn primary_by(
        &self,
        sentinel: &Node,
        name: &str,
    ) -> Result<(Node, MultiplexedConnection), OpenError> {
        let ask = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(name)
            .to_owned();
        let told: Option<(String, u16)> = match self.ask_sentinel(sentinel, None, &ask).await {
            // Only a sentinel that wants a login is given it: others refuse one.
            Err(error) if error.code() == Some("NOAUTH") => {
                self.ask_sentinel(sentinel, self.url.login.as_ref(), &ask).await
            }
            told => told,
        }
        .map_err(at(sentinel))?;
        let Some((host, port)) = told else {
            let sentinel = sentinel.clone();
            return Err(OpenError::UnknownPrimary { sentinel });
        };
        let named = Node { host, port };
        let mut connection = self.server(&named).await?;
        let role: Result<(String, Value, Value), _> = redis::cmd("ROLE").query_async(&mut connection).await;
        match role {
            Ok((role, ..)) if role != "master" => Err(OpenError::NotPrimary {
                sentinel: sentinel.clone(),
                named,
                role,
            }),
            Err(source) if source.is_io_error() => Err(OpenError::At { node: named, source }),
            // A user without the right to ask is told by the first write what the server is.
            _ => Ok((named, connection)),
        }
    }

    async fn ask_sentinel(
        &self,
        sentinel: &Node,
        login: Option<&Login>,
        ask: &Cmd,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let mut connection = self.connect(sentinel, login, 0).await?;
        ask.query_async(&mut connection).await
    }

    async fn connect(
        &self,
        node: &Node,
        login: Option<&Login>,
        db: u32,
    ) -> Result<MultiplexedConnection, RedisError> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let client = self.client(node, login, db)?;
        client.get_multiplexed_async_connection_with_config(&limits).await
    }

    /// A client of the cluster that sends nothing twice by itself: with a retry it would send again what an I/O error
    /// left undecided.
    fn cluster(&self, nodes: &[Node]) -> Result<ClusterClient, RedisError> {
        let nodes = nodes
            .iter()
            .map(|node| self.info(node, self.url.login.as_ref(), 0))
            .collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .retries(0)
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(ANSWER_WITHIN);
        if let Some(certificates) = self.certificates() {
            builder = builder.certs(certificates);
        }
        builder.build()
    }

    fn client(&self, node: &Node, login: Option<&Login>, db: u32) -> Result<Client, RedisError> {
        let info = self.info(node, login, db)?;
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn info(&self, node: &Node, login: Option<&Login>, db: u32) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (node.host.clone(), node.port);
        let address = if self.url.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut settings = RedisConnectionInfo::default()
            .set_lib_name(self.name, env!("CARGO_PKG_VERSION"))
            .set_db(i64::from(db));
        if let Some(Login { user, password }) = login {
            settings = settings.set_password(password);
            if let Some(user) = user {
                settings = settings.set_username(user);
            }
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings))
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        self.url.tls.then(|| TlsCertificates {
            client_tls: None,
            root_cert: self.authorities.clone(),
        })
    }
}

/// Says which server an error came from.
fn at(node: &Node) -> impl FnOnce(RedisError) -> OpenError {
    let node = node.clone();
    |source| OpenError::At { node, source }
}

/// A TLS handshake needs a provider of cryptography; the library asks for the process's own.
fn provide_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another part may have been first, with the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
