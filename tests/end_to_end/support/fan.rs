//! A fan: a cookie jar, and a socket on the line.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::{Response, Sent, eventually, try_send};

/// A browser without scripts, as far as cookies go.
#[derive(Clone, Default)]
pub struct Fan {
    pub site: String,
    pub cookies: BTreeMap<String, String>,
}

impl Fan {
    pub fn of(site: &str) -> Self {
        Self {
            site: site.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// Sends with the jar's cookies, and keeps what is set.
    pub fn send(&mut self, sent: Sent) -> Response {
        self.try_send(sent)
            .unwrap_or_else(|e| panic!("{}: {e}", self.site))
    }

    /// Sends to an edge that may be gone, with the jar's cookies, and keeps what is set.
    pub fn try_send(&mut self, mut sent: Sent) -> std::io::Result<Response> {
        if let Some(line) = self.cookie_line() {
            sent = sent.header("Cookie", line);
        }
        let response = try_send(&self.site, &sent)?;
        self.keep(response.cookies());
        Ok(response)
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(Sent::page(path))
    }

    pub fn cookie_line(&self) -> Option<String> {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep(&mut self, cookies: BTreeMap<String, String>) {
        for (name, value) in cookies {
            if value.is_empty() {
                self.cookies.remove(&name);
            } else {
                self.cookies.insert(name, value);
            }
        }
    }

    /// The claims of a token, unverified: (epoch, number) say who is before whom.
    pub fn place(&self) -> Option<(u64, u64)> {
        let token = self.cookies.get("tidegate_place_drop")?;
        let claims = claims(token);
        Some((claims["epoch"].as_u64()?, claims["number"].as_u64()?))
    }

    pub fn has_visit(&self) -> bool {
        self.cookies.contains_key("tidegate_visit_drop")
    }

    /// Opens the line's socket with the jar's cookies.
    pub fn socket(&mut self) -> Result<Frames, Box<tungstenite::Error>> {
        self.socket_with(&[])
    }

    pub fn socket_with(&mut self, extra: &[(&'static str, &str)]) -> Result<Frames, Box<tungstenite::Error>> {
        let url = format!("ws://{}/_tidegate/rooms/drop/line", self.site);
        let mut request = url.into_client_request().expect("a good URL");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", "tidegate.v1".parse().expect("a header"));
        if let Some(line) = self.cookie_line() {
            headers.insert("Cookie", line.parse().expect("a header"));
        }
        for (name, value) in extra {
            headers.insert(*name, value.parse().expect("a header"));
        }
        let stream = TcpStream::connect(&self.site).map_err(|e| Box::new(e.into()))?;
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout can be set");
        let (socket, response) = match tungstenite::client(request, stream) {
            Ok(opened) => opened,
            Err(tungstenite::HandshakeError::Failure(error)) => return Err(Box::new(error)),
            Err(tungstenite::HandshakeError::Interrupted(handshake)) => {
                let mut handshake = handshake;
                let deadline = Instant::now() + Duration::from_secs(10);
                loop {
                    match handshake.handshake() {
                        Ok(opened) => break opened,
                        Err(tungstenite::HandshakeError::Interrupted(again)) if Instant::now() < deadline => {
                            handshake = again;
                        }
                        Err(tungstenite::HandshakeError::Interrupted(_)) => {
                            panic!("no answer to the upgrade")
                        }
                        Err(tungstenite::HandshakeError::Failure(error)) => return Err(Box::new(error)),
                    }
                }
            }
        };
        let set = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok());
        let pairs = set.filter_map(|value| value.split(';').next()?.split_once('='));
        self.keep(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        );
        Ok(Frames {
            socket,
            past: Vec::new(),
            pings: 0,
        })
    }

    /// Spends an admission frame as the page does.
    pub fn enter(&mut self, admitted: &Value, return_to: &str) -> Response {
        let token = admitted["admission_token"].as_str().expect("a token");
        let path = admitted["enter"].as_str().expect("a path").to_owned();
        let form = format!("token={token}&return_to={return_to}");
        self.send(Sent::new("POST", &path).form(&form))
    }
}

/// The payload of a token, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .expect("base64url");
    serde_json::from_slice(&bytes).expect("claims are JSON")
}

/// Waits until the admission in this frame is past its life, which counts in seconds.
pub fn until_expired(admitted: &Value) {
    let token = admitted["admission_token"].as_str().expect("a token");
    let expires_at = claims(token)["exp"].as_u64().expect("a time");
    let within = Duration::from_secs(admitted["expires_in_s"].as_u64().expect("seconds") + 5);
    eventually("the admission is past its life", within, || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        (now.as_secs() > expires_at).then_some(())
    });
}

/// The frames of a socket.
pub struct Frames {
    pub socket: WebSocket<TcpStream>,
    /// Every frame so far.
    pub past: Vec<Value>,
    /// How often the edge asked whether the fan is there.
    pub pings: u32,
}

impl Frames {
    /// The next frame, or the close code when the socket ends.
    pub fn next(&mut self, within: Duration) -> Option<Result<Value, u16>> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                    self.past.push(frame.clone());
                    return Some(Ok(frame));
                }
                Ok(Message::Close(close)) => return Some(Err(close.map_or(1005, |close| close.code.into()))),
                Ok(Message::Ping(_)) => self.pings += 1,
                Ok(_) => {}
                Err(tungstenite::Error::Io(e))
                    if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Some(Err(1006)),
            }
        }
        None
    }

    /// Reads until a frame of this type.
    pub fn until(&mut self, kind: &str, within: Duration) -> Value {
        let deadline = Instant::now() + within;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.next(left) {
                Some(Ok(frame)) if frame["type"] == kind => return frame,
                Some(Ok(_)) => {}
                Some(Err(code)) => panic!(
                    "closed with {code} while waiting for {kind}; before: {:?}",
                    self.past
                ),
                None => break,
            }
        }
        panic!("no {kind} within {within:?}; before: {:?}", self.past);
    }

    /// Reads until the socket is closed, and says with what.
    pub fn until_closed(&mut self, within: Duration) -> u16 {
        let deadline = Instant::now() + within;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if let Some(Err(code)) = self.next(left) {
                return code;
            }
        }
        panic!("not closed within {within:?}; before: {:?}", self.past);
    }

    pub fn say(&mut self, kind: &str) {
        let text = json!({ "type": kind }).to_string();
        self.socket
            .send(Message::text(text))
            .expect("the socket takes a frame");
    }

    /// Answers the call and waits for the turn.
    pub fn answer_until_admitted(&mut self, within: Duration) -> Value {
        self.until("called", within);
        self.say("here");
        self.until("admitted", within)
    }
}
