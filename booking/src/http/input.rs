//! What comes in, read strictly: paths, queries and bodies. Whatever cannot be read is answered with what was wrong.

use std::collections::HashMap;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::header;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::Problem;
use super::reserve;
use crate::domain::draft::Wish;
use crate::domain::{EventFilter, HoldId};
use crate::store::Which;

/// Most bytes of a body. A form with every seat of the largest venue is smaller.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest path that a page leads back to.
const PATH_BYTES_MAX: usize = 2000;

/// Longest text of a query that is looked for, in characters.
const TEXT_MAX: usize = 200;

/// Events in a list where the query does not say.
const LIMIT_DEFAULT: u32 = 50;

/// One segment of the path, as the router found it.
pub(super) type Segment = Result<Path<String>, PathRejection>;

/// An id in the path.
pub(super) fn id<T: FromStr<Err = impl std::fmt::Display>>(segment: Segment) -> Result<T, Problem> {
    let Path(text) = segment.map_err(|_| Problem::bad_request("The path is not valid UTF-8."))?;
    text.parse()
        .map_err(|error| Problem::bad_request(format!("In the path, {error}.")))
}

/// A showtime and a hold in the path.
pub(super) fn showtime_and_hold<T: FromStr<Err = impl std::fmt::Display>>(
    segments: Result<Path<(String, String)>, PathRejection>,
) -> Result<(T, Which), Problem> {
    let Path((showtime, hold)) =
        segments.map_err(|_| Problem::bad_request("The path is not valid UTF-8."))?;
    let showtime = showtime
        .parse()
        .map_err(|error| Problem::bad_request(format!("In the path, {error}.")))?;
    let hold: HoldId = hold
        .parse()
        .map_err(|_| Problem::bad_request("In the path, a hold is 32 hexadecimal digits, or `me`."))?;
    Ok((showtime, Which::One(hold)))
}

/// `?q=&city=&category=&after=&limit=`; an empty value counts as absent, an unknown name is ignored.
pub(super) fn filter(query: Option<&str>) -> Result<EventFilter, Problem> {
    let mut filter = EventFilter {
        limit: LIMIT_DEFAULT,
        ..EventFilter::default()
    };
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let wrong = |why: &dyn std::fmt::Display| Problem::bad_request(format!("`{name}`: {why}."));
        match name.as_ref() {
            "q" | "city" if value.chars().count() > TEXT_MAX => {
                return Err(wrong(&format!("at most {TEXT_MAX} characters")));
            }
            "q" => filter.text = Some(value.to_owned()),
            "city" => filter.city = Some(value.to_owned()),
            "category" => filter.category = Some(value.parse().map_err(|error| wrong(&error))?),
            "after" if value == "0" => filter.after = None,
            "after" => filter.after = Some(value.parse().map_err(|error| wrong(&error))?),
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=EventFilter::LIMIT_MAX).contains(limit));
                let range = format!("a whole number from 1 to {}", EventFilter::LIMIT_MAX);
                filter.limit = limit.ok_or_else(|| wrong(&range))?;
            }
            _ => {}
        }
    }
    Ok(filter)
}

/// Whether the query says `stay=true`: release seats, but keep the visit.
pub(super) fn stays(query: Option<&str>) -> bool {
    says_yes(query, "stay")
}

/// Whether the query says yes to something.
pub(super) fn says_yes(query: Option<&str>, what: &str) -> bool {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .any(|(name, value)| name == what && matches!(value.as_ref(), "1" | "true" | "yes"))
}

/// Texts by name, from a form or a JSON object.
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// A field, as it was sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Problem> {
        self.get(name)
            .ok_or_else(|| Problem::bad_field(format!("`{name}` is missing.")))
    }

    /// Refuses fields that mean nothing here, such as a price that somebody sends along.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(40).collect();
                let known = known.join("`, `");
                Err(Problem::bad_field(format!(
                    "`{name}` means nothing here; this call takes `{known}`."
                )))
            }
        }
    }

    /// Where a form leads back to: a path of this site.
    pub(super) fn return_to(&self) -> String {
        own_path(self.get("return_to").unwrap_or_default())
    }
}

