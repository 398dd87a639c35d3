//! A showtime's seats for programs and scripts: the compact document, which everyone shares, and the stream of changes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tidegate_config::LoginFor;

use super::App;
use super::input::{self, Segment};
use super::problem::Problem;
use super::showtimes::{no_showtime, with_stock};
use crate::domain::ShowtimeId;
use crate::live::{EventMark, ListenError, SeatsDocument};

/// Where a listener that comes back was: browsers set it by themselves.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `GET /showtimes/{id}/seats`: the same for everyone, and with `?mine=true` also the caller's own seats.
pub(super) async fn document(
    State(app): State<Arc<App>>,
    segment: Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    let seats = app.live.seats(id).await?.ok_or_else(|| no_showtime(id))?;
    let response = if value_of(query.as_deref(), "mine").is_some_and(|mine| mine == "true") {
        let mine = match app.reader(&headers).await {
            Some(owner) => app.store.seats_of(id, &owner).await?,
            None => Vec::new(),
        };
        let personal = [
            (header::CONTENT_TYPE, JSON),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("private, no-cache"),
            ),
            (header::VARY, HeaderValue::from_static("Authorization, Cookie")),
        ];
        (personal, seats.with_mine(&mine)).into_response()
    } else {
        shared(&seats, app.login, &headers)?
    };
    Ok(with_stock(response, seats.stock))
}

fn shared(seats: &SeatsDocument, login: LoginFor, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = HeaderValue::try_from(&seats.etag).map_err(|_| Problem::internal())?;
    // Where everything needs a login, nobody else's cache may answer.
    let cached = match login {
        LoginFor::Writing => "public, max-age=1",
        LoginFor::All => "private, max-age=1",
    };
    let common = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static(cached)),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    if knows(headers, &seats.etag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let json = [(header::CONTENT_TYPE, JSON)];
    Ok(if takes_gzip(headers) {
        let packed = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        (common, json, packed, seats.gzip.clone()).into_response()
    } else {
        (common, json, seats.json.clone()).into_response()
    })
}

/// `GET /showtimes/{id}/seats/stream`: server-sent events. First `seats` with everything that changes, then a `change` for
/// every change; who comes back with `Last-Event-ID` (or `?since=`) is told what it missed.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    segment: Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowtimeId = input::id(segment)?;
    let last = headers.get(LAST_EVENT_ID).and_then(|last| last.to_str().ok());
    let since = value_of(query.as_deref(), "since");
    let last = last.or(since.as_deref()).and_then(EventMark::read);
    let listener = app.live.listen(id, last).await.map_err(|why| match why {
        ListenError::NoShowtime => no_showtime(id),
        ListenError::Full => Problem::too_many_listeners(),
        ListenError::Store(error) => error.into(),
    })?;
    let events = stream::unfold(listener, |mut listener| async {
        let event: Option<Result<Bytes, Infallible>> = listener.next().await.map(Ok);
        event.map(|event| (event, listener))
    });
    let head = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // For proxies that would otherwise wait for more.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((head, Body::from_stream(events)).into_response())
}

/// Whether the client has the version of this tag.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    listed(headers, &header::IF_NONE_MATCH).any(|known| known == tag || known == "*")
}

/// Whether the client can unpack gzip. `*` alone does not say so: many who send it mean nothing by it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    listed(headers, &header::ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight.is_ok_and(|q| q > 0.0))
    })
}

fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn value_of(query: Option<&str>, wanted: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_say_that_they_take_it() {
        for (accept, takes) in [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, br", false),
            ("gzip;q=x", false),
            ("*", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accept.parse().expect("a value"))]);
            assert_eq!(takes_gzip(&headers), takes, "{accept:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
