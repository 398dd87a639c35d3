//! The site behind the line: what it is told, what it may say, and a websocket of its own.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{SOON, full};
use crate::support::{Fan, Origin, Tidegate};

#[test]
fn the_origin_ends_visits_tells_the_stock_and_never_sees_our_tokens() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin);
    let seen = origin.seen().pop().expect("a request").join("\n");
    assert!(
        !seen.contains("tidegate_visit") && seen.to_ascii_lowercase().contains("x-request-id"),
        "{seen}"
    );
    let mut fan = Fan::of(&tidegate.site);
    let mut frames = fan.socket().expect("a socket");
    frames.until("called", SOON);
    frames.say("here");
    origin.answer_with("Tidegate-Command: release\r\nTidegate-Stock: free=3, held=2\r\n");
    let released = inside[0].get("/order/done");
    assert_eq!(
        released.header("tidegate-command"),
        None,
        "commands are for the edge"
    );
    assert!(!inside[0].has_visit());
    frames.until("admitted", SOON);
    let mut next = Fan::of(&tidegate.site);
    let mut frames = next.socket().expect("a socket");
    let position = frames.until("position", SOON);
    assert_eq!(position["stock"], json!({"free": 3, "held": 2}));
}

/// An origin that upgrades whoever asks and then sends back every byte.
fn echo() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("one connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request head");
            head.push(byte[0]);
        }
        let upgraded =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(upgraded).expect("an answer");
        let mut bytes = [0; 1_024];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            stream.write_all(&bytes[..count]).expect("an echo");
        }
    });
    address
}

#[test]
fn a_websocket_of_the_site_itself_passes_through() {
    let tidegate = Tidegate::proxy(echo(), "mode = \"off\"\nactive_max = 2\nadmit_per_min = 60");
    let mut stream = TcpStream::connect(&tidegate.site).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        tidegate.site
    );
    stream.write_all(request.as_bytes()).expect("an upgrade");
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(head, b"HTTP/1.1 101");
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the rest of the head");
        head.push(byte[0]);
    }
    // Each message is answered before the next is sent: nothing may be kept back for company.
    for message in ["one", "and another", "x"] {
        stream.write_all(message.as_bytes()).expect("a message");
        let mut answer = vec![0; message.len()];
        stream.read_exact(&mut answer).expect("its echo");
        assert_eq!(answer, message.as_bytes());
    }
}
