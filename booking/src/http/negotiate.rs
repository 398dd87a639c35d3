//! Which form of an answer a client wants: a page or JSON.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page, for browsers.
    Page,
    /// JSON, for everyone else, and for whoever does not say.
    Json,
}

impl Form {
    /// By the `Accept` header: a page where `text/html` is named and no JSON type is wanted more.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let (mut page, mut json) = (0, 0);
        let accepts = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for range in accepts.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1000, thousandths);
            match kind.as_str() {
                "text/html" | "application/xhtml+xml" => page = weight.max(page),
                "application/json" | "application/problem+json" => json = weight.max(json),
                _ => {}
            }
        }
        if page > 0 && page >= json {
            Self::Page
        } else {
            Self::Json
        }
    }
}

/// A quality value in thousandths; nonsense counts as not wanted.
fn thousandths(text: &str) -> u32 {
    let weight = text
        .trim()
        .parse::<f32>()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight));
    weight.map_or(0, |weight| (weight * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_everyone_else_json() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, form) in [
            (chrome, Form::Page),
            ("TEXT/HTML", Form::Page),
            ("*/*", Form::Json),
            ("", Form::Json),
            ("application/json", Form::Json),
            ("application/json, text/html;q=0.9", Form::Json),
            ("application/json;q=0.5, text/html;q=0.9", Form::Page),
            ("text/html;q=0", Form::Json),
            ("text/html;q=NaN", Form::Json),
            (";;;,,,q=", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().expect("a value"))]);
            assert_eq!(Form::wanted(&headers), form, "{accept}");
        }
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Json);
    }
}
