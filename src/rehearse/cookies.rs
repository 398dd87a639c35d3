//! A fan's own cookie jar: as much of RFC 6265 as one host and `Path=/` need.

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};

/// Most cookies one fan keeps; the site behind may set its own.
const COOKIES_MAX: usize = 32;

/// What one `Set-Cookie` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetCookie {
    /// Its name without `__Host-`.
    pub(crate) name: String,
    /// Its value; empty when it is being taken back.
    pub(crate) value: String,
    /// `Max-Age`, seconds.
    pub(crate) max_age_s: Option<i64>,
}

/// The cookies of one fan, under their full names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar(Vec<(String, String)>);

impl Jar {
    /// Keeps what an answer sets, and returns it.
    pub(crate) fn take(&mut self, headers: &HeaderMap) -> Vec<SetCookie> {
        let lines = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        lines.filter_map(|line| self.take_one(line)).collect()
    }

    fn take_one(&mut self, line: &str) -> Option<SetCookie> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.trim().split_once('=')?;
        let max_age_s = parts.find_map(|part| {
            let (key, value) = part.trim().split_once('=')?;
            key.eq_ignore_ascii_case("max-age").then(|| value.parse().ok())?
        });
        let gone = max_age_s.is_some_and(|seconds: i64| seconds <= 0);
        self.0.retain(|(known, _)| known != name);
        if !gone && self.0.len() < COOKIES_MAX {
            self.0.push((name.to_owned(), value.to_owned()));
        }
        let value = if gone { String::new() } else { value.to_owned() };
        Some(SetCookie {
            name: bare(name).to_owned(),
            value,
            max_age_s,
        })
    }

    /// The `Cookie` header, if there is anything to send.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| HeaderValue::from_str(&pairs.join("; ")).ok())?
    }
}

fn bare(name: &str) -> &str {
    name.strip_prefix("__Host-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (SET_COOKIE, HeaderValue::from_static(line)))
            .collect()
    }

    #[test]
    fn keeps_replaces_and_takes_back() {
        let mut jar = Jar::default();
        let set = jar.take(&headers(&[
            "a=1; Path=/; HttpOnly",
            "__Host-b=x=y; Max-Age=60; Secure",
        ]));
        assert_eq!(
            set[1],
            SetCookie {
                name: "b".into(),
                value: "x=y".into(),
                max_age_s: Some(60)
            }
        );
        jar.take(&headers(&["a=2; Path=/"]));
        assert_eq!(jar.header(), Some(HeaderValue::from_static("__Host-b=x=y; a=2")));
        let set = jar.take(&headers(&["a=gone; max-age=0", "__Host-b=; Max-Age=-1"]));
        assert_eq!((set[0].value.as_str(), jar.header()), ("", None));
    }
}
