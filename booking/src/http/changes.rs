//! The change feed: what search, and whoever else keeps a copy of the catalogue, reads on from where it was.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;
use super::wire::ChangeList;
use crate::domain::EventFilter;

/// Changes in one answer where the query does not say.
const LIMIT_DEFAULT: u32 = 50;

/// `GET /changes?after=VERSION&limit=N`; JSON for everyone. From 0 it is the whole catalogue, past events included.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (after, limit) = asked(query.as_deref())?;
    let page = app.store.changes(after, limit).await?;
    Ok(Json(ChangeList::from(&page)).into_response())
}

/// An empty value counts as absent, an unknown name is ignored.
fn asked(query: Option<&str>) -> Result<(i64, u32), Problem> {
    let (mut after, mut limit) = (0, LIMIT_DEFAULT);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let value = value.trim();
        let number = value.parse::<i64>().ok().filter(|_| !value.starts_with('+'));
        match name.as_ref() {
            _ if value.is_empty() => {}
            "after" => {
                let wrong = || Problem::bad_request("`after`: a version, which is a whole number from 0.");
                after = number.filter(|after| *after >= 0).ok_or_else(wrong)?;
            }
            "limit" => {
                let most = i64::from(EventFilter::LIMIT_MAX);
                let wrong = || Problem::bad_request(format!("`limit`: a whole number from 1 to {most}."));
                let number = number.filter(|limit| (1..=most).contains(limit));
                limit = number
                    .and_then(|limit| u32::try_from(limit).ok())
                    .ok_or_else(wrong)?;
            }
            _ => {}
        }
    }
    Ok((after, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_a_limit_are_read_strictly() {
        assert_eq!(asked(None).ok(), Some((0, LIMIT_DEFAULT)));
        assert_eq!(asked(Some("after=&limit=&x=1")).ok(), Some((0, LIMIT_DEFAULT)));
        assert_eq!(asked(Some("limit=200&after=17")).ok(), Some((17, 200)));
        for query in [
            "after=-1",
            "after=x",
            "after=9223372036854775808",
            "after=%2B1",
            "limit=0",
            "limit=201",
            "limit=x",
        ] {
            assert!(asked(Some(query)).is_err(), "{query}");
        }
    }
}
