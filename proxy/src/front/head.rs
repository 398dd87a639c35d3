//! A request head: what it says, to the gatekeeper and to an origin.
//!
//! Every head is parsed here, by the parser that Pingora uses: what it would answer with a bare status never reaches it.

use std::mem::MaybeUninit;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use httparse::{Header, Request, Status};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};

use crate::gatekeeper;
use crate::request::headers::{is_hop_by_hop, list, names_token};
use crate::request::problem::{Problem, cases};

/// Most header lines taken, as Pingora has it: several times what the wordiest of clients and proxies send.
const LINES_MAX: usize = 256;

/// So many header lines does the edge add to a request, or a few less.
const OURS: usize = 6;

/// The same head for an origin, without what is about the client's connection. Read once more from what came, so that names
/// keep their spelling.
///
/// # Errors
/// None, for a head that was [read](Head::read) before.
pub(super) fn request(raw: &[u8]) -> Result<RequestHeader> {
    // Names and values are parts of one copy.
    let raw = Bytes::copy_from_slice(raw);
    let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; LINES_MAX];
    let mut parsed = Request::new(&mut []);
    let malformed = || Error::explain(ErrorType::InvalidHTTPHeader, "a head that was read before");
    let Ok(Status::Complete(_)) = parsed.parse_with_uninit_headers(&raw, &mut space) else {
        return Err(malformed());
    };
    let (method, target) = parsed.method.zip(parsed.path).ok_or_else(malformed)?;
    let lines = parsed.headers.iter().filter(|line| !is_hop_by_hop(line.name));
    let mut request = RequestHeader::build(method, target.as_bytes(), Some(parsed.headers.len() + OURS))?;
    for line in lines {
        let value = HeaderValue::from_maybe_shared(raw.slice_ref(line.value)).map_err(|_| malformed())?;
        request.append_header(raw.slice_ref(line.name.as_bytes()), value)?;
    }
    Ok(request)
}

/// A head that was parsed and not yet judged.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    target: (usize, usize),
}

