//! Requests that two programs could read differently, and headers that imitate the edge's own.

use super::{LINE, admitted, full, proxy, refused, unmoved};
use crate::support::{Sent, raw, send};

#[test]
fn headers_that_imitate_ours_never_reach_the_origin() {
    let (origin, _tidegate, mut inside) = full();
    let imitations = [
        ("Tidegate-Assertion", "forged"),
        ("TIDEGATE_ASSERTION", "forged"),
        ("Tidegate-Visit", "forged"),
        ("tidegate_stock", "forged"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X_Forwarded_For", "203.0.113.9"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=203.0.113.9"),
        ("X-Real-IP", "203.0.113.9"),
        ("X-Forwarded-Prefix", "/forged"),
        ("X-Forwarded-Server", "evil.example"),
        ("X-Original-URL", "/forged"),
        ("x_rewrite_url", "/forged"),
        ("X-Request-Id", "forged"),
    ];
    for path in ["/", "/free/page"] {
        let mut sent = Sent::page(path).header("X-Mine", "kept");
        for (name, value) in imitations {
            sent = sent.header(name, value);
        }
        assert_eq!(inside[0].send(sent).status, 200);
        let seen = origin.seen().pop().expect("a request").join("\n");
        for forged in ["forged", "203.0.113.9", "gopher", "evil.example", "tidegate_"] {
            assert!(!seen.contains(forged), "{path}: {forged} in\n{seen}");
        }
        let lower = seen.to_ascii_lowercase();
        assert!(
            lower.contains("x-mine: kept") && lower.contains("x-forwarded-for: 127.0.0.1"),
            "{seen}"
        );
        assert_eq!(lower.contains("tidegate-assertion: "), path == "/", "{seen}");
    }
    let forged = Sent::page("/").header("Tidegate-Visit-Token", "forged");
    let reached = origin.seen().len();
    let answer = inside[0].send(forged);
    assert!(
        !answer.text().contains("Welcome"),
        "a token sent on purpose counts, and this one is forged"
    );
    assert_eq!(origin.seen().len(), reached);
}

