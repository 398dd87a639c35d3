//! The edge as fans meet it on the internet: over TLS, page, socket and visit.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Origin, Tidegate, eventually};

const SOON: Duration = Duration::from_secs(10);

/// A proxy that speaks TLS under a certificate of its own, and clients that trust it.
struct Secure {
    origin: Origin,
    tidegate: Tidegate,
    trust: Arc<ClientConfig>,
    _certificates: tempfile::TempDir,
}

impl Secure {
    fn start(room: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).expect("the certificate can be written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("the key can be written");
        let origin = Origin::start();
        let rest = format!(
            "[edge.tls]\ncert = \"{}\"\nkey = \"{}\"\n\n[[upstream]]\nname = \"shop\"\nservers = [\"{}\"]\n\n\
             [[room]]\nid = \"drop\"\n{room}\n\n[[route]]\npath = \"/**\"\nupstream = \"shop\"\nroom = \"drop\"\n",
            cert.display(),
            key.display(),
            origin.address
        );
        let mut roots = RootCertStore::empty();
        roots
            .add(made.cert.der().clone())
            .expect("the certificate can be trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            tidegate: Tidegate::configured("", &rest),
            origin,
            trust: Arc::new(trust),
            _certificates: folder,
        }
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(self.trust.clone(), name).expect("a session");
        let stream = TcpStream::connect(&self.tidegate.site).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        StreamOwned::new(session, stream)
    }

    /// One exchange on a connection of its own.
    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = self.connect();
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(text.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("a whole answer");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// What a browser would send back: the cookies set by an answer, which must be kept from scripts and from plain HTTP.
fn cookies(answer: &str) -> String {
    let set = answer
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "));
    let pairs = set.map(|line| {
        let value = &line["set-cookie: ".len()..];
        assert!(value.starts_with("__Host-tidegate_"), "{value}");
        assert!(
            value.contains("; Secure") && value.contains("; HttpOnly"),
            "{value}"
        );
        value.split(';').next().unwrap_or_default()
    });
    pairs.collect::<Vec<_>>().join("; ")
}

#[test]
fn a_fan_waits_over_tls_with_cookies_that_stay_on_this_host() {
    let secure = Secure::start("mode = \"on\"\nactive_max = 1\nadmit_per_min = 60000");
    let page = secure.get("/seats", "");
    assert!(
        page.starts_with("HTTP/1.1 200 ") && page.contains("tidegate-room: drop"),
        "{page}"
    );
    let cookies = cookies(&page);
    assert!(cookies.contains("__Host-tidegate_place_drop="), "{cookies}");
    // The socket: the same place, told at once.
    let mut stream = secure.connect();
    let upgrade = format!(
        "GET /_tidegate/rooms/drop/line HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tidegate.v1\r\nCookie: {cookies}\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).expect("an upgrade");
    let mut text = String::new();
    eventually("the place is told", SOON, || {
        let mut bytes = [0; 4_096];
        let count = stream.read(&mut bytes).ok()?;
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        text.contains("\"type\":\"place\"").then_some(())
    });
    assert!(
        text.starts_with("HTTP/1.1 101 ") && text.contains("\"number\":1,"),
        "{text}"
    );
}

#[test]
fn a_visit_over_tls_reaches_the_origin_which_is_told_so() {
    let secure = Secure::start("mode = \"auto\"\nactive_max = 5\nadmit_per_min = 60000");
    let first = secure.get("/", "");
    assert!(first.contains("Welcome to the shop"), "{first}");
    let again = secure.get("/again", &format!("Cookie: {}\r\n", cookies(&first)));
    assert!(again.contains("Welcome"), "{again}");
    let seen = secure.origin.seen_last();
    assert!(
        seen.contains("x-forwarded-proto: https") && !seen.contains("tidegate_visit"),
        "{seen}"
    );
}

#[test]
fn plain_http_on_a_tls_port_is_turned_away_and_disturbs_nobody() {
    let secure = Secure::start("mode = \"on\"\nactive_max = 1\nadmit_per_min = 60000");
    let mut stream = TcpStream::connect(&secure.tidegate.site).expect("a connection");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("a request");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        !answer.starts_with(b"HTTP/"),
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
    assert!(secure.get("/", "").starts_with("HTTP/1.1 200 "));
}
