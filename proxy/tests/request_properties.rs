//! What must hold for every request, however it was put together: paths, routes, `return_to` and cookies.

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tidegate_config::{Auth, Guard, Route};
use tidegate_proxy::request::path::canonicalise;
use tidegate_proxy::request::return_to::return_to;
use tidegate_proxy::request::route::Matcher;
use tidegate_proxy::request::{cookies, return_to as back};
use url::Url;

const PREFIX: &str = "/_tidegate/";

/// Texts made of the pieces attacks are made of.
fn pieces(of: &'static [&'static str], at_most: usize) -> impl Strategy<Value = String> + Clone {
    vec(select(of), 0..at_most).prop_map(|pieces: Vec<&str>| pieces.concat())
}

fn targets() -> impl Strategy<Value = String> {
    let hostile = pieces(
        &[
            "/",
            "/",
            "/",
            "//",
            ".",
            "..",
            "/../",
            "/./",
            "%2e",
            "%2E",
            ".%2e",
            "%2f",
            "%5c",
            "\\",
            ";",
            "%3b",
            "a",
            "B",
            "%41",
            "%7e",
            "é",
            "%c3%a9",
            "%C3",
            "%ff",
            "%00",
            "%1F",
            "%",
            "%2",
            "%25",
            "+",
            "%2b",
            "?",
            "#",
            " ",
            "[",
            "\"",
            "%20",
            "%22",
            "_tidegate",
        ],
        12,
    );
    prop_oneof![
        4 => hostile.clone().prop_map(|rest| format!("/{rest}")),
        1 => hostile.prop_map(|rest| format!("http://h.example{rest}")),
        1 => ".*",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_canonical_path_has_one_reading(target in targets()) {
        let Ok(canonical) = canonicalise(target.as_bytes()) else { return Ok(()) };
        let path = canonical.path.as_ref();
        prop_assert!(path.starts_with('/') && !path.contains("//"), "{path}");
        prop_assert!(path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'), "{path}");
        for segment in path.split('/') {
            let decoded = percent_decode_str(segment).decode_utf8().expect("UTF-8 was checked");
            prop_assert!(decoded != "." && decoded != "..", "{path}");
            prop_assert!(!decoded.contains(['/', '\\', '\0', '\r', '\n']), "{path}");
        }
        // Written again, it stays as it is, and nothing needs to be copied.
        let whole = canonical.path_and_query().into_owned();
        let again = canonicalise(whole.as_bytes()).expect("canonical stays canonical");
        prop_assert!(matches!(again.path, Cow::Borrowed(_)), "{path} became {}", again.path);
        prop_assert_eq!(again.path.as_ref(), path);
        prop_assert_eq!(again.query, canonical.query);
    }

    /// The standard that browsers follow, as another hand wrote it, resolves dots the same way. (It keeps doubled
    /// slashes and takes backslashes for slashes: the one we merge, the other we refuse.)
    #[test]
    fn dots_resolve_as_the_url_standard_says(
        target in pieces(&["/", "/a", "/B", "/.", "/..", "/%2e", "/.%2E", "/%2e%2e", "/...", "/a%20", "/é", "/%41", ".", "x"], 10)
    ) {
        let target = format!("/{}", target.trim_start_matches('/'));
        prop_assume!(!target.contains("//"));
        let canonical = canonicalise(target.as_bytes()).expect("nothing to refuse");
        let standard = Url::parse(&format!("http://h{target}")).expect("a URL");
        // Ours never has doubled slashes; the standard's may come from `/a/..` beside an empty segment: not generated.
        let decode = |path: &str| percent_decode_str(path).collect::<Vec<u8>>();
        prop_assert_eq!(decode(&canonical.path), decode(standard.path()), "{} {}", canonical.path, standard.path());
    }

    #[test]
    fn nobody_is_sent_to_another_site(
        asked in prop_oneof![
            pieces(
                &[
                    "/", "/", "\\", "%5c", "%2f", "%09", "\t", "\n", "\r", " ", "\u{a0}", ".", "..", "https:", "http://",
                    "javascript:", "//", "evil.example", "@", ":", "?", "#", "%00", "_tidegate/", "%5ftidegate", "x", "é",
                    "\u{2028}", "\u{ff0f}",
                ],
                10
            ),
            pieces(&["/", "\\", ".", "\t", "evil.example", "/", "%2e"], 6).prop_map(|rest| format!("/{rest}")),
            ".*",
        ]
    ) {
        let base = Url::parse("https://shop.example/_tidegate/rooms/drop/enter").expect("base");
        let location = return_to(&asked, PREFIX);
        prop_assert!(location.starts_with('/') && location.len() <= 3 * back::LEN_MAX, "{location}");
        prop_assert!(HeaderValue::from_str(&location).is_ok(), "{location:?}");
        let resolved = base.join(&location).expect("resolves");
        prop_assert_eq!(resolved.origin(), base.origin(), "{} from {:?}", location, asked);
        prop_assert!(!resolved.path().starts_with(PREFIX), "{location}");
        let again = return_to(&location, PREFIX);
        prop_assert_eq!(again.as_ref(), location.as_ref());
    }

    #[test]
    fn the_matcher_agrees_with_a_naive_one(
        routes in vec(routes(), 0..8),
        path in vec(select(&["a", "b", "A", "c", "a!", "a%21", "%C3%A9"][..]), 0..5),
        trailing in any::<bool>(),
        host in option::of(select(&["h", "H.example", "a.h.example", "h.example"][..])),
        method in select(&[Method::GET, Method::HEAD, Method::POST][..]),
    ) {
        let trailing = if trailing && !path.is_empty() { "/" } else { "" };
        let text = format!("/{}{trailing}", path.join("/"));
        let found = Matcher::compile(&routes).expect("valid").find(host, &method, &HeaderMap::new(), &text);
        let segments: Vec<String> =
            path.iter().map(|s| percent_decode_str(s).decode_utf8_lossy().into_owned()).collect();
        let naive = routes.iter().position(|route| {
            naive_path(&route.path.split('/').filter(|s| !s.is_empty()).collect::<Vec<_>>(), &segments)
                && naive_host(&route.hosts, host)
                && (route.methods.is_empty()
                    || route.methods.iter().any(|m| m == method.as_str() || (m == "GET" && method == Method::HEAD)))
        });
        prop_assert_eq!(found, Ok(naive), "{} {:?}", text, routes);
    }

    #[test]
    fn origins_get_all_cookies_but_ours(
        pairs in vec(
            select(&["a=1", "b=\"x y\"", "tidegate=2", "tidegate_visitor=v", "__Host-tidegate_visit_drop=w",
                "TIDEGATE_place_drop=p", "c", "=d", "é=é", ""][..]),
            0..8
        ),
        separator in select(&["; ", ";", " ; "][..]),
    ) {
        let line = HeaderValue::from_bytes(pairs.join(separator).as_bytes()).expect("value");
        let ours = |pair: &&&str| pair.to_ascii_lowercase().trim_start_matches("__host-").starts_with("tidegate_");
        let left = cookies::without_ours(&line);
        let kept = |text: &str| -> Vec<String> {
            text.split(';').map(|pair| pair.trim().to_owned()).filter(|pair| !pair.is_empty()).collect()
        };
        let wanted: Vec<String> =
            pairs.iter().filter(|pair| !pair.is_empty() && !ours(pair)).map(|pair| (*pair).to_owned()).collect();
        match &left {
            Some(value) => prop_assert_eq!(kept(std::str::from_utf8(value.as_bytes()).expect("text")), wanted),
            None => prop_assert!(wanted.is_empty()),
        }
        // What is left does not name ours to our own reader either.
        let headers: HeaderMap = left.into_iter().map(|value| (COOKIE, value.into_owned())).collect();
        prop_assert_eq!(cookies::find(&headers, "tidegate_visitor"), None);
    }
}

fn routes() -> impl Strategy<Value = Route> {
    let pattern = (
        vec(select(&["a", "b", "A", "*", "a!", "%61", "é"][..]), 0..4),
        any::<bool>(),
    );
    let hosts = vec(select(&["h", "h.example", "*.h.example", "*.EXAMPLE"][..]), 0..2);
    let methods = vec(select(&["GET", "POST", "HEAD"][..]), 0..2);
    (pattern, hosts, methods).prop_map(|((segments, rest), hosts, methods)| {
        let mut path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        path.push_str(if rest { "/**" } else { "" });
        Route {
            hosts: hosts.into_iter().map(str::to_owned).collect(),
            path: if path.is_empty() { "/".into() } else { path },
            methods: methods.into_iter().map(str::to_owned).collect(),
            headers: vec![],
            upstream: "shop".into(),
            guard: Guard::Free,
            auth: Auth::None,
        }
    })
}

fn naive_path(pattern: &[&str], path: &[String]) -> bool {
    match (pattern, path) {
        ([], []) | (["**"], _) => true,
        ([first, pattern @ ..], [segment, path @ ..]) => {
            (*first == "*" || percent_decode_str(first).decode_utf8_lossy() == *segment)
                && naive_path(pattern, path)
        }
        _ => false,
    }
}

fn naive_host(hosts: &[String], host: Option<&str>) -> bool {
    hosts.is_empty()
        || host.is_some_and(|host| {
            let host = host.to_lowercase();
            hosts
                .iter()
                .map(|known| known.to_lowercase())
                .any(|known| match known.strip_prefix('*') {
                    Some(domain) => host.ends_with(domain) && host.len() > domain.len(),
                    None => host == known,
                })
        })
}