#[test]
fn requests_with_two_readings_are_refused() {
    let (origin, tidegate, inside) = full();
    let site = &tidegate.site;
    let cookie = inside[0].cookie_line().expect("cookies");
    let reached = origin.seen().len();
    let host = format!("Host: {site}\r\n");
    let cases = [
        (
            "two lengths",
            format!("{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            "0\r\n\r\n",
        ),
        (
            "two equal lengths",
            format!("{host}Content-Length: 5\r\nContent-Length: 5\r\n"),
            "hello",
        ),
        (
            "two different lengths",
            format!("{host}Content-Length: 5\r\nContent-Length: 6\r\n"),
            "hello",
        ),
        (
            "a signed length",
            format!("{host}Content-Length: +5\r\n"),
            "hello",
        ),
        (
            "a strange coding",
            format!("{host}Transfer-Encoding: xchunked\r\n"),
            "0\r\n\r\n",
        ),
        (
            "two codings",
            format!("{host}Transfer-Encoding: gzip, chunked\r\n"),
            "0\r\n\r\n",
        ),
        ("no host", String::new(), ""),
        ("two hosts", format!("{host}Host: evil.example\r\n"), ""),
        ("a host that is none", "Host: a b\r\n".to_owned(), ""),
        ("a line feed alone", format!("{host}X-A: 1\nX-B: 2\r\n"), ""),
        (
            "a line feed alone at the end",
            format!("{host}X-A: 1\r\n\nX-B: 2\r\n"),
            "",
        ),
        (
            "a coding that is none",
            format!("{host}Transfer-Encoding: identity\r\n"),
            "hello",
        ),
        (
            "a space before the colon",
            format!("{host}Content-Length : 5\r\n"),
            "hello",
        ),
    ];
    unmoved(&tidegate, "a request with two readings", || {
        for path in ["/", "/free/page", "/_tidegate/rooms/drop/places"] {
            for (what, headers, body) in &cases {
                let text = format!(
                    "POST {path} HTTP/1.1\r\n{headers}Cookie: {cookie}\r\nConnection: close\r\n\r\n{body}"
                );
                let answer = raw(site, text.as_bytes());
                refused(&format!("{path}, {what}"), &answer, 400, "bad-request");
            }
        }
    });
    assert_eq!(origin.seen().len(), reached, "none of them was forwarded");
}

#[test]
fn what_a_connection_names_stays_with_it_and_takes_nothing_of_ours_along() {
    let (origin, tidegate) = proxy();
    let sent = |named: &str| {
        let text = format!(
            "GET /free/page HTTP/1.1\r\nHost: {}\r\nX-Mine: 1\r\nX-Kept: 1\r\nConnection: close, {named}\r\n\r\n",
            tidegate.site
        );
        assert_eq!(raw(&tidegate.site, text.as_bytes()).status, 200);
        origin.seen_last()
    };
    let seen = sent("X-Mine, x-request-id, Tidegate-Assertion");
    assert!(
        !seen.contains("x-mine") && !seen.contains("connection:"),
        "{seen}"
    );
    assert!(
        seen.contains("x-kept: 1") && seen.contains("x-request-id: "),
        "{seen}"
    );
}

#[test]
fn what_follows_a_refused_request_is_not_a_second_one() {
    let (origin, tidegate, inside) = full();
    let cookie = inside[0].cookie_line().expect("cookies");
    let reached = origin.seen().len();
    // What a lenient reader would take for the end of the first request is a second one to a naive one.
    let text = format!(
        "POST /free/a HTTP/1.1\r\nHost: {site}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {site}\r\nCookie: {cookie}\r\n\r\n",
        site = tidegate.site
    );
    let answer = raw(&tidegate.site, text.as_bytes());
    assert_eq!(answer.status, 400);
    assert!(
        !answer.text().contains("HTTP/1.1"),
        "one answer, and the connection ends: {}",
        answer.text()
    );
    assert_eq!(origin.seen().len(), reached);
}

#[test]
fn bodies_under_the_prefix_are_bounded_and_read_strictly() {
    let (_origin, tidegate, _inside) = full();
    let site = &tidegate.site;
    let enter = format!("{LINE}/enter");
    unmoved(&tidegate, "a bad body", || {
        let form = format!("token={}", "x".repeat(20_000));
        refused(
            "too large",
            &send(site, &Sent::new("POST", &enter).form(&form)),
            413,
            "body-too-large",
        );
        let mut text = Sent::new("POST", &enter).header("Content-Type", "application/json");
        text.body = b"{\"token\": 7}".to_vec();
        refused("a number for a token", &send(site, &text), 400, "bad-body");
        text.body = b"{".to_vec();
        refused("half a document", &send(site, &text), 400, "bad-body");
        refused(
            "no token",
            &send(site, &Sent::new("POST", &enter).form("return_to=/")),
            400,
            "bad-body",
        );
        let plain = Sent::new("POST", &enter).header("Content-Type", "text/plain");
        refused(
            "a type nobody asked for",
            &send(site, &plain),
            415,
            "unsupported-media-type",
        );
        refused(
            "another method",
            &send(site, &Sent::new("GET", &enter)),
            405,
            "method-not-allowed",
        );
    });
}

#[test]
fn return_to_leads_nowhere_but_to_this_site() {
    let (_origin, mut tidegate) = super::proxy();
    let (mut fan, frame) = admitted(&tidegate.site);
    // The same visitor may repeat it, so that every trick meets an admission that is good.
    for trick in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/%2fevil.example",
        "/%5cevil.example",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=y",
        "/_tidegate/rooms/drop/enter",
        "",
    ] {
        for spelled in [percent(trick), percent(&percent(trick))] {
            let answer = fan.enter(&frame, &spelled);
            let location = answer.header("location").unwrap_or_default().to_owned();
            assert_eq!(answer.status, 303, "{trick:?}: {}", answer.text());
            assert!(location == "/", "{trick:?} as {spelled} leads to {location:?}");
            assert_eq!(answer.header("x"), None);
        }
    }
    let answer = fan.enter(&frame, "%2Fa%2F..%2F%2Fb%3Fx%3D%2F%2Fy");
    assert_eq!(
        answer.header("location"),
        Some("/b?x=//y"),
        "a path of this site in its one spelling"
    );
    assert!(tidegate.stop().success());
}

/// Percent-encodes everything.
fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
