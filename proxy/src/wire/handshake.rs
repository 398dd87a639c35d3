//! The websocket upgrade of the line socket: who may, and the `101` they get (RFC 6455 section 4.2).
//!
//! The subprotocol `tidegate.v1` must be offered. Clients that keep no cookies carry their place token as `Bearer`
//! or as a second offered subprotocol `tidegate.place.<token>` (browsers' scripts can set nothing else), which is
//! never echoed. Extensions are not negotiated: a waiting fan's frames are too small to compress.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use sha1::{Digest, Sha1};

use crate::request::headers::{bearer, list, looks_like_token, names_token};
use crate::request::host::{Authority, is_same_origin};

/// The subprotocol spoken on the line socket.
pub const SUBPROTOCOL: &str = "tidegate.v1";
/// What an offered subprotocol that carries a place token begins with.
pub const PLACE_SUBPROTOCOL: &str = "tidegate.place.";
/// From RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another method than `GET`.
    #[error("a websocket is opened with GET")]
    NotGet,
    /// Not HTTP/1.1, or without `Upgrade: websocket` and `Connection: Upgrade`.
    #[error("this address needs a websocket upgrade over HTTP/1.1")]
    NotAnUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("only Sec-WebSocket-Version 13 is spoken here")]
    Version,
    /// `Sec-WebSocket-Key` is not base64 of 16 bytes, or not there once.
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
    /// `tidegate.v1` is not among the offered subprotocols.
    #[error("the subprotocol tidegate.v1 must be offered")]
    Subprotocol,
    /// A `tidegate.place.` subprotocol without a token in it, or more than one.
    #[error("a place token comes in one subprotocol tidegate.place.<token>")]
    PlaceToken,
    /// A page of another site.
    #[error("pages of other sites may not open this socket")]
    ForeignOrigin,
}

/// An upgrade that may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// The place token the client sent beside its cookies, unverified.
    pub place_token: Option<&'a str>,
    accept: String,
}

/// Checks the upgrade request. `site` is the host it was sent to and `secure` whether the *client* speaks TLS; both
/// decide whether an `Origin` is ours. No `Origin` at all is an app, not a page: those carry no one else's cookies.
pub fn read<'a>(
    method: &Method,
    version: Version,
    headers: &'a HeaderMap,
    site: &Authority<'_>,
    secure: bool,
) -> Result<Handshake<'a>, Refused> {
    if *method != Method::GET {
        return Err(Refused::NotGet);
    }
    let upgrades =
        names_token(headers, &UPGRADE, "websocket") && names_token(headers, &CONNECTION, "upgrade");
    if version != Version::HTTP_11 || !upgrades {
        return Err(Refused::NotAnUpgrade);
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    if let Some(origin) = origins.next() {
        let ours = origin
            .to_str()
            .is_ok_and(|origin| is_same_origin(origin, site, secure));
        if !ours || origins.next().is_some() {
            return Err(Refused::ForeignOrigin);
        }
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refused::Version);
    }
    let accept = only(headers, &SEC_WEBSOCKET_KEY)
        .and_then(accept_for)
        .ok_or(Refused::Key)?;
    if !list(headers, &SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == SUBPROTOCOL) {
        return Err(Refused::Subprotocol);
    }
    let mut tokens = list(headers, &SEC_WEBSOCKET_PROTOCOL).filter_map(|o| o.strip_prefix(PLACE_SUBPROTOCOL));
    let offered = tokens.next();
    if offered.is_some_and(|token| !looks_like_token(token)) || tokens.next().is_some() {
        return Err(Refused::PlaceToken);
    }
    Ok(Handshake {
        place_token: bearer(headers).or(offered),
        accept,
    })
}

/// The value of a header that stands there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line.trim())
}

/// The accept value for a key of 16 bytes in base64.
fn accept_for(key: &str) -> Option<String> {
    let mut nonce = [0; 18]; // what 24 characters could decode to
    let decoded = STANDARD.decode_slice(key, &mut nonce).ok()?;
    (decoded == 16).then(|| {
        STANDARD.encode(
            Sha1::new()
                .chain_update(key.as_bytes())
                .chain_update(GUID)
                .finalize()
                .as_slice(),
        )
    })
}

