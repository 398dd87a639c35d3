//! The request target in one spelling: what the gate decides on is byte for byte what is forwarded.
//!
//! Two programs that read a path differently are a hole: a guard that sees `/assets/..%2fbuy` lets through what the
//! origin serves as `/buy`. So the target is made canonical once (RFC 3986 section 6.2.2: unreserved characters
//! decoded, upper-case escapes, dot segments and doubled slashes gone) and whatever could still be read in two ways is
//! refused, never guessed at.
//!
//! Reserved characters keep the spelling they came in (`%2B` stays `%2B`, since some origins take `+` for a space);
//! [`super::route`] compares decoded octets, so the spelling cannot choose the route. Letter case is kept too: see
//! [`super::route`] for what that means in front of an origin that ignores it.

use std::borrow::Cow;

/// Longest request target, in bytes: nginx's default line buffer, beyond which sites do not work anyway.
pub const TARGET_LEN_MAX: usize = 8 * 1024;

/// A request target that has one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical<'a> {
    /// Begins with `/`; no `//`, `.` or `..` segment; visible ASCII only. Borrowed when the client wrote it so.
    pub path: Cow<'a, str>,
    /// What stood after the first `?`, untouched.
    pub query: Option<&'a str>,
    /// The authority of an absolute-form target (`GET http://host/path`), unparsed.
    pub authority: Option<&'a str>,
}

impl Canonical<'_> {
    /// The origin-form target to forward.
    pub fn path_and_query(&self) -> Cow<'_, str> {
        match self.query {
            None => Cow::Borrowed(&self.path),
            Some(query) => Cow::Owned(format!("{}?{query}", self.path)),
        }
    }
}

/// Why a request target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than [`TARGET_LEN_MAX`].
    #[error("the request target is longer than {TARGET_LEN_MAX} bytes")]
    TooLong,
    /// Neither `/path` nor `http://host/path`.
    #[error("the request target is neither a path nor an http URL")]
    NotAPath,
    /// A `#`, which belongs to the client alone.
    #[error("the request target carries a fragment")]
    Fragment,
    /// A control character or a space, written out or encoded NUL to US and DEL.
    #[error("the request target carries a control character or a space")]
    Control,
    /// `%` without two hexadecimal digits behind it.
    #[error("the path carries a percent sign without two hexadecimal digits")]
    BadEscape,
    /// `%2F`: one segment to some, two to others.
    #[error("the path carries an encoded slash")]
    EncodedSlash,
    /// `\` or `%5C`: a slash to some.
    #[error("the path carries a backslash")]
    Backslash,
    /// Bytes that are not UTF-8 once decoded, overlong forms of `/` and `.` among them.
    #[error("the request target is not UTF-8")]
    NotUtf8,
    /// A dot or empty segment hidden behind a path parameter (`/..;/`), or `;` spelled two ways in one segment.
    #[error("the path hides a segment behind a path parameter")]
    Parameter,
}

/// Reads a raw request target, as it stood on the request line or in `:path`.
pub fn canonicalise(target: &[u8]) -> Result<Canonical<'_>, Refused> {
    if target.len() > TARGET_LEN_MAX {
        return Err(Refused::TooLong);
    }
    let target = std::str::from_utf8(target).map_err(|_| Refused::NotUtf8)?;
    if target.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(Refused::Control);
    }
    if target.contains('#') {
        return Err(Refused::Fragment);
    }
    let (authority, rest) = split_authority(target)?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    let path = if is_plain(path) {
        Cow::Borrowed(path)
    } else {
        rewrite(path)?
    };
    Ok(Canonical {
        path,
        query,
        authority,
    })
}

