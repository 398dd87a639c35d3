//! `[users]`.

use super::booking::BookingInFile;
use super::section::Section;
use super::spot::Spot;
use super::values::{duration, parsed};
use super::{pattern, words};
use crate::overrides::url_of;
use crate::problems::{Wrong, quoted};
use crate::{Users, defaults, limits};

/// `[users]` as it stands in the file.
pub(crate) struct UsersInFile {
    pub(crate) users: Users,
    pub(crate) line: usize,
    pub(crate) path: String,
    /// Where the login page stands.
    pub(crate) login_path: Spot<String>,
}

/// Reads `[users]`. `booking` is there when the same file sets up the booking service.
pub(crate) fn users(mut section: Section<'_>, booking: Option<&BookingInFile>) -> UsersInFile {
    let jwks_url = match booking {
        Some(booking) => section.take(
            "jwks_url",
            format!("{}/jwks.json", url_of(booking.listen.value)),
            parsed(words::url),
        ),
        None => section.need(
            "jwks_url",
            String::new(),
            "\"http://127.0.0.1:8081/jwks.json\"",
            parsed(words::url),
        ),
    };
    let login_path = section.take("login_path", defaults::LOGIN_PATH.to_owned(), parsed(plain_path));
    let cookie = section.take("cookie", defaults::USER_COOKIE.to_owned(), parsed(cookie_name));
    let keys_ttl = section.take("keys_ttl", defaults::KEYS_TTL, duration(limits::KEYS_TTL));
    let (line, path) = (section.line, section.path.clone());
    section.finish();
    UsersInFile {
        users: Users {
            jwks_url: jwks_url.value,
            login_path: login_path.value.clone(),
            cookie: cookie.value,
            keys_ttl: keys_ttl.value,
        },
        line,
        path,
        login_path,
    }
}

/// One page's path: it goes into `Location` as it is.
fn plain_path(text: &str) -> Result<String, Wrong> {
    let path = pattern::path(text)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()+,=:@".contains(&b);
    if path.bytes().all(plain) {
        return Ok(path);
    }
    let message = format!("{} is not the path of one page", quoted(text));
    Err(Wrong::new(
        message,
        "write a path in plain ASCII, such as \"/login\"",
    ))
}

/// A cookie's name (RFC 6265, a token), as it is without TLS.
fn cookie_name(text: &str) -> Result<String, Wrong> {
    let wrong = |message: String, remedy: &str| Err(Wrong::new(message, remedy.to_owned()));
    let begins = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if begins("__Host-") {
        let message = format!("{} has the prefix that is there under TLS anyway", quoted(text));
        return wrong(message, "write it without \"__Host-\"");
    }
    if begins("tidegate_") {
        let message = format!(
            "{} is kept for the edge: such cookies reach no origin",
            quoted(text)
        );
        return wrong(message, "write another name, and give the cookie that name");
    }
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if (1..=limits::COOKIE_NAME_LEN_MAX).contains(&text.len()) && text.bytes().all(token) {
        return Ok(text.to_owned());
    }
    wrong(
        format!("{} is no cookie's name", quoted(text)),
        "write the name of the cookie that has the user token, such as \"booking_user\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_pages_are_single_pages() {
        for text in ["/login", "/", "/accounts/sign-in", "/caf%C3%A9"] {
            assert_eq!(plain_path(text).as_deref(), Ok(text));
        }
        for text in [
            "login", "/login?x", "/**", "/a/*", "//evil", "/é", "/a|b", "/../a", "/a\\b",
        ] {
            assert!(plain_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cookies_are_named_as_without_tls() {
        assert_eq!(cookie_name("booking_user").as_deref(), Ok("booking_user"));
        for (text, said) in [
            ("__host-user", "without \"__Host-\""),
            ("Tidegate_user", "another name"),
            ("", "such as"),
            ("a b", "such as"),
            ("a=b", "such as"),
            ("é", "such as"),
        ] {
            assert!(
                cookie_name(text).is_err_and(|wrong| wrong.remedy.contains(said)),
                "{text}"
            );
        }
    }
}