impl Handshake<'_> {
    /// The headers of the `101 Switching Protocols`.
    pub fn response_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![
            (UPGRADE, HeaderValue::from_static("websocket")),
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
        ];
        let accept = HeaderValue::from_str(&self.accept).ok();
        headers.extend(accept.map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
        headers
    }

    /// The whole `101` as bytes, with further header lines (cookies) where there are any.
    pub fn response_bytes(&self, extra: &[(HeaderName, HeaderValue)]) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
        for (name, value) in self.response_headers().iter().chain(extra) {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::for_tests::map;

    /// The example of RFC 6455 section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: [(&str, &str); 5] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-protocol", "tidegate.v1, tidegate.place.a.b-c.d_e"),
    ];

    fn run(lines: &[(&str, &str)]) -> Result<Option<String>, Refused> {
        let site = Authority::parse("shop.example").expect("authority");
        read(&Method::GET, Version::HTTP_11, &map(lines), &site, true)
            .map(|handshake| handshake.place_token.map(str::to_owned))
    }

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        GOOD.iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .chain([(name, value)])
            .collect()
    }

    #[test]
    fn the_example_of_the_standard() {
        let headers = map(&GOOD);
        let site = Authority::parse("shop.example").expect("authority");
        let handshake = read(&Method::GET, Version::HTTP_11, &headers, &site, true).expect("good");
        assert_eq!(handshake.place_token, Some("a.b-c.d_e"));
        let cookie = (http::header::SET_COOKIE, HeaderValue::from_static("a=b"));
        let text = String::from_utf8(handshake.response_bytes(&[cookie])).expect("text");
        assert_eq!(
            text,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-protocol: tidegate.v1\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             set-cookie: a=b\r\n\r\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let site = Authority::parse("shop.example").expect("authority");
        let bare = |method, version| read(&method, version, &map(&GOOD), &site, true).map(|_| ());
        assert_eq!(bare(Method::POST, Version::HTTP_11), Err(Refused::NotGet));
        assert_eq!(bare(Method::GET, Version::HTTP_10), Err(Refused::NotAnUpgrade));
        for (name, value, reason) in [
            ("upgrade", "h2c", Refused::NotAnUpgrade),
            ("connection", "keep-alive", Refused::NotAnUpgrade),
            ("sec-websocket-version", "8", Refused::Version),
            ("sec-websocket-version", "13, 8", Refused::Version),
            ("sec-websocket-key", "", Refused::Key),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", Refused::Key),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j", Refused::Key),
            (
                "sec-websocket-key",
                "dGhlIHNhbXBsZSBub25jZSBsb25nZXI=",
                Refused::Key,
            ),
            ("sec-websocket-protocol", "tidegate.v2", Refused::Subprotocol),
            (
                "sec-websocket-protocol",
                "tidegate.place.a.b.c",
                Refused::Subprotocol,
            ),
            (
                "sec-websocket-protocol",
                "tidegate.v1, tidegate.place.",
                Refused::PlaceToken,
            ),
            (
                "sec-websocket-protocol",
                "tidegate.v1, tidegate.place.a, tidegate.place.b",
                Refused::PlaceToken,
            ),
            ("origin", "https://evil.example", Refused::ForeignOrigin),
            ("origin", "http://shop.example", Refused::ForeignOrigin),
            ("origin", "null", Refused::ForeignOrigin),
        ] {
            assert_eq!(run(&with(name, value)), Err(reason), "{name}: {value}");
        }
        let twice = [&GOOD[..], &[("sec-websocket-key", KEY)]].concat();
        assert_eq!(run(&twice), Err(Refused::Key));
        let origins = [
            &GOOD[..],
            &[("origin", "https://shop.example"), ("origin", "https://evil")],
        ]
        .concat();
        assert_eq!(run(&origins), Err(Refused::ForeignOrigin));
    }

    #[test]
    fn our_own_pages_and_apps_pass() {
        assert!(run(&with("origin", "https://Shop.example:443")).is_ok());
        assert_eq!(
            run(&with("authorization", "Bearer x.y.z")),
            Ok(Some("x.y.z".into()))
        );
        assert_eq!(
            run(&with("sec-websocket-protocol", "chat, tidegate.v1")),
            Ok(None)
        );
    }
}
