//! Finds the server to talk to (the only one, the primary that sentinels name, or a cluster) and connects to it.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisError, RedisFuture, TlsCertificates, Value,
};
use tidegate_config::{Deployment, Login, Node, StoreUrl};

/// One connection with its handshakes. Nobody waits for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// An answer to what nobody waits for; who does wait has a shorter deadline of its own.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

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

/// What is needed to connect, again and again.
pub(super) struct Connector(StoreUrl);

impl Connector {
    /// Takes the URL, and opens nothing.
    ///
    /// # Errors
    /// No client can be made for it.
    pub(super) fn new(url: &StoreUrl) -> Result<Self, RedisError> {
        if url.tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another part may have been first, with the same one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let connector = Self(url.clone());
        connector.client(
            &Node {
                host: "localhost".to_owned(),
                port: 1,
            },
            None,
        )?;
        Ok(connector)
    }

    /// A connection for commands.
    pub(super) async fn open(&self) -> Result<Connection, RedisError> {
        if let Deployment::Cluster(nodes) = &self.0.deployment {
            let infos = nodes.iter().map(|node| self.info(node, self.0.login.as_ref()));
            let mut builder = ClusterClientBuilder::new(infos.collect::<Result<Vec<_>, _>>()?)
                .retries(0)
                .connection_timeout(CONNECT_WITHIN)
                .response_timeout(ANSWER_WITHIN);
            if self.0.tls {
                builder = builder.certs(certificates());
            }
            let client = builder.build()?;
            let cluster = client.get_async_connection();
            return Ok(Connection::Cluster(within(4 * CONNECT_WITHIN, cluster).await?));
        }
        let (client, limits) = (self.server().await?, limits());
        let server = client.get_multiplexed_async_connection_with_config(&limits);
        Ok(Connection::Server(within(2 * CONNECT_WITHIN, server).await?))
    }

    /// A connection that hears what is published. In a cluster any node hears everything.
    pub(super) async fn listen(&self) -> Result<PubSub, RedisError> {
        let client = self.server().await?;
        within(2 * CONNECT_WITHIN, client.get_async_pubsub()).await
    }

    /// A client of the server to ask; in a cluster, of the first node that answers.
    async fn server(&self) -> Result<Client, RedisError> {
        let login = self.0.login.as_ref();
        match &self.0.deployment {
            Deployment::Single(node) => self.client(node, login),
            Deployment::Sentinel { sentinels, primary } => {
                let mut last = RedisError::from((ErrorKind::Client, "there is no sentinel to ask"));
                for sentinel in sentinels {
                    match self.primary(sentinel, primary).await {
                        Ok(node) => return self.client(&node, login),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Deployment::Cluster(nodes) => {
                let mut last = RedisError::from((ErrorKind::Client, "there is no node to ask"));
                for node in nodes {
                    let client = self.client(node, login)?;
                    let limits = limits();
                    let reached = client.get_multiplexed_async_connection_with_config(&limits);
                    match within(CONNECT_WITHIN, reached).await {
                        Ok(_) => return Ok(client),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    async fn primary(&self, sentinel: &Node, name: &str) -> Result<Node, RedisError> {
        let ask = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(name)
            .to_owned();
        let told = match self.ask_sentinel(sentinel, None, &ask).await {
            // Only a sentinel that wants a login is given it: others refuse one.
            Err(error) if error.code() == Some("NOAUTH") => {
                self.ask_sentinel(sentinel, self.0.login.as_ref(), &ask).await
            }
            told => told,
        };
        let (host, port) = told?.ok_or((ErrorKind::Client, "the sentinel knows no primary of this name"))?;
        Ok(Node { host, port })
    }

    async fn ask_sentinel(
        &self,
        sentinel: &Node,
        login: Option<&Login>,
        ask: &Cmd,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let client = Client::open(self.info(sentinel, login)?)?;
        let asked = async {
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&limits())
                .await?;
            ask.query_async(&mut connection).await
        };
        within(2 * CONNECT_WITHIN, asked).await
    }

    fn client(&self, node: &Node, login: Option<&Login>) -> Result<Client, RedisError> {
        let mut info = self.info(node, login)?;
        if self.0.db != 0 {
            let settings = info.redis_settings().clone().set_db(i64::from(self.0.db));
            info = info.set_redis_settings(settings);
        }
        match self.0.tls {
            true => Client::build_with_tls(info, certificates()),
            false => Client::open(info),
        }
    }

    fn info(&self, node: &Node, login: Option<&Login>) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (node.host.clone(), node.port);
        let address = match self.0.tls {
            true => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
            false => ConnectionAddr::Tcp(host, port),
        };
        let mut settings =
            RedisConnectionInfo::default().set_lib_name("tidegate-booking", env!("CARGO_PKG_VERSION"));
        if let Some(Login { user, password }) = login {
            settings = settings.set_password(password);
            if let Some(user) = user {
                settings = settings.set_username(user);
            }
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings))
    }
}

fn limits() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN))
}

/// The system's own authorities.
fn certificates() -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: None,
    }
}

async fn within<T>(
    limit: Duration,
    doing: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    let late = |_| RedisError::from((ErrorKind::Io, "nothing came in time"));
    tokio::time::timeout(limit, doing).await.map_err(late)?
}
