//! Where a request carries its user token.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::NoUser;
use crate::request::cookies;
use crate::request::headers::{bearer, looks_like_token};

/// The cookie's name over plain HTTP, and under TLS.
pub(super) struct CookieNames {
    plain: String,
    secure: String,
}

impl CookieNames {
    pub(super) fn new(name: &str) -> Self {
        Self {
            plain: name.to_owned(),
            secure: format!("__Host-{name}"),
        }
    }

    /// The token of a request. One in `Authorization` stands above the cookie, whatever it is worth, since the service
    /// behind reads it so as well: nobody may be somebody to the edge and somebody else to the site.
    pub(super) fn token<'a>(&self, headers: &'a HeaderMap, secure: bool) -> Result<&'a str, NoUser> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let schemes = || {
            headers
                .get_all(AUTHORIZATION)
                .iter()
                .map(|line| scheme(line.as_bytes()))
        };
        if lines.nth(1).is_some() || schemes().any(|scheme| scheme.eq_ignore_ascii_case(b"bearer")) {
            return bearer(headers).ok_or(NoUser::Invalid);
        }
        let name = if secure { &self.secure } else { &self.plain };
        match cookies::find(headers, name) {
            // What logging out leaves behind.
            None | Some("") => Err(NoUser::Missing),
            Some(token) if looks_like_token(token) => Ok(token),
            Some(_) => Err(NoUser::Invalid),
        }
    }
}

/// The first word of an `Authorization` line.
fn scheme(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_start();
    let end = line
        .iter()
        .position(|&b| b == b' ' || b == b'\t')
        .unwrap_or(line.len());
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    value.parse().expect("a value"),
                )
            })
            .collect()
    }

    #[test]
    fn a_bearer_token_stands_above_the_cookie() {
        let names = CookieNames::new("booking_user");
        let read =
            |lines: &[(&'static str, &str)], secure| names.token(&headers(lines), secure).map(str::to_owned);
        let cookie = ("cookie", "a=1; booking_user=c.c.c; b=2");
        assert_eq!(read(&[cookie], false).as_deref(), Ok("c.c.c"));
        assert_eq!(
            read(&[cookie, ("authorization", "bearer b.b.b")], false).as_deref(),
            Ok("b.b.b")
        );
        assert_eq!(
            read(&[cookie, ("authorization", "Basic Zm9v")], false).as_deref(),
            Ok("c.c.c")
        );
        for bad in ["Bearer", "Bearer ", "Bearer a;b", "bearer\ta.b.c"] {
            assert_eq!(
                read(&[cookie, ("authorization", bad)], false),
                Err(NoUser::Invalid),
                "{bad}: the cookie does not stand in for it"
            );
        }
        let two = [
            cookie,
            ("authorization", "Basic Zm9v"),
            ("authorization", "Bearer b.b.b"),
        ];
        assert_eq!(read(&two, false), Err(NoUser::Invalid));
    }

    #[test]
    fn under_tls_only_the_cookie_that_nobody_else_can_plant_counts() {
        let names = CookieNames::new("booking_user");
        let both = headers(&[("cookie", "booking_user=planted; __Host-booking_user=own")]);
        assert_eq!(names.token(&both, true), Ok("own"));
        assert_eq!(names.token(&both, false), Ok("planted"));
        let planted = headers(&[("cookie", "booking_user=planted")]);
        assert_eq!(names.token(&planted, true), Err(NoUser::Missing));
        for (cookie, why) in [
            ("booking_user=", NoUser::Missing),
            ("booking_users=x", NoUser::Missing),
            ("booking_user=\"x\"", NoUser::Invalid),
        ] {
            assert_eq!(
                names.token(&headers(&[("cookie", cookie)]), false),
                Err(why),
                "{cookie}"
            );
        }
    }
}
