//! The adapter: PaymentIntents with manual capture over HTTP. The same code speaks to Stripe, to the sandbox, and to
//! other servers that know the same calls.
//!
//! Every call has a deadline and a bounded answer, is sent once, and says in [`ProviderError`] whether it should be
//! repeated: that decision is the caller's, who also keeps the idempotency keys.

mod decline;
mod error;
mod find;
mod intent;
mod names;
mod wire;

use std::time::Duration;

pub use decline::Decline;
pub use error::ProviderError;
pub use find::Found;
pub use intent::{Intent, Refund, RefundStatus, Status};
pub(in crate::payment) use intent::{ORDER_KEY, RETURN_KEY};
pub use names::{BadIdempotencyKey, BadIntentId, IdempotencyKey, IntentId};

use super::Secret;
use super::units::to_provider;
use crate::domain::Money;
use intent::{WireIntent, WireRefund};
use wire::Wire;

/// Where real Stripe answers.
pub const STRIPE_API: &str = "https://api.stripe.com";

/// How long a call may take unless the configuration says otherwise. Banks answer an authorisation in one to three
/// seconds; what takes this long is better asked again with its key.
pub const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Refunds of one payment that are looked at. One order has a handful of tickets.
const REFUNDS_MAX: usize = 1000;

/// What the adapter is made of.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// [`STRIPE_API`], or the sandbox's `http://HOST:PORT`.
    pub api_base: String,
    /// The secret key, `sk_...`.
    pub secret_key: Secret,
    /// How long one call may take: [`CALL_WITHIN`].
    pub call_within: Duration,
}

/// Why there can be no adapter with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ProviderConfigError {
    /// The base address.
    #[error(
        "booking.payments.api_base is {base:?}; it must be https://HOST or, for a sandbox, http://HOST:PORT"
    )]
    Base {
        /// As configured.
        base: String,
    },
    /// The key cannot be sent.
    #[error("booking.payments.secret_key is empty or has characters that no key has")]
    Key,
    /// Real money in the clear.
    #[error(
        "booking.payments.secret_key is a live key, and api_base is not https://; it would be sent in the clear"
    )]
    Clear,
    /// This machine trusts nobody.
    #[error(
        "this machine's certificates cannot be read, without which the payment provider cannot be trusted: {0}"
    )]
    Certificates(std::io::Error),
}

/// What a payment is to be.
#[derive(Clone, Debug)]
pub struct NewIntent {
    /// How much; more than nothing.
    pub amount: Money,
    /// Our order's id. It is found again by it, and the provider's staff see it.
    pub order: String,
    /// What the fan reads on the provider's page. Not every stand-in for Stripe takes it.
    pub description: Option<String>,
    /// Where a hosted page sends the fan afterwards: an absolute address.
    pub return_url: Option<String>,
}

/// The provider. Clones share their connections.
#[derive(Clone)]
pub struct Provider {
    wire: Wire,
}

impl Provider {
    /// Opens nothing yet.
    pub fn new(config: &ProviderConfig) -> Result<Self, ProviderConfigError> {
        Ok(Self {
            wire: Wire::new(config)?,
        })
    }

    /// Makes a payment that authorises and does not take. Repeated with the same key it brings the same payment.
    pub async fn create(&self, new: &NewIntent, key: &IdempotencyKey) -> Result<Intent, ProviderError> {
        let amount = to_provider(new.amount).filter(|amount| *amount > 0);
        let amount =
            amount.ok_or_else(|| ProviderError::unsent("amount", "the amount must be more than nothing"))?;
        let (amount, currency) = (
            amount.to_string(),
            new.amount.currency.as_str().to_ascii_lowercase(),
        );
        let (order_key, return_key) = (
            format!("metadata[{ORDER_KEY}]"),
            format!("metadata[{RETURN_KEY}]"),
        );
        let mut form = vec![
            ("amount", amount.as_str()),
            ("currency", &currency),
            ("capture_method", "manual"),
            ("payment_method_types[]", "card"),
            (&order_key, &new.order),
        ];
        form.extend(new.description.as_deref().map(|text| ("description", text)));
        form.extend(new.return_url.as_deref().map(|url| (return_key.as_str(), url)));
        let made: WireIntent = self.wire.post("/v1/payment_intents", &form, key).await?;
        made.read()
    }

