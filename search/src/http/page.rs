//! The results as a page: what a fan sees of a search. The template escapes every text and loads nothing from elsewhere.

mod wording;

use askama::Template;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::error;

use super::answer::event_path;
use super::problem::Problem;
use crate::index::{Found, Hit, Snapshot};
use crate::request::{Day, OFFSET_MAX, QUERY_CHARS_MAX, SearchRequest};
use crate::text;

/// What the page may load: nothing but its own styles.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

#[derive(Template)]
#[template(path = "search.html")]
struct Page<'a> {
    title: String,
    request: &'a SearchRequest,
    from: &'a str,
    to: &'a str,
    query_chars_max: usize,
    cities: &'a [String],
    categories: Vec<Choice<'a>>,
    /// One line over the results.
    summary: String,
    /// What went wrong, instead of results.
    problem: Option<String>,
    cards: Vec<Card<'a>>,
    previous: Option<String>,
    next: Option<String>,
}

/// A category to choose.
struct Choice<'a> {
    value: &'a str,
    label: String,
    chosen: bool,
}

/// One result as it is shown.
struct Card<'a> {
    path: String,
    title: &'a str,
    category: String,
    place: String,
    when: String,
    more: Option<String>,
    teaser: String,
    price: Option<String>,
}

/// The page of a search, found or failed.
pub(super) fn answer(
    request: &SearchRequest,
    found: Result<Found, Problem>,
    snapshot: Option<&Snapshot>,
) -> Response {
    let (status, header) = match &found {
        Ok(_) => (StatusCode::OK, None),
        Err(problem) => (problem.status, problem.header),
    };
    let page = page(request, &found, snapshot);
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            error!(%error, "the page of results cannot be rendered");
            return Problem::internal().into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if let Some((name, value)) = header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn page<'a>(
    request: &'a SearchRequest,
    found: &'a Result<Found, Problem>,
    snapshot: Option<&'a Snapshot>,
) -> Page<'a> {
    let total = found.as_ref().map_or(0, |found| found.total);
    let city = city_name(request, snapshot);
    let previous = (request.offset > 0 && total > 0).then(|| request.offset.saturating_sub(request.limit));
    let next = request.offset + request.limit;
    let next = (next < total && next <= OFFSET_MAX).then_some(next);
    Page {
        title: wording::title(&request.q, city),
        request,
        from: day_text(request.from.as_ref()),
        to: day_text(request.to.as_ref()),
        query_chars_max: QUERY_CHARS_MAX,
        cities: snapshot.map_or(&[], Snapshot::cities),
        categories: choices(request, snapshot.map_or(&[], Snapshot::categories)),
        summary: wording::summary(&request.q, city, total),
        problem: found
            .as_ref()
            .err()
            .map(|problem| wording::sentence(&problem.detail.replace('`', ""))),
        cards: found
            .as_ref()
            .map_or_else(|_| Vec::new(), |found| found.hits().filter_map(card).collect()),
        previous: previous.map(|offset| link(request, offset)),
        next: next.map(|offset| link(request, offset)),
    }
}

fn card(Hit { event, upcoming }: Hit<'_>) -> Option<Card<'_>> {
    let first = upcoming.first()?;
    let place: Vec<&str> = [event.venue.name.as_str(), event.venue.city.as_str()]
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect();
    Some(Card {
        path: event_path(event.id),
        title: &event.title,
        category: wording::capitalised(&event.category),
        place: place.join(", "),
        when: wording::when(first.starts_at, event.venue.time_zone.as_deref()),
        more: wording::more_dates(upcoming.len() - 1),
        teaser: wording::teaser(&event.description),
        price: wording::price_from(upcoming),
    })
}

/// The city as the catalogue spells it, or else as it was typed.
fn city_name<'a>(request: &'a SearchRequest, snapshot: Option<&'a Snapshot>) -> &'a str {
    let wanted = text::key(&request.city);
    let mut known = snapshot.map_or(&[][..], Snapshot::cities).iter();
    known
        .find(|city| text::key(city) == wanted)
        .unwrap_or(&request.city)
}

fn choices<'a>(request: &SearchRequest, names: &'a [String]) -> Vec<Choice<'a>> {
    let wanted = text::key(&request.category);
    names
        .iter()
        .map(|name| Choice {
            value: name,
            label: wording::capitalised(name),
            chosen: text::key(name) == wanted,
        })
        .collect()
}

fn day_text(day: Option<&Day>) -> &str {
    day.map_or("", |day| &day.text)
}

/// The address of another page of the same search.
fn link(request: &SearchRequest, offset: usize) -> String {
    let limit = (request.limit != SearchRequest::default().limit).then(|| request.limit.to_string());
    let offset = (offset > 0).then(|| offset.to_string());
    let parameters = [
        ("q", request.q.as_str()),
        ("city", &request.city),
        ("category", &request.category),
        ("from", day_text(request.from.as_ref())),
        ("to", day_text(request.to.as_ref())),
        ("limit", limit.as_deref().unwrap_or_default()),
        ("offset", offset.as_deref().unwrap_or_default()),
    ];
    let parameters: Vec<String> = parameters
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    format!("/search?{}", parameters.join("&"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_carry_the_whole_search_and_nothing_that_breaks_out() {
        let pairs = [
            ("q", "a&b=\"<c>"),
            ("city", "São Paulo"),
            ("from", "2030-05-01"),
            ("limit", "5"),
        ];
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let request = SearchRequest::from_pairs(&pairs).unwrap();
        assert_eq!(
            link(&request, 10),
            "/search?q=a%26b%3D%22%3Cc%3E&city=S%C3%A3o%20Paulo&from=2030%2D05%2D01&limit=5&offset=10"
        );
        assert_eq!(link(&SearchRequest::default(), 0), "/search?");
    }

    #[test]
    fn a_page_that_says_what_is_wrong_keeps_what_was_typed_and_escapes_it() {
        let request = SearchRequest {
            q: "<script>alert(1)</script>".to_owned(),
            ..SearchRequest::default()
        };
        let failed = Err(Problem::new(StatusCode::BAD_REQUEST, "`limit` must be a number"));
        let html = page(&request, &failed, None).render().unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&#60;script&#62;"), "{html}");
        assert!(html.contains("Limit must be a number."), "{html}");
    }
}
