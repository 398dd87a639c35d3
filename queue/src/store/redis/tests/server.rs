//! A server of its own for one test.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A `redis-server` in a directory and on a port of its own.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) folder: TempDir,
    args: Vec<String>,
    child: Child,
}

impl Server {
    pub(super) fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut all = vec!["--port".to_owned(), port.to_string()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        Self::launch(folder, port, all)
    }

    /// A server without a plain port, for TLS or from a configuration file.
    pub(super) fn launch(folder: TempDir, port: u16, args: Vec<String>) -> Self {
        let child = spawn(&args, folder.path());
        let server = Self {
            port,
            folder,
            args,
            child,
        };
        server.wait();
        server
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.args, self.folder.path());
        self.wait();
    }

    /// Stops the process without closing anything (true), or lets it go on.
    pub(super) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let done = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "the process takes {signal}"
        );
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "redis-server {:?} does not listen",
                self.args
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(args: &[String], folder: &Path) -> Child {
    Command::new("redis-server")
        .args(args)
        .args(["--save", "", "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is on the PATH")
}

/// A port that is free now and handed out once, below those that connections take by themselves; a cluster's bus wants
/// the one 10,000 above.
pub(super) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const RANGE: std::ops::Range<u32> = 10_000..16_000;
    loop {
        let offset = std::process::id() + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = (RANGE.start + offset % RANGE.len() as u32) as u16;
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}
