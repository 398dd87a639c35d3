//! What holds for every call: the token, a deadline, and the headers that go with any answer.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Shared, problems};
use crate::request::problem::cases;

/// How long a call may take until its answer begins, its body included. Ending a visit may wait three seconds for a
/// tick, and a change two for the edge to see it.
const CALL_WITHIN: Duration = Duration::from_secs(8);

/// The admin token as it is kept: hashed, so that texts of any length compare in the same time.
pub(super) struct Token([u8; 32]);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn is(&self, sent: &str) -> bool {
        Token::new(sent).0.ct_eq(&self.0).into()
    }
}

/// Lets a call pass that brings the token.
pub(super) async fn need_token(State(admin): State<Shared>, request: Request, next: Next) -> Response {
    if bearer(request.headers()).is_some_and(|sent| admin.state.token.is(sent)) {
        next.run(request).await
    } else {
        admin.state.metrics.refused("admin_token");
        cases::unauthorized().into_response()
    }
}

/// The token of the only `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Gives a call up at its deadline. A stream has answered by then, and goes on.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(CALL_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problems::too_slow().into_response(),
    }
}

/// Figures are of the moment, and are what they say they are.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(bearer(&sent(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&sent(&["bearer  abc "])), Some("abc"));
        for other in [
            &[][..],
            &["abc"],
            &["Basic abc"],
            &["Bearer"],
            &["Bearer abc", "Bearer abc"],
        ] {
            assert_eq!(bearer(&sent(other)), None, "{other:?}");
        }
    }

    #[test]
    fn only_the_whole_token_will_do() {
        let token = Token::new("0123456789abcdef");
        assert!(token.is("0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"] {
            assert!(!token.is(other), "{other:?}");
        }
    }
}
