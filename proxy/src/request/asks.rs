//! What kind of answer a client can use, and so who takes a place in line.
//!
//! Only a navigation is shown the waiting page and takes a place by itself. Browsers say what a request is for
//! (`Sec-Fetch-*`, which scripts cannot set); older ones and other clients are read by what they accept. A client that
//! accepts anything (`*/*`, or no `Accept`) and does not say what it is gets the page as well: it is an old browser, or
//! somebody trying the site from a terminal. Programs say that they want JSON.

use http::header::{ACCEPT, UPGRADE};
use http::{HeaderMap, HeaderName, Method};

use super::headers::{list, names_token};

/// What a request without a visit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A document to show: gets the waiting page and takes a place.
    Navigation,
    /// Data for a program: `503` problem+json with the join URL.
    Json,
    /// A part of a page (image, script, style, ...): refused without a place; there is nobody to read a page.
    SubResource,
    /// A guess of the browser at what the fan might open next: no place, and nothing to keep.
    Prefetch,
    /// Anything else: other methods, websockets to the origin, clients that do not say.
    Other,
}

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Where browsers, now and before, announce that they only guess.
const PREFETCH: [(HeaderName, &str); 4] = [
    (HeaderName::from_static("sec-purpose"), "prefetch"), // also `prefetch;prerender`
    (HeaderName::from_static("purpose"), "prefetch"),
    (HeaderName::from_static("x-moz"), "prefetch"),
    (HeaderName::from_static("x-purpose"), "preview"),
];

/// Most media types read from `Accept`; browsers send fewer than ten.
const MEDIA_TYPES_MAX: usize = 32;

