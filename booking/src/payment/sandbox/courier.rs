//! Brings webhooks to the shop, each until it is taken or given up, and wakes what has to happen by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::api::Front;
use super::book::Letter;
use super::{SandboxError, WebhookTarget};
use crate::payment::client::Client;
use crate::payment::webhook::{SIGNATURE_HEADER, sign};

/// How long the shop may take to answer a webhook.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Webhooks under way at once.
const UNDER_WAY_MAX: usize = 8;

/// The pause before the second attempt; it doubles with each.
const AGAIN_AFTER_MS: i64 = 250;

/// The longest pause.
const AGAIN_AFTER_MS_MAX: i64 = 60_000;

/// Attempts: they reach over half an hour, which is longer than a shop's restart and any order's patience.
const TRIES_MAX: u32 = 40;

/// How long to rest when nothing is due, and after the book failed.
const REST: Duration = Duration::from_secs(30);

/// The pause after the book failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The courier.
pub(super) struct Courier {
    front: Arc<Front>,
    way: Option<Arc<(Client, WebhookTarget)>>,
}

impl Courier {
    pub(super) fn new(front: Arc<Front>, target: Option<WebhookTarget>) -> Result<Self, SandboxError> {
        let way = match target {
            None => None,
            Some(target) => {
                let tls = target.url.starts_with("https://");
                let client = Client::new(ANSWER_WITHIN, tls).map_err(SandboxError::Certificates)?;
                Some(Arc::new((client, target)))
            }
        };
        Ok(Self { front, way })
    }

    /// Works until it is dropped. What is under way then is brought again by the next one.
    pub(super) async fn run(self) {
        let mut under_way: JoinSet<()> = JoinSet::new();
        loop {
            let free = match &self.way {
                Some(_) => UNDER_WAY_MAX - under_way.len(),
                None => 0,
            };
            let rest = match self.front.desk.due(free).await {
                Ok(due) => {
                    for letter in due.letters {
                        if let Some(way) = &self.way {
                            under_way.spawn(bring(Arc::clone(&self.front), Arc::clone(way), letter));
                        }
                    }
                    let now_ms = self.front.desk.clock().now_ms;
                    let until_next = due.next_at_ms.map(|at| at.saturating_sub(now_ms).max(0));
                    until_next.map_or(REST, |ms| Duration::from_millis(ms.unsigned_abs()).min(REST))
                }
                Err(error) => {
                    tracing::error!(%error, "the sandbox's webhooks cannot be read");
                    AFTER_FAILURE
                }
            };
            // With every hand full, only one that comes free is worth waking up for.
            let full = under_way.len() >= UNDER_WAY_MAX;
            tokio::select! {
                Some(_) = under_way.join_next() => {}
                () = self.front.desk.wake.notified(), if !full => {}
                () = tokio::time::sleep(rest), if !full => {}
            }
        }
    }
}

async fn bring(front: Arc<Front>, way: Arc<(Client, WebhookTarget)>, letter: Letter) {
    let (client, target) = &*way;
    let failure = send(client, target, letter.body).await.err();
    let again_in_ms = match &failure {
        None => None,
        Some(why) if letter.tries >= TRIES_MAX => {
            tracing::warn!(%why, tries = letter.tries, "a webhook of the sandbox was not taken and is given up");
            None
        }
        Some(why) => {
            tracing::debug!(%why, tries = letter.tries, "a webhook of the sandbox was not taken");
            let doubled = AGAIN_AFTER_MS << (letter.tries.saturating_sub(1)).min(16);
            Some(doubled.min(AGAIN_AFTER_MS_MAX))
        }
    };
    if let Err(error) = front.desk.posted(letter.seq, again_in_ms).await {
        tracing::error!(%error, "the sandbox cannot note that a webhook was sent; it will be sent again");
    }
}

async fn send(client: &Client, target: &WebhookTarget, body: String) -> Result<(), String> {
    let signature = sign(
        std::slice::from_ref(&target.secret),
        body.as_bytes(),
        Timestamp::now(),
    );
    let request = Request::builder()
        .method(Method::POST)
        .uri(&target.url)
        .header("content-type", "application/json; charset=utf-8")
        .header(SIGNATURE_HEADER, signature)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let reply = client.send(request).await?;
    if reply.status.is_success() {
        Ok(())
    } else {
        Err(format!("status {}", reply.status))
    }
}
