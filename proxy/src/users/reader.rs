//! Reads the keys of user tokens, in the background: one request at a time, bounded in length and time, and never sooner
//! than `ASK_EVERY` after the last one, whatever tokens ask for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;

use super::Users;
use super::keys::Keys;
use crate::metrics::Metrics;

/// The keys are asked for at most this often: after a failure, and when a token names one that is not known.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// They are read again after this, so that a new key is known before it signs much, and one that was taken back stops
/// being believed.
const READ_EVERY: Duration = Duration::from_secs(60);

/// How long one reading may take.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Most bytes of a key document; each key takes about 150.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The address of the keys cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users.jwks_url is {0:?}; write http://HOST[:PORT]/PATH")]
pub struct BadAddress(String);

/// Keeps the keys of [`Users`] as they stand at their address.
pub struct Reader {
    users: Arc<Users>,
    metrics: Arc<Metrics>,
    address: Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Reader {
    /// For the users' own address. Asks nothing yet.
    pub fn new(users: Arc<Users>, metrics: Arc<Metrics>) -> Result<Self, BadAddress> {
        let bad = || BadAddress(users.jwks_url.clone());
        let address: Uri = users.jwks_url.parse().map_err(|_| bad())?;
        if address.scheme_str() != Some("http") || address.host().is_none() {
            return Err(bad());
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(READ_WITHIN));
        Ok(Self {
            address,
            client: Client::builder(TokioExecutor::new()).build(connector),
            users,
            metrics,
        })
    }

    /// Reads the keys now and again and again, until `stop`.
    pub async fn follow(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.read_on() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn read_on(&self) {
        // Said when it changes, not each time.
        let mut were_read = None;
        loop {
            let read = self.read().await;
            let are_read = read.is_ok();
            self.metrics.user_keys_up(are_read);
            match read {
                Ok(()) if were_read == Some(false) => {
                    tracing::info!(address = %self.address, "the keys of user tokens can be read again");
                }
                Err(why) if were_read != Some(false) => {
                    let believed_for = self.users.keys_ttl;
                    tracing::warn!(
                        address = %self.address, %why, ?believed_for,
                        "the keys of user tokens cannot be read; those known are believed for this long"
                    );
                }
                _ => {}
            }
            were_read = Some(are_read);
            tokio::time::sleep(ASK_EVERY).await;
            if are_read {
                let wanted = self.users.wanted.notified();
                let _ = tokio::time::timeout(READ_EVERY - ASK_EVERY, wanted).await;
            }
        }
    }

    async fn read(&self) -> Result<(), String> {
        // What was true when it was asked for is at least as old as that.
        let asked_at = Instant::now();
        let keys = match tokio::time::timeout(READ_WITHIN, self.fetch()).await {
            Ok(fetched) => fetched?,
            Err(_) => return Err(format!("no answer within {} s", READ_WITHIN.as_secs())),
        };
        self.users.learn(keys, asked_at);
        Ok(())
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let asking = self.client.get(self.address.clone());
        let answer = asking.await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX).collect();
        let body = body.await.map_err(|error| error.to_string())?.to_bytes();
        Keys::read(&body).map_err(|error| error.to_string())
    }
}
