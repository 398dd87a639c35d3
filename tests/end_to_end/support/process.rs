//! A Tidegate process with a directory and ports of its own, stopped when dropped.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Response, Sent, eventually, send};

/// The real binary.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    for name in [
        "CONFIG",
        "LISTEN",
        "ADMIN_LISTEN",
        "ADMIN_TOKEN",
        "DATA_DIR",
        "BOOKING_LISTEN",
        "SEARCH_LISTEN",
        "STORE_URL",
    ] {
        command.env_remove(format!("TIDEGATE_{name}"));
    }
    command
}

/// A port that is free now and is handed out once: below those that connections take by themselves, so that no other test
/// has it by the time it is listened on.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const RANGE: std::ops::Range<u32> = 16_000..32_000;
    loop {
        let offset = std::process::id() + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = (RANGE.start + offset % RANGE.len() as u32) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Listens on a port that is free, or was let go of just now: a process that another test is starting has every socket of
/// this one until it has become its own program.
pub fn listen_on(port: u16) -> TcpListener {
    eventually(&format!("port {port} is free"), Duration::from_secs(5), || {
        TcpListener::bind(("127.0.0.1", port)).ok()
    })
}

/// The token the tests open the admin API with.
const ADMIN_TOKEN: &str = "0123456789abcdef-tests";

/// What a proxy in front of an origin may have of its own.
#[derive(Default)]
pub struct Proxy {
    /// Further lines of the room's section.
    pub room: String,
    /// URL of the store; left out, the line is embedded.
    pub store: Option<String>,
    /// The key file to start with; left out, the proxy makes one.
    pub keys: Option<PathBuf>,
    /// Variables of the process.
    pub env: Vec<(String, String)>,
}

pub struct Tidegate {
    /// `host:port` of the site.
    pub site: String,
    /// `host:port` of the admin API.
    pub admin: String,
    pub folder: TempDir,
    child: Child,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Tidegate {
    /// A proxy with one room, `drop`, in front of `origin`. `room` holds further lines of its section.
    pub fn proxy(origin: SocketAddr, room: &str) -> Self {
        let proxy = Proxy {
            room: room.to_owned(),
            ..Proxy::default()
        };
        Self::start(origin, &proxy)
    }

    /// A proxy with one room, `drop`, in front of `origin`, that has more of its own.
    pub fn start(origin: SocketAddr, proxy: &Proxy) -> Self {
        let store = proxy
            .store
            .as_ref()
            .map_or(String::new(), |url| format!("[store]\nurl = \"{url}\"\n\n"));
        let room = &proxy.room;
        let rest = format!(
            "{store}[[upstream]]\nname = \"shop\"\nservers = [\"{origin}\"]\n\n\
             [[room]]\nid = \"drop\"\n{room}\n\n\
             [[route]]\npath = \"/free/**\"\nupstream = \"shop\"\nfree = true\n\n\
             [[route]]\npath = \"/**\"\nupstream = \"shop\"\nroom = \"drop\"\n"
        );
        let edge = "joins_per_address_per_min = 20000";
        Self::with(proxy.env.clone(), |folder, site, admin| {
            if let Some(keys) = &proxy.keys {
                let own = key_path(folder);
                std::fs::create_dir(own.parent().expect("a folder")).expect("a data directory");
                // With its mode: keys that others may read are refused.
                std::fs::copy(keys, own).expect("the keys can be copied");
            }
            proxy_args(edge, &rest, folder, site, admin)
        })
    }

    /// A proxy on a file of its own: further lines of `[edge]`, and everything after it.
    pub fn configured(edge: &str, rest: &str) -> Self {
        Self::with(Vec::new(), |folder, site, admin| {
            proxy_args(edge, rest, folder, site, admin)
        })
    }

    /// Everything, on embedded defaults.
    pub fn up() -> Self {
        Self::with(Vec::new(), |folder, site, admin| {
            let port = || format!("127.0.0.1:{}", free_port());
            let data = folder.join("data").display().to_string();
            [
                ("--listen", site.to_owned()),
                ("--admin-listen", admin.to_owned()),
                ("--booking-listen", port()),
                ("--search-listen", port()),
                ("--data-dir", data),
            ]
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect()
        })
    }

    fn with(env: Vec<(String, String)>, args: impl FnOnce(&Path, &str, &str) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (site, admin) = (
            format!("127.0.0.1:{}", free_port()),
            format!("127.0.0.1:{}", free_port()),
        );
        let args = args(folder.path(), &site, &admin);
        let child = spawn(&args, &env, folder.path());
        let mut tidegate = Self {
            site,
            admin,
            folder,
            child,
            args,
            env,
        };
        tidegate.wait_ready();
        tidegate
    }

    fn wait_ready(&mut self) {
        eventually("ready", Duration::from_secs(30), || {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the process ended with {status} before it was ready");
            }
            TcpStream::connect(&self.admin).ok()?;
            (send(&self.admin, &Sent::new("GET", "/ready")).status == 200).then_some(())
        });
    }

    /// What the process said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_path(self.folder.path())).unwrap_or_default()
    }

    /// Ends the process at once, as a power cut to it would, and starts it again on the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends the process at once, as a power cut to it would.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Starts the process that was killed or stopped again, on the same data.
    pub fn restart(&mut self) {
        self.child = spawn(&self.args, &self.env, self.folder.path());
        self.wait_ready();
    }

    /// Asks the process to stop, and says how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        interrupt(&self.child);
        eventually("the process ends after SIGINT", Duration::from_secs(20), || {
            self.child.try_wait().expect("a child")
        })
    }

    /// The keys it signs with.
    pub fn key_file(&self) -> PathBuf {
        key_path(self.folder.path())
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the admin API.
    pub fn ask(&self, sent: Sent) -> Response {
        send(
            &self.admin,
            &sent.header("Authorization", format!("Bearer {ADMIN_TOKEN}")),
        )
    }

    /// The figures of the room.
    pub fn room(&self) -> Value {
        self.ask(Sent::new("GET", "/api/v1/rooms/drop")).json()
    }

    /// Waits for so many ticks of the room's line to end. A second one begins after this was asked, with whatever had
    /// gathered by then, and the first one's figures are shown.
    pub fn until_ticked(&self, times: u64) {
        let ticks = || self.metric("tidegate_tick_seconds_count{room=\"drop\"}");
        let before = ticks();
        eventually("the line ticks", Duration::from_secs(10), || {
            (ticks() >= before + times).then_some(())
        });
    }

    /// A metric that counts, by its name and labels as they are written.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.ask(Sent::new("GET", "/metrics")).text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }

    /// Changes the room's settings.
    pub fn change(&self, change: &Value) {
        let answer = self.ask(Sent::new("PATCH", "/api/v1/rooms/drop").json(change));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

impl Drop for Tidegate {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the process's log\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key_path(folder: &Path) -> PathBuf {
    folder.join("data/keys.json")
}

/// Writes the file of a proxy, and says how it is started with it.
fn proxy_args(edge: &str, rest: &str, folder: &Path, site: &str, admin: &str) -> Vec<String> {
    let config = format!(
        "[edge]\nlisten = [\"{site}\"]\nadmin_listen = \"{admin}\"\nadmin_token = \"{ADMIN_TOKEN}\"\n\
         data_dir = \"{}\"\nsockets_per_address_max = 5000\n{edge}\n\n{rest}",
        folder.join("data").display()
    );
    let file = folder.join("tidegate.toml");
    std::fs::write(&file, config).expect("the configuration can be written");
    vec![
        "proxy".to_owned(),
        "--config".to_owned(),
        file.display().to_string(),
    ]
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log.txt")
}

fn spawn(args: &[String], env: &[(String, String)], folder: &Path) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_path(folder))
        .expect("a log file");
    let errors = log.try_clone().expect("a second handle");
    let mut command = binary();
    command
        .args(args)
        .env("TIDEGATE_ADMIN_TOKEN", ADMIN_TOKEN)
        .envs(env.iter().cloned())
        .current_dir(folder);
    command
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors))
        .stdin(Stdio::null());
    command.spawn().expect("the binary starts")
}

/// Sends SIGINT, as Ctrl-C does.
pub fn interrupt(child: &Child) {
    signal(child, Signal::SIGINT);
}

/// Sends a signal to a process that was not waited for yet.
pub fn signal(child: &Child, signal: Signal) {
    let id = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(id, signal).expect("the process takes a signal");
}

/// The first line of `output` that begins with `start`.
#[allow(dead_code)]
pub fn line_with(output: impl std::io::Read, start: &str) -> Option<String> {
    BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.trim_start().starts_with(start))
}
