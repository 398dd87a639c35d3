//! One HTTP/1.1 exchange on a connection of its own, with full control over what is sent.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What to send.
#[derive(Clone, Default)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("Content-Type", "application/json")
            .header("Accept", "application/json")
    }

    pub fn form(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "text/html")
    }

    pub fn page(path: &str) -> Self {
        Self::new("GET", path)
            .header("Accept", "text/html")
            .header("Sec-Fetch-Dest", "document")
            .header("Sec-Fetch-Mode", "navigate")
    }
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.text()))
    }

    /// The cookies that were set; an empty value removes one.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .filter_map(|(_, value)| value.split(';').next()?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Sends to `address` and reads the whole answer.
pub fn send(address: &str, sent: &Sent) -> Response {
    raw(address, &written(address, sent))
}

/// Sends to an `address` that may be gone, and reads the whole answer.
pub fn try_send(address: &str, sent: &Sent) -> io::Result<Response> {
    let answer = exchange(address, &written(address, sent))?;
    // Whoever was killed while answering has not answered.
    let whole = answer.windows(4).any(|w| w == b"\r\n\r\n");
    whole
        .then(|| parse(&answer))
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn written(address: &str, sent: &Sent) -> Vec<u8> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n",
        sent.method, sent.path
    );
    for (name, value) in &sent.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !sent.body.is_empty() || sent.method == "POST" {
        text.push_str(&format!("Content-Length: {}\r\n", sent.body.len()));
    }
    let mut bytes = (text + "\r\n").into_bytes();
    bytes.extend(&sent.body);
    bytes
}

/// Sends bytes as they are and reads the whole answer.
pub fn raw(address: &str, bytes: &[u8]) -> Response {
    let answer = exchange(address, bytes).unwrap_or_else(|e| panic!("{address}: {e}"));
    parse(&answer)
}

/// One exchange, in steps: so that many can be under way in one thread.
pub struct Exchange(TcpStream);

impl Exchange {
    /// A connection over which nothing has been sent.
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(15)))?;
        Ok(Self(stream))
    }

    /// Sends without waiting for the answer.
    pub fn send(&mut self, sent: &Sent) -> io::Result<()> {
        let host = self.0.peer_addr()?.to_string();
        self.0.write_all(&written(&host, sent))
    }

    /// Reads the whole answer.
    pub fn answer(self) -> Response {
        parse(&self.read())
    }

    fn read(mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        // A connection that is reset after its answer has still answered.
        let _ = self.0.read_to_end(&mut answer);
        answer
    }
}

fn exchange(address: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut exchange = Exchange::open(address)?;
    exchange.0.write_all(bytes)?;
    Ok(exchange.read())
}

fn parse(answer: &[u8]) -> Response {
    let text = String::from_utf8_lossy(answer);
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .expect("a status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut body = answer[end + 4..].to_vec();
    let chunked = headers
        .iter()
        .any(|(n, v)| n.eq_ignore_ascii_case("transfer-encoding") && v == "chunked");
    if chunked {
        body = dechunk(&body);
    }
    Response {
        status,
        headers,
        body,
    }
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&body[..end]).trim(), 16).unwrap_or(0);
        if size == 0 || body.len() < end + 2 + size {
            break;
        }
        whole.extend(&body[end + 2..end + 2 + size]);
        body = &body[(end + 4 + size).min(body.len())..];
    }
    whole
}
