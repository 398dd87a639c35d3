//! A real Chromium, steered over WebDriver (<https://www.w3.org/TR/webdriver2/>) by a chromedriver of its own.
//!
//! Elements are named by CSS selectors and looked up anew each time: the page under test moves on by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// A browser that starts on a busy machine takes its time; one that says nothing for so long hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long a page may take to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    On,
    Off,
}

/// A chromedriver and its port. It takes any port that is free over IPv4, and gives up where the same one is taken over IPv6:
/// beside many other connections that happens.
fn start_driver(folder: &Path) -> Option<(Child, u16)> {
    let mut driver = Command::new(program("chromedriver"))
        .arg("--port=0")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let output = driver.stdout.take().expect("its output is piped");
    let port = BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
    if port.is_none() {
        let _ = driver.kill();
        let _ = driver.wait();
    }
    Some((driver, port?))
}

/// One browser with a profile of its own; it and its driver end when dropped.
pub struct Browser {
    address: String,
    session: String,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts chromedriver on a port of its own choice, and Chromium through it.
    pub fn start(scripts: Scripts) -> Self {
        let chromium = program("chromium");
        let profile = tempfile::tempdir().expect("a temporary folder");
        let (driver, port) = (0..5)
            .find_map(|_| start_driver(profile.path()))
            .expect("chromedriver names its port");
        let address = format!("127.0.0.1:{port}");
        let mut browser = Self {
            address,
            session: String::new(),
            driver,
            _profile: profile,
        };
        let folder = browser._profile.path().join("profile");
        let flags = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-proxy-server".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--lang=en".to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--user-data-dir={}", folder.display()),
        ];
        let mut options = json!({ "binary": chromium, "args": flags });
        if scripts == Scripts::Off {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "performance": "ALL" },
        }}});
        let (status, answer) = browser
            .exchange("POST", "/session", &capabilities)
            .expect("chromedriver answers");
        assert_eq!(status, 200, "Chromium starts: {answer}");
        browser.session = answer["value"]["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        browser
    }

    /// Goes to an address, as if it were typed in.
    pub fn open(&self, url: &str) {
        self.must("POST", "url", &json!({ "url": url }));
    }

    pub fn url(&self) -> String {
        text(self.must("GET", "url", &Value::Null))
    }

    pub fn title(&self) -> String {
        text(self.must("GET", "title", &Value::Null))
    }

    /// The text of the first such element, where there is one that can be seen.
    pub fn seen(&self, selector: &str) -> Option<String> {
        let element = self.find(selector)?;
        let shown = self
            .try_do("GET", &format!("element/{element}/displayed"), &Value::Null)
            .ok()?;
        if shown != true {
            return None;
        }
        self.try_do("GET", &format!("element/{element}/text"), &Value::Null)
            .ok()
            .map(text)
    }

    /// Waits until such an element can be seen and its text passes; gives the text.
    pub fn until_seen(&self, selector: &str, passes: impl Fn(&str) -> bool) -> String {
        self.until(&format!("{selector} is as expected"), || {
            self.seen(selector).filter(|text| passes(text))
        })
    }

    /// Waits until `done` gives something; a failure shows what the browser shows.
    pub fn until<T>(&self, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, PATIENCE, &mut done)
        }));
        waited.unwrap_or_else(|_| {
            panic!(
                "{what}: no; at {} titled {:?} the page says:\n{:?}",
                self.url(),
                self.title(),
                self.seen("body")
            )
        })
    }

    /// Clicks the first such element, which must be there and seen.
    pub fn click(&self, selector: &str) {
        self.until_seen(selector, |_| true);
        let element = self
            .find(selector)
            .unwrap_or_else(|| panic!("{selector} is gone"));
        self.must("POST", &format!("element/{element}/click"), &json!({}));
    }

    /// Types into the first such element, which must be there and seen.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.until_seen(selector, |_| true);
        let element = self
            .find(selector)
            .unwrap_or_else(|| panic!("{selector} is gone"));
        self.must(
            "POST",
            &format!("element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Runs a script in the page and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.must("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The value of a cookie of the current page, of those that scripts cannot see too.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookie = self.try_do("GET", &format!("cookie/{name}"), &Value::Null).ok()?;
        cookie["value"].as_str().map(str::to_owned)
    }

    /// The tab that commands go to.
    pub fn tab(&self) -> String {
        text(self.must("GET", "window", &Value::Null))
    }

    /// Opens a tab and goes to it; gives its name.
    pub fn new_tab(&self) -> String {
        let made = self.must("POST", "window/new", &json!({ "type": "tab" }));
        let name = text(made["handle"].clone());
        self.to_tab(&name);
        name
    }

    pub fn to_tab(&self, name: &str) {
        self.must("POST", "window", &json!({ "handle": name }));
    }

    /// Every address that was asked for since this was last called, sockets among them; not what the browser brings
    /// with it for its own first tab.
    pub fn requests(&self) -> Vec<String> {
        let log = self.must("POST", "se/log", &json!({ "type": "performance" }));
        let entries = log.as_array().expect("a list of entries");
        let address = |entry: &Value| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let parameters = &message["message"]["params"];
            let url = match message["message"]["method"].as_str()? {
                "Network.requestWillBeSent" => &parameters["request"]["url"],
                "Network.webSocketCreated" => &parameters["url"],
                _ => return None,
            };
            let inner = ["chrome:", "chrome-untrusted:", "data:", "about:"];
            url.as_str()
                .filter(|url| !inner.iter().any(|scheme| url.starts_with(scheme)))
                .map(str::to_owned)
        };
        entries.iter().filter_map(address).collect()
    }

    fn find(&self, selector: &str) -> Option<String> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.try_do("POST", "element", &by).ok()?;
        found[ELEMENT].as_str().map(str::to_owned)
    }

    /// A command that the browser must take.
    fn must(&self, method: &str, command: &str, body: &Value) -> Value {
        self.try_do(method, command, body)
            .unwrap_or_else(|error| panic!("{method} {command}: {error}"))
    }

    fn try_do(&self, method: &str, command: &str, body: &Value) -> Result<Value, Value> {
        let path = format!("/session/{}/{command}", self.session);
        let (status, mut answer) = self.exchange(method, &path, body).expect("chromedriver answers");
        let value = answer["value"].take();
        if status == 200 { Ok(value) } else { Err(value) }
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
        let mut reader = BufReader::new(stream);
        let (mut status, mut length, mut line) = (0, 0, String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        Ok((status, serde_json::from_slice(&bytes)?))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends Chromium; what cannot be told any more must not hide why the test fails.
        let _ = self.exchange("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn text(value: Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Where a program is, by `PATH`.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("{name} is not installed, and these tests steer a real browser: `make test` installs what they need")
    })
}
