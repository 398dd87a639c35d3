//! Where a fan may be sent back to after `enter`: a path of this site, and nothing a browser could take for another.

use std::borrow::Cow;

use super::path;

/// Longest `return_to`, in bytes. Longer pages than this are reached from the front page.
pub const LEN_MAX: usize = 2_048;

/// The front page, for whoever asked for something else than a path of this site.
const FRONT: &str = "/";

/// What to put into `Location`: the asked path in its canonical spelling, with query and fragment as they were, or `/`.
///
/// Refused are whole URLs and `//host` in all their disguises (backslashes, white space and control characters, which
/// browsers drop), paths the gate itself would refuse, and those under Tidegate's own `prefix` (`/_tidegate/`), which
/// would send the fan in a circle.
pub fn return_to<'a>(asked: &'a str, prefix: &str) -> Cow<'a, str> {
    same_site(asked, prefix).unwrap_or(Cow::Borrowed(FRONT))
}

fn same_site<'a>(asked: &'a str, prefix: &str) -> Option<Cow<'a, str>> {
    let visible = asked.len() <= LEN_MAX && asked.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if !visible || !asked.starts_with('/') || asked.starts_with("//") {
        return None;
    }
    let (target, fragment) = match asked.split_once('#') {
        Some((target, fragment)) => (target, Some(fragment)),
        None => (asked, None),
    };
    let canonical = path::canonicalise(target.as_bytes()).ok()?;
    if canonical.path.starts_with(prefix) || *canonical.path == *prefix.trim_end_matches('/') {
        return None;
    }
    if matches!(canonical.path, Cow::Borrowed(_)) {
        return Some(Cow::Borrowed(asked));
    }
    let mut location = canonical.path_and_query().into_owned();
    if let Some(fragment) = fragment {
        location.push('#');
        location.push_str(fragment);
    }
    Some(Cow::Owned(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site_pass_and_nothing_else() {
        let long = format!("/{}", "a".repeat(LEN_MAX));
        for (asked, wanted) in [
            ("/", "/"),
            (
                "/events/42?seat=A1&x=http://y#top",
                "/events/42?seat=A1&x=http://y#top",
            ),
            ("/a/../b//c?q#f", "/b/c?q#f"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("", "/"),
            ("events", "/"),
            ("//evil.example", "/"),
            ("///evil.example", "/"),
            ("/\\evil.example", "/"),
            ("\\\\evil.example", "/"),
            ("/%5cevil.example", "/"),
            ("/%5Cevil.example", "/"),
            ("/%2fevil.example", "/"),
            ("/a?\\\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("/%09/evil.example", "/"),
            ("/\n/evil.example", "/"),
            (" //evil.example", "/"),
            ("/ /evil.example", "/"),
            ("https:evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/.//evil.example", "/evil.example"),
            ("/x/..//evil.example", "/evil.example"),
            ("/..//evil.example", "/evil.example"),
            ("/a\r\nSet-Cookie: x=y", "/"),
            ("/é", "/"),
            ("/_tidegate/rooms/drop/enter", "/"),
            ("/_tidegate", "/"),
            ("/x/../%5ftidegate/jwks.json", "/"),
            ("/_tidegates", "/_tidegates"),
            (&long, "/"),
        ] {
            assert_eq!(return_to(asked, "/_tidegate/"), wanted, "{asked}");
        }
    }
}
