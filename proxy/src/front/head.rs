//! A request head as it comes off the connection: where it ends, and what it says.

use std::net::IpAddr;
use std::sync::LazyLock;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use memchr::memmem::Finder;

use crate::gatekeeper;
use crate::request::headers::names_token;

/// Longest head taken, in bytes. Browsers stay under 16 KB with every cookie a site may set; nginx takes 32 KB.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most header lines taken: twice what nginx sees from the wordiest of clients.
const LINES_MAX: usize = 100;

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

/// A head that was read whole and is a bodiless `GET` or `HEAD`.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    target: (usize, usize),
}

/// How every visit cookie's name begins, whatever the room and the prefix.
static VISIT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("tidegate_visit_"));

/// Whether Pingora may have a request without its being looked at here: the bearer of a visit asks for something that
/// is plainly not ours. It saves reading such a head twice; what is let through is judged all the same.
pub(super) fn is_plainly_a_visit(raw: &[u8], prefix: &str) -> bool {
    let Some(target) = raw.split(|&b| b == b' ').nth(1) else {
        return false;
    };
    let plain =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'?' | b'=' | b'&');
    target.first() == Some(&b'/')
        && !target.starts_with(prefix.as_bytes())
        && target.iter().all(plain)
        && !target.windows(2).any(|pair| pair == b"//" || pair == b"/.")
        && VISIT.find(raw).is_some()
}

impl Head {
    /// Reads a head; `None` for what has a body, has another method, or is not understood.
    pub(super) fn read(raw: &[u8]) -> Option<Self> {
        let mut lines = [httparse::EMPTY_HEADER; LINES_MAX];
        let mut parsed = httparse::Request::new(&mut lines);
        if !parsed.parse(raw).ok()?.is_complete() {
            return None;
        }
        let method = match parsed.method? {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return None,
        };
        let target = parsed.path?;
        let begins = target.as_ptr() as usize - raw.as_ptr() as usize;
        let version = match parsed.version? {
            1 => Version::HTTP_11,
            _ => Version::HTTP_10,
        };
        let mut headers = HeaderMap::with_capacity(parsed.headers.len() + 4);
        for line in parsed.headers.iter() {
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
                return None;
            }
            headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
        }
        Some(Self {
            method,
            uri: target.parse().ok()?,
            version,
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

    pub(super) fn is_bodiless(&self) -> bool {
        self.method == Method::HEAD
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

    #[test]
    fn only_what_is_plainly_a_visit_goes_unseen() {
        let head = |target: &str, cookie: &str| format!("GET {target} HTTP/1.1\r\nCookie: {cookie}\r\n\r\n");
        let seen = |target, cookie| !is_plainly_a_visit(head(target, cookie).as_bytes(), "/_tidegate/");
        let visit = "a=b; __Host-tidegate_visit_drop=x";
        assert!(!seen("/seats?row=3&b=c.d-e_f", visit));
        for ours_or_strange in [
            "/_tidegate/rooms/drop/line",
            "//_tidegate/rooms/drop/line",
            "/./_tidegate/jwks.json",
            "/%5ftidegate/jwks.json",
            "http://a/_tidegate/jwks.json",
            "*",
        ] {
            assert!(seen(ours_or_strange, visit), "{ours_or_strange}");
        }
        assert!(seen("/seats", "tidegate_visitor=x"), "no visit");
    }

    #[test]
    fn what_has_a_body_or_is_not_understood_is_left_to_pingora() {
        let read = |text: &str| Head::read(text.as_bytes()).is_some();
        assert!(read("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(read("HEAD / HTTP/1.0\r\n\r\n"));
        for text in [
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nA : b\r\n\r\n",
            "GET /\r\n\r\n",
        ] {
            assert!(!read(text), "{text:?}");
        }
    }
}
