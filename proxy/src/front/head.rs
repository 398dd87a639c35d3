//! A request head as it comes off the connection: where it ends, and what it says.
//!
//! Every head is parsed here, by the parser that Pingora uses: what it would answer with a bare status never reaches it.

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::sync::LazyLock;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use httparse::{Header, Request, Status};
use memchr::memmem::Finder;

use crate::gatekeeper;
use crate::request::headers::names_token;
use crate::request::problem::{Problem, cases};

/// Longest head taken, in bytes. Browsers stay under 16 KB with every cookie a site may set; nginx takes 32 KB.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most header lines taken, as Pingora has it: several times what the wordiest of clients and proxies send.
const LINES_MAX: usize = 256;

/// Looks for the empty line that ends a head in what has been read so far, byte by byte only once.
#[derive(Default)]
pub(super) struct End {
    looked_at: usize,
}

impl End {
    /// The length of the head, once all of it is there. Lines that end in LF alone count, to be refused afterwards.
    pub(super) fn find(&mut self, read: &[u8]) -> Option<usize> {
        for at in memchr::memchr_iter(b'\n', &read[self.looked_at..]) {
            let end = self.looked_at + at;
            let line = read[..end].strip_suffix(b"\r").unwrap_or(&read[..end]);
            if line.last() == Some(&b'\n') {
                return Some(end + 1);
            }
        }
        self.looked_at = read.len();
        None
    }
}

/// How every visit cookie's name begins, whatever the room and the prefix.
static VISIT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("tidegate_visit_"));

/// Whether the bearer of a visit asks for something that is plainly not ours. Pingora may have such a head unjudged, which
/// saves reading it twice: it finds nothing wrong with it, and what it lets through is judged all the same.
fn is_plainly_a_visit(parsed: &Request<'_, '_>, raw: &[u8], prefix: &str) -> bool {
    let plain =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'?' | b'=' | b'&');
    let target = parsed.path.unwrap_or_default().as_bytes();
    matches!(parsed.method, Some("GET" | "HEAD"))
        && target.first() == Some(&b'/')
        && !target.starts_with(prefix.as_bytes())
        && target.iter().all(plain)
        && !target.windows(2).any(|pair| pair == b"//" || pair == b"/.")
        && has_one_host_and_no_body(parsed.headers)
        && VISIT.find(raw).is_some()
}

/// Whether nothing is said twice that Pingora reads by itself: its refusals have no words.
fn has_one_host_and_no_body(lines: &[Header<'_>]) -> bool {
    let is = |line: &Header<'_>, name: &HeaderName| line.name.eq_ignore_ascii_case(name.as_str());
    let mut hosts = 0;
    for line in lines {
        match line.name.len() {
            4 if is(line, &HOST) => {
                hosts += 1;
                if line.value.contains(&b'@') {
                    return false;
                }
            }
            14 if is(line, &CONTENT_LENGTH) => return false,
            17 if is(line, &TRANSFER_ENCODING) => return false,
            _ => {}
        }
    }
    hosts == 1
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
    /// Reads a head that is there whole; `None` for one that is plainly a visit's. What no parser could take is a problem.
    pub(super) fn read(raw: &[u8], prefix: &str) -> Result<Option<Self>, Problem> {
        let malformed = || cases::bad_request("the request line or a header line is malformed");
        let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; LINES_MAX];
        let mut parsed = Request::new(&mut []);
        match parsed.parse_with_uninit_headers(raw, &mut space) {
            Ok(Status::Complete(len)) if len == raw.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(cases::too_many_header_lines(LINES_MAX)),
            // One that ends before its empty line, or not with it, has two readings.
            Ok(_) | Err(_) => return Err(malformed()),
        }
        if is_plainly_a_visit(&parsed, raw, prefix) {
            return Ok(None);
        }
        Self::of(&parsed, raw).map(Some).ok_or_else(malformed)
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

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_comes() {
        for (text, wanted) in [
            ("GET / HTTP/1.1\r\nA: b\r\n\r\nrest", Some(24)),
            ("GET / HTTP/1.1\nA: b\n\nrest", Some(21)),
            ("GET / HTTP/1.1\r\n\nrest", Some(17)),
            ("GET / HTTP/1.1\r\nA: b\r\n\r", None),
            ("GET / HTTP/1.1", None),
        ] {
            assert_eq!(End::default().find(text.as_bytes()), wanted, "{text:?} at once");
            let mut end = End::default();
            let found = (1..=text.len()).find_map(|read| end.find(&text.as_bytes()[..read]));
            assert_eq!(found, wanted, "{text:?} byte by byte");
        }
    }

    fn read(text: &str) -> Result<Option<Head>, Problem> {
        Head::read(text.as_bytes(), "/_tidegate/")
    }

    #[test]
    fn only_what_is_plainly_a_visit_goes_unjudged() {
        let seen = |method: &str, target: &str, lines: &str| {
            let text = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            !matches!(read(&text), Ok(None))
        };
        let visit = "Cookie: a=b; __Host-tidegate_visit_drop=x\r\n";
        assert!(!seen("GET", "/seats?row=3&b=c.d-e_f", visit));
        for ours_or_strange in [
            "/_tidegate/rooms/drop/line",
            "//_tidegate/rooms/drop/line",
            "/./_tidegate/jwks.json",
            "/%5ftidegate/jwks.json",
            "http://a/_tidegate/jwks.json",
            "*",
        ] {
            assert!(seen("GET", ours_or_strange, visit), "{ours_or_strange}");
        }
        assert!(
            seen("GET", "/seats", "Cookie: tidegate_visitor=x\r\n"),
            "no visit"
        );
        assert!(seen("POST", "/seats", visit) && seen("CONNECT", "/seats", visit));
        // Pingora would refuse some of these by itself.
        for line in ["Host: a", "Content-Length: 3", "Transfer-Encoding: x"] {
            assert!(seen("GET", "/seats", &format!("{visit}{line}\r\n")), "{line}");
        }
        assert!(
            !matches!(
                read(&format!("GET / HTTP/1.1\r\nHost: u@a\r\n{visit}\r\n")),
                Ok(None)
            ),
            "a user in the host"
        );
    }

    #[test]
    fn a_malformed_head_is_a_problem_whoever_sends_it() {
        let visit = "Cookie: tidegate_visit_drop=x\r\n";
        for cookie in ["", visit] {
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
                let text = format!("{head}{cookie}\r\n");
                let refused = read(&text).err().map(|problem| problem.status.as_u16());
                assert_eq!(refused, Some(status), "{text:?}");
            }
        }
        assert!(
            read(&format!(
                "GET /a HTTP/1.1\r\n{}\r\n",
                "X: a\r\n".repeat(LINES_MAX)
            ))
            .is_ok()
        );
        assert!(Head::read(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "/_tidegate/").is_err());
    }

    #[test]
    fn what_follows_a_head_is_known_from_it() {
        for (text, has_body) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ] {
            let Ok(Some(head)) = read(text) else {
                panic!("{text:?}");
            };
            assert_eq!(head.has_body(), has_body, "{text:?}");
        }
    }
}
