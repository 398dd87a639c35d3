//! Requests and answers as bytes: forms out, JSON in, the key in a header.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ProviderError;
use super::names::IdempotencyKey;
use super::{ProviderConfig, ProviderConfigError};
use crate::payment::client::Client;

/// The version of the API that this code was written against. Without it an account's own default would decide.
const API_VERSION: &str = "2024-06-20";

/// Things on one page of a list: the most that Stripe gives.
const PAGE: usize = 100;

/// A name and a value of a form or a query.
pub(super) type Field<'a> = (&'a str, &'a str);

/// The way to the provider.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client,
    base: String,
    authorization: HeaderValue,
}

/// One page of a list or a search.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
    #[serde(default)]
    pub(super) next_page: Option<String>,
}

impl Wire {
    pub(super) fn new(config: &ProviderConfig) -> Result<Self, ProviderConfigError> {
        let base = config.api_base.trim_end_matches('/');
        let bad = || ProviderConfigError::Base {
            base: config.api_base.clone(),
        };
        let uri: Uri = base.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(bad());
        }
        let key = config.secret_key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProviderConfigError::Key);
        }
        if !tls && ["sk_live_", "rk_live_"].iter().any(|live| key.starts_with(live)) {
            return Err(ProviderConfigError::Clear);
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| ProviderConfigError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self {
            client: Client::new(config.call_within, tls).map_err(ProviderConfigError::Certificates)?,
            base: base.to_owned(),
            authorization,
        })
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &[Field<'_>],
        key: &IdempotencyKey,
    ) -> Result<T, ProviderError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("idempotency-key", key.as_str());
        self.send(request, encode(form)).await
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Field<'_>],
    ) -> Result<T, ProviderError> {
        let mut uri = format!("{}{path}", self.base);
        if !query.is_empty() {
            uri.push('?');
            uri.push_str(&encode(query));
        }
        self.send(Request::builder().method(Method::GET).uri(uri), String::new())
            .await
    }

    /// Walks a list to its end, or to `most` things; says whether the end was reached.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Field<'_>],
        id: impl Fn(&T) -> &str,
        most: usize,
    ) -> Result<(Vec<T>, bool), ProviderError> {
        let limit = PAGE.to_string();
        let mut all: Vec<T> = Vec::new();
        loop {
            let after = all.last().map(|last| id(last).to_owned());
            let mut fields = query.to_vec();
            fields.push(("limit", &limit));
            fields.extend(after.as_deref().map(|after| ("starting_after", after)));
            let page: Page<T> = self.get(path, &fields).await?;
            let stuck = page.data.is_empty();
            all.extend(page.data);
            if !page.has_more || stuck {
                return Ok((all, !page.has_more));
            }
            if all.len() >= most {
                return Ok((all, false));
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<T, ProviderError> {
        let request = request
            .header(AUTHORIZATION, self.authorization.clone())
            .header("stripe-version", API_VERSION)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ProviderError::unsent("request", &error.to_string()))?;
        let reply = self.client.send(request).await;
        let reply = reply.map_err(|why| ProviderError::Unknown { why })?;
        if !reply.status.is_success() {
            return Err(ProviderError::sort(&reply));
        }
        serde_json::from_slice(&reply.body)
            .map_err(|error| ProviderError::unreadable(&format!("not what was expected: {error}")))
    }
}

fn encode(fields: &[Field<'_>]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}
