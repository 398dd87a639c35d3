//! What went wrong with a call, sorted by what is to be done about it.

use std::time::Duration;

use serde::Deserialize;

use super::decline::Decline;
use super::intent::Intent;
use crate::payment::client::Reply;

/// Longest text of the provider that is passed on, in characters.
const MESSAGE_LEN_MAX: usize = 300;

/// Why a call did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProviderError {
    /// Unreachable, too late, 5xx, or an answer that cannot be read. It may have been carried out: ask again with the
    /// same key, or read the intent.
    #[error("whether the payment provider did it is not known: {why}")]
    Unknown {
        /// What was seen.
        why: String,
    },
    /// Asked too often, or the same key is being worked on at this moment. Ask again later with the same key.
    #[error("the payment provider asks to come back later")]
    Later {
        /// When, if it says.
        after: Option<Duration>,
    },
    /// The card's bank said no. Final for this key; the fan may try another card.
    #[error("declined: {}", .0.code)]
    Declined(Decline),
    /// The intent is in a state in which this cannot be done; the call was refused for that and nothing happened.
    #[error("the payment is {}, so this cannot be done", .0.status)]
    State(Box<Intent>),
    /// There is no such thing at the provider, under this account.
    #[error("the payment provider does not know it: {message}")]
    NotFound {
        /// The provider's words.
        message: String,
    },
    /// The key, the account or the request is wrong. No fan can help it and no repetition will: for the operator.
    #[error("the payment provider refuses the request ({status} {code}): {message}")]
    Refused {
        /// The HTTP status; 0 where it was refused before it was sent.
        status: u16,
        /// The provider's word for the error, as far as it gives one.
        code: String,
        /// The provider's words.
        message: String,
    },
}

impl ProviderError {
    /// Whether the same call with the same key is worth repeating.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Later { .. })
    }

    pub(super) fn unreadable(what: &str) -> Self {
        let why = format!("the answer is {what}");
        Self::Unknown { why }
    }

    pub(super) fn unsent(code: &str, message: &str) -> Self {
        Self::Refused {
            status: 0,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// Sorts an answer that is no success.
    pub(super) fn sort(reply: &Reply) -> Self {
        #[derive(Default, Deserialize)]
        struct Wire {
            error: WireError,
        }
        let status = reply.status.as_u16();
        let wire: Wire = serde_json::from_slice(&reply.body).unwrap_or_default();
        let error = wire.error;
        let message = short(error.message.as_deref().unwrap_or("no explanation"));
        match status {
            402 => Self::Declined(error.decline()),
            404 => Self::NotFound { message },
            409 | 429 => Self::Later {
                after: reply.retry_after,
            },
            400..=499 => Self::Refused {
                status,
                code: short(error.code.or(error.kind).as_deref().unwrap_or("no code")),
                message,
            },
            _ => Self::Unknown {
                why: format!("status {status}: {message}"),
            },
        }
    }
}

/// Stripe's error object, in answers and as an intent's last error.
#[derive(Default, Deserialize)]
pub(super) struct WireError {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

impl WireError {
    pub(super) fn decline(&self) -> Decline {
        let code = self.decline_code.as_deref().or(self.code.as_deref());
        Decline::new(&short(code.unwrap_or("card_declined")))
    }
}

/// No longer than what is worth logging.
fn short(text: &str) -> String {
    text.chars().take(MESSAGE_LEN_MAX).collect()
}
