//! What a line socket is sent that is not `tidegate.v1`, and one that is never read.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;

use super::{SOON, full, refused, unmoved};
use crate::support::{Fan, Sent, eventually, raw};

/// A frame as a client sends it, masked or not.
fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask_bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..126 => bytes.push(mask_bit | len as u8),
        len => {
            bytes.push(mask_bit | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    if masked {
        let mask = [7, 11, 13, 17];
        bytes.extend(mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    } else {
        bytes.extend(payload);
    }
    bytes
}

#[test]
fn what_is_no_protocol_closes_the_socket_with_its_code_and_the_place_is_kept() {
    let (_origin, tidegate, _inside) = full();
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let place = fan.place();
    let here = br#"{"type":"here"}"#;
    // Announces 2^40 bytes, and sends none.
    let endless = [&[0x81, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
    let cases: [(&str, Vec<u8>, u16); 13] = [
        ("oversized", frame(0x81, true, &[b' '; 4_000]), 1009),
        ("oversized, announced only", endless, 1009),
        (
            "oversized, in fragments",
            [frame(0x01, true, &[b' '; 400]), frame(0x80, true, &[b' '; 400])].concat(),
            1009,
        ),
        ("unmasked", frame(0x81, false, here), 1002),
        ("reserved bits", frame(0xf1, true, here), 1002),
        ("an opcode that does not exist", frame(0x83, true, here), 1002),
        ("a continuation of nothing", frame(0x80, true, here), 1002),
        ("a ping in fragments", frame(0x09, true, b""), 1002),
        ("a ping that is too long", frame(0x89, true, &[0; 126]), 1002),
        ("binary", frame(0x82, true, here), 1003),
        ("no UTF-8", frame(0x81, true, &[0xff, 0xfe]), 1007),
        ("no JSON", frame(0x81, true, b"here"), 1008),
        (
            "a type that does not exist",
            frame(0x81, true, br#"{"type":"admit","number":1}"#),
            1008,
        ),
    ];
    unmoved(&tidegate, "a bad frame", || {
        for (what, bytes, code) in cases {
            let mut frames = fan.socket().expect("a socket");
            frames.until("position", SOON);
            frames
                .socket
                .get_mut()
                .write_all(&bytes)
                .expect("bytes can be sent");
            assert_eq!(frames.until_closed(SOON), code, "{what}");
        }
    });
    assert_eq!(fan.place(), place);
    let mut frames = fan.socket().expect("a socket");
    frames.until("called", SOON);
    // Fields that nobody knows are ignored.
    let more = json!({ "type": "here", "later": true }).to_string();
    frames.socket.send(Message::text(more)).expect("a frame");
    eventually("who comes back is heard", SOON, || {
        (tidegate.room()["ready"] == 1).then_some(())
    });
}

#[test]
fn an_upgrade_that_is_none_is_refused_and_says_why() {
    let (_origin, tidegate, _inside) = full();
    let site = &tidegate.site;
    let good = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "tidegate.v1"),
    ];
    unmoved(&tidegate, "a bad upgrade", || {
        for (name, value, status) in [
            ("Sec-WebSocket-Version", "8", 426),
            ("Sec-WebSocket-Key", "short", 400),
            ("Sec-WebSocket-Protocol", "chat", 400),
            (
                "Sec-WebSocket-Protocol",
                "tidegate.v1, tidegate.place.nonsense",
                401,
            ),
            ("Upgrade", "h2c", 426),
            ("Origin", "https://evil.example", 403),
            ("Origin", "null", 403),
        ] {
            let mut text = format!("GET /_tidegate/rooms/drop/line HTTP/1.1\r\nHost: {site}\r\n");
            let kept = good
                .into_iter()
                .filter(|(known, _)| *known != name)
                .chain([(name, value)]);
            kept.for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
            text.push_str("\r\n");
            let mut stream = TcpStream::connect(site).expect("a connection");
            stream
                .set_read_timeout(Some(Duration::from_millis(500)))
                .expect("a timeout");
            stream.write_all(text.as_bytes()).expect("a request");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{name}: {value}: {answer}"
            );
            assert!(
                answer.contains("application/problem+json"),
                "{name}: {value}: {answer}"
            );
        }
    });
    let foreign = format!(
        "POST /_tidegate/rooms/drop/places HTTP/1.1\r\nHost: {site}\r\nOrigin: https://evil.example\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    refused(
        "a join by a page of another site",
        &raw(site, foreign.as_bytes()),
        403,
        "foreign-origin",
    );
}

/// What the process holds in memory, in KiB.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("this is Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("a figure");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

#[test]
fn readers_that_never_read_are_let_go_hold_no_memory_and_keep_nobody_waiting() {
    let (_origin, tidegate, _inside) = full();
    let sockets = || tidegate.ask(Sent::new("GET", "/api/v1/rooms")).json()["sockets"].clone();
    // They ping without end and read no pong: their own side of the connection fills, and then the edge's.
    let ping = frame(0x89, true, &[b'x'; 125]);
    let pings = ping.repeat(512);
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut socket = Fan::of(&tidegate.site).socket().expect("a socket").socket;
        let stream: &mut TcpStream = socket.get_mut();
        stream.set_nonblocking(true).expect("a stream that does not wait");
        deaf.push((socket, 0));
    }
    assert_eq!(sockets(), deaf.len());
    let (before, mut most) = (resident_kib(tidegate.process_id()), 0);
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut measured = Instant::now();
    let (mut served, mut sent) = (false, 0_usize);
    while !deaf.is_empty() {
        assert!(Instant::now() < deadline, "{} are still held", deaf.len());
        let mut blocked = true;
        // What is written in part goes on where it stopped.
        deaf.retain_mut(|(socket, begun)| match socket.get_mut().write(&pings[*begun..]) {
            Ok(written) => {
                *begun = (*begun + written) % ping.len();
                sent += written;
                blocked = false;
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if blocked {
            std::thread::sleep(Duration::from_millis(5));
        }
        if measured.elapsed() > Duration::from_millis(500) {
            (measured, most) = (Instant::now(), most.max(resident_kib(tidegate.process_id())));
            if !std::mem::replace(&mut served, true) {
                let asked = Instant::now();
                let mut frames = Fan::of(&tidegate.site).socket().expect("others are served");
                frames.until("position", SOON);
                assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            }
        }
    }
    let grown = most.saturating_sub(before);
    assert!(
        served && grown < 8 * 1_024,
        "the process grew by {grown} KiB over {sent} bytes"
    );
    assert!(
        sent > 1_000_000,
        "they were let go because they did not read, not at once: {sent} bytes"
    );
    eventually("nobody is held", SOON, || (sockets() == 0).then_some(()));
}
