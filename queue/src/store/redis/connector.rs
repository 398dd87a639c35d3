//! Opens a connection to whichever server is to be asked: the only one, the primary that sentinels name, or a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisFuture, TlsCertificates, Value,
};
use tidegate_config::{Deployment, Login, Node, RedisStore, StoreUrl};

use super::error::{ConnectError, LinkError, sort};

/// An answer. A tick takes under a millisecond; what takes this long is a server that hangs.
const RESPONSE_WITHIN: Duration = Duration::from_millis(500);

/// One connection with its handshakes: three round trips around the world.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// All it takes to find the server and connect to it. Two sentinels may be dead.
const OPEN_WITHIN: Duration = Duration::from_secs(4);

/// Redis's ports of a TLS handshake need a provider of cryptography; the library asks for the process's own.
fn provide_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been first, with the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// A connection that can be cloned and used by many at once.
#[derive(Clone)]
pub(super) enum Connection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To every node of a cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// What is needed to open a connection, again and again.
pub(super) struct Connector {
    url: StoreUrl,
    authorities: Option<Vec<u8>>,
    /// The sentinel that answered last, which is asked first.
    sentinel: AtomicUsize,
}

impl Connector {
    /// Reads what the configuration names. Opens nothing.
    pub(super) fn new(store: &RedisStore) -> Result<Self, ConnectError> {
        let authorities = match &store.tls_ca {
            None => None,
            Some(path) => {
                let pem = std::fs::read(path).map_err(|error| ConnectError::TlsCa {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                Some(pem)
            }
        };
        if store.url.tls {
            provide_cryptography();
        }
        let connector = Self {
            url: store.url.clone(),
            authorities,
            sentinel: AtomicUsize::new(0),
        };
        if let (Some(path), Err(error)) = (&store.tls_ca, connector.client(&any_node(), None)) {
            return Err(ConnectError::TlsCa {
                path: path.clone(),
                reason: error.to_string(),
            });
        }
        Ok(connector)
    }

    /// Where it leads, without the password.
    pub(super) fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// Opens a connection, within [`OPEN_WITHIN`].
    pub(super) async fn open(&self) -> Result<Connection, LinkError> {
        let opened = async {
            match &self.url.deployment {
                Deployment::Single(node) => Ok(Connection::Server(self.server(node).await?)),
                Deployment::Sentinel { sentinels, primary } => {
                    Ok(Connection::Server(self.primary(sentinels, primary).await?))
                }
                Deployment::Cluster(nodes) => Ok(Connection::Cluster(self.cluster(nodes).await?)),
            }
        };
        match tokio::time::timeout(OPEN_WITHIN, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(LinkError::Unreachable(format!(
                "no connection within {} s",
                OPEN_WITHIN.as_secs()
            ))),
        }
    }

    async fn server(&self, node: &Node) -> Result<MultiplexedConnection, LinkError> {
        self.connect(node, self.url.login.as_ref(), self.url.db)
            .await
            .map_err(|error| self.at(node, &error))
    }

    async fn connect(
        &self,
        node: &Node,
        login: Option<&Login>,
        db: u32,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(RESPONSE_WITHIN));
        let mut client = self.client(node, login)?;
        if db != 0 {
            let info = client.get_connection_info();
            let settings = info.redis_settings().clone().set_db(i64::from(db));
            client = Client::open(info.clone().set_redis_settings(settings))?;
        }
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn client(&self, node: &Node, login: Option<&Login>) -> Result<Client, RedisError> {
        let info = self.info(node, login)?;
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn info(&self, node: &Node, login: Option<&Login>) -> Result<ConnectionInfo, RedisError> {
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
        let mut settings = RedisConnectionInfo::default().set_lib_name("tidegate", env!("CARGO_PKG_VERSION"));
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

    async fn cluster(&self, nodes: &[Node]) -> Result<ClusterConnection, LinkError> {
        let sorted = |error: RedisError| match error.to_string() {
            text if text.contains("cluster support disabled") => LinkError::Refused(
                "this server is no node of a cluster: begin store.url with redis instead of redis-cluster"
                    .to_owned(),
            ),
            _ => sort(&error).0,
        };
        self.cluster_client(nodes)
            .map_err(sorted)?
            .get_async_connection()
            .await
            .map_err(sorted)
    }

    /// A cluster client that sends nothing twice by itself: with a retry it would send again what an I/O error left
    /// undecided.
    fn cluster_client(&self, nodes: &[Node]) -> Result<ClusterClient, RedisError> {
        let nodes = nodes
            .iter()
            .map(|node| self.info(node, self.url.login.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .retries(0)
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(RESPONSE_WITHIN);
        if let Some(certificates) = self.certificates() {
            builder = builder.certs(certificates);
        }
        builder.build()
    }

    /// The server that one of the sentinels names as the primary, and that says so itself.
    async fn primary(&self, sentinels: &[Node], name: &str) -> Result<MultiplexedConnection, LinkError> {
        let first = self.sentinel.load(Ordering::Relaxed);
        let mut last = LinkError::Unreachable("there is no sentinel to ask".to_owned());
        for step in 0..sentinels.len() {
            let index = (first + step) % sentinels.len();
            match self.primary_by(&sentinels[index], name).await {
                Ok(connection) => {
                    self.sentinel.store(index, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn primary_by(&self, sentinel: &Node, name: &str) -> Result<MultiplexedConnection, LinkError> {
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
        .map_err(|error| self.at(sentinel, &error))?;
        let Some((host, port)) = told else {
            return Err(LinkError::Refused(format!(
                "the sentinel {sentinel} knows no primary by the name of store.url: write the one from \"sentinel \
                 monitor\" of its configuration"
            )));
        };
        let primary = Node { host, port };
        let mut connection = self.server(&primary).await?;
        let role: Result<(String, Value, Value), _> = redis::cmd("ROLE").query_async(&mut connection).await;
        match role {
            Ok((role, ..)) if role != "master" => Err(LinkError::Unreachable(format!(
                "the sentinel {sentinel} names {primary} as the primary, which says that it is a {role}"
            ))),
            Err(error) if error.is_io_error() => Err(self.at(&primary, &error)),
            // A user without the right to ask is told by the first write what the server is.
            _ => Ok(connection),
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

    /// An error while connecting, and which server it came from.
    fn at(&self, node: &Node, error: &RedisError) -> LinkError {
        // A server that is spoken to the wrong way waits for more, or hangs up.
        let hint = match self.url.tls {
            true if error.is_timeout() => {
                "; if it speaks no TLS on this port, begin store.url with redis, not rediss"
            }
            false if error.is_io_error() && !error.is_timeout() && !error.is_connection_refusal() => {
                "; if it speaks only TLS on this port, begin store.url with rediss"
            }
            _ => "",
        };
        match sort(error).0 {
            LinkError::Unreachable(why) => LinkError::Unreachable(format!("{node}: {why}{hint}")),
            LinkError::Refused(why) => LinkError::Refused(format!("{node}: {why}")),
            other => other,
        }
    }
}

/// A node to try the certificates with; nothing is sent there.
fn any_node() -> Node {
    Node {
        host: "localhost".to_owned(),
        port: 0,
    }
}
