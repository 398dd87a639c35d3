//! What an origin answers reaches the client as it was meant, in whatever form it was sent; and what is no answer is none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::Tidegate;

const SOON: Duration = Duration::from_secs(5);
const ROOM: &str = "mode = \"on\"\nactive_max = 2\nadmit_per_min = 60000";

/// Whether the connection goes on after an answer.
enum Then {
    Waits,
    Closes,
}

/// An edge in front of an origin that does what `serve` does with the count, the head and the connection of each request.
fn in_front_of(serve: impl Fn(usize, &str, &mut TcpStream) -> Then + Send + Sync + 'static) -> Tidegate {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (serve, count) = (Arc::new(serve), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (serve, count) = (serve.clone(), count.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                while let Some(head) = read_head(&mut reader) {
                    let count = count.fetch_add(1, Ordering::SeqCst);
                    if let Then::Closes = serve(count, &head, &mut stream) {
                        return;
                    }
                }
            });
        }
    });
    Tidegate::proxy(address, ROOM)
}

fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("an edge that listens");
}

/// A head with its empty line, unless the other side closes first.
fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(head)
}

/// A client's connection to the edge, on which several requests are made.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(tidegate: &Tidegate) -> Self {
        let stream = TcpStream::connect(&tidegate.site).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        Self(BufReader::new(stream))
    }

    fn asks(&mut self, method: &str, lines: &str) {
        let head = format!("{method} /free/page HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        self.0
            .get_mut()
            .write_all(head.as_bytes())
            .expect("an edge that listens");
    }

    /// The next head in lower case.
    fn head(&mut self) -> String {
        read_head(&mut self.0).expect("a head").to_ascii_lowercase()
    }

    fn bytes(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("more of the answer");
        String::from_utf8(bytes).expect("text")
    }

    /// The body behind `head`, as the head says it ends; what there is of it where the connection ends first.
    fn body(&mut self, head: &str) -> Result<String, String> {
        let value = |name: &str| {
            let lines: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix(name)).collect();
            assert!(lines.len() <= 1, "said twice: {head}");
            lines.first().copied()
        };
        let mut body = String::new();
        if value("transfer-encoding: ") == Some("chunked") {
            assert_eq!(value("content-length: "), None, "one end: {head}");
            loop {
                let mut size = String::new();
                if self.0.read_line(&mut size).unwrap_or(0) == 0 {
                    return Err(body);
                }
                let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
                body += &self.bytes(size);
                assert_eq!(self.bytes(2), "\r\n");
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let length: u64 = value("content-length: ")
            .expect("an end")
            .parse()
            .expect("a length");
        let read = self.0.by_ref().take(length).read_to_string(&mut body);
        match read {
            Ok(read) if read as u64 == length => Ok(body),
            _ => Err(body),
        }
    }

    /// Whether the edge has closed the connection, and sent nothing more.
    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

#[test]
fn an_answer_ends_where_the_origin_says_whatever_way_it_says_so() {
    let cases = [
        (
            "its length",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            true,
            "hello",
        ),
        (
            "the same length twice",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            true,
            "hello",
        ),
        (
            "nothing",
            "HTTP/1.1 404 Not here\r\nContent-Length: 0\r\n\r\n",
            true,
            "",
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-After: 1\r\n\r\n",
            true,
            "hello",
        ),
        (
            "the end of the connection",
            "HTTP/1.1 200 OK\r\n\r\nhello",
            false,
            "hello",
        ),
        (
            "the end of an old connection",
            "HTTP/1.0 200 OK\r\n\r\nhello",
            false,
            "hello",
        ),
        (
            "an old length",
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            false,
            "hello",
        ),
    ];
    for (what, answer, goes_on, wanted) in cases {
        let tidegate = in_front_of(move |_, _, stream| {
            say(stream, answer);
            if goes_on { Then::Waits } else { Then::Closes }
        });
        let mut client = Client::of(&tidegate);
        // On one connection, whatever becomes of the origin's.
        for turn in 0..3 {
            client.asks("GET", "");
            let head = client.head();
            let reason = answer
                .lines()
                .next()
                .expect("a status")
                .split_once(' ')
                .expect("a status")
                .1;
            assert!(
                head.starts_with(&format!("http/1.1 {}\r\n", reason.to_ascii_lowercase())),
                "{what}: {head}"
            );
            assert!(
                head.contains("\r\ndate: ") && !head.contains("x-after"),
                "{what}: {head}"
            );
            assert_eq!(client.body(&head).as_deref(), Ok(wanted), "{what}, {turn}");
        }
        client.asks("GET", "Connection: close\r\n");
        let head = client.head();
        assert!(head.contains("\r\nconnection: close\r\n"), "{what}: {head}");
        assert_eq!(client.body(&head).as_deref(), Ok(wanted), "{what}");
        assert!(client.is_closed(), "{what}");
    }
}

#[test]
fn an_answer_without_a_body_has_none() {
    for (what, method, answer, said) in [
        (
            "to HEAD",
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            Some("5"),
        ),
        (
            "to HEAD, in chunks",
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            None,
        ),
        (
            "not modified",
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
            Some("5"),
        ),
        ("no content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
    ] {
        let tidegate = in_front_of(move |_, _, stream| {
            say(stream, answer);
            Then::Waits
        });
        let mut client = Client::of(&tidegate);
        for _ in 0..2 {
            client.asks(method, "");
            let head = client.head();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            assert_eq!(length, said, "{what}: {head}");
            assert!(!head.contains("transfer-encoding"), "{what}: {head}");
        }
    }
}

#[test]
fn what_is_about_one_connection_stays_on_it() {
    let (heard, hears) = mpsc::channel();
    let tidegate = in_front_of(move |_, head, stream| {
        heard
            .send(head.to_ascii_lowercase())
            .expect("a test that listens");
        say(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Theirs: 2\r\n\
             Proxy-Connection: keep-alive\r\nTidegate-Note: 3\r\nContent-Length: 2\r\n\r\nhi",
        );
        Then::Waits
    });
    let mut client = Client::of(&tidegate);
    client.asks(
        "GET",
        "Connection: keep-alive\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\n\
         Proxy-Connection: keep-alive\r\nX-Own: 4\r\n",
    );
    let head = client.head();
    for gone in ["keep-alive", "x-mine", "tidegate-note", "connection"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    assert!(head.contains("x-theirs: 2"), "{head}");
    let asked = hears.recv().expect("a request");
    for gone in ["keep-alive", "te: ", "proxy-", "connection: "] {
        assert!(!asked.contains(gone), "{gone}: {asked}");
    }
    assert!(
        asked.contains("x-own: 4") && asked.contains("x-forwarded-for: 127.0.0.1"),
        "{asked}"
    );
}

#[test]
fn hints_come_before_the_answer_they_are_for() {
    let (go_on, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let tidegate = in_front_of(move |_, _, stream| {
        say(
            stream,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
        );
        told.lock()
            .expect("nobody panicked")
            .recv()
            .expect("a client with a hint");
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        Then::Waits
    });
    let mut client = Client::of(&tidegate);
    client.asks("GET", "");
    let hints = client.head();
    assert!(
        hints.starts_with("http/1.1 103 early hints\r\n") && hints.contains("link: </a.css>"),
        "{hints}"
    );
    go_on.send(()).expect("an origin under way");
    let head = client.head();
    assert_eq!(client.body(&head).as_deref(), Ok("hi"));
}

#[test]
fn each_piece_of_an_answer_arrives_before_the_next_is_sent() {
    for (what, end, first, second) in [
        ("length", "Content-Length: 6", "abc", "def"),
        (
            "chunks",
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n",
            "3\r\ndef\r\n0\r\n\r\n",
        ),
        ("events", "Content-Type: text/event-stream", "abc", "def"),
    ] {
        let (go_on, told) = mpsc::channel::<()>();
        let told = std::sync::Mutex::new(told);
        let tidegate = in_front_of(move |_, _, stream| {
            say(stream, &format!("HTTP/1.1 200 OK\r\n{end}\r\n\r\n{first}"));
            told.lock()
                .expect("nobody panicked")
                .recv()
                .expect("a client with a piece");
            say(stream, second);
            Then::Closes
        });
        let mut client = Client::of(&tidegate);
        client.asks("GET", "");
        let head = client.head();
        let chunked = head.contains("transfer-encoding: chunked");
        assert_eq!(
            client.bytes(if chunked { 8 } else { 3 }).replace("3\r\n", ""),
            if chunked { "abc\r\n" } else { "abc" },
            "{what}"
        );
        go_on.send(()).expect("an origin under way");
        let rest = if chunked { "3\r\ndef\r\n0\r\n\r\n" } else { "def" };
        assert_eq!(client.bytes(rest.len()), rest, "{what}");
    }
}

#[test]
fn an_answer_of_megabytes_comes_whole() {
    let body: String = (0..400_000).map(|n| format!("{n:08} ")).collect();
    for chunked in [false, true] {
        let sent = body.clone();
        let tidegate = in_front_of(move |_, _, stream| {
            if chunked {
                say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for part in sent.as_bytes().chunks(77_777) {
                    say(
                        stream,
                        &format!(
                            "{:x}\r\n{}\r\n",
                            part.len(),
                            std::str::from_utf8(part).expect("digits")
                        ),
                    );
                }
                say(stream, "0\r\n\r\n");
            } else {
                say(
                    stream,
                    &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{sent}", sent.len()),
                );
            }
            Then::Waits
        });
        let mut client = Client::of(&tidegate);
        for _ in 0..2 {
            client.asks("GET", "");
            let head = client.head();
            assert!(client.body(&head).as_deref() == Ok(&body), "chunked: {chunked}");
        }
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_passed_for_a_whole_one() {
    for (what, answer) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        (
            "a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        ),
        (
            "no chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n",
        ),
    ] {
        let tidegate = in_front_of(move |_, _, stream| {
            say(stream, answer);
            Then::Closes
        });
        let mut client = Client::of(&tidegate);
        client.asks("GET", "");
        let head = client.head();
        let came = client.body(&head).expect_err(what);
        assert!("hello".starts_with(&came), "{what}: {came}");
    }
}

#[test]
fn what_is_no_answer_is_told_as_such_and_the_client_goes_on() {
    let answers = [
        ("nothing", ""),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
        ("no HTTP", "SSH-2.0-OpenSSH\r\n\r\n"),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ),
        (
            "a coding",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ),
    ];
    let tidegate = in_front_of(move |count, _, stream| {
        say(
            stream,
            answers
                .get(count)
                .map_or("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", |(_, answer)| {
                    answer
                }),
        );
        Then::Closes
    });
    let mut client = Client::of(&tidegate);
    for (what, _) in answers {
        client.asks("GET", "");
        let head = client.head();
        assert!(
            head.starts_with("http/1.1 502 ") && head.contains("application/problem+json"),
            "{what}: {head}"
        );
        let body = client.body(&head).expect(what);
        assert!(body.contains("origin-failed"), "{what}: {body}");
    }
    client.asks("GET", "");
    let head = client.head();
    assert_eq!(client.body(&head).as_deref(), Ok("hi"));
}

#[test]
fn a_kept_connection_that_the_origin_has_closed_costs_nobody_an_answer() {
    // The first connection is closed over its second request, as by a server that has had enough of it at that moment.
    let tidegate = in_front_of(move |count, _, stream| {
        if count == 1 {
            return Then::Closes;
        }
        say(
            stream,
            &format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{count}"),
        );
        Then::Waits
    });
    let mut client = Client::of(&tidegate);
    for wanted in ["0", "2", "3"] {
        client.asks("GET", "");
        let head = client.head();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert_eq!(client.body(&head).as_deref(), Ok(wanted));
    }
}

#[test]
fn an_origin_hears_that_the_client_has_gone() {
    for answers in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"] {
        let (heard, hears) = mpsc::channel();
        let (asked, is_asked) = mpsc::channel();
        let tidegate = in_front_of(move |_, _, stream| {
            say(stream, answers);
            asked.send(()).expect("a test that listens");
            stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
            heard
                .send(stream.read(&mut [0]).is_ok_and(|read| read == 0))
                .expect("a test that listens");
            Then::Closes
        });
        let mut client = Client::of(&tidegate);
        client.asks("GET", "");
        is_asked.recv().expect("a request");
        drop(client);
        assert_eq!(hears.recv(), Ok(true), "after {answers:?}");
    }
}
