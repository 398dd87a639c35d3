//! A payment as the provider describes it, and its refunds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decline::Decline;
use super::error::{ProviderError, WireError};
use super::names::IntentId;
use crate::domain::Money;
use crate::payment::units::from_provider;

/// The metadata under which an intent carries our order's id.
pub(in crate::payment) const ORDER_KEY: &str = "order_id";

/// The metadata under which an intent carries the address to which a hosted page returns the fan.
pub(in crate::payment) const RETURN_KEY: &str = "return_url";

/// How far a payment has come, in Stripe's words (<https://docs.stripe.com/payments/paymentintents/lifecycle>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No card yet, or the last one was declined.
    RequiresPaymentMethod,
    /// A card, and nobody has said "pay".
    RequiresConfirmation,
    /// The fan must do something at their bank.
    RequiresAction,
    /// The bank has not answered yet.
    Processing,
    /// Authorised and not taken.
    RequiresCapture,
    /// Given up; the authorisation, if there was one, is released.
    Canceled,
    /// Taken.
    Succeeded,
}

impl Status {
    /// Whether nothing will change any more but by a refund.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::Succeeded)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Canceled => "canceled",
            Self::Succeeded => "succeeded",
        })
    }
}

/// A payment.
#[derive(Clone, PartialEq)]
pub struct Intent {
    /// The provider's id.
    pub id: IntentId,
    /// How far it has come.
    pub status: Status,
    /// What was asked for.
    pub amount: Money,
    /// What is authorised and could be taken now.
    pub amount_capturable: Money,
    /// What was taken, before refunds.
    pub amount_received: Money,
    /// Our order's id, as it was given at creation.
    pub order: Option<String>,
    /// Why the last card was not charged.
    pub last_error: Option<Decline>,
    /// Where the fan goes on: the bank's page, or the sandbox's hosted page as long as a card is missing.
    pub next_action_url: Option<String>,
    /// What a page of ours hands to the provider's script. Not for logs.
    pub client_secret: Option<String>,
}

/// Without the client secret, with which a stranger could pay or look.
impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intent")
            .field("id", &self.id.as_str())
            .field("status", &self.status)
            .field("amount", &self.amount)
            .field("amount_capturable", &self.amount_capturable.amount)
            .field("amount_received", &self.amount_received.amount)
            .field("order", &self.order)
            .field("last_error", &self.last_error)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
pub(super) struct WireIntent {
    id: String,
    status: Status,
    amount: i64,
    currency: String,
    amount_capturable: Option<i64>,
    amount_received: Option<i64>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
    last_payment_error: Option<WireError>,
    next_action: Option<Value>,
    client_secret: Option<String>,
}

impl WireIntent {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn read(self) -> Result<Intent, ProviderError> {
        let no_money = || ProviderError::unreadable("a payment whose amount is no money");
        let money = |amount| from_provider(amount, &self.currency).ok_or_else(no_money);
        // Where a provider leaves these two out, they follow from the status, since we take all or nothing.
        let capturable = self.amount_capturable.unwrap_or(match self.status {
            Status::RequiresCapture => self.amount,
            _ => 0,
        });
        let received = self.amount_received.unwrap_or(match self.status {
            Status::Succeeded => self.amount,
            _ => 0,
        });
        let order = self
            .metadata
            .as_ref()
            .and_then(|metadata| Some(metadata.get(ORDER_KEY)?.as_str()?.to_owned()));
        let next_action_url = self
            .next_action
            .as_ref()
            .and_then(|action| action["redirect_to_url"]["url"].as_str())
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .map(str::to_owned);
        Ok(Intent {
            id: self
                .id
                .parse()
                .map_err(|_| ProviderError::unreadable("a payment without an id"))?,
            status: self.status,
            amount: money(self.amount)?,
            amount_capturable: money(capturable)?,
            amount_received: money(received)?,
            order,
            last_error: self.last_payment_error.as_ref().map(WireError::decline),
            next_action_url,
            client_secret: self.client_secret,
        })
    }
}

/// How far a refund has come, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The fan must say where the money should go.
    RequiresAction,
    /// Paid back, or as good as that.
    Succeeded,
    /// The bank sent it back.
    Failed,
    /// Stopped while it was pending.
    Canceled,
}

impl RefundStatus {
    /// Whether the money counts as paid back.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }
}

/// Money paid back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The provider's id: `re_...`.
    pub id: String,
    /// How much.
    pub amount: Money,
    /// How far it has come.
    pub status: RefundStatus,
}

#[derive(Deserialize)]
pub(super) struct WireRefund {
    id: String,
    amount: i64,
    currency: String,
    status: RefundStatus,
}

impl WireRefund {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn read(self) -> Result<Refund, ProviderError> {
        let amount = from_provider(self.amount, &self.currency)
            .ok_or_else(|| ProviderError::unreadable("a refund whose amount is no money"))?;
        Ok(Refund {
            id: self.id,
            amount,
            status: self.status,
        })
    }
}
