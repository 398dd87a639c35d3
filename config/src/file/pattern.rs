//! Path patterns: literal segments, `*` for one segment, a final `**` for any rest, also none.

use crate::limits;
use crate::problems::{Wrong, quoted};

/// Reads a pattern. What could match no canonical path is refused here.
pub(crate) fn path(text: &str) -> Result<String, Wrong> {
    let wrong =
        |message: &str, remedy: String| Err(Wrong::new(format!("{} {message}", quoted(text)), remedy));
    let Some(rest) = text.strip_prefix('/') else {
        return wrong(
            "does not begin with a slash",
            format!("write {}", quoted(&format!("/{text}"))),
        );
    };
    if let Some(odd) = text
        .chars()
        .find(|c| c.is_control() || c.is_whitespace() || "?#;\\\"<>".contains(*c))
    {
        let remedy = "write a path only, without query, spaces, ';' or '\\'; such paths are never routed";
        return wrong(&format!("has {odd:?} in it"), remedy.to_owned());
    }
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.len() > limits::SEGMENTS_MAX {
        let remedy = format!("write at most {}, with ** for the rest", limits::SEGMENTS_MAX);
        return wrong("has too many segments", remedy);
    }
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "" if !is_last => {
                return wrong(
                    "has a doubled slash, which no path has when it is matched",
                    "write one slash".into(),
                );
            }
            "." | ".." => {
                return wrong(
                    "has a dot segment, which no path has when it is matched",
                    "write the plain path".into(),
                );
            }
            "**" if !is_last => {
                return wrong(
                    "has ** before its end",
                    "write * for one segment, and ** only at the end".into(),
                );
            }
            "*" | "**" => {}
            mixed if mixed.contains('*') => {
                let remedy =
                    "write * for a whole segment (\"/a/*/b\"), or ** at the end for any rest (\"/a/**\")";
                return wrong("mixes * with other characters in a segment", remedy.into());
            }
            _ => {}
        }
    }
    Ok(text.to_owned())
}

/// Whether every path that `narrow` matches is matched by `wide`. Both are well-formed.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let segments = |pattern: &str| {
        pattern
            .trim_start_matches('/')
            .split('/')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (wide, narrow) = (segments(wide), segments(narrow));
    let mut at = 0;
    loop {
        match (
            wide.get(at).map(String::as_str),
            narrow.get(at).map(String::as_str),
        ) {
            (Some("**"), _) | (None, None) => return true,
            (None, _) | (_, None) | (_, Some("**")) => return false,
            // A path that ends in a slash has an empty last segment; whether * takes it is left to the matcher.
            (Some("*"), Some("")) => return false,
            (Some("*"), Some(_)) => {}
            (Some(wide), Some(narrow)) if wide == narrow => {}
            _ => return false,
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_whole_segments() {
        for text in ["/", "/**", "/a/*/b", "/a/**", "/a/", "/caf%C3%A9"] {
            assert_eq!(path(text).as_deref(), Ok(text));
        }
        for text in [
            "", "a", "/a//b", "/../a", "/**/a", "/a*", "/a/***", "/a?b=1", "/a b", "/a;b", "/a\\b",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
        assert!(path("a/b").is_err_and(|wrong| wrong.remedy == "write \"/a/b\""));
    }

    #[test]
    fn wider_patterns_cover_narrower_ones() {
        for (wide, narrow) in [
            ("/**", "/"),
            ("/**", "/a/*/**"),
            ("/a/**", "/a"),
            ("/a/*", "/a/b"),
            ("/*/b", "/a/b"),
            ("/a", "/a"),
        ] {
            assert!(covers(wide, narrow), "{wide} covers {narrow}");
        }
        for (wide, narrow) in [
            ("/a/**", "/**"),
            ("/a", "/a/**"),
            ("/a/*", "/a/**"),
            ("/a", "/"),
            ("/a/*", "/a/"),
            ("/a/b", "/a/*"),
        ] {
            assert!(!covers(wide, narrow), "{wide} does not cover {narrow}");
        }
    }
}