/// Splits an absolute-form target; an origin-form one comes back whole.
fn split_authority(target: &str) -> Result<(Option<&str>, &str), Refused> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    let after = ["http://", "https://"]
        .iter()
        .find(|scheme| {
            target
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .and_then(|scheme| target.get(scheme.len()..))
        .ok_or(Refused::NotAPath)?;
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if authority.is_empty() {
        Err(Refused::NotAPath)
    } else {
        Ok((Some(authority), rest))
    }
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a segment as it is: RFC 3986's `pchar` without escapes.
fn is_segment_byte(b: u8) -> bool {
    is_unreserved(b)
        || matches!(
            b,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
        )
}

/// Whether a path is canonical and so plain that one look proves it: nearly all are.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut segment_at = 1;
    for (at, &b) in bytes.iter().enumerate().skip(1) {
        if b == b'/' {
            if matches!(&bytes[segment_at..at], b"" | b"." | b"..") {
                return false;
            }
            segment_at = at + 1;
        } else if b == b';' || !is_segment_byte(b) {
            return false;
        }
    }
    bytes.first() == Some(&b'/') && !matches!(&bytes[segment_at..], b"." | b"..")
}

/// Rewrites a path segment by segment. The output never grows past three times the bounded input.
fn rewrite(path: &str) -> Result<Cow<'_, str>, Refused> {
    let mut out = String::with_capacity(path.len() + 16);
    let mut decoded = Vec::new();
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let start = out.len();
        out.push('/');
        decoded.clear();
        rewrite_segment(segment.as_bytes(), &mut out, &mut decoded)?;
        refuse_hidden(segment, &decoded, last)?;
        match decoded.as_slice() {
            b"" | b"." => out.truncate(start),
            b".." => {
                out.truncate(start);
                out.truncate(out.rfind('/').unwrap_or(0)); // above the root is the root
            }
            _ => continue,
        }
        if last {
            out.push('/');
        }
    }
    Ok(if out == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(out)
    })
}

/// Appends a segment in its canonical spelling, and its octets to `decoded`.
fn rewrite_segment(segment: &[u8], out: &mut String, decoded: &mut Vec<u8>) -> Result<(), Refused> {
    let mut bytes = segment.iter().copied();
    while let Some(b) = bytes.next() {
        let (octet, escaped) = if b == b'%' {
            let (high, low) = bytes.next().zip(bytes.next()).ok_or(Refused::BadEscape)?;
            (hex(high)? << 4 | hex(low)?, true)
        } else {
            (b, false)
        };
        match octet {
            0..=0x1f | 0x7f => return Err(Refused::Control),
            b'/' => return Err(Refused::EncodedSlash), // a raw one ended the segment before
            b'\\' => return Err(Refused::Backslash),
            _ => decoded.push(octet),
        }
        if is_unreserved(octet) || (!escaped && is_segment_byte(octet)) {
            out.push(char::from(octet));
        } else {
            const UPPER: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(UPPER[usize::from(octet >> 4)]));
            out.push(char::from(UPPER[usize::from(octet & 15)]));
        }
    }
    if std::str::from_utf8(decoded).is_err() {
        Err(Refused::NotUtf8)
    } else {
        Ok(())
    }
}

fn hex(digit: u8) -> Result<u8, Refused> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(Refused::BadEscape)
}