impl Head {
    /// Reads a head that is there whole. What no parser could take is a problem.
    pub(super) fn read(raw: &[u8]) -> Result<Self, Problem> {
        let malformed = || cases::bad_request("the request line or a header line is malformed");
        let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; LINES_MAX];
        let mut parsed = Request::new(&mut []);
        match parsed.parse_with_uninit_headers(raw, &mut space) {
            Ok(Status::Complete(len)) if len == raw.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(cases::too_many_header_lines(LINES_MAX)),
            // One that ends before its empty line, or not with it, has two readings.
            Ok(_) | Err(_) => return Err(malformed()),
        }
        Self::of(&parsed, raw).ok_or_else(malformed)
    }

    /// `None` where a name, a value or the target is of no form that HTTP knows.
    fn of(parsed: &Request<'_, '_>, raw: &[u8]) -> Option<Self> {
        let target = parsed.path?;
        let begins = target.as_ptr() as usize - raw.as_ptr() as usize;
        let mut headers = HeaderMap::with_capacity(parsed.headers.len() + 4);
        for line in parsed.headers.iter() {
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
        }
        Some(Self {
            method: Method::from_bytes(parsed.method?.as_bytes()).ok()?,
            uri: target.parse().ok()?,
            version: match parsed.version? {
                1 => Version::HTTP_11,
                _ => Version::HTTP_10,
            },
            headers,
            target: (begins, begins + target.len()),
        })
    }

    /// The head as the gatekeeper reads it. `raw` is what it was read from.
    pub(super) fn as_sent<'a>(&'a self, raw: &'a [u8], peer: IpAddr) -> gatekeeper::Head<'a> {
        gatekeeper::Head {
            method: &self.method,
            version: self.version,
            uri: &self.uri,
            target: &raw[self.target.0..self.target.1],
            headers: &self.headers,
            raw,
            peer,
        }
    }

    /// What it carries.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether it only asks for something: nothing follows it, the client awaits nothing but the answer, and asking twice
    /// is as good as once (RFC 9110, section 9.2.1).
    pub(super) fn only_asks(&self) -> bool {
        let keep_or_close = |option: &str| {
            ["keep-alive", "close"]
                .iter()
                .any(|one| option.eq_ignore_ascii_case(one))
        };
        matches!(self.method, Method::GET | Method::HEAD)
            && self.version == Version::HTTP_11
            && self.uri.authority().is_none()
            && !self.has_body()
            && !self.headers.contains_key(UPGRADE)
            && !self.headers.contains_key(EXPECT)
            && list(&self.headers, &CONNECTION).all(keep_or_close)
    }

    /// Whether its answer goes without its body.
    pub(super) fn is_answered_bodiless(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Whether something follows that belongs to it. Lengths were judged before.
    pub(super) fn has_body(&self) -> bool {
        let length = self.headers.get(CONTENT_LENGTH);
        self.headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
    }

    /// Whether the client goes on using the connection (RFC 9112, section 9.3). One that speaks HTTP/1.0 would have to be
    /// told that it may.
    pub(super) fn keeps_alive(&self) -> bool {
        self.version == Version::HTTP_11 && !names_token(&self.headers, &CONNECTION, "close")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, Problem> {
        Head::read(text.as_bytes())
    }

    #[test]
    fn only_what_asks_and_awaits_nothing_else_is_forwarded_as_it_stands() {
        let only_asks = |method: &str, target: &str, lines: &str| {
            let text = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            read(&text).is_ok_and(|head| head.only_asks())
        };
        for lines in [
            "",
            "Connection: Keep-Alive\r\n",
            "Connection: close\r\n",
            "Content-Length: 0\r\n",
        ] {
            assert!(
                only_asks("GET", "/seats?row=3", lines) && only_asks("HEAD", "/", lines),
                "{lines}"
            );
            assert!(
                !only_asks("POST", "/", lines) && !only_asks("OPTIONS", "*", lines),
                "{lines}"
            );
        }
        assert!(!only_asks("GET", "http://a/seats", ""), "two hosts to agree on");
        for line in [
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Connection: upgrade\r\nUpgrade: websocket",
            "Connection: x-mine\r\nX-Mine: 1",
        ] {
            assert!(!only_asks("GET", "/", &format!("{line}\r\n")), "{line}");
        }
        assert!(read("GET / HTTP/1.0\r\nHost: a\r\n\r\n").is_ok_and(|head| !head.only_asks()));
    }

    #[test]
    fn a_malformed_head_is_a_problem_whoever_sends_it() {
        for (head, status) in [
            ("GET /a b HTTP/1.1\r\nHost: a\r\n", 400),
            ("GET /a\r\nHost: a\r\n", 400),
            ("GET /a HTTP/2.0\r\nHost: a\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost: a\r\n b\r\n", 400),
            ("GET /a HTTP/1.1\r\n Host: a\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost : a\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost: a\r\nX: \0\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost: a\r\nno colon\r\n", 400),
            (
                &format!("GET /a HTTP/1.1\r\n{}", "X: a\r\n".repeat(LINES_MAX + 1)),
                431,
            ),
        ] {
            let text = format!("{head}\r\n");
            let refused = read(&text).err().map(|problem| problem.status.as_u16());
            assert_eq!(refused, Some(status), "{text:?}");
        }
        assert!(
            read(&format!(
                "GET /a HTTP/1.1\r\n{}\r\n",
                "X: a\r\n".repeat(LINES_MAX)
            ))
            .is_ok()
        );
        assert!(Head::read(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    }

    #[test]
    fn what_follows_a_head_is_known_from_it() {
        for (text, has_body) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ] {
            let Ok(head) = read(text) else {
                panic!("{text:?}");
            };
            assert_eq!(head.has_body(), has_body, "{text:?}");
        }
    }
}
