//! Headers that two programs could read differently are refused before anything is decided on them.
//!
//! Pingora already refuses duplicate `Content-Length`, spaces before the colon and broken chunking; what it lets pass
//! (both body lengths at once, no `Host`, strange upgrades) is refused here, and the cheap checks are made twice
//! rather than left to one parser's version.

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
    /// HTTP/1.1 and later need to say which host they mean.
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
    /// `CONNECT` and `TRACE` have no business at a gate.
    #[error("the method is not served here")]
    Method,
}

/// Checks a request header and returns the host it is for (`None` only for HTTP/1.0 without `Host`).
///
/// `target_authority` is that of an absolute-form target, as [`super::path::canonicalise`] found it; over HTTP/2 the
/// `:authority` stands in `uri`.
pub fn check<'a>(
    version: Version,
    method: &Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    target_authority: Option<&'a str>,
) -> Result<Option<Authority<'a>>, Refused> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Refused::Method);
    }
    let has_body = check_lengths(version, headers)?;
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
) -> Result<Option<Authority<'a>>, Refused> {
    let mut lines = headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Refused::ManyHosts);
    }
    let parse = |text: &'a str| Authority::parse(text).ok_or(Refused::BadHost);
    let named = line
        .map(|line| line.to_str().map_err(|_| Refused::BadHost).and_then(parse))
        .transpose()?;
    let target = target.map(parse).transpose()?;
    match (named, target) {
        (Some(named), Some(target)) => {
            let differ = !named.host.eq_ignore_ascii_case(target.host) || named.port != target.port;
            if differ {
                Err(Refused::HostsDiffer)
            } else {
                Ok(Some(target))
            }
        }
        // HTTP/1.1 needs the header whatever its target says; HTTP/2 says it in `:authority`.
        (None, _) if version == Version::HTTP_11 => Err(Refused::MissingHost),
        (None, None) if version > Version::HTTP_11 => Err(Refused::MissingHost),
        (named, target) => Ok(named.or(target)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn run(
        version: Version,
        method: &str,
        target: &str,
        lines: &[(&str, &str)],
    ) -> Result<Option<String>, Refused> {
        let headers = lines
            .iter()
            .map(|(n, v)| {
                (
                    n.parse::<HeaderName>().expect("name"),
                    v.parse::<HeaderValue>().expect("value"),
                )
            })
            .collect();
        let uri: Uri = target.parse().expect("uri");
        let method = method.parse().expect("method");
        check(version, &method, &uri, &headers, None)
            .map(|host| host.map(|authority| authority.host.to_owned()))
    }

    fn h1(lines: &[(&str, &str)]) -> Result<Option<String>, Refused> {
        run(
            Version::HTTP_11,
            "POST",
            "/",
            &[&[("host", "h:80")], lines].concat(),
        )
    }

    #[test]
    fn body_lengths() {
        assert_eq!(h1(&[]), Ok(Some("h".into())));
        assert_eq!(h1(&[("content-length", "12")]), Ok(Some("h".into())));
        assert_eq!(h1(&[("transfer-encoding", "Chunked")]), Ok(Some("h".into())));
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
        assert_eq!(get(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(get(Version::HTTP_2, "/", &[]), Err(Refused::MissingHost));
        assert_eq!(get(Version::HTTP_2, "https://h/", &[]), Ok(Some("h".into())));
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
            Ok(Some("a".into()))
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
        assert_eq!(ask(Version::HTTP_11, "TRACE", &good[..1]), Err(Refused::Method));
    }
}