/// Java servers drop `;parameters` from each segment before they resolve dots, others do not: a segment that is a
/// dot or nothing without its parameters has two readings. (A last empty one is a trailing slash in both: `/;id=1`.)
fn refuse_hidden(segment: &str, decoded: &[u8], last: bool) -> Result<(), Refused> {
    let Some(at) = decoded.iter().position(|&b| b == b';') else {
        return Ok(());
    };
    let hidden = match &decoded[..at] {
        b"." | b".." => true,
        b"" => !last,
        _ => false,
    };
    let both_spellings = segment.contains(';') && (segment.contains("%3B") || segment.contains("%3b"));
    if hidden || both_spellings {
        Err(Refused::Parameter)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(target: &str) -> Result<String, Refused> {
        canonicalise(target.as_bytes()).map(|c| c.path.into_owned())
    }

    #[test]
    fn one_spelling_for_each_path() {
        for (given, wanted) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/a/../../..", "/"),
            ("/../../etc", "/etc"),
            ("/%61%2D%2e%7E", "/a-.~"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/café", "/caf%C3%A9"),
            ("/a+b%2bc", "/a+b%2Bc"),
            ("/a%20b|[c]", "/a%20b%7C%5Bc%5D"),
            ("/100%25", "/100%25"),
            ("/%252e%252e/x", "/%252e%252e/x"),
            ("/.well-known/...", "/.well-known/..."),
            ("/shop;jsessionid=1/cart", "/shop;jsessionid=1/cart"),
            ("/;jsessionid=1", "/;jsessionid=1"),
            ("http://h:80/a/../b", "/b"),
            ("HTTPS://h", "/"),
        ] {
            assert_eq!(path(given).as_deref(), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (given, reason) in [
            ("/assets/..%2fbuy", Refused::EncodedSlash),
            ("/assets\\..\\buy", Refused::Backslash),
            ("/assets/..%5cbuy", Refused::Backslash),
            ("/a%00", Refused::Control),
            ("/a%0d%0ab", Refused::Control),
            ("/a%7f", Refused::Control),
            ("/a b", Refused::Control),
            ("/a?b\tc", Refused::Control),
            ("/a#b", Refused::Fragment),
            ("/a?b#c", Refused::Fragment),
            ("/a%", Refused::BadEscape),
            ("/a%4", Refused::BadEscape),
            ("/a%g0", Refused::BadEscape),
            ("/a%+1", Refused::BadEscape),
            ("/a%u0041", Refused::BadEscape),
            ("/%c0%af", Refused::NotUtf8),
            ("/%c0%ae%c0%ae/x", Refused::NotUtf8),
            ("/%e9", Refused::NotUtf8),
            ("/assets/..;/buy", Refused::Parameter),
            ("/assets/..%3b/buy", Refused::Parameter),
            ("/assets/%2e%2e;x=1/buy", Refused::Parameter),
            ("/assets/.;/buy", Refused::Parameter),
            ("/assets/;/buy", Refused::Parameter),
            ("/assets/..;", Refused::Parameter),
            ("/a%3bb;c", Refused::Parameter),
            ("*", Refused::NotAPath),
            ("", Refused::NotAPath),
            ("a/b", Refused::NotAPath),
            ("host:443", Refused::NotAPath),
            ("http:///x", Refused::NotAPath),
            ("ftp://h/x", Refused::NotAPath),
        ] {
            assert_eq!(path(given), Err(reason), "{given}");
        }
        assert_eq!(canonicalise(b"/\xff"), Err(Refused::NotUtf8));
        assert_eq!(canonicalise(&[b'/'; TARGET_LEN_MAX + 1]), Err(Refused::TooLong));
    }

    #[test]
    fn the_query_and_an_absolute_host_come_along() {
        let canonical = canonicalise(b"http://Shop.example:81/%61?x=%2f..//&y=%zz?").expect("canonical");
        assert_eq!(canonical.authority, Some("Shop.example:81"));
        assert_eq!(canonical.query, Some("x=%2f..//&y=%zz?"));
        assert_eq!(canonical.path_and_query(), "/a?x=%2f..//&y=%zz?");
        assert_eq!(
            canonicalise(b"http://h?q").expect("canonical").path_and_query(),
            "/?q"
        );
        assert_eq!(canonicalise(b"/a?").expect("canonical").path_and_query(), "/a?");
    }

    #[test]
    fn a_plain_path_is_borrowed() {
        let canonical = canonicalise(b"/events/42/seats?x=1").expect("canonical");
        assert!(matches!(canonical.path, Cow::Borrowed(_)));
        assert!(is_plain("/events/42/") && is_plain("/") && !is_plain("/a/.") && !is_plain("/a//b"));
    }
}
