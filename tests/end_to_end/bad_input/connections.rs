//! Connections on which a request does not arrive as one request.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{ROOM, SOON, inside, proxy, refused};
use crate::support::{Sent, Tidegate, raw, send};

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
fn a_request_behind_one_that_is_forwarded_is_answered_after_it() {
    let (origin, tidegate) = proxy();
    let site = &tidegate.site;
    let visitor = inside(site).cookie_line().expect("cookies");
    let visit = format!("Cookie: {visitor}\r\n");
    let request = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: {site}\r\n{more}\r\n");
    let last = request("GET /_tidegate/jwks.json", "Connection: close\r\n");
    let body = "Content-Length: 5\r\n";
    for (what, first) in [
        ("without a body", request("GET /free/page", "")),
        ("of a visit", request("GET /", &visit)),
        ("with a body", request("POST /free/page", body) + "hello"),
    ] {
        let reached = origin.seen().len();
        let all = format!("{first}{first}{last}");
        let text = raw(site, all.as_bytes()).text();
        let (second, third) = text.split_once("HTTP/1.1 200 OK").expect(what);
        assert!(second.contains("Welcome"), "{what}: {text}");
        assert!(
            third.contains("Welcome") && third.ends_with("]}"),
            "{what}: {text}"
        );
        assert_eq!(origin.seen().len(), reached + 2, "{what}");
    }

    // Where only the chunks say how long a body is, the client is told to ask for the rest again.
    let chunked = request("POST /free/page", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
    let since = Instant::now();
    let answer = raw(site, format!("{chunked}{last}").as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(since.elapsed() < SOON, "and the connection ends");
}

/// An origin that does with its first connection what `serve` does, once the head has been read.
fn origin_that(serve: impl FnOnce(TcpStream) + Send + 'static) -> (Tidegate, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        serve(stream);
    });
    (Tidegate::proxy(address, ROOM), serving)
}

fn next_byte(stream: &mut TcpStream) -> u8 {
    let mut byte = [0];
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    stream.read_exact(&mut byte).expect("a byte");
    byte[0]
}

#[test]
fn a_request_that_comes_while_another_is_answered_waits_for_it() {
    let second = "GET /_tidegate/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let ((go_on, asked), (goes_on, gone_on)) = (mpsc::channel(), mpsc::channel());
    let (tidegate, serving) = origin_that(move |mut stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", second.len());
        stream.write_all(head.as_bytes()).expect("an edge that listens");
        for () in asked {
            stream.write_all(b"x").expect("an edge that listens");
            goes_on.send(()).expect("a client under way");
        }
    });
    let mut client = connect(&tidegate.site);
    client
        .write_all(b"GET /free/page HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("an edge that listens");
    // Byte by byte in turn with the answer, so that much of it comes while that is under way.
    for byte in second.bytes() {
        client.write_all(&[byte]).expect("an edge that listens");
        go_on.send(()).expect("an origin under way");
        gone_on.recv().expect("an origin under way");
    }
    drop(go_on);
    let mut answers = String::new();
    client.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    client
        .read_to_string(&mut answers)
        .expect("both answers, and the end");
    let (first, last) = answers.split_once("xHTTP/1.1 200 ").expect(&answers);
    assert!(
        first.starts_with("HTTP/1.1 200 ") && last.contains("\"keys\""),
        "{answers}"
    );
    serving.join().expect("the origin was asked once");
}

#[test]
fn another_protocol_than_http_is_passed_both_ways_from_its_first_byte() {
    let (tidegate, serving) = origin_that(|mut stream| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("an edge that listens");
        while let byte @ 1.. = next_byte(&mut stream) {
            stream.write_all(&[byte]).expect("an edge that listens");
        }
    });
    let mut client = connect(&tidegate.site);
    let upgrade =
        "GET /free/socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nab";
    client
        .write_all(upgrade.as_bytes())
        .expect("an edge that listens");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(next_byte(&mut client));
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        String::from_utf8_lossy(&head)
    );
    assert_eq!((next_byte(&mut client), next_byte(&mut client)), (b'a', b'b'));
    for byte in [b'c', b'd', 255] {
        client.write_all(&[byte]).expect("an edge that listens");
        assert_eq!(next_byte(&mut client), byte);
    }
    client.write_all(&[0]).expect("an edge that listens");
    serving.join().expect("the origin heard all of it");
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