/// Where a page was asked to lead back to, by its query.
pub(super) fn return_to(query: Option<&str>) -> String {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let named = pairs.find(|(name, _)| name == "return_to");
    own_path(named.as_ref().map_or("", |(_, path)| path.as_ref()))
}

/// The path if it is one of this site, else the first page: `//host` and what browsers read as that lead elsewhere.
pub(super) fn own_path(path: &str) -> String {
    let own = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && path.len() <= PATH_BYTES_MAX
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if own { path.to_owned() } else { "/".to_owned() }
}

/// The fields of a body, numbers and such as their texts.
pub(super) async fn fields(request: Request) -> Result<Fields, Problem> {
    let is_json = is_json(&request)?;
    let body = whole(request.into_body()).await?;
    if !is_json {
        let pairs = form_urlencoded::parse(&body);
        return Ok(Fields(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        ));
    }
    let serde_json::Value::Object(object) = parsed(&body)? else {
        return Err(Problem::bad_request("The body must be a JSON object."));
    };
    let text = |(name, value)| match value {
        serde_json::Value::String(text) => Ok(Some((name, text))),
        serde_json::Value::Null => Ok(None),
        _ => Err(Problem::bad_field(format!("`{name}` must be text."))),
    };
    let fields = object.into_iter().map(text).filter_map(Result::transpose);
    Ok(Fields(fields.collect::<Result<_, _>>()?))
}

/// A body that must be JSON, of whatever shape and at most so many bytes.
pub(super) async fn document(request: Request, bytes_max: usize) -> Result<serde_json::Value, Problem> {
    if !matches!(is_json(&request), Ok(true)) {
        return Err(Problem::no_json());
    }
    parsed(&whole_within(request.into_body(), bytes_max).await?)
}

fn parsed(body: &[u8]) -> Result<serde_json::Value, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("The body is no JSON: {error}.")))
}

/// Whether the body is JSON, and not a form.
fn is_json(request: &Request) -> Result<bool, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => Ok(true),
        "application/x-www-form-urlencoded" => Ok(false),
        _ => Err(Problem::unsupported_body()),
    }
}

/// The names of seats in a JSON body, or what a page's form asks for.
pub(super) async fn seats(request: Request) -> Result<Wish, Problem> {
    let is_json = is_json(&request)?;
    let body = whole(request.into_body()).await?;
    if is_json {
        let named = Wish::read_seats(&parsed(&body)?);
        return named.map_err(|mistakes| Problem::unreadable_seats(mistakes.to_string()));
    }
    reserve::from_form(&body)
}

async fn whole(body: Body) -> Result<Bytes, Problem> {
    whole_within(body, BODY_BYTES_MAX).await
}

pub(super) async fn whole_within(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::body_too_large(bytes_max)),
        Err(_) => Err(Problem::bad_request("The body broke off.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Category, EventId};

    #[test]
    fn a_query_is_read_in_full() {
        let read = filter(Some(
            "q=Ghost+Sonata&city=S%C3%A3o%20Paulo&category=Film&after=17&limit=200&x=1",
        ));
        let filter = read.expect("a query");
        assert_eq!(filter.words(), ["Ghost", "Sonata"]);
        assert_eq!(filter.city.as_deref(), Some("São Paulo"));
        assert_eq!(
            (filter.category, filter.after, filter.limit),
            (Some(Category::Film), Some(EventId(17)), 200)
        );
    }

    #[test]
    fn a_page_leads_back_to_this_site_only() {
        for path in ["/", "/showtimes/7?a=b", "/account"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "/\t/evil.example",
        ] {
            assert_eq!(own_path(path), "/", "{path:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (query, word) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=x", "limit"),
            ("after=-1", "after"),
            ("category=circus", "theatre"),
            (&format!("q={}", "x".repeat(201)), "200"),
        ] {
            let problem = filter(Some(query)).expect_err(query);
            assert!(problem.detail.contains(word), "{query}: {}", problem.detail);
        }
        assert!(filter(Some("q=&city=&category=&after=0&limit=")).is_ok());
        assert!(filter(Some("%ff%fe=%zz&&&=&q=%ff")).is_ok());
    }
}
