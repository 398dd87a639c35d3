//! Tidegate's cookies: their names, finding them, setting and clearing them, and keeping them from origins.
//!
//! Under TLS they carry the `__Host-` prefix, so that no sibling domain and no plain-text page can plant one; a cookie
//! without the prefix is then not ours, whatever it says.

use std::borrow::Cow;
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use tidegate_config::RoomId;

const HOST_PREFIX: &str = "__Host-";
const OURS: &str = "tidegate_";

/// Longest cookie value set or read, in bytes: browsers drop name, value and attributes beyond 4,096 together.
pub const VALUE_LEN_MAX: usize = 3_072;

/// The cookie names of one room for one scheme; made once, at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Who the visitor is; one for all rooms.
    pub visitor: String,
    /// The place token.
    pub place: String,
    /// The visit token.
    pub visit: String,
    secure: bool,
}

impl Names {
    /// The names for a room, under TLS or not.
    pub fn new(room: &RoomId, secure: bool) -> Self {
        let prefix = if secure { HOST_PREFIX } else { "" };
        Self {
            visitor: format!("{prefix}{OURS}visitor"),
            place: format!("{prefix}{OURS}place_{room}"),
            visit: format!("{prefix}{OURS}visit_{room}"),
            secure,
        }
    }

    /// A `Set-Cookie` value for one of these names. Fails on a value that is no token, never on what we signed.
    pub fn set(&self, name: &str, value: &str, max_age: Duration) -> Result<HeaderValue, BadValue> {
        let bytes = value.as_bytes();
        // A header value has no control characters; what else must not be in it is looked for here.
        let fits = bytes.len() <= VALUE_LEN_MAX
            && bytes.is_ascii()
            && memchr::memchr3(b'"', b',', b';', bytes).is_none()
            && memchr::memchr3(b' ', b'\\', b'\t', bytes).is_none();
        if !fits {
            return Err(BadValue);
        }
        // Put together by hand: every fan who arrives gets two of these.
        let mut line = String::with_capacity(name.len() + value.len() + 72);
        for piece in [name, "=", value, "; Path=/; Max-Age="] {
            line.push_str(piece);
        }
        line.push_str(&max_age.as_secs().to_string());
        line.push_str("; HttpOnly; SameSite=Lax");
        if self.secure {
            line.push_str("; Secure");
        }
        HeaderValue::try_from(line).map_err(|_| BadValue)
    }

    /// A `Set-Cookie` value that removes one of these names.
    pub fn clear(&self, name: &str) -> Result<HeaderValue, BadValue> {
        self.set(name, "", Duration::ZERO)
    }
}

/// A value that cannot stand in a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cookie value is at most {VALUE_LEN_MAX} visible ASCII characters without quotes, comma, semicolon and backslash"
)]
pub struct BadValue;

/// The first cookie of this name, over all `Cookie` lines (HTTP/2 sends several), without allocating.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all(COOKIE).iter().find_map(|line| {
        pairs(line.as_bytes()).find_map(|pair| {
            let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            std::str::from_utf8(value)
                .ok()
                .filter(|value| value.len() <= VALUE_LEN_MAX)
        })
    })
}

/// The pairs of a `Cookie` value, trimmed.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b';', line).chain([line.len()]);
    let mut begin = 0;
    ends.map(move |end| {
        let pair = &line[begin..end];
        begin = end + 1;
        pair.trim_ascii()
    })
}

/// A `Cookie` value without Tidegate's cookies: borrowed when there were none, `None` when nothing else is left.
///
/// Letter case is ignored and the prefix optional, so that whatever an origin may take for ours is gone.
pub fn without_ours(line: &HeaderValue) -> Option<Cow<'_, HeaderValue>> {
    let bytes = line.as_bytes();
    if !pairs(bytes).any(is_ours) {
        return Some(Cow::Borrowed(line));
    }
    let mut kept = Vec::with_capacity(bytes.len());
    for pair in pairs(bytes).filter(|pair| !pair.is_empty() && !is_ours(pair)) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    if kept.is_empty() {
        return None;
    }
    // Pieces of a valid header value are one; should that ever fail, origins get no cookies rather than ours.
    HeaderValue::from_bytes(&kept).ok().map(Cow::Owned)
}

fn is_ours(pair: &[u8]) -> bool {
    let strip = |text: &[u8], prefix: &str| -> bool {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let name = if strip(pair, HOST_PREFIX) {
        &pair[HOST_PREFIX.len()..]
    } else {
        pair
    };
    strip(name, OURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (COOKIE, HeaderValue::from_bytes(line.as_bytes()).expect("value")))
            .collect()
    }

    #[test]
    fn finds_whole_names_in_any_line() {
        let headers = headers(&[
            "a=1; tidegate_visitor_x=no;tidegate_visitor=yes",
            "b=é; c=\"q\"; a=2",
        ]);
        assert_eq!(find(&headers, "tidegate_visitor"), Some("yes"));
        assert_eq!(find(&headers, "a"), Some("1"));
        assert_eq!(find(&headers, "b"), Some("é"));
        assert_eq!(find(&headers, "tidegate"), None);
        assert_eq!(find(&headers, "d"), None);
        assert_eq!(find(&self::headers(&["a", "a =1", "=1"]), "a"), None);
    }

    #[test]
    fn sets_and_clears() {
        let room: RoomId = "drop".parse().expect("room");
        let tls = Names::new(&room, true);
        assert_eq!(
            tls.set(&tls.visit, "a.b-c_d", Duration::from_secs(300))
                .expect("value"),
            "__Host-tidegate_visit_drop=a.b-c_d; Path=/; Max-Age=300; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = Names::new(&room, false);
        assert_eq!(plain.visitor, "tidegate_visitor");
        assert_eq!(
            plain.clear(&plain.place).expect("value"),
            "tidegate_place_drop=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        for bad in [
            "a;b",
            "a b",
            "a\r\nSet-Cookie: x=y",
            "é",
            &"x".repeat(VALUE_LEN_MAX + 1),
        ] {
            assert_eq!(
                plain.set(&plain.place, bad, Duration::ZERO),
                Err(BadValue),
                "{bad}"
            );
        }
    }

    #[test]
    fn origins_do_not_see_ours() {
        for (given, left) in [
            ("a=1; b=2", Some("a=1; b=2")),
            ("a=1;  tidegate_visit_drop=x;b=2", Some("a=1; b=2")),
            ("__Host-tidegate_visitor=x; a=1", Some("a=1")),
            ("__HOST-TIDEGATE_visitor=x; a=é", Some("a=é")),
            ("tidegate_place_drop=x; __Host-tidegate_visit_drop=y;", None),
            (
                "tidegate=kept; x_tidegate_y=kept",
                Some("tidegate=kept; x_tidegate_y=kept"),
            ),
        ] {
            let line = HeaderValue::from_bytes(given.as_bytes()).expect("value");
            let rest =
                without_ours(&line).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            assert_eq!(rest.as_deref(), left, "{given}");
        }
        let line = HeaderValue::from_static("a=1");
        assert!(matches!(without_ours(&line), Some(Cow::Borrowed(_))));
    }
}