    /// Reads it as it is now.
    pub async fn get(&self, id: &IntentId) -> Result<Intent, ProviderError> {
        let read: WireIntent = self.wire.get(&path(id, ""), &[]).await?;
        read.read()
    }

    /// Says "pay" with a card that the provider knows by `method` (`pm_...`), or with the one that the intent already
    /// has. A fan's own card is confirmed on the provider's page and never passes through here.
    pub async fn confirm(
        &self,
        id: &IntentId,
        method: Option<&str>,
        key: &IdempotencyKey,
    ) -> Result<Intent, ProviderError> {
        let form: Vec<_> = method
            .map(|method| ("payment_method", method))
            .into_iter()
            .collect();
        let done = self.wire.post(&path(id, "/confirm"), &form, key).await;
        let may = [Status::RequiresPaymentMethod, Status::RequiresConfirmation];
        self.settle(id, done, None, &may).await
    }

    /// Takes all that is authorised. What is taken already counts as done.
    pub async fn capture(&self, id: &IntentId, key: &IdempotencyKey) -> Result<Intent, ProviderError> {
        let done = self.wire.post(&path(id, "/capture"), &[], key).await;
        self.settle(id, done, Some(Status::Succeeded), &[Status::RequiresCapture])
            .await
    }

    /// Gives the payment up and releases what is authorised. What is given up already counts as done.
    pub async fn cancel(&self, id: &IntentId, key: &IdempotencyKey) -> Result<Intent, ProviderError> {
        let done = self.wire.post(&path(id, "/cancel"), &[], key).await;
        let may = [
            Status::RequiresPaymentMethod,
            Status::RequiresConfirmation,
            Status::RequiresAction,
            Status::RequiresCapture,
        ];
        self.settle(id, done, Some(Status::Canceled), &may).await
    }

    /// Pays back some or all of what was taken. Only the key keeps a repetition from paying twice.
    pub async fn refund(
        &self,
        id: &IntentId,
        amount: Money,
        key: &IdempotencyKey,
    ) -> Result<Refund, ProviderError> {
        let amount = to_provider(amount).filter(|amount| *amount > 0);
        let amount =
            amount.ok_or_else(|| ProviderError::unsent("amount", "the amount must be more than nothing"))?;
        let form = [("payment_intent", id.as_str()), ("amount", &amount.to_string())];
        let made: WireRefund = self.wire.post("/v1/refunds", &form, key).await?;
        made.read()
    }

    /// Every refund of a payment, the newest first where the provider sorts.
    pub async fn refunds(&self, id: &IntentId) -> Result<Vec<Refund>, ProviderError> {
        let query = [("payment_intent", id.as_str())];
        let (all, complete) = self
            .wire
            .list("/v1/refunds", &query, WireRefund::id, REFUNDS_MAX)
            .await?;
        if !complete {
            return Err(ProviderError::unsent(
                "refunds",
                "this payment has more refunds than are looked at",
            ));
        }
        all.into_iter().map(WireRefund::read).collect()
    }

    /// The payments that carry this order's id. Ordinarily one; none before creation; more after trouble.
    pub async fn find_by_order(&self, order: &str) -> Result<Found, ProviderError> {
        find::by_order(&self.wire, order).await
    }

    /// The newest thousand payments of the account, whatever they are for.
    pub async fn recent(&self) -> Result<Vec<Intent>, ProviderError> {
        find::recent(&self.wire).await
    }

    /// Looks again after a refusal: the thing may be done already, or the intent may have moved on. Providers word this
    /// differently, so what counts is the state that they report.
    async fn settle(
        &self,
        id: &IntentId,
        done: Result<WireIntent, ProviderError>,
        wanted: Option<Status>,
        may: &[Status],
    ) -> Result<Intent, ProviderError> {
        match done {
            Ok(wire) => wire.read(),
            Err(refused @ ProviderError::Refused { status: 400, .. }) => {
                let now = self.get(id).await?;
                match now.status {
                    status if wanted == Some(status) => Ok(now),
                    status if may.contains(&status) => Err(refused),
                    _ => Err(ProviderError::State(Box::new(now))),
                }
            }
            Err(other) => Err(other),
        }
    }
}

fn path(id: &IntentId, rest: &str) -> String {
    format!("/v1/payment_intents/{id}{rest}")
}
