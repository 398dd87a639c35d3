//! Paths that can be read in two ways, and ways around the guard.

use super::{full, refused, unmoved};
use crate::support::{Sent, raw, send};

#[test]
fn paths_with_two_readings_are_refused() {
    let (origin, tidegate, mut inside) = full();
    let reached = origin.seen().len();
    unmoved(&tidegate, "an ambiguous path", || {
        for path in [
            "/free/..%2fguarded",
            "/free/..%5cguarded",
            "/free/..\\guarded",
            "/free/a%00b",
            "/free/a%0ab",
            "/free/..;/guarded",
            "/free;x/guarded",
            "/free/;/../guarded",
            "/free/%zz",
            "/free/%c0%ae%c0%ae/guarded",
            "/free/#/guarded",
            "free",
        ] {
            refused(path, &send(&tidegate.site, &Sent::page(path)), 400, "");
            refused(path, &inside[0].send(Sent::page(path)), 400, "");
        }
    });
    assert_eq!(origin.seen().len(), reached, "none of them was forwarded");
}

#[test]
fn no_spelling_gets_around_the_guard() {
    let (origin, tidegate, mut inside) = full();
    let site = tidegate.site.clone();
    let reached = origin.seen().len();
    let whole = format!("http://{site}/guarded");
    for path in [
        "/free/../guarded",
        "/free/%2e%2e/guarded",
        "/free/./%2E./guarded",
        "//free/..//guarded",
        "/free/a/../../guarded",
        "/%66ree/../guarded",
        "/FREE/guarded",
        "/freely",
        &whole,
    ] {
        let answer = send(
            &site,
            &Sent::new("GET", path).header("Accept", "application/json"),
        );
        refused(path, &answer, 503, "waiting");
    }
    assert_eq!(origin.seen().len(), reached, "none of them was forwarded");
    // What is decided on is what the origin gets.
    for (path, forwarded) in [
        ("/free/../guarded?x=%2f", "GET /guarded?x=%2f HTTP/1.1"),
        ("/a/%7Eb//c/./d", "GET /a/~b/c/d HTTP/1.1"),
        ("/%66ree/page", "GET /free/page HTTP/1.1"),
    ] {
        assert!(inside[0].get(path).text().contains("Welcome"), "{path}");
        assert_eq!(origin.seen().last().expect("a request")[0], forwarded);
    }
}

#[test]
fn nothing_under_the_prefix_is_forwarded() {
    let (origin, tidegate, mut inside) = full();
    let reached = origin.seen().len();
    for path in [
        "/_tidegate/",
        "/_tidegate/nothing",
        "/free/../_tidegate/rooms/drop",
        "/%5ftidegate/x",
    ] {
        refused(path, &inside[0].send(Sent::page(path)), 404, "not-found");
    }
    assert_eq!(origin.seen().len(), reached);
    for method in ["TRACE", "CONNECT"] {
        let text = format!(
            "{method} / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            tidegate.site
        );
        let answer = raw(&tidegate.site, text.as_bytes());
        assert!(
            matches!(answer.status, 400 | 405 | 501),
            "{method}: {}",
            answer.status
        );
    }
    assert_eq!(origin.seen().len(), reached);
}
