//! Routes that can never match: because their paths are reserved, or because earlier routes take all they would take.

use crate::file::{InFile, Report, pattern};
use crate::problems::{Wrong, quoted};
use crate::{Route, file::route::RouteInFile};

/// No route is for paths that the edge keeps for itself.
pub(crate) fn reserved(file: &InFile, report: &Report) {
    let prefix = &file.edge.edge.prefix;
    for route in file
        .routes
        .iter()
        .filter(|route| route.is_sound && route.route.path.starts_with(prefix))
    {
        let message = format!("can never match: nothing under {} is forwarded", quoted(prefix));
        let remedy = "remove the route, or write another prefix under [edge]";
        report.add_missing(
            route.pattern.line,
            &route.pattern.key,
            Wrong::new(message, remedy),
        );
    }
}

/// No route is taken whole by those before it.
pub(crate) fn shadowed(file: &InFile, report: &Report) {
    for (index, route) in file.routes.iter().enumerate().filter(|(_, route)| route.is_sound) {
        let Some(earlier) = shadows_of(&file.routes[..index], &route.route) else {
            continue;
        };
        let named: Vec<String> = earlier
            .iter()
            .map(|route| format!("{} (line {})", route.path, route.line))
            .collect();
        let (named, first) = (named.join(" and "), &earlier[0].path);
        let takes = if earlier.len() == 1 { "takes" } else { "take" };
        let message = format!("can never match: {named} {takes} every request it would take");
        let remedy = format!("move it above {first}, or remove it");
        report.add_missing(route.line, &route.path, Wrong::new(message, remedy));
    }
}

/// The earlier routes that together take everything `route` would take, if they do: for each host and method it
/// names there is one. Routes that only together take a path or a header's values are not found out.
fn shadows_of<'f>(earlier: &'f [RouteInFile], route: &Route) -> Option<Vec<&'f RouteInFile>> {
    let mut shadows: Vec<&RouteInFile> = Vec::new();
    for host in each_or_any(&route.hosts) {
        for method in each_or_any(&route.methods) {
            let takes = |other: &&RouteInFile| {
                other.is_sound
                    && any_host_covers(&other.route.hosts, host)
                    && (other.route.methods.is_empty()
                        || method.is_some_and(|m| other.route.methods.iter().any(|o| o == m)))
                    && pattern::covers(&other.route.path, &route.path)
                    && headers_follow(&other.route, route)
            };
            let shadow = earlier.iter().find(takes)?;
            if !shadows.iter().any(|known| known.line == shadow.line) {
                shadows.push(shadow);
            }
        }
    }
    Some(shadows)
}

/// Each of the values, or `None` once where there are none and so all are meant.
fn each_or_any(values: &[String]) -> Vec<Option<&str>> {
    if values.is_empty() {
        vec![None]
    } else {
        values.iter().map(|value| Some(value.as_str())).collect()
    }
}

fn any_host_covers(wide: &[String], narrow: Option<&str>) -> bool {
    wide.is_empty() || narrow.is_some_and(|narrow| wide.iter().any(|wide| host_covers(wide, narrow)))
}

/// `*.example.com` surely covers one label before it; how many more it takes is left to the matcher.
fn host_covers(wide: &str, narrow: &str) -> bool {
    let one_below = || {
        let below = narrow.strip_suffix(wide.strip_prefix('*')?)?;
        (!below.is_empty() && below != "*" && !below.contains('.')).then_some(())
    };
    wide == narrow || one_below().is_some()
}

/// Whether what `wide` asks of headers is given in every request that `narrow` takes.
fn headers_follow(wide: &Route, narrow: &Route) -> bool {
    wide.headers.iter().all(|(name, value)| {
        narrow
            .headers
            .iter()
            .any(|(has, is)| has == name && (value.is_none() || value == is))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::parse;

    /// Whether the second of two routes is reported; each is given by its conditions.
    fn is_shadowed(first: &str, second: &str) -> bool {
        let text = format!(
            "[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:1']\n\
             [[route]]\nupstream = 'a'\nfree = true\n{first}\n[[route]]\nupstream = 'a'\nfree = true\n{second}\n"
        );
        match parse(&text, "test", Path::new(".")) {
            Ok(_) => false,
            Err(problems) => {
                let ours = |p: &crate::Problem| {
                    p.key == "route[1]" && p.message.contains("never match: route[0] (line 4)")
                };
                assert!(problems.list.iter().all(ours), "{problems}");
                true
            }
        }
    }

    #[test]
    fn an_earlier_wider_route_takes_all() {
        assert!(is_shadowed("path = '/**'", "path = '/a'"));
        assert!(is_shadowed("path = '/**'", "path = '/**'\nhosts = ['a.com']"));
        assert!(is_shadowed(
            "path = '/**'\nhosts = ['*.b.com', 'a.com']",
            "path = '/a'\nhosts = ['a.com', 'x.b.com']"
        ));
        assert!(is_shadowed(
            "path = '/a'\nmethods = ['GET', 'POST']",
            "path = '/a'\nmethods = ['GET']"
        ));
        assert!(is_shadowed(
            "path = '/a'\nheaders = { x = true }",
            "path = '/a'\nheaders = { X = 'y' }"
        ));
    }

    #[test]
    fn an_earlier_narrower_route_leaves_some() {
        assert!(!is_shadowed("path = '/a'", "path = '/**'"));
        assert!(!is_shadowed("path = '/**'\nhosts = ['a.com']", "path = '/**'"));
        assert!(!is_shadowed(
            "path = '/**'\nhosts = ['*.b.com']",
            "path = '/**'\nhosts = ['b.com']"
        ));
        assert!(!is_shadowed(
            "path = '/a'\nmethods = ['GET']",
            "path = '/a'\nmethods = ['GET', 'POST']"
        ));
        assert!(!is_shadowed(
            "path = '/a'\nheaders = { x = 'y' }",
            "path = '/a'\nheaders = { x = true }"
        ));
        assert!(!is_shadowed("path = '/a'\nheaders = { x = true }", "path = '/a'"));
    }
}
