//! Headers that two programs could read differently are refused before anything is decided on them.
//!
//! The parser already refuses spaces before the colon, folded lines and control characters; what it lets pass (both body
//! lengths at once, no `Host`, strange upgrades) is refused here. So is everything that Pingora would refuse by itself,
//! since it closes the connection without a word.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Uri, Version};

use super::headers::{list, names_token};
use super::host::Authority;

/// Why a request header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Two body lengths at once: the classic way to smuggle a request.
    #[error("Content-Length and Transfer-Encoding exclude each other")]
    TwoLengths,
    /// A line that ends in a line feed alone: the end of a line to some, part of a value to others.
    #[error("a line of the header does not end in CR LF")]
    BareLineFeed,
    /// A `#` in the target, which belongs to the client alone.
    #[error("the request target carries a fragment")]
    Fragment,
    /// Not one plain decimal number.
    #[error("Content-Length is not one decimal number")]
    BadContentLength,
    /// Anything but `chunked` over HTTP/1.1.
    #[error("Transfer-Encoding is not 'chunked' over HTTP/1.1")]
    BadTransferEncoding,
    /// Every request says which host it means, those over HTTP/1.0 too: nothing is forwarded without.
    #[error("the request names no host")]
    MissingHost,
    /// More than one `Host` line.
    #[error("the request names its host more than once")]
    ManyHosts,
    /// Not `host[:port]`.
    #[error("the request's host is not of the form host[:port]")]
    BadHost,
    /// `Host` says one thing, the request target another.
    #[error("Host and request target name different hosts")]
    HostsDiffer,
    /// A websocket upgrade that is not a bodiless HTTP/1.1 `GET` with `Connection: upgrade`, or asks for more.
    #[error("a websocket upgrade is a GET over HTTP/1.1 with 'Connection: upgrade' and without a body")]
    BadUpgrade,
    /// `Connection` names what is no matter of one connection, or is no list of names.
    #[error("Connection names a header that is for more than this connection, or too many, or none")]
    BadConnection,
    /// `CONNECT` and `TRACE` have no business at a gate.
    #[error("the method is not served here")]
    Method,
}

/// Most options of `Connection` that are read, as Pingora has it.
const OPTIONS_MAX: usize = 9;

/// Refuses methods that have no business here. Their targets are of forms of their own, so that it comes before all else.
pub fn check_method(method: &Method) -> Result<(), Refused> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        Err(Refused::Method)
    } else {
        Ok(())
    }
}

/// Checks a request header and returns the host it is for.
///
/// `target_authority` is that of an absolute-form target, as [`super::path::canonicalise`] found it; over HTTP/2 the
/// `:authority` stands in `uri`.
pub fn check<'a>(
    version: Version,
    method: &Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    target_authority: Option<&'a str>,
) -> Result<Authority<'a>, Refused> {
    let has_body = check_lengths(version, headers)?;
    check_connection(headers)?;
    check_upgrade(version, method, headers, has_body)?;
    host(
        version,
        headers,
        target_authority.or_else(|| uri.authority().map(http::uri::Authority::as_str)),
    )
}

/// Whether the lengths make sense, and say that a body follows.
fn check_lengths(version: Version, headers: &HeaderMap) -> Result<bool, Refused> {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => Some(decimal(length.as_bytes()).ok_or(Refused::BadContentLength)?),
        (Some(_), Some(_)) => return Err(Refused::BadContentLength),
    };
    if chunked && length.is_some() {
        return Err(Refused::TwoLengths);
    }
    if chunked {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let only_chunked = codings
            .next()
            .is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
            && codings.next().is_none();
        if !only_chunked || version != Version::HTTP_11 {
            return Err(Refused::BadTransferEncoding);
        }
    }
    Ok(chunked || length.is_some_and(|length| length > 0))
}

/// Digits only: `+1`, `0x1` and lists are where parsers part ways.
fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        None
    } else {
        text.parse().ok()
    }
}