/// Reads what a request asks for.
pub fn asks(method: &Method, headers: &HeaderMap) -> Asks {
    if PREFETCH
        .iter()
        .any(|(name, word)| list(headers, name).any(|value| bare(value).eq_ignore_ascii_case(word)))
    {
        return Asks::Prefetch;
    }
    if headers.contains_key(UPGRADE) && names_token(headers, &UPGRADE, "websocket") {
        return Asks::Other;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match text(headers, &SEC_FETCH_DEST) {
        Some("document" | "iframe" | "frame") => {
            let navigates = text(headers, &SEC_FETCH_MODE).is_none_or(|mode| mode == "navigate");
            if reads && navigates {
                Asks::Navigation
            } else {
                Asks::Other
            }
        }
        // What scripts fetch, whichever method and type: only a script can act on the answer.
        Some("empty") => Asks::Json,
        Some(_) => Asks::SubResource,
        None if headers.contains_key(X_REQUESTED_WITH) => Asks::Json,
        None => match accepted(headers) {
            Accepted::Html | Accepted::Anything if reads => Asks::Navigation,
            Accepted::Json => Asks::Json,
            Accepted::Part if reads => Asks::SubResource,
            _ => Asks::Other,
        },
    }
}

/// Whether a request is a browser's for a page: one that can follow a redirect to a page to log in at. Narrower than
/// [`Asks::Navigation`]: a program that accepts anything is better told in a problem than shown a page.
pub fn shows_pages(method: &Method, headers: &HeaderMap) -> bool {
    let says_so = || headers.contains_key(SEC_FETCH_DEST) || accepted(headers) == Accepted::Html;
    asks(method, headers) == Asks::Navigation && says_so()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A list element without its parameters.
fn bare(element: &str) -> &str {
    element.split(';').next().unwrap_or(element).trim()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Html,
    Json,
    /// Images, style sheets, scripts, media and fonts.
    Part,
    Anything,
}

/// The named kind a client likes best, HTML first among equals; ranges such as `*/*` name nothing.
fn accepted(headers: &HeaderMap) -> Accepted {
    let mut best = (0, Accepted::Anything);
    for element in list(headers, &ACCEPT).take(MEDIA_TYPES_MAX) {
        let media = bare(element);
        let is = |known: &str| media.eq_ignore_ascii_case(known);
        let begins = |known: &str| {
            media
                .get(..known.len())
                .is_some_and(|s| s.eq_ignore_ascii_case(known))
        };
        let ends = |known: &str| {
            media
                .len()
                .checked_sub(known.len())
                .and_then(|at| media.get(at..))
                .is_some_and(|s| s.eq_ignore_ascii_case(known))
        };
        let (kind, rank) = if is("text/html") || is("application/xhtml+xml") {
            (Accepted::Html, 2)
        } else if is("application/json") || ends("+json") {
            (Accepted::Json, 1)
        } else if is("text/css")
            || ["image/", "audio/", "video/", "font/"]
                .iter()
                .any(|start| begins(start))
        {
            (Accepted::Part, 0)
        } else {
            continue;
        };
        let weight = weight_of(element) * 4 + rank;
        if weight >= 4 && weight > best.0 {
            best = (weight, kind);
        }
    }
    best.1
}

/// The `q` of an element in thousandths; 1,000 where it is absent, 0 where it is nonsense.
fn weight_of(element: &str) -> u32 {
    let q = element.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match q.map(str::parse::<f32>) {
        None => 1_000,
        Some(Ok(q)) if (0.0..=1.0).contains(&q) => (q * 1_000.0) as u32,
        Some(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::for_tests::map;

    fn read(method: &str, lines: &[(&str, &str)]) -> Asks {
        asks(&method.parse().expect("method"), &map(lines))
    }

    const CHROME: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

    #[test]
    fn browsers_that_say_what_for() {
        let document = [
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("accept", CHROME),
        ];
        assert_eq!(read("GET", &document), Asks::Navigation);
        assert_eq!(read("HEAD", &document), Asks::Navigation);
        assert_eq!(read("POST", &document), Asks::Other);
        assert_eq!(
            read(
                "GET",
                &[("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")]
            ),
            Asks::Navigation
        );
        assert_eq!(
            read(
                "GET",
                &[("sec-fetch-dest", "document"), ("sec-fetch-mode", "cors")]
            ),
            Asks::Other
        );
        for part in [
            "image", "script", "style", "font", "video", "worker", "manifest", "object", "report",
        ] {
            assert_eq!(
                read("GET", &[("sec-fetch-dest", part), ("accept", CHROME)]),
                Asks::SubResource,
                "{part}"
            );
        }
        assert_eq!(
            read("GET", &[("sec-fetch-dest", "empty"), ("accept", "*/*")]),
            Asks::Json
        );
        assert_eq!(read("POST", &[("sec-fetch-dest", "empty")]), Asks::Json);
    }

    #[test]
    fn only_browsers_are_shown_the_way_to_a_page() {
        let shows =
            |method: &str, lines: &[(&str, &str)]| shows_pages(&method.parse().expect("method"), &map(lines));
        let document = [("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")];
        assert!(shows("GET", &document) && shows("HEAD", &document));
        assert!(shows("GET", &[("accept", CHROME)]));
        assert!(!shows("POST", &[("accept", CHROME)]));
        for accept in ["*/*", "", "application/json", "image/png", "text/html;q=0"] {
            assert!(!shows("GET", &[("accept", accept)]), "{accept}");
        }
        assert!(!shows("GET", &[]));
        assert!(!shows("GET", &[("sec-fetch-dest", "empty"), ("accept", CHROME)]));
        assert!(!shows("GET", &[("purpose", "prefetch"), ("accept", CHROME)]));
    }

    #[test]
    fn prefetches_take_no_place() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            assert_eq!(
                read("GET", &[("sec-fetch-dest", "document"), (name, value)]),
                Asks::Prefetch,
                "{name}"
            );
        }
    }

    #[test]
    fn clients_that_only_accept() {
        for (accept, wanted) in [
            (CHROME, Asks::Navigation),
            ("text/html", Asks::Navigation),
            ("TEXT/HTML;level=1", Asks::Navigation),
            ("application/json", Asks::Json),
            ("application/problem+json", Asks::Json),
            ("application/vnd.api+json, */*", Asks::Json),
            ("application/json, text/plain, */*", Asks::Json),
            ("application/json, text/html;q=0.5", Asks::Json),
            ("application/json;q=0.5, text/html;q=0.6", Asks::Navigation),
            ("application/json, text/html", Asks::Navigation),
            ("text/html;q=0", Asks::Navigation),
            ("text/html;q=x", Asks::Navigation),
            ("image/webp,image/*,*/*;q=0.8", Asks::SubResource),
            ("text/css,*/*;q=0.1", Asks::SubResource),
            ("*/*", Asks::Navigation),
            ("", Asks::Navigation),
            ("é", Asks::Navigation),
        ] {
            assert_eq!(read("GET", &[("accept", accept)]), wanted, "{accept}");
        }
        assert_eq!(read("GET", &[]), Asks::Navigation);
        assert_eq!(read("POST", &[("accept", "text/html")]), Asks::Other);
        assert_eq!(read("POST", &[("accept", "application/json")]), Asks::Json);
        assert_eq!(
            read(
                "GET",
                &[("accept", "*/*"), ("x-requested-with", "XMLHttpRequest")]
            ),
            Asks::Json
        );
        assert_eq!(
            read("GET", &[("accept", CHROME), ("upgrade", "websocket")]),
            Asks::Other
        );
    }
}
