//! Names and small readings of headers: lists of tokens, a bearer token, and what must not reach an origin.

use http::header::{AUTHORIZATION, CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderName};

/// A visit token sent by clients that keep no cookies; the gate reads it, origins never see it.
pub const VISIT_TOKEN: HeaderName = HeaderName::from_static("tidegate-visit-token");
/// The origin's commands about a visit.
pub const COMMAND: HeaderName = HeaderName::from_static("tidegate-command");
/// What the origin says is left.
pub const STOCK: HeaderName = HeaderName::from_static("tidegate-stock");
/// Addresses the request came through, as proxies report them.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme the client spoke, as proxies report it.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host the client asked for, as proxies report it.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Longest token read from a header, in bytes; ours are under 500.
pub const TOKEN_LEN_MAX: usize = 2_048;

/// The elements of a comma-separated header over all its lines, trimmed, the empty ones left out. A line that is not
/// visible ASCII reads as empty.
pub fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

/// Whether a comma-separated header names this token, in any letter case.
pub fn names_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    list(headers, name).any(|element| element.eq_ignore_ascii_case(token))
}

/// The token of `Authorization: Bearer`, where there is one such header with something like a token in it.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next()?.to_str().ok()?;
    let (scheme, token) = line.split_once(' ')?;
    let token = token.trim();
    (lines.next().is_none() && scheme.eq_ignore_ascii_case("bearer") && looks_like_token(token))
        .then_some(token)
}

/// The token of `Tidegate-Visit-Token`, where there is exactly one.
pub fn visit_token(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(VISIT_TOKEN).iter();
    let token = lines.next()?.to_str().ok()?.trim();
    (lines.next().is_none() && looks_like_token(token)).then_some(token)
}

/// Whether a text has the letters and the length of a signed token. It says nothing about the signature.
pub fn looks_like_token(text: &str) -> bool {
    (1..=TOKEN_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a header is one of Tidegate's own. Origins that hand headers to programs as variables read `_` as `-`, so
/// `Tidegate_Assertion` imitates ours as well.
pub fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.len() > 8 && name.starts_with(b"tidegate") && matches!(name[8], b'-' | b'_')
}

/// What a proxy in front would set and an untrusted client may not, beside `X-Forwarded-*`: where a request comes from,
/// and what some origins take for its path instead of the one that was judged.
const FORWARDING: [&str; 4] = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"];
const X_FORWARDED: &str = "x-forwarded-";

/// Whether a header is one of [`FORWARDING`] or begins as [`X_FORWARDED`], `_` read as `-`.
fn is_forwarding(name: &str) -> bool {
    let is = |known: &str, name: &[u8]| {
        known.len() == name.len()
            && known
                .bytes()
                .zip(name)
                .all(|(k, &n)| k == n || (k == b'-' && n == b'_'))
    };
    let name = name.as_bytes();
    matches!(name.first(), Some(b'f' | b'x'))
        && (name
            .get(..X_FORWARDED.len())
            .is_some_and(|begins| is(X_FORWARDED, begins))
            || FORWARDING.iter().any(|known| is(known, name)))
}

/// The inbound headers to remove before a request is forwarded; call it after credentials were read, since
/// `Tidegate-Visit-Token` is among them. Empty (and without allocation) for nearly every request.
///
/// - all of Tidegate's own names, whoever sent them;
/// - `X-Forwarded-*` and what else speaks of proxies (`FORWARDING`) unless the peer is trusted;
/// - an `Upgrade` to anything but a websocket (`h2c` would tunnel requests past the gate), with its settings.
///
/// Other hop-by-hop headers (`Connection` and what it names, `Keep-Alive`, `TE`, `Trailer`, `Proxy-*`) are the
/// framework's to drop, on either side, before anything of ours is added; [`super::hygiene`] sees to it that `Connection`
/// names nothing that has to stay.
pub fn inbound_to_strip(headers: &HeaderMap, peer_is_trusted: bool) -> Vec<HeaderName> {
    // A trusted proxy spells its headers with hyphens; underscores are somebody else's.
    let forged =
        |name: &HeaderName| is_forwarding(name.as_str()) && (!peer_is_trusted || name.as_str().contains('_'));
    let mut names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name) || forged(name))
        .cloned()
        .collect();
    if headers.contains_key(UPGRADE) && !names_token(headers, &UPGRADE, "websocket") {
        names.extend([UPGRADE, CONNECTION, HeaderName::from_static("http2-settings")]);
    }
    names
}

