//! Requests that no parser takes, and bodies that break off: told so in a problem document, and no fault of the edge.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::{LINE, SOON, full, proxy, refused, unmoved};
use crate::support::{Sent, raw, send};

#[test]
fn a_head_that_no_parser_takes_is_told_so() {
    let (origin, tidegate, inside) = full();
    let site = &tidegate.site;
    let cookie = inside[0].cookie_line().expect("cookies");
    let reached = origin.seen().len();
    let host = format!("Host: {site}\r\n");
    let many = format!("{host}{}", "X-A: 1\r\n".repeat(300));
    let cases = [
        (
            "a space in the target",
            "GET /free/a b HTTP/1.1",
            &*host,
            400,
            "bad-request",
        ),
        ("two spaces", "GET  /free/a HTTP/1.1", &host, 400, "bad-request"),
        ("no version", "GET /free/a", &host, 400, "bad-request"),
        (
            "another version",
            "GET /free/a HTTP/2.0",
            &host,
            400,
            "bad-request",
        ),
        (
            "a control character",
            "GET /free/\u{1} HTTP/1.1",
            &host,
            400,
            "bad-request",
        ),
        (
            "no host over HTTP/1.0",
            "GET /free/a HTTP/1.0",
            "",
            400,
            "bad-request",
        ),
        (
            "two spellings of the host",
            "GET http://LOCALHOST/free/a HTTP/1.1",
            "Host: localhost\r\n",
            400,
            "bad-request",
        ),
        (
            "too many lines",
            "GET /free/a HTTP/1.1",
            &many,
            431,
            "too-many-header-lines",
        ),
        (
            "a tunnel",
            "CONNECT origin.example:443 HTTP/1.1",
            &host,
            501,
            "method-not-served",
        ),
    ];
    unmoved(&tidegate, "a malformed head", || {
        for cookie in [String::new(), format!("Cookie: {cookie}\r\n")] {
            for (what, line, headers, status, slug) in cases {
                let text = format!("{line}\r\n{headers}{cookie}\r\n");
                let since = Instant::now();
                let answer = raw(site, text.as_bytes());
                refused(what, &answer, status, slug);
                assert!(since.elapsed() < SOON, "{what}: and the connection ends");
            }
            for line in [
                "X-A: 1\r\n 2",
                "X-A: 1\r2",
                "X-A: \0",
                "X-A : 1",
                " X-A: 1",
                "X-A",
            ] {
                let text = format!("GET /free/a HTTP/1.1\r\n{host}{cookie}{line}\r\n\r\n");
                refused(line, &raw(site, text.as_bytes()), 400, "bad-request");
            }
            for named in [
                "Host",
                "Content-Length",
                "x-forwarded-for",
                "\"a\"",
                "a,b,c,d,e,f,g,h,i,j",
            ] {
                let text = format!("GET /free/a HTTP/1.1\r\n{host}{cookie}Connection: {named}\r\n\r\n");
                refused(named, &raw(site, text.as_bytes()), 400, "bad-request");
            }
        }
    });
    assert_eq!(origin.seen().len(), reached, "none of them was forwarded");
}

#[test]
fn malformed_chunks_are_told_so_and_end_the_connection() {
    let (_origin, tidegate) = proxy();
    for path in ["/free/page", "/_tidegate/rooms/drop/enter"] {
        for chunks in [
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\r\ng\r\n\r\n",
        ] {
            let text = format!(
                "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{chunks}",
                tidegate.site
            );
            let since = Instant::now();
            let answer = raw(&tidegate.site, text.as_bytes());
            let what = format!("{path}, {chunks:?}");
            refused(&what, &answer, 400, "bad-request");
            assert_eq!(answer.header("connection"), Some("close"), "{what}");
            assert!(since.elapsed() < SOON, "{what}");
        }
    }
    // What is well-formed still passes.
    let text = format!(
        "POST /free/page HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        tidegate.site
    );
    assert_eq!(raw(&tidegate.site, text.as_bytes()).status, 200);
}

#[test]
fn what_clients_do_is_no_error_of_the_edge() {
    let (_origin, tidegate) = proxy();
    let head = format!("POST /free/page HTTP/1.1\r\nHost: {}\r\n", tidegate.site);
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\ng\r\n");
    refused(
        "chunks",
        &raw(&tidegate.site, chunks.as_bytes()),
        400,
        "bad-request",
    );
    let mut left = TcpStream::connect(&tidegate.site).expect("a connection");
    left.write_all(format!("{head}Content-Length: 20\r\n\r\nhalf").as_bytes())
        .expect("half a body");
    drop(left);
    // Whatever is said of it has been said once the next requests were served.
    for _ in 0..20 {
        assert_eq!(send(&tidegate.site, &Sent::page("/free/page")).status, 200);
    }
    assert!(!tidegate.log().contains("ERROR"), "{}", tidegate.log());
}

#[test]
fn whoever_asks_before_sending_a_body_is_told_to_go_on() {
    let (_origin, tidegate) = proxy();
    let mut stream = TcpStream::connect(&tidegate.site).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    let head = format!(
        "POST {LINE}/enter HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: 2\r\nConnection: close\r\n\r\n",
        tidegate.site
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let mut told = [0; 25];
    stream.read_exact(&mut told).expect("an answer before the body");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").expect("the body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer");
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("bad-body"),
        "{answer}"
    );
}
