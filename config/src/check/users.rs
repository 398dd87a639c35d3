//! Routes that ask for a user: somebody says who is one, and one can log in.

use crate::Auth;
use crate::file::{InFile, Report, pattern};
use crate::problems::{Wrong, quoted};

/// Where a route asks for a user, the file says whose word on users counts.
pub(crate) fn known(file: &InFile, report: &Report) {
    if file.has_users {
        return;
    }
    for route in file.routes.iter().filter(|route| asks(route.auth.value)) {
        let remedy = "write [users] with jwks_url = \"http://127.0.0.1:8081/jwks.json\", the keys of the service that \
                      signs user tokens, or remove auth";
        let wrong = Wrong::new("asks for a user, and nothing says who is one", remedy);
        report.add_missing(route.auth.line, &route.auth.key, wrong);
    }
}

/// Keys that no route needs would be read for nothing, and the operator meant some route to be closed.
pub(crate) fn used(file: &InFile, report: &Report) {
    let Some(users) = &file.users else {
        return;
    };
    let unread = |route: &crate::file::route::RouteInFile| asks(route.auth.value) || !route.auth.is_sound();
    if !file.routes.iter().any(unread) {
        let remedy = "write auth = \"user\" in a [[route]], or remove [users]";
        report.add_missing(
            users.line,
            &users.path,
            Wrong::new("no route asks for a user", remedy),
        );
    }
}

/// The page to log in at is forwarded, and to those who have not logged in.
pub(crate) fn can_log_in(file: &InFile, report: &Report) {
    let Some(login) = file.users.as_ref().map(|users| &users.login_path) else {
        return;
    };
    if !login.is_sound() {
        return;
    }
    let (path, prefix) = (&login.value, &file.edge.edge.prefix);
    if path.starts_with(prefix) || path == prefix.trim_end_matches('/') {
        let message = format!("nothing under {} is forwarded", quoted(prefix));
        let remedy = "write the path of a page of the site";
        report.add_missing(login.line, &login.key, Wrong::new(message, remedy));
        return;
    }
    // Of routes that take only some hosts, methods or headers it cannot be said which one a fan will meet.
    let takes = file.routes.iter().find(|route| {
        let all = route.route.hosts.is_empty() && route.route.headers.is_empty();
        let reads =
            route.route.methods.is_empty() || route.route.methods.iter().any(|method| method == "GET");
        route.is_sound && all && reads && pattern::covers(&route.route.path, path)
    });
    if let Some(route) = takes
        && asks(route.auth.value)
    {
        let message = format!(
            "asks for a user at {}, where users.login_path sends those who are none: they would go in a circle",
            quoted(path)
        );
        let remedy = format!("write a [[route]] for {} without auth above it", quoted(path));
        report.add_missing(route.auth.line, &route.auth.key, Wrong::new(message, remedy));
    }
}

fn asks(auth: Auth) -> bool {
    auth == Auth::User
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What is said about a file with these sections and routes to `/a`.
    fn found(sections: &str, route: &str) -> Vec<(Option<usize>, String)> {
        let text = format!(
            "[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:1']\n\
             [[route]]\npath = '/open'\nupstream = 'a'\nfree = true\n\
             [[route]]\nupstream = 'a'\nfree = true\n{route}\n{sections}\n"
        );
        match crate::parse(&text, "test", Path::new(".")) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.list.into_iter().map(|p| (p.line, p.key)).collect(),
        }
    }

    const JWKS: &str = "jwks_url = 'http://127.0.0.1:1/jwks.json'";

    #[test]
    fn whoever_asks_for_a_user_says_who_knows_them() {
        let asks = "path = '/a'\nauth = 'user'";
        assert_eq!(found("", asks), [(Some(12), "route[1].auth".to_owned())]);
        assert_eq!(found(&format!("[users]\n{JWKS}"), asks), []);
        assert_eq!(
            found("[users]", asks),
            [(Some(13), "users".to_owned())],
            "the URL is missing, and that is all"
        );
        assert_eq!(found("[[users]]", asks), [(Some(13), "users".to_owned())]);
        assert_eq!(
            found(&format!("[users]\n{JWKS}"), "path = '/a'"),
            [(Some(12), "users".to_owned())]
        );
        assert_eq!(found("[users]\n[booking]\nrequire_admission = false", asks), []);
    }

    #[test]
    fn one_can_log_in_without_having_logged_in() {
        let users = |login: &str| format!("[users]\n{JWKS}\nlogin_path = '{login}'");
        let all = "path = '/**'\nauth = 'user'";
        assert_eq!(
            found(&users("/login"), all),
            [(Some(12), "route[1].auth".to_owned())]
        );
        assert_eq!(found(&users("/open"), all), []);
        let posts = "path = '/login'\nmethods = ['POST']\nauth = 'user'";
        assert_eq!(found(&users("/login"), posts), []);
        assert_eq!(
            found(&users("/_tidegate/x"), all),
            [(Some(15), "users.login_path".to_owned())]
        );
    }
}
