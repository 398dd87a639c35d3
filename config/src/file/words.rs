//! Reads the small languages that stand in text: names, hosts, servers, URLs, methods, headers, colours, tokens.

use crate::limits;
use crate::problems::{Wrong, quoted};

/// The name of an upstream.
pub(crate) fn name(text: &str) -> Result<String, Wrong> {
    let fits = (1..=limits::NAME_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits {
        return Ok(text.to_owned());
    }
    let remedy = format!(
        "write 1 to {} of a-z, A-Z, 0-9, '-' and '_'",
        limits::NAME_LEN_MAX
    );
    Err(Wrong::new(format!("{} is no name", quoted(text)), remedy))
}

/// A token for the admin API. It is never shown.
pub(crate) fn admin_token(text: &str) -> Result<String, Wrong> {
    let (from, to) = (*limits::ADMIN_TOKEN_LEN.start(), *limits::ADMIN_TOKEN_LEN.end());
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Wrong::new(
            "has characters that do not fit into a header",
            "write letters, digits and signs without spaces, such as the output of: openssl rand -base64 24",
        ));
    }
    if limits::ADMIN_TOKEN_LEN.contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("has {} characters", text.len()),
        format!("write {from} to {to}, such as the output of: openssl rand -base64 24"),
    ))
}

/// The reserved path prefix.
pub(crate) fn prefix(text: &str) -> Result<String, Wrong> {
    let inner = text.trim_matches('/');
    let segment = |s: &str| {
        !matches!(s, "" | "." | "..")
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if !inner.split('/').all(segment) {
        let message = format!("{} is no path prefix", quoted(text));
        return Err(Wrong::new(
            message,
            "write letters, digits, '-', '_' and '.' between slashes: \"/_tidegate/\"",
        ));
    }
    if text != format!("/{inner}/") {
        let message = format!("{} does not begin and end with one slash", quoted(text));
        return Err(Wrong::new(message, format!("write \"/{inner}/\"")));
    }
    Ok(text.to_owned())
}

/// A host name or address without a port, in lower case.
pub(crate) fn host_name(text: &str) -> Option<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.len() <= 253 && text.split('.').all(label),
    };
    fits.then(|| text.to_ascii_lowercase())
}

/// A host condition of a route: a host, or `*.` and a host for its subdomains.
pub(crate) fn host(text: &str) -> Result<String, Wrong> {
    let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
    if let Some(name) = host_name(name) {
        return Ok(format!("{star}{name}"));
    }
    let remedy = match authority(name) {
        Some((name, _)) => format!("write it without the port: \"{star}{name}\""),
        None if text == "*" => "leave hosts out to take every host".to_owned(),
        None => "write \"shop.example.com\", or \"*.example.com\" for subdomains".to_owned(),
    };
    Err(Wrong::new(format!("{} is no host", quoted(text)), remedy))
}

/// `host:port`, taken apart.
pub(crate) fn authority(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((host_name(host)?, port))
}

/// A server of an upstream, `host:port`.
pub(crate) fn server(text: &str) -> Result<String, Wrong> {
    if authority(text).is_some() {
        return Ok(text.to_owned());
    }
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let remedy = if text.starts_with("https://") {
        "write host:port of a plain HTTP listener; the edge does not speak TLS to upstreams".to_owned()
    } else if authority(bare).is_some() {
        format!("write \"{bare}\", without a scheme or path")
    } else if host_name(bare).is_some() {
        format!("write the port too: \"{bare}:80\"")
    } else {
        "write host:port, such as \"127.0.0.1:8081\"".to_owned()
    };
    Err(Wrong::new(format!("{} is no server", quoted(text)), remedy))
}

/// A plain HTTP URL, with or without a path.
pub(crate) fn url(text: &str) -> Result<String, Wrong> {
    let wrong = |remedy| Err(Wrong::new(format!("{} cannot be fetched", quoted(text)), remedy));
    if text.starts_with("https://") {
        return wrong("write an http:// URL inside your own network; https:// is not spoken here");
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return wrong("write the whole URL: \"http://127.0.0.1:8081\"");
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let plain = path
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'<' | b'>' | b'\\'));
    if (authority(host).is_none() && host_name(host).is_none()) || !plain {
        return wrong("write host, port and path: \"http://127.0.0.1:8081/path\"");
    }
    Ok(text.to_owned())
}

/// The base of URLs: as [`url`], without a slash at its end.
pub(crate) fn base_url(text: &str) -> Result<String, Wrong> {
    url(text).map(|url| url.trim_end_matches('/').to_owned())
}

/// The base of URLs that others open or that lie outside: http or https, without a slash at its end.
pub(crate) fn web_url(text: &str) -> Result<String, Wrong> {
    let Some(rest) = text.strip_prefix("https://") else {
        return base_url(text);
    };
    let plain = base_url(&format!("http://{rest}"));
    match plain {
        Ok(url) => Ok(url.replacen("http://", "https://", 1)),
        Err(_) => Err(Wrong::new(
            format!("{} is no URL of a site", quoted(text)),
            "write scheme, host and path: \"https://tickets.example.com\"",
        )),
    }
}