/// Whether a header of this name is about one connection and goes no further, whether or not `Connection` names it
/// (RFC 9110, section 7.6.1). In any letter case; for requests without a body.
pub fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The origin's headers that are meant for the edge and never reach a fan.
pub fn outbound_to_strip(headers: &HeaderMap) -> Vec<HeaderName> {
    headers.keys().filter(|name| is_ours(name)).cloned().collect()
}

#[cfg(test)]
pub(crate) mod for_tests {
    use super::*;

    /// The headers of these lines.
    pub(crate) fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let parsed = lines.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        });
        parsed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use for_tests::map;

    #[test]
    fn imitations_are_stripped() {
        let headers = map(&[
            ("Tidegate-Assertion", "x"),
            ("tidegate_assertion", "x"),
            ("Tidegate-Visit-Token", "x"),
            ("Tidegate-Anything-New", "x"),
            ("tidegates", "kept"),
            ("x-tidegate-room", "kept"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("X-Forwarded-Prefix", "/x"),
            ("x-forwarded_anything", "x"),
            ("X-Original-URL", "/x"),
            ("X_Rewrite_Url", "/x"),
            ("x-forwarded", "kept"),
            ("x-original-urls", "kept"),
            ("accept", "*/*"),
        ]);
        let names = |trusted| {
            let mut names: Vec<_> = inbound_to_strip(&headers, trusted)
                .iter()
                .map(|n| n.as_str().to_owned())
                .collect();
            names.sort();
            names
        };
        let ours = [
            "tidegate-anything-new",
            "tidegate-assertion",
            "tidegate-visit-token",
            "tidegate_assertion",
        ];
        let misspelled = ["x-forwarded_anything", "x_forwarded_for", "x_rewrite_url"];
        assert_eq!(names(true), [&ours[..], &misspelled].concat());
        let forwarding = [
            "x-forwarded-for",
            "x-forwarded-prefix",
            "x-forwarded_anything",
            "x-original-url",
            "x-real-ip",
            "x_forwarded_for",
            "x_rewrite_url",
        ];
        assert_eq!(names(false), [&ours[..], &forwarding].concat());
        assert_eq!(outbound_to_strip(&headers).len(), 4);
        assert_eq!(inbound_to_strip(&map(&[("accept", "*/*")]), false).capacity(), 0);
    }

    #[test]
    fn only_websocket_upgrades_are_forwarded() {
        let h2c = map(&[
            ("upgrade", "h2c"),
            ("connection", "Upgrade, HTTP2-Settings"),
            ("http2-settings", "AA"),
        ]);
        assert!(inbound_to_strip(&h2c, true).contains(&UPGRADE));
        assert!(
            inbound_to_strip(&map(&[("upgrade", "WebSocket"), ("connection", "upgrade")]), true).is_empty()
        );
    }

    #[test]
    fn bearer_tokens() {
        let read = |value| bearer(&map(&[("authorization", value)])).map(str::to_owned);
        assert_eq!(read("Bearer a.b-c_d"), Some("a.b-c_d".into()));
        assert_eq!(read("bearer  x "), Some("x".into()));
        for bad in ["Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer a;b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&format!("Bearer {}", "a".repeat(TOKEN_LEN_MAX + 1))), None);
        assert_eq!(
            bearer(&map(&[
                ("authorization", "Bearer a"),
                ("authorization", "Bearer b")
            ])),
            None
        );
        assert_eq!(
            visit_token(&map(&[("tidegate-visit-token", "a.b.c")])),
            Some("a.b.c")
        );
        assert_eq!(
            visit_token(&map(&[
                ("tidegate-visit-token", "a"),
                ("tidegate-visit-token", "b")
            ])),
            None
        );
    }
}
