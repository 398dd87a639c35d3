//! One process of the booking service, killed and started again at will.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tidegate_config::Database;

use crate::eventually;
use crate::gate::{Provider, SECRET_KEY, WEBHOOK_SECRET};
use crate::http::{Sent, try_send};

/// A port that is free now.
pub fn free_port() -> u16 {
    // What connections take by themselves lies above; two tests of this process may look at once.
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    loop {
        let at = std::process::id() + 7 * NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let port = 10_000 + (at % 6_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct Instance {
    pub address: String,
    folder: TempDir,
    child: Child,
}

impl Instance {
    /// A process that listens on `port`. `more` are further lines of `[booking]`.
    pub fn start(port: u16, database: &Database, provider: &Provider, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Database::Postgres(url) = database else {
            panic!("these tests are about PostgreSQL");
        };
        let config = format!(
            "[booking]\nlisten = \"127.0.0.1:{port}\"\ndatabase_url = \"{}\"\nrequire_admission = false\n{more}\n\
             [booking.payments]\nprovider = \"stripe\"\napi_base = \"http://{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
             publishable_key = \"pk_test_of_the_tests\"\nwebhook_secret = \"{WEBHOOK_SECRET}\"\n",
            url.expose(),
            provider.address,
        );
        std::fs::write(folder.path().join("tidegate.toml"), config).unwrap();
        let child = spawn(&folder);
        let mut instance = Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)).to_string(),
            folder,
            child,
        };
        instance.wait_ready();
        instance
    }

    fn wait_ready(&mut self) {
        eventually("the booking service is ready", Duration::from_secs(30), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status} before it was ready:\n{}", self.log());
            }
            let answer = try_send(&self.address, &Sent::new("GET", "/health")).ok()?;
            (answer.status == 200).then_some(())
        });
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.child = spawn(&self.folder);
        self.wait_ready();
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        let id = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(id, signal).unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of {}\n{}", self.address, self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &TempDir) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.path().join("log.txt"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["booking", "--config", "tidegate.toml", "--data-dir", "data"])
        .current_dir(folder.path())
        .stdout(Stdio::from(log.try_clone().unwrap()))
        .stderr(Stdio::from(log))
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}