/// A method, in capitals as it stands in a request.
pub(crate) fn method(text: &str) -> Result<String, Wrong> {
    let token = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    match token {
        true if text.bytes().all(|b| !b.is_ascii_lowercase()) => Ok(text.to_owned()),
        true => {
            let message = format!("{} matches no request", quoted(text));
            Err(Wrong::new(
                message,
                format!("write \"{}\", in capitals", text.to_ascii_uppercase()),
            ))
        }
        false => Err(Wrong::new(
            format!("{} is no method", quoted(text)),
            "write for example \"GET\"",
        )),
    }
}

/// A header's name, in lower case.
pub(crate) fn header_name(text: &str) -> Result<String, Wrong> {
    let fits = (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if fits {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Wrong::new(
        format!("{} is no header's name", quoted(text)),
        "write for example \"x-early-access\"",
    ))
}

/// A header's value.
pub(crate) fn header_value(text: &str) -> Result<String, Wrong> {
    let fits =
        text.len() <= 1024 && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && text.trim() == text;
    if fits {
        return Ok(text.to_owned());
    }
    let message = format!("{} cannot stand in a header", quoted(text));
    Err(Wrong::new(
        message,
        "write plain ASCII without spaces at its ends, or true for any value",
    ))
}

/// A colour, `#rgb` or `#rrggbb`.
pub(crate) fn colour(text: &str) -> Result<String, Wrong> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let hex = matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    match hex {
        true if text.starts_with('#') => Ok(text.to_owned()),
        true => Err(Wrong::new(
            format!("{} has no # before it", quoted(text)),
            format!("write \"#{digits}\""),
        )),
        false => Err(Wrong::new(
            format!("{} is no colour in hexadecimal digits", quoted(text)),
            "write \"#rgb\" or \"#rrggbb\", such as \"#0b6e4f\"",
        )),
    }
}

/// Whether a text has the shape of a language tag (`es`, `pt-BR`).
pub(crate) fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let primary = parts.next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_lowercase())
        && text.len() <= 16
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy<T: std::fmt::Debug>(read: Result<T, Wrong>) -> String {
        read.expect_err("this is wrong").remedy
    }

    #[test]
    fn prefixes_stand_between_slashes() {
        assert_eq!(prefix("/a/b-c/").as_deref(), Ok("/a/b-c/"));
        assert_eq!(remedy(prefix("_line")), "write \"/_line/\"");
        assert_eq!(remedy(prefix("//line/")), "write \"/line/\"");
        for text in ["", "/", "/a//b/", "/../", "/a b/", "/%41/"] {
            assert!(remedy(prefix(text)).contains("/_tidegate/"), "{text}");
        }
    }

    #[test]
    fn hosts_have_no_port_and_are_lower_case() {
        assert_eq!(host("Shop.Example.com").as_deref(), Ok("shop.example.com"));
        assert_eq!(host("*.example.com").as_deref(), Ok("*.example.com"));
        assert_eq!(host("[::1]").as_deref(), Ok("[::1]"));
        assert_eq!(
            remedy(host("example.com:80")),
            "write it without the port: \"example.com\""
        );
        assert_eq!(remedy(host("*")), "leave hosts out to take every host");
        assert!(host("a.*.com").is_err() && host("").is_err() && host("a b").is_err());
    }

    #[test]
    fn servers_are_host_and_port() {
        assert!(server("shop.internal:80").is_ok() && server("[::1]:80").is_ok());
        assert_eq!(
            remedy(server("http://127.0.0.1:8081/")),
            "write \"127.0.0.1:8081\", without a scheme or path"
        );
        assert_eq!(remedy(server("shop")), "write the port too: \"shop:80\"");
        assert!(remedy(server("https://shop:443")).contains("TLS"));
        assert!(server("shop:0").is_err() && server("shop:65536").is_err());
    }

    #[test]
    fn urls_are_plain_http() {
        assert_eq!(
            base_url("http://127.0.0.1:8081/").as_deref(),
            Ok("http://127.0.0.1:8081")
        );
        assert!(url("http://booking/jwks.json").is_ok());
        assert!(remedy(url("https://booking/")).contains("http://"));
        assert!(url("127.0.0.1:8081").is_err() && url("http://").is_err() && url("http://a b/").is_err());
        assert!(url("http://user:secret@host/").is_err());
    }

    #[test]
    fn small_words() {
        assert_eq!(remedy(method("get")), "write \"GET\", in capitals");
        assert!(method("M-SEARCH").is_ok() && method("GE T").is_err());
        assert_eq!(header_name("X-Early").as_deref(), Ok("x-early"));
        assert!(header_name("x early").is_err() && header_value("a\nb").is_err());
        assert_eq!(remedy(colour("0b6e4f")), "write \"#0b6e4f\"");
        assert!(colour("#abc").is_ok() && colour("#abcd").is_err() && colour("red").is_err());
        assert!(is_language("en") && is_language("pt-BR") && !is_language("english") && !is_language("EN"));
        assert!(name("shop_1").is_ok() && name("").is_err() && name("a b").is_err());
    }

    #[test]
    fn a_token_is_never_shown() {
        let short = admin_token("hunter2").expect_err("it is too short");
        let spaced = admin_token("hunter2 hunter2 hunter2").expect_err("it has spaces");
        for wrong in [short, spaced] {
            assert!(!format!("{wrong:?}").contains("hunter2"));
        }
    }
}