/// What `Connection` names goes no further than this connection, and the framework takes it off what is forwarded. A
/// client does not have taken off what says where a request came from or where it ends (RFC 9110, section 7.6.1).
fn check_connection(headers: &HeaderMap) -> Result<(), Refused> {
    let mut options = 0;
    for line in headers.get_all(CONNECTION) {
        for option in line.as_bytes().split(|&b| b == b',') {
            let option = option.trim_ascii();
            if option.is_empty() {
                continue;
            }
            options += 1;
            if options > OPTIONS_MAX || !is_name(option) || is_for_all(option) {
                return Err(Refused::BadConnection);
            }
        }
    }
    Ok(())
}

/// Whether a text is a token (RFC 9110, section 5.6.2), as every header's name is one.
fn is_name(text: &[u8]) -> bool {
    text.iter()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Whether a header of this name is for everyone on the way, whatever `Connection` says.
fn is_for_all(name: &[u8]) -> bool {
    const FORWARDED: &[u8] = b"x-forwarded-";
    name.eq_ignore_ascii_case(b"host")
        || name.eq_ignore_ascii_case(b"content-length")
        || name.eq_ignore_ascii_case(b"transfer-encoding")
        || name
            .get(..FORWARDED.len())
            .is_some_and(|begins| begins.eq_ignore_ascii_case(FORWARDED))
}

fn check_upgrade(
    version: Version,
    method: &Method,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<(), Refused> {
    if !headers.contains_key(UPGRADE) || !names_token(headers, &UPGRADE, "websocket") {
        return Ok(()); // other protocols are not upgraded to: `inbound_to_strip` drops the wish
    }
    let fits = version == Version::HTTP_11
        && *method == Method::GET
        && !has_body
        && list(headers, &UPGRADE).count() == 1
        && names_token(headers, &CONNECTION, "upgrade");
    if fits { Ok(()) } else { Err(Refused::BadUpgrade) }
}

fn host<'a>(
    version: Version,
    headers: &'a HeaderMap,
    target: Option<&'a str>,
) -> Result<Authority<'a>, Refused> {
    let mut lines = headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Refused::ManyHosts);
    }
    let named = line
        .map(|line| line.to_str().map_err(|_| Refused::BadHost))
        .transpose()?;
    let host = match (named, target) {
        // One spelling for both, as Pingora has it: what is compared otherwise by the next program is not passed on.
        (Some(named), Some(target)) if named != target => return Err(Refused::HostsDiffer),
        (Some(named), _) => named,
        // HTTP/2 says it in `:authority`; before, the header is needed whatever the target says.
        (None, Some(target)) if version > Version::HTTP_11 => target,
        (None, _) => return Err(Refused::MissingHost),
    };
    Authority::parse(host).ok_or(Refused::BadHost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::for_tests::map;

    fn run(version: Version, method: &str, target: &str, lines: &[(&str, &str)]) -> Result<String, Refused> {
        let headers = map(lines);
        let uri: Uri = target.parse().expect("uri");
        let method = method.parse().expect("method");
        check(version, &method, &uri, &headers, None).map(|authority| authority.host.to_owned())
    }

    fn h1(lines: &[(&str, &str)]) -> Result<String, Refused> {
        run(
            Version::HTTP_11,
            "POST",
            "/",
            &[&[("host", "h:80")], lines].concat(),
        )
    }

    #[test]
    fn body_lengths() {
        assert_eq!(h1(&[]), Ok("h".into()));
        assert_eq!(h1(&[("content-length", "12")]), Ok("h".into()));
        assert_eq!(h1(&[("transfer-encoding", "Chunked")]), Ok("h".into()));
        let both = [("content-length", "0"), ("transfer-encoding", "chunked")];
        assert_eq!(h1(&both), Err(Refused::TwoLengths));
        for bad in ["", "+1", "-1", "0x10", "1,1", "1 2", "99999999999999999999"] {
            assert_eq!(
                h1(&[("content-length", bad)]),
                Err(Refused::BadContentLength),
                "{bad}"
            );
        }
        let twice = [("content-length", "1"), ("content-length", "1")];
        assert_eq!(h1(&twice), Err(Refused::BadContentLength));
        for bad in ["gzip, chunked", "identity", "chunked, chunked", "xchunked", ""] {
            assert_eq!(
                h1(&[("transfer-encoding", bad)]),
                Err(Refused::BadTransferEncoding),
                "{bad}"
            );
        }
        let old = run(Version::HTTP_10, "POST", "/", &[("transfer-encoding", "chunked")]);
        assert_eq!(old, Err(Refused::BadTransferEncoding));
    }

    #[test]
    fn hosts() {
        let get = |version, target, lines: &[(&str, &str)]| run(version, "GET", target, lines);
        assert_eq!(get(Version::HTTP_11, "/", &[]), Err(Refused::MissingHost));
        assert_eq!(get(Version::HTTP_11, "http://h/", &[]), Err(Refused::MissingHost));
        assert_eq!(get(Version::HTTP_10, "/", &[]), Err(Refused::MissingHost));
        assert_eq!(get(Version::HTTP_10, "/", &[("host", "h")]), Ok("h".into()));
        assert_eq!(get(Version::HTTP_2, "/", &[]), Err(Refused::MissingHost));
        assert_eq!(get(Version::HTTP_2, "https://h/", &[]), Ok("h".into()));
        assert_eq!(
            get(Version::HTTP_11, "/", &[("host", "a"), ("host", "a")]),
            Err(Refused::ManyHosts)
        );
        for bad in ["", "a b", "a@b", "a/b", "a,b", "a:x"] {
            assert_eq!(
                get(Version::HTTP_11, "/", &[("host", bad)]),
                Err(Refused::BadHost),
                "{bad}"
            );
        }
        assert_eq!(
            get(Version::HTTP_2, "https://a/", &[("host", "b")]),
            Err(Refused::HostsDiffer)
        );
        assert_eq!(
            get(Version::HTTP_2, "https://a/", &[("host", "A")]),
            Err(Refused::HostsDiffer)
        );
        assert_eq!(
            get(Version::HTTP_11, "http://a/", &[("host", "a")]),
            Ok("a".into())
        );
    }

    #[test]
    fn upgrades_and_methods() {
        let good = [
            ("host", "h"),
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
        ];
        let ask = |version, method, lines: &[(&str, &str)]| run(version, method, "/", lines).map(|_| ());
        assert_eq!(ask(Version::HTTP_11, "GET", &good), Ok(()));
        assert_eq!(ask(Version::HTTP_10, "GET", &good), Err(Refused::BadUpgrade));
        assert_eq!(ask(Version::HTTP_11, "POST", &good), Err(Refused::BadUpgrade));
        assert_eq!(ask(Version::HTTP_11, "GET", &good[..2]), Err(Refused::BadUpgrade));
        let with = |line: (&'static str, &'static str)| [&good[..], &[line][..]].concat();
        assert_eq!(
            ask(Version::HTTP_11, "GET", &with(("content-length", "3"))),
            Err(Refused::BadUpgrade)
        );
        assert_eq!(
            ask(Version::HTTP_11, "GET", &with(("content-length", "0"))),
            Ok(())
        );
        assert_eq!(
            ask(Version::HTTP_11, "GET", &with(("upgrade", "h2c"))),
            Err(Refused::BadUpgrade)
        );
        let h2c = [("host", "h"), ("upgrade", "h2c"), ("connection", "upgrade")];
        assert_eq!(ask(Version::HTTP_11, "GET", &h2c), Ok(()));
        assert_eq!(check_method(&Method::TRACE), Err(Refused::Method));
        assert_eq!(check_method(&Method::CONNECT), Err(Refused::Method));
        assert_eq!(check_method(&Method::GET), Ok(()));
    }

    #[test]
    fn connection_names_what_is_for_one_connection() {
        let many = ["a"; OPTIONS_MAX + 1].join(",");
        for good in [
            "close",
            "keep-alive, Upgrade",
            "TE, X-Mine,, cookie",
            "",
            &many[2..],
        ] {
            assert_eq!(h1(&[("connection", good)]), Ok("h".into()), "{good}");
        }
        for bad in [
            "Host",
            "close, content-length",
            "Transfer-Encoding",
            "X-Forwarded-For",
            "x-forwarded-anything",
            "\"a\"",
            "a b",
            ":authority",
            &many,
        ] {
            assert_eq!(h1(&[("connection", bad)]), Err(Refused::BadConnection), "{bad}");
        }
        let lines: Vec<_> = (0..=OPTIONS_MAX).map(|_| ("connection", "a")).collect();
        assert_eq!(h1(&lines), Err(Refused::BadConnection), "over several lines");
    }
}
