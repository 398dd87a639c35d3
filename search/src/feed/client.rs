//! Reads the whole catalogue from booking over HTTP, page by page.
//!
//! Every answer has a deadline and a bound on its size, every reading a bound on its events, and paging must move
//! forward, so a broken or hostile origin costs a failed reading and nothing else. Only `GET`, so that repeating is safe.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH, USER_AGENT};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::timeout;

use crate::catalogue::{Catalogue, CatalogueVersion, Event, EventId};

/// One page, from connecting to the last byte. Booking answers in milliseconds; this is for one that hangs.
const PAGE_DEADLINE: Duration = Duration::from_secs(10);

/// Events asked for at once.
const PAGE_EVENTS: usize = 200;

/// A page of 200 events is some 200 kB; with long descriptions and many showtimes a few megabytes.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// The catalogue's version, where its pages' tags also tell of what is no part of it: the seats left.
const CATALOGUE: HeaderName = HeaderName::from_static("tidegate-catalogue");

/// Events a catalogue may have, which bounds the memory of a reading (about 1 kB each).
const EVENTS_MAX: usize = 1_000_000;

/// Reads booking's catalogue.
pub(crate) struct CatalogueClient {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

/// What a reading brought.
#[derive(Debug)]
pub(crate) enum Reading {
    /// The catalogue is still in the known version.
    Unchanged,
    /// The whole catalogue, and how many events had to be left out.
    Catalogue { catalogue: Catalogue, unreadable: usize },
}

/// Why a catalogue's address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no address.
    #[error("it is not a URL ({0})")]
    Invalid(#[from] InvalidUri),
    /// It is an address of another kind.
    #[error("it must have the form http://host:port, as both services stand in the same network")]
    NotHttp,
}

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("no answer from {uri}: {}", chain(source.as_ref()))]
    Unreachable {
        uri: String,
        source: Box<hyper_util::client::legacy::Error>,
    },
    #[error("no whole answer from {uri} within {} s", PAGE_DEADLINE.as_secs())]
    Late { uri: String },
    #[error("{uri} answered {status}{}", hint(*status))]
    Status { uri: String, status: StatusCode },
    #[error("the answer of {uri} broke off or is larger than {PAGE_BYTES_MAX} bytes: {reason}")]
    Body { uri: String, reason: String },
    #[error("the answer of {uri} is not a page of events: {source}")]
    NotAPage { uri: String, source: serde_json::Error },
    #[error("none of the {events} events of {uri} can be read, the first because: {source}")]
    NoneReadable {
        uri: String,
        events: usize,
        source: serde_json::Error,
    },
    #[error("{uri} names {next} as what follows, which does not lie ahead")]
    Stuck { uri: String, next: u64 },
    #[error("{uri} is a full page and does not say what follows")]
    Endless { uri: String },
    #[error("the catalogue has more than {EVENTS_MAX} events")]
    TooMany,
    #[error("the address {0} cannot be asked")]
    Address(String),
}

/// A page as it comes. Events are taken one by one, so that one that cannot be read does not hide the others.
#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Value>,
    /// What follows; `Some(None)` where the page says that nothing does.
    #[serde(default, alias = "next_after", deserialize_with = "said")]
    next: Option<Option<EventId>>,
}

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<EventId>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Page {
    /// After which event the next page begins; `None` on the last. A full page that does not say is an error: taking it
    /// for the last one would silently lose the rest of the catalogue.
    fn following(&self, after: EventId, uri: &Uri) -> Result<Option<EventId>, ReadError> {
        match self.next {
            Some(Some(next)) if next <= after => Err(ReadError::Stuck {
                uri: uri.to_string(),
                next: next.0,
            }),
            Some(next) => Ok(next),
            None if self.events.len() >= PAGE_EVENTS => Err(ReadError::Endless { uri: uri.to_string() }),
            None => Ok(None),
        }
    }
}

