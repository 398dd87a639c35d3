//! Who calls: the owner of holds, by the edge's assertion or by booking's own cookie.

use axum::http::{HeaderMap, HeaderValue, header};

use super::App;
use super::problem::Problem;
use crate::admission::{ASSERTION_HEADER, Admission};
use crate::domain::Owner;

/// The cookie of a browser that is not behind an edge.
const COOKIE: &str = "booking_owner";

/// A month: as long as a hold could ever matter, and more.
const COOKIE_MAX_AGE_S: u32 = 30 * 24 * 3600;

/// Who is writing.
pub(super) struct Writer {
    pub(super) owner: Owner,
    /// The cookie to set, for a browser seen for the first time.
    pub(super) new_cookie: Option<HeaderValue>,
}

impl App {
    /// Who is reading, as far as that can be told; nobody is refused.
    pub(super) async fn reader(&self, headers: &HeaderMap) -> Option<Owner> {
        match &self.admission {
            Admission::Open => cookie(headers).and_then(Owner::browser),
            Admission::Required(keys) => match assertion(headers) {
                None => None,
                sent => keys.verify(sent).await.ok(),
            },
        }
    }

    /// Who is writing; refused without admission where it is required, and from other sites' pages always.
    pub(super) async fn writer(&self, headers: &HeaderMap) -> Result<Writer, Problem> {
        if headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site")
        {
            return Err(Problem::cross_site());
        }
        if let Admission::Required(keys) = &self.admission {
            let owner = keys.verify(assertion(headers)).await?;
            return Ok(Writer {
                owner,
                new_cookie: None,
            });
        }
        if let Some(owner) = cookie(headers).and_then(Owner::browser) {
            return Ok(Writer {
                owner,
                new_cookie: None,
            });
        }
        let (owner, name) = Owner::new_browser(rand::random());
        let tls = headers
            .get("x-forwarded-proto")
            .is_some_and(|proto| proto == "https");
        let secure = if tls { "; Secure" } else { "" };
        let cookie =
            format!("{COOKIE}={name}; Path=/; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; SameSite=Lax{secure}");
        Ok(Writer {
            owner,
            new_cookie: HeaderValue::try_from(cookie).ok(),
        })
    }
}

fn assertion(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(ASSERTION_HEADER)
        .and_then(|value| value.to_str().ok())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
        .next()
}
