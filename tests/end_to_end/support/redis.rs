//! A Redis server with a port and a directory of its own, killed when dropped.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::Signal;
use redis::{Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::process::signal;
use super::{ShiftedClock, eventually, free_port};

/// Enough for a start beside a build, with a log to replay.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// A server on this machine that has not answered by now is frozen or cut off.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What survives the process.
#[derive(Clone, Copy)]
pub enum Persistence {
    /// Nothing.
    None,
    /// The append-only file, written before each answer and synchronised each second.
    EverySecond,
}

/// A running, frozen or killed server.
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
}

impl RedisServer {
    /// A server that keeps nothing.
    pub fn start() -> Self {
        Self::with(Persistence::None, &[])
    }

    /// A server that keeps nothing and goes by this clock.
    pub fn on_clock(clock: &ShiftedClock) -> Self {
        let port = free_port();
        let args = |folder: &Path| arguments(port, folder, Persistence::None, &[]);
        Self::run(port, clock.variables(), args)
    }

    /// A server with further arguments, for example `["--maxmemory", "4mb"]`.
    pub fn with(persistence: Persistence, extra: &[&str]) -> Self {
        let port = free_port();
        Self::run_on(port, |folder| arguments(port, folder, persistence, extra))
    }

    /// A `redis-server` of any kind, given arguments that make it listen on `port` and log to `log.txt` in the folder.
    pub(super) fn run_on(port: u16, args: impl FnOnce(&Path) -> Vec<String>) -> Self {
        Self::run(port, Vec::new(), args)
    }

    fn run(port: u16, variables: Vec<(String, String)>, args: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let args = args(folder.path());
        let server = Self {
            port,
            folder,
            args,
            variables,
            child: Mutex::new(None),
        };
        server.restart();
        server
    }

    /// Starts the server that was killed or stopped, on the same port and directory, and waits until it answers.
    pub fn restart(&self) {
        let mut child = self.child();
        assert!(child.is_none(), "the server on {} runs", self.port);
        let mut command = Command::new("redis-server");
        command
            .args(&self.args)
            .envs(self.variables.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = child.insert(command.spawn().unwrap_or_else(|e| match e.kind() {
            ErrorKind::NotFound => panic!("redis-server is not installed; `make test` installs it"),
            _ => panic!("redis-server: {e}"),
        }));
        eventually(
            &format!("redis-server on {} answers", self.port),
            READY_WITHIN,
            || {
                if let Some(status) = started.try_wait().expect("a child") {
                    panic!("redis-server {:?} ended with {status}", self.args);
                }
                self.try_command::<String>(&["PING"]).ok()
            },
        );
    }

    /// Ends the process at once, as a power cut to it would.
    pub fn kill(&self) {
        let mut child = self.child().take().expect("the server runs");
        child.kill().expect("the process can be killed");
        child.wait().expect("the process ends");
    }

    /// Asks the process to stop, and waits until it has.
    pub fn stop(&self) {
        let mut child = self.child().take().expect("the server runs");
        signal(&child, Signal::SIGTERM);
        eventually("redis-server ends after SIGTERM", READY_WITHIN, || {
            child.try_wait().expect("a child")
        });
    }

    /// Stops the process where it is: connections stay, and nobody answers.
    pub fn freeze(&self) {
        signal(self.child().as_ref().expect("the server runs"), Signal::SIGSTOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        signal(self.child().as_ref().expect("the server runs"), Signal::SIGCONT);
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The server as the URL of a store.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Sends one command on a connection of its own, and panics unless the answer is what was asked for.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words)
            .unwrap_or_else(|e| panic!("{words:?} to {}: {e}", self.port))
    }

    /// Sends one command on a connection of its own.
    pub fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_connection_with_timeout(ANSWER_WITHIN)?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        let (name, args) = words.split_first().expect("a command");
        redis::cmd(name).arg(args).query(&mut connection)
    }

    /// A section of INFO.
    pub fn info(&self, section: &str) -> BTreeMap<String, String> {
        self.try_info(section)
            .unwrap_or_else(|e| panic!("INFO {section} of {}: {e}", self.port))
    }

    fn try_info(&self, section: &str) -> RedisResult<BTreeMap<String, String>> {
        let text: String = self.try_command(&["INFO", section])?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect())
    }

    /// What the server takes itself for, `master` or `slave`. Nothing when it does not say: sentinels that tell it otherwise
    /// close everybody's connections.
    pub fn role(&self) -> Option<String> {
        self.try_info("replication").ok()?.remove("role")
    }

    /// Waits until the server takes itself for a `master` or a `slave`.
    pub fn becomes(&self, role: &str, within: Duration) {
        let what = format!("the server on {} takes itself for a {role}", self.port);
        eventually(&what, within, || (self.role()? == role).then_some(()));
    }

    /// What the process said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("nobody panicked")
    }
}

/// What a server that edges use is started with.
fn arguments(port: u16, folder: &Path, persistence: Persistence, extra: &[&str]) -> Vec<String> {
    let append_only = match persistence {
        Persistence::None => "no",
        Persistence::EverySecond => "yes",
    };
    let (port, folder) = (port.to_string(), folder.display().to_string());
    let mut args = vec!["--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
    args.extend(["--logfile", "log.txt", "--save", "", "--appendonly", append_only]);
    args.extend(["--appendfsync", "everysec"]);
    args.extend(extra);
    args.into_iter().map(str::to_owned).collect()
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of redis-server on {}\n{}", self.port, self.log());
        }
        // A start that panicked has poisoned the lock, and its process must go all the same.
        let child = self
            .child
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(mut child) = child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
