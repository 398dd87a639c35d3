//! The host a request is for, and whether an `Origin` is the same site.

use std::net::Ipv6Addr;

/// Longest authority: a DNS name of 253, a colon and a port.
const AUTHORITY_LEN_MAX: usize = 259;

/// `host[:port]`, checked. Bare names, IPv4 and bracketed IPv6; nothing a URL could hide in (no user, no escapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// As the client wrote it, without port and without the dot of a fully qualified name. Compare without case.
    pub host: &'a str,
    /// The port, where one was named.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host[:port]`; `None` for anything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > AUTHORITY_LEN_MAX {
            return None;
        }
        let (host, port) = if text.starts_with('[') {
            let (host, port) = text.split_at(text.find(']')? + 1);
            host[1..host.len() - 1].parse::<Ipv6Addr>().ok()?;
            (host, port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let host = host.strip_suffix('.').unwrap_or(host);
            let is_name = host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
            let labelled = !host.split('.').any(str::is_empty);
            (is_name && labelled).then_some((host, port))?
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None, // RFC 3986 allows a colon with nothing behind it
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Whether both name the same host and, with the scheme's default filled in, the same port.
    pub fn same(&self, other: &Authority<'_>, secure: bool) -> bool {
        let default = if secure { 443 } else { 80 };
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

/// Whether an `Origin` header is the site the request was sent to: same scheme, host and port. `null` and anything
/// that is not an http origin is foreign.
///
/// `secure` must be what the *client* speaks: behind a proxy that ends TLS, that proxy has to be a trusted one.
pub fn is_same_origin(origin: &str, site: &Authority<'_>, secure: bool) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    scheme.eq_ignore_ascii_case(if secure { "https" } else { "http" })
        && Authority::parse(authority).is_some_and(|authority| authority.same(site, secure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        let read = |text| Authority::parse(text).map(|a| (a.host, a.port));
        assert_eq!(read("Shop.example:8080"), Some(("Shop.example", Some(8080))));
        assert_eq!(read("shop.example."), Some(("shop.example", None)));
        assert_eq!(read("127.0.0.1:"), Some(("127.0.0.1", None)));
        assert_eq!(read("[::1]:80"), Some(("[::1]", Some(80))));
        let long = "a".repeat(300);
        for bad in [
            "", ":80", ".", "a..b", ".a", "a:b", "a:70000", "a:+1", "a:1:2", "u@h", "a/b", "a b", "a,b",
            "%61", "[::1", "[x]", "[::1]x", "::1", "é", &long,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn same_origin_means_scheme_host_and_port() {
        let site = Authority::parse("Shop.example").expect("authority");
        for (origin, secure, same) in [
            ("https://shop.example", true, true),
            ("https://shop.example:443", true, true),
            ("http://shop.example", false, true),
            ("http://shop.example", true, false),
            ("https://shop.example", false, false),
            ("https://shop.example:444", true, false),
            ("https://evil.example", true, false),
            ("https://shop.example.evil", true, false),
            ("https://shop.example@evil", true, false),
            ("https://shop.example/", true, false),
            ("null", true, false),
            ("", true, false),
            ("capacitor://localhost", true, false),
        ] {
            assert_eq!(is_same_origin(origin, &site, secure), same, "{origin}");
        }
        let site = Authority::parse("127.0.0.1:8080").expect("authority");
        assert!(is_same_origin("http://127.0.0.1:8080", &site, false));
        assert!(!is_same_origin("http://127.0.0.1:8081", &site, false));
    }
}
