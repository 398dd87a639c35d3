//! A Redis server of a test's own, killed when dropped.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Client, FromRedisValue, RedisResult};
use tempfile::TempDir;
use tidegate_config::{BookingRedis, Deployment, Node, StoreUrl};

/// Enough for a start beside a build.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A server that has not answered by now is frozen.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub struct RedisServer {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// A server that keeps nothing.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = Self {
            port,
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        server.restart();
        server
    }

    /// Starts it (again) on its port, and waits until it answers.
    pub fn restart(&mut self) {
        let port = self.port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--logfile", "log.txt"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed by scripts/need-test.sh");
        self.child = Some(child);
        let started = Instant::now();
        while self.try_command::<String>(&["PING"]).is_err() {
            assert!(started.elapsed() < READY_WITHIN, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once, and with it all it knew.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it where it is: connections stay, and nobody answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, which: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let done = Command::new("kill").args([which, &pid]).status().unwrap();
        assert!(done.success());
    }

    /// As the configuration names it.
    pub fn named(&self) -> BookingRedis {
        let url = StoreUrl {
            deployment: Deployment::Single(Node {
                host: "127.0.0.1".to_owned(),
                port: self.port,
            }),
            tls: false,
            login: None,
            db: 0,
        };
        BookingRedis { url, tls_ca: None }
    }

    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).unwrap()
    }

    fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let mut connection = client.get_connection_with_timeout(ANSWER_WITHIN)?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
