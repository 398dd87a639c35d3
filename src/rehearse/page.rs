//! What an answer is: the waiting page, a visit, or the site itself.

use http::HeaderMap;
use http::header::LOCATION;

use super::cookies::SetCookie;
use super::http::Answer;

/// Names the room on a waiting page.
const ROOM_HEADER: &str = "tidegate-room";

/// Cookies are called this and the room's id.
pub(super) const PLACE_COOKIE: &str = "tidegate_place_";

/// Cookies are called this and the room's id.
pub(super) const VISIT_COOKIE: &str = "tidegate_visit_";

/// The cookie of a kind that an answer set to something.
pub(super) fn cookie_of<'a>(cookies: &'a [SetCookie], kind: &str) -> Option<&'a SetCookie> {
    cookies
        .iter()
        .find(|cookie| cookie.name.starts_with(kind) && !cookie.value.is_empty())
}

/// Whether an answer is the waiting page: it names the room, or sets a place cookie, and gives no visit.
pub(super) fn is_waiting_page(answer: &Answer, cookies: &[SetCookie]) -> bool {
    let places = answer.headers.contains_key(ROOM_HEADER) || cookie_of(cookies, PLACE_COOKIE).is_some();
    places && cookie_of(cookies, VISIT_COOKIE).is_none()
}

/// The room that an answer is about: named on the waiting page, or in a cookie's name.
pub(super) fn room(headers: &HeaderMap, cookies: &[SetCookie]) -> Option<String> {
    let named = headers
        .get(ROOM_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let by_cookie = |kind: &str| {
        cookies
            .iter()
            .find_map(|cookie| cookie.name.strip_prefix(kind))
            .map(str::to_owned)
    };
    named
        .or_else(|| by_cookie(PLACE_COOKIE))
        .or_else(|| by_cookie(VISIT_COOKIE))
}

/// Where an answer redirects to, if to this site.
pub(super) fn local_path(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    (location.starts_with('/') && !location.starts_with("//")).then(|| location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::cookies::Jar;
    use bytes::Bytes;
    use http::StatusCode;
    use http::header::{HeaderName, HeaderValue, SET_COOKIE};

    fn answer(headers: &[(HeaderName, &'static str)]) -> (Answer, Vec<SetCookie>) {
        let lines = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let headers: HeaderMap = lines.collect();
        let cookies = Jar::default().take(&headers);
        (
            Answer {
                status: StatusCode::OK,
                headers,
                body: Bytes::new(),
            },
            cookies,
        )
    }

    #[test]
    fn the_waiting_page_is_known_by_its_header_or_by_the_place_it_gives() {
        let header = (HeaderName::from_static(ROOM_HEADER), "drop");
        let place = (SET_COOKIE, "__Host-tidegate_place_drop=t; Path=/; Secure");
        let visit = (SET_COOKIE, "tidegate_visit_drop=t; Path=/");
        let no_place = (SET_COOKIE, "tidegate_place_drop=; Path=/; Max-Age=0");
        for (headers, waiting, named) in [
            (vec![header.clone()], true, Some("drop")),
            (vec![place.clone()], true, Some("drop")),
            (vec![place, visit.clone()], false, Some("drop")),
            (vec![visit], false, Some("drop")),
            (vec![no_place], false, Some("drop")),
            (vec![], false, None),
        ] {
            let (answer, cookies) = answer(&headers);
            assert_eq!(is_waiting_page(&answer, &cookies), waiting, "{headers:?}");
            assert_eq!(room(&answer.headers, &cookies).as_deref(), named, "{headers:?}");
        }
    }

    #[test]
    fn only_paths_of_this_site_are_followed() {
        let to = |value| local_path(&answer(&[(LOCATION, value)]).0.headers);
        assert_eq!(to("/tickets?x=1").as_deref(), Some("/tickets?x=1"));
        assert_eq!((to("//evil.test/"), to("http://evil.test/")), (None, None));
    }
}
