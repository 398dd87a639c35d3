//! Who calls: the account, by its login, and whether the edge let the request in.

use axum::http::{HeaderMap, HeaderValue, header};

use super::App;
use super::problem::Problem;
use crate::admission::{ASSERTION_HEADER, Admission};
use crate::domain::{Account, Owner, SessionId};
use crate::login::LOGIN_TTL;

/// The cookie of a login. Under TLS it may come from this very host only, which the prefix makes browsers see to.
const COOKIE: &str = "booking_user";
const COOKIE_UNDER_TLS: &str = "__Host-booking_user";

/// Somebody who has logged in.
pub(super) struct Caller {
    pub(super) account: Account,
    pub(super) session: SessionId,
}

impl Caller {
    /// The owner of what the account holds.
    pub(super) fn owner(&self) -> Owner {
        Owner::account(&self.account.id)
    }
}

impl App {
    /// Who is asking, where they have logged in; nobody is refused.
    pub(super) async fn reader(&self, headers: &HeaderMap) -> Option<Owner> {
        let caller = self.caller(headers).await.ok().flatten();
        caller.map(|caller| caller.owner())
    }

    /// Who is asking; refused without a login.
    pub(super) async fn somebody(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        self.caller(headers).await?.ok_or_else(Problem::login_needed)
    }

    /// Who is writing; refused without a login, without admission where it is required, and from other sites' pages.
    pub(super) async fn writer(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        same_site(headers)?;
        if let Admission::Required(keys) = &self.admission {
            keys.verify(assertion(headers)).await?;
        }
        self.somebody(headers).await
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let Some(token) = token(headers) else {
            return Ok(None);
        };
        let found = self.desk.whose(token).await?;
        Ok(found.map(|(account, session)| Caller { account, session }))
    }
}

/// Refuses what another site's page makes a browser send.
pub(super) fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let foreign = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    if foreign {
        Err(Problem::cross_site())
    } else {
        Ok(())
    }
}

/// The cookie that keeps a login, or (with none) the one that ends it.
pub(super) fn login_cookie(token: Option<&str>, headers: &HeaderMap) -> HeaderValue {
    let name = cookie_name(headers);
    let secure = if name == COOKIE_UNDER_TLS { "; Secure" } else { "" };
    let age = token.map_or(0, |_| LOGIN_TTL.as_secs());
    let token = token.unwrap_or_default();
    let cookie = format!("{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).expect("a token is base64 and dots")
}

/// The one cookie that is believed: under TLS none that another host or a plain connection could have set.
fn cookie_name(headers: &HeaderMap) -> &'static str {
    let tls = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https");
    if tls { COOKIE_UNDER_TLS } else { COOKIE }
}

/// Where the request came from, as the edge says, which puts the address it saw last.
pub(super) fn address(headers: &HeaderMap) -> &str {
    let mut lists = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|list| list.to_str().ok());
    let last = lists.next_back().and_then(|list| list.rsplit(',').next());
    last.map_or("here", str::trim)
}

/// The user token: the one of an app, or the cookie's.
fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some((scheme, token)) = bearer.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Some(token.trim());
    }
    let wanted = cookie_name(headers);
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
        .next()
}

/// Whether the edge says anything about the request at all.
pub(super) fn has_assertion(headers: &HeaderMap) -> bool {
    headers.contains_key(ASSERTION_HEADER)
}

fn assertion(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(ASSERTION_HEADER)
        .and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_tls_only_the_cookie_of_this_very_host_is_believed() {
        let cookies = "booking_user=planted; __Host-booking_user=own";
        let mut headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookies))]);
        assert_eq!(token(&headers), Some("planted"), "without TLS there is no other");
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert_eq!(token(&headers), Some("own"));
        headers.insert(header::COOKIE, HeaderValue::from_static("booking_user=planted"));
        assert_eq!(token(&headers), None);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer app"));
        assert_eq!(token(&headers), Some("app"));
    }
}
