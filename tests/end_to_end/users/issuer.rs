//! Somebody who signs user tokens and publishes the keys, as booking does; and does what booking never would.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as base64url;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::support::listen_on;

/// What a user token calls itself.
pub const TYPE: &str = "tidegate-user+jwt";

/// A key and its name.
pub struct Signer {
    kid: &'static str,
    pair: KeyPair,
}

impl Signer {
    pub fn new(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        Self { kid, pair }
    }

    /// A token as it should be, for an account.
    pub fn user(&self, account: &str) -> String {
        self.token(account, 600)
    }

    /// A token that expires in so many seconds.
    pub fn token(&self, account: &str, expires_in_s: i64) -> String {
        let header = json!({"typ": TYPE, "alg": "EdDSA", "kid": self.kid});
        let claims = json!({
            "sub": account, "name": "x", "role": "fan", "session": "x", "exp": Self::in_seconds(expires_in_s),
        });
        self.sign(&header, &claims)
    }

    /// Whatever is asked for, signed.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(message.as_bytes()).expect("a key can sign");
        format!("{message}.{}", base64url.encode(signature))
    }

    /// Unix time so many seconds from now.
    pub fn in_seconds(seconds: i64) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        i64::try_from(now.as_secs()).expect("before the end of time") + seconds
    }

    fn jwks(&self) -> String {
        let x = base64url.encode(self.pair.public_key_raw());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": x}]}).to_string()
    }
}

/// Publishes the keys of a signer until it is dropped; then nothing listens there.
pub struct KeyServer {
    pub port: u16,
    document: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KeyServer {
    pub fn start(port: u16, signer: &Signer) -> Self {
        let listener = listen_on(port);
        let document = Arc::new(Mutex::new(signer.jwks()));
        let stop = Arc::new(AtomicBool::new(false));
        let (served, stopped) = (document.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let document = served.lock().expect("nobody panicked").clone();
                answer(stream, &document);
            }
        });
        Self {
            port,
            document,
            stop,
            thread: Some(thread),
        }
    }

    /// From now on another signer's keys.
    pub fn publish(&self, signer: &Signer) {
        *self.document.lock().expect("nobody panicked") = signer.jwks();
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One answer a connection, so that none is left when the server is gone.
fn answer(mut stream: TcpStream, document: &str) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.trim() != "" {
        line.clear();
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{document}",
        document.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}