impl CatalogueClient {
    /// A client of the booking service at this address.
    pub(crate) fn new(catalogue_url: &str) -> Result<Self, UrlError> {
        let base = catalogue_url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse()?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(UrlError::NotHttp);
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PAGE_DEADLINE));
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base,
        })
    }

    /// Reads everything, unless the catalogue still is in the version `known`.
    ///
    /// The version that counts is the first page's: a change during the reading gives the catalogue another one, and the
    /// next refresh reads again.
    pub(crate) async fn read(
        &self,
        known: Option<&CatalogueVersion>,
        now: Timestamp,
    ) -> Result<Reading, ReadError> {
        let mut catalogue = Catalogue {
            version: None,
            read_at: now,
            events: Vec::new(),
        };
        let mut unreadable = 0;
        let mut after = EventId(0);
        loop {
            let first = after == EventId(0);
            let (uri, headers, body) = match self.page(after, known.filter(|_| first)).await? {
                Some(page) => page,
                None => return Ok(Reading::Unchanged),
            };
            if first {
                catalogue.version = version(&headers);
                if known.is_some() && catalogue.version.as_ref() == known {
                    return Ok(Reading::Unchanged);
                }
            }
            let page: Page = serde_json::from_slice(&body).map_err(|source| ReadError::NotAPage {
                uri: uri.to_string(),
                source,
            })?;
            let following = page.following(after, &uri)?;
            unreadable += take(page.events, &mut catalogue.events, &uri)?;
            if catalogue.events.len() > EVENTS_MAX {
                return Err(ReadError::TooMany);
            }
            match following {
                None => {
                    return Ok(Reading::Catalogue {
                        catalogue,
                        unreadable,
                    });
                }
                Some(next) => after = next,
            }
        }
    }

    /// One page, or `None` where nothing has changed.
    async fn page(
        &self,
        after: EventId,
        known: Option<&CatalogueVersion>,
    ) -> Result<Option<(Uri, HeaderMap, Bytes)>, ReadError> {
        let address = format!("{}/events?after={}&limit={PAGE_EVENTS}", self.base, after.0);
        let uri: Uri = address.parse().map_err(|_| ReadError::Address(address))?;
        let mut request = Request::get(uri.clone())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("tidegate-search/", env!("CARGO_PKG_VERSION")));
        if let Some(CatalogueVersion(known)) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        let request = request
            .body(Empty::new())
            .map_err(|_| ReadError::Address(uri.to_string()))?;
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|source| ReadError::Unreachable {
                    uri: uri.to_string(),
                    source: Box::new(source),
                })?;
            let (head, body) = answer.into_parts();
            match head.status {
                StatusCode::OK => {}
                StatusCode::NOT_MODIFIED if known.is_some() => return Ok(None),
                status => {
                    return Err(ReadError::Status {
                        uri: uri.to_string(),
                        status,
                    });
                }
            }
            let body = Limited::new(body, PAGE_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| ReadError::Body {
                    uri: uri.to_string(),
                    reason: error.to_string(),
                })?;
            Ok(Some((uri.clone(), head.headers, body.to_bytes())))
        };
        timeout(PAGE_DEADLINE, exchange)
            .await
            .unwrap_or_else(|_| Err(ReadError::Late { uri: uri.to_string() }))
    }
}

/// Adds the events that can be read and says how many could not. A page of which nothing can be read is an error: the
/// shape has changed, and an index that loses everything would be worse than an old one.
fn take(values: Vec<Value>, events: &mut Vec<Event>, uri: &Uri) -> Result<usize, ReadError> {
    let before = events.len();
    let count = values.len();
    let mut first_error = None;
    for value in values {
        match serde_json::from_value::<Event>(value) {
            Ok(event) => events.push(event),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    let read = events.len() - before;
    match first_error {
        Some(source) if read == 0 => Err(ReadError::NoneReadable {
            uri: uri.to_string(),
            events: count,
            source,
        }),
        _ => Ok(count - read),
    }
}

fn version(headers: &HeaderMap) -> Option<CatalogueVersion> {
    headers
        .get(CATALOGUE)
        .or_else(|| headers.get(ETAG))?
        .to_str()
        .ok()
        .map(|etag| CatalogueVersion(etag.to_owned()))
}

/// What an operator can do about an answer.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            ": search reads without a login, which booking allows unless its login = \"all\""
        }
        _ => "",
    }
}

/// An error with what lies beneath it: the client's own text does not say that a connection was refused.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_is_refused_at_once() {
        assert!(CatalogueClient::new("http://127.0.0.1:8081/").is_ok());
        assert!(CatalogueClient::new("http://booking/base").is_ok());
        for url in [
            "",
            "127.0.0.1:8081",
            "https://booking",
            "/events",
            "http://",
            "ftp://a",
            "http://a/?b=c",
        ] {
            assert!(CatalogueClient::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_page_says_what_follows_or_is_the_last_and_short() {
        let uri = Uri::from_static("http://booking/events");
        let following = |text: &str| {
            let page: Page = serde_json::from_str(text).unwrap();
            page.following(EventId(5), &uri)
                .map(|next| next.map(|next| next.0))
        };
        let full = format!("[{}1]", "1,".repeat(PAGE_EVENTS - 1));
        assert_eq!(following(r#"{"events":[],"next":9}"#).unwrap(), Some(9));
        assert_eq!(following(r#"{"events":[],"next_after":9}"#).unwrap(), Some(9));
        assert_eq!(following(r#"{"events":[]}"#).unwrap(), None);
        assert_eq!(
            following(&format!(r#"{{"events":{full},"next":null}}"#)).unwrap(),
            None
        );
        assert!(matches!(
            following(&format!(r#"{{"events":{full}}}"#)),
            Err(ReadError::Endless { .. })
        ));
        assert!(matches!(
            following(r#"{"events":[],"next":5}"#),
            Err(ReadError::Stuck { .. })
        ));
    }

    #[test]
    fn what_cannot_be_read_is_left_out_but_not_everything() {
        let uri = Uri::from_static("http://booking/events");
        let good = serde_json::json!({"id": 1, "title": "Ghosts"});
        let bad = serde_json::json!({"id": "one"});
        let mut events = Vec::new();
        assert_eq!(take(vec![good, bad.clone()], &mut events, &uri).unwrap(), 1);
        assert_eq!(events.len(), 1);
        assert!(matches!(
            take(vec![bad], &mut events, &uri),
            Err(ReadError::NoneReadable { events: 1, .. })
        ));
        assert_eq!(take(Vec::new(), &mut events, &uri).unwrap(), 0);
    }
}
