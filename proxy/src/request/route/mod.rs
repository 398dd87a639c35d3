//! Which route takes a request: the first whose host, path, method and headers all fit.
//!
//! - Paths come from [`super::path`] and are compared octet by octet after decoding, so `/a!` and `/a%21` are the same
//!   path. A trailing slash makes no difference, as it makes none to most origins.
//! - **Letter case counts in paths.** In front of an origin that ignores it, `/BUY` is not the guarded `/buy`. What
//!   keeps this from being a hole: guarding is the default, so what no earlier route names falls to a guarded
//!   catch-all (`/**` with a room), and a request that no route takes is answered 404, never forwarded. Whoever
//!   writes a *free* catch-all behind guarded paths in front of such an origin opens it; write it the other way
//!   round: name what is free.
//! - Java origins drop `;parameters` from segments, others keep them. Such a path is read both ways, and refused as
//!   [`Ambiguous`] when the two readings belong to different routes.
//! - A route that takes `GET` takes `HEAD`.

mod segments;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use tidegate_config::Route;

pub use segments::SEGMENTS_MAX;
use segments::Segments;

/// The two readings of a path with `;parameters` belong to different routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path's parameters (';') make it belong to two routes")]
pub struct Ambiguous;

/// A route that cannot be compiled. The configuration's checks say the same with line and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route {index} ({path}): {what}")]
pub struct BadRoute {
    /// Its place among the routes, from 0.
    pub index: usize,
    /// Its path pattern.
    pub path: String,
    /// What does not fit.
    pub what: &'static str,
}

/// All routes, ready to be asked.
#[derive(Clone, Debug)]
pub struct Matcher {
    routes: Vec<Compiled>,
}

#[derive(Clone, Debug)]
struct Compiled {
    hosts: Vec<Host>,
    segments: Vec<Segment>,
    /// Ends in `**`.
    any_rest: bool,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, Option<HeaderValue>)>,
}

#[derive(Clone, Debug)]
enum Host {
    /// In lower case.
    Exact(String),
    /// `*.example.com` as `.example.com`.
    Under(String),
}

#[derive(Clone, Debug)]
enum Segment {
    /// Its octets, decoded.
    Literal(Vec<u8>),
    Any,
}

