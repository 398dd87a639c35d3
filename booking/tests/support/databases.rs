//! Databases of a test's own: a SQLite file, or one on a PostgreSQL server that the tests of this process share and the
//! last of them stops.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use tidegate_booking::store::{Engine, Store};
use tidegate_config::{Database, Secret};

/// Both, in the order in which every test of the store goes through them.
pub const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// An empty database, gone when dropped.
pub struct TestDatabase {
    pub database: Database,
    /// What a connection of the test's own is opened with.
    url: String,
    pub folder: TempDir,
    _server: Option<Arc<Server>>,
}

impl TestDatabase {
    pub async fn on(engine: Engine) -> Self {
        sqlx::any::install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        match engine {
            Engine::Sqlite => Self {
                database: Database::Sqlite(folder.path().join("booking.db")),
                url: format!("sqlite:{}", folder.path().join("booking.db").display()),
                folder,
                _server: None,
            },
            Engine::Postgres => {
                let server = Server::shared();
                let url = server.new_database().await;
                Self {
                    database: Database::Postgres(Secret::new(&url)),
                    url,
                    folder,
                    _server: Some(server),
                }
            }
        }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.database, self.folder.path()).await.unwrap()
    }

    /// A connection past the store.
    pub async fn raw(&self) -> AnyConnection {
        AnyConnection::connect(&self.url).await.unwrap()
    }
}

/// A private PostgreSQL on a socket in a folder of its own.
struct Server {
    process: Child,
    folder: TempDir,
    databases: AtomicU32,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if is_root() {
            let done = Command::new("chown").arg("postgres").arg(folder.path()).status();
            assert!(
                done.unwrap().success(),
                "PostgreSQL does not run as root, and there is no user postgres"
            );
        }
        let made = program("initdb")
            .args([
                "--auth=trust",
                "--username=booking",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Nothing of a test outlives it; a measurement says that it is to be written down.
        let fsync = std::env::var("BOOKING_FSYNC").unwrap_or_else(|_| "off".to_owned());
        let process = program("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "max_connections=300", "-c"])
            .arg(format!("fsync={fsync}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            folder,
            databases: AtomicU32::new(0),
        };
        let started = Instant::now();
        while !server.folder.path().join(".s.PGSQL.5432").exists() {
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "PostgreSQL did not start: {log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn url(&self, database: &str) -> String {
        let socket = self.folder.path().display();
        format!("postgres://booking@localhost/{database}?host={socket}")
    }

    async fn new_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        // The socket is there a moment before the server takes anyone in.
        let started = Instant::now();
        let mut admin = loop {
            match AnyConnection::connect(&self.url("postgres")).await {
                Ok(admin) => break admin,
                Err(error) => assert!(started.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let create = format!("create database {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut admin)
            .await
            .unwrap();
        self.url(&name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An immediate shutdown: nothing of it is kept.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.process.wait();
    }
}

/// A program of PostgreSQL, run by the user it wants.
fn program(name: &str) -> Command {
    let path = installed(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(path);
    command
}

/// Debian keeps them out of the way, one folder a version.
fn installed(name: &str) -> std::path::PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let found = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .max();
    found.unwrap_or_else(|| Path::new(name).to_owned())
}

/// Whether this process may do everything, and PostgreSQL will not run as its user.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
