//! Connections on which a request does not arrive as one request.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{proxy, refused};
use crate::support::{Sent, raw, send};

/// As the edge has it: a head that takes longer than this is not waited for.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

fn connect(site: &str) -> TcpStream {
    let stream = TcpStream::connect(site).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a timeout can be set");
    stream
}

/// What has come so far, or nothing.
fn heard(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = [0; 4_096];
    match stream.read(&mut bytes) {
        Ok(read) => Some(String::from_utf8_lossy(&bytes[..read]).into_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_head_that_trickles_in_is_cut_off_as_a_whole() {
    let (_origin, tidegate) = proxy();
    // To the waiting page, to the origin, and behind empty lines: the one deadline holds for all.
    let begun = [
        "GET / HTTP/1.1\r\nX-A: ",
        "POST /free/page HTTP/1.1\r\nX-A: ",
        "\r\n\r\nGET / HTTP/1.1\r\nX-A: ",
    ];
    let mut streams: Vec<TcpStream> = begun.iter().map(|_| connect(&tidegate.site)).collect();
    let since = Instant::now();
    for (stream, text) in streams.iter_mut().zip(begun) {
        stream.write_all(text.as_bytes()).expect("the head begins");
    }
    let mut answered = vec![None; streams.len()];
    while answered.iter().any(Option::is_none) {
        assert!(since.elapsed() < HEAD_WITHIN * 2, "cut off by now: {answered:?}");
        for (stream, answer) in streams.iter_mut().zip(&mut answered) {
            if answer.is_none() {
                // Each byte comes well within any timeout that only looks at one read.
                let _ = stream.write_all(b"x");
                *answer = heard(stream);
            }
        }
    }
    assert!(since.elapsed() >= HEAD_WITHIN, "a slow network has its time");
    for answer in answered.iter().flatten() {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("head-too-slow") && answer.contains("connection: close"),
            "{answer}"
        );
    }
    // Everyone else is served meanwhile and afterwards.
    assert_eq!(send(&tidegate.site, &Sent::page("/")).status, 200);
}

#[test]
fn a_head_without_end_is_refused() {
    let (_origin, tidegate) = proxy();
    let text = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nX-A: {}",
        tidegate.site,
        "x".repeat(80_000)
    );
    refused(
        "endless",
        &raw(&tidegate.site, text.as_bytes()),
        431,
        "head-too-large",
    );
}

#[test]
fn requests_in_one_packet_are_answered_in_order_and_none_after_a_refused_one() {
    let (origin, tidegate) = proxy();
    let request =
        |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", tidegate.site);
    let last = "Connection: close\r\n";
    let three = [
        request("/_tidegate/jwks.json", ""),
        request("/_tidegate/nothing", ""),
        request("/_tidegate/jwks.json", last),
    ];
    let text = raw(&tidegate.site, three.concat().as_bytes()).text();
    let (first, second) = text.split_once("HTTP/1.1 404 ").expect("a second answer");
    assert!(
        first.contains("\"keys\"") && second.contains("HTTP/1.1 200 ") && second.contains("\"keys\""),
        "{text}"
    );
    let reached = origin.seen().len();
    let two = [
        request("/_tidegate/jwks.json", "X-A: 1\nX-B: 2\r\n"),
        request("/free/page", last),
    ];
    let answer = raw(&tidegate.site, two.concat().as_bytes());
    refused("a line feed alone", &answer, 400, "bad-request");
    assert_eq!(origin.seen().len(), reached, "what followed was not read");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let (_origin, tidegate) = proxy();
    let path = "/_tidegate/jwks.json";
    let (get, head) = (
        send(&tidegate.site, &Sent::new("GET", path)),
        send(&tidegate.site, &Sent::new("HEAD", path)),
    );
    assert_eq!((get.status, head.status), (200, 200));
    assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()));
    assert!(head.body.is_empty() && !get.body.is_empty());
    assert!(get.header("date").is_some());
}