impl Matcher {
    /// Compiles validated routes.
    pub fn compile(routes: &[Route]) -> Result<Self, BadRoute> {
        let compile = |(index, route): (usize, &Route)| {
            Compiled::new(route).map_err(|what| BadRoute {
                index,
                path: route.path.clone(),
                what,
            })
        };
        Ok(Self {
            routes: routes.iter().enumerate().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// The index of the first route that takes a request; `None` means 404. `host` comes without port, `path` in its
    /// canonical spelling.
    pub fn find(
        &self,
        host: Option<&str>,
        method: &Method,
        headers: &HeaderMap,
        path: &str,
    ) -> Result<Option<usize>, Ambiguous> {
        let asked = Asked {
            host,
            method,
            headers,
        };
        let segments = Segments::split(path);
        let as_written = self.first(&asked, &segments);
        if segments.parameters && as_written != self.first(&asked, &segments.without_parameters()) {
            return Err(Ambiguous);
        }
        Ok(as_written)
    }

    fn first(&self, asked: &Asked<'_>, path: &Segments<'_>) -> Option<usize> {
        self.routes
            .iter()
            .position(|route| route.takes_path(path) && route.takes(asked))
    }
}

/// What a request says besides its path.
struct Asked<'a> {
    host: Option<&'a str>,
    method: &'a Method,
    headers: &'a HeaderMap,
}

impl Compiled {
    fn new(route: &Route) -> Result<Self, &'static str> {
        let pattern = route
            .path
            .strip_prefix('/')
            .ok_or("a path pattern begins with '/'")?;
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        let mut segments = Vec::new();
        let mut any_rest = false;
        for part in pattern.split('/').filter(|_| !pattern.is_empty()) {
            if any_rest {
                return Err("'**' stands only at the end of a path pattern");
            }
            match part {
                "" => return Err("a path pattern has no empty segments"),
                "." | ".." => return Err("a path pattern has no dot segments"),
                "**" => any_rest = true,
                "*" => segments.push(Segment::Any),
                literal => segments.push(Segment::Literal(percent_decode_str(literal).collect())),
            }
        }
        if segments.len() > SEGMENTS_MAX {
            return Err("a path pattern has at most 64 segments");
        }
        let methods = route
            .methods
            .iter()
            .map(|m| m.to_ascii_uppercase().parse())
            .collect::<Result<_, _>>()
            .map_err(|_| "no such method")?;
        let header = |(name, value): &(String, Option<String>)| {
            let name = name.parse::<HeaderName>().map_err(|_| "not a header name")?;
            let value = value
                .as_deref()
                .map(HeaderValue::from_str)
                .transpose()
                .map_err(|_| "not a header value")?;
            Ok((name, value))
        };
        Ok(Self {
            hosts: route.hosts.iter().map(|host| Host::new(host)).collect(),
            segments,
            any_rest,
            methods,
            headers: route
                .headers
                .iter()
                .map(header)
                .collect::<Result<_, &'static str>>()?,
        })
    }

    fn takes_path(&self, path: &Segments<'_>) -> bool {
        let given = path.as_slice();
        let length_fits = if self.any_rest {
            given.len() >= self.segments.len()
        } else {
            given.len() == self.segments.len() && !path.deeper
        };
        length_fits
            && self
                .segments
                .iter()
                .zip(given)
                .all(|(segment, given)| segment.takes(given, path.escaped))
    }

    fn takes(&self, asked: &Asked<'_>) -> bool {
        (self.hosts.is_empty()
            || asked
                .host
                .is_some_and(|host| self.hosts.iter().any(|known| known.takes(host))))
            && (self.methods.is_empty() || self.takes_method(asked.method))
            && self.headers.iter().all(|(name, value)| match value {
                None => asked.headers.contains_key(name),
                Some(value) => asked.headers.get_all(name).iter().any(|given| given == value),
            })
    }

    fn takes_method(&self, method: &Method) -> bool {
        self.methods.contains(method) || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

impl Host {
    fn new(pattern: &str) -> Self {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('*') {
            Some(domain) if domain.starts_with('.') => Self::Under(domain.to_owned()),
            _ => Self::Exact(pattern),
        }
    }

    fn takes(&self, host: &str) -> bool {
        match self {
            Self::Exact(known) => known.eq_ignore_ascii_case(host),
            Self::Under(domain) => {
                let at = host.len().checked_sub(domain.len()).filter(|&at| at > 0);
                at.and_then(|at| host.get(at..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(domain))
            }
        }
    }
}

impl Segment {
    fn takes(&self, given: &[u8], escaped: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) if escaped => {
                percent_encoding::percent_decode(given).eq(literal.iter().copied())
            }
            Self::Literal(literal) => literal.as_slice() == given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_config::{Auth, Guard};

    fn route(path: &str) -> Route {
        Route {
            hosts: vec![],
            path: path.into(),
            methods: vec![],
            headers: vec![],
            upstream: "shop".into(),
            guard: Guard::Free,
            auth: Auth::None,
        }
    }

    fn find(routes: &[Route], path: &str) -> Result<Option<usize>, Ambiguous> {
        Matcher::compile(routes)
            .expect("routes")
            .find(Some("h"), &Method::GET, &HeaderMap::new(), path)
    }

    #[test]
    fn the_first_that_fits() {
        let routes = ["/", "/buy", "/assets/**", "/events/*/seats", "/a!/é", "/**"].map(route);
        for (path, wanted) in [
            ("/", 0),
            ("/buy", 1),
            ("/buy/", 1),
            ("/buy/x", 5),
            ("/assets", 2),
            ("/assets/", 2),
            ("/assets/a/b/c", 2),
            ("/assetsx", 5),
            ("/events/42/seats", 3),
            ("/events/seats", 5),
            ("/events/42/seats/1", 5),
            ("/a!/%C3%A9", 4),
            ("/a%21/%C3%A9", 4),
            ("/BUY", 5), // letter case counts; the catch-all has it
        ] {
            assert_eq!(find(&routes, path), Ok(Some(wanted)), "{path}");
        }
        assert_eq!(find(&routes[1..2], "/other"), Ok(None));
        let deep = format!("/assets{}", "/x".repeat(SEGMENTS_MAX * 2));
        assert_eq!(find(&routes, &deep), Ok(Some(2)));
        let as_deep_as_fits = route(&"/x".repeat(SEGMENTS_MAX));
        assert_eq!(find(&[as_deep_as_fits], &"/x".repeat(SEGMENTS_MAX + 1)), Ok(None));
    }

    #[test]
    fn parameters_must_not_change_the_route() {
        let routes = ["/buy", "/shop/**", "/**"].map(route);
        assert_eq!(find(&routes, "/shop;jsessionid=1/cart"), Err(Ambiguous));
        assert_eq!(find(&routes, "/shop/cart;jsessionid=1"), Ok(Some(1)));
        assert_eq!(find(&routes, "/buy;x"), Err(Ambiguous));
        assert_eq!(find(&routes, "/buy%3Bx"), Err(Ambiguous));
        assert_eq!(find(&routes, "/else;x"), Ok(Some(2)));
        assert_eq!(find(&routes, "/buy/;x"), Err(Ambiguous));
        assert_eq!(find(&routes[2..], "/;jsessionid=1"), Ok(Some(0)));
    }

    #[test]
    fn hosts_methods_and_headers() {
        let mut narrow = route("/**");
        narrow.hosts = vec!["Shop.example".into(), "*.tickets.example".into()];
        narrow.methods = vec!["GET".into()];
        narrow.headers = vec![("x-app".into(), None), ("x-channel".into(), Some("beta".into()))];
        let matcher = Matcher::compile(&[narrow]).expect("routes");
        let headers: HeaderMap = [("x-app", "1"), ("x-channel", "alpha"), ("x-channel", "beta")]
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .into_iter()
            .collect();
        let takes = |host, method: Method, headers: &HeaderMap| {
            matcher
                .find(host, &method, headers, "/x")
                .expect("no parameters")
                .is_some()
        };
        for (host, wanted) in [
            (Some("shop.EXAMPLE"), true),
            (Some("a.tickets.example"), true),
            (Some("a.b.Tickets.Example"), true),
            (Some("tickets.example"), false),
            (Some(".tickets.example"), false),
            (Some("eviltickets.example"), false),
            (Some("shop.example.evil"), false),
            (None, false),
        ] {
            assert_eq!(takes(host, Method::GET, &headers), wanted, "{host:?}");
        }
        assert!(takes(Some("shop.example"), Method::HEAD, &headers));
        assert!(!takes(Some("shop.example"), Method::POST, &headers));
        let mut without = headers.clone();
        without.remove("x-app");
        assert!(!takes(Some("shop.example"), Method::GET, &without));
        let mut other = headers;
        other.insert("x-channel", HeaderValue::from_static("betas"));
        assert!(!takes(Some("shop.example"), Method::GET, &other));
    }

    #[test]
    fn patterns_that_make_no_sense() {
        for bad in ["x", "", "/**/x", "/a//b", "/a/../b", "/./a"] {
            assert!(Matcher::compile(&[route(bad)]).is_err(), "{bad}");
        }
    }
}
