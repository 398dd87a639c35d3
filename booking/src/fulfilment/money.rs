//! Entries that ask the payment provider. Whatever it answers is taken in as what it says now; only what it refuses for
//! good is put into words of its own.

use super::Fulfilment;
use super::carry::Carried;
use crate::domain::order::{self, Effect, Event, IntentId, IntentStatus, IntentView};
use crate::domain::{Money, OrderId, PaymentPage, Purchase};
use crate::payment::stripe::{
    IdempotencyKey, Intent, IntentId as ProvidersId, NewIntent, ProviderError, Status,
};
use crate::store::{Entry, StoreError};

/// What the provider says of a payment, in the order's words.
fn view(intent: &Intent) -> Option<IntentView> {
    let status = match intent.status {
        Status::RequiresPaymentMethod if intent.last_error.is_some() => IntentStatus::Declined,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {
            IntentStatus::Open
        }
        Status::Processing => IntentStatus::Processing,
        Status::RequiresCapture => IntentStatus::Authorised,
        Status::Canceled => IntentStatus::Cancelled,
        Status::Succeeded => IntentStatus::Captured,
    };
    Some(IntentView {
        intent: intent.id.as_str().parse().ok()?,
        status,
        amount: intent.amount.amount,
        currency: intent.amount.currency,
        capturable: intent.amount_capturable.amount,
        received: intent.amount_received.amount,
    })
}

/// The provider's key for an entry: the same on every try, until the provider has refused under it for good.
fn key(order: &OrderId, entry: &Entry) -> IdempotencyKey {
    let spent = match entry.refusals {
        0 => String::new(),
        refusals => format!(":{refusals}"),
    };
    let text = format!("{order}:{}{spent}", entry.key);
    text.parse().expect("ids, names and numbers fit into a key")
}

fn providers(intent: &IntentId) -> Result<ProvidersId, StoreError> {
    intent
        .as_str()
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("a payment's id {intent}")))
}

impl Fulfilment {
    pub(super) async fn ask(
        &self,
        purchase: &Purchase,
        effect: &Effect,
        entry: &Entry,
    ) -> Result<Carried, StoreError> {
        let id = &purchase.id;
        let key = key(id, entry);
        let answer = match effect {
            Effect::CreateIntent { amount } => self.create(purchase, *amount, &key).await,
            Effect::ReadIntent(intent) => self.provider.get(&providers(intent)?).await,
            Effect::CancelIntent { intent, .. } => self.provider.cancel(&providers(intent)?, &key).await,
            Effect::Capture { intent, .. } => {
                return self.capture(id, intent, &key).await;
            }
            Effect::Refund {
                intent,
                amount,
                attempt,
            } => return self.refund(purchase, intent, *amount, *attempt, &key).await,
            Effect::FindIntents => return self.find(purchase).await,
            _ => return Ok(Carried::Done),
        };
        match answer {
            Ok(intent) => self.said(id, &intent).await,
            Err(error) => self.trouble(id, error).await,
        }
    }

    async fn create(
        &self,
        purchase: &Purchase,
        amount: Money,
        key: &IdempotencyKey,
    ) -> Result<Intent, ProviderError> {
        let new = NewIntent {
            amount,
            order: purchase.id.to_string(),
            description: None,
            return_url: Some(format!("{}/orders/{}?returned=1", self.site.url, purchase.id)),
        };
        self.provider.create(&new, key).await
    }

    /// What the provider says of a payment is taken in, and where it is paid is kept.
    pub(super) async fn said(&self, order: &OrderId, intent: &Intent) -> Result<Carried, StoreError> {
        let Some(view) = view(intent) else {
            return Ok(Carried::Done);
        };
        let page = PaymentPage {
            intent: view.intent.clone(),
            url: intent.next_action_url.clone(),
            client_secret: intent.client_secret.clone(),
        };
        self.store.keep_payment(order, &page).await?;
        self.apply(order, &Event::ProviderSays(view)).await?;
        Ok(Carried::Done)
    }

    /// A call that did not do what it was asked to, and is no decision about the order.
    async fn trouble(&self, order: &OrderId, error: ProviderError) -> Result<Carried, StoreError> {
        match error {
            ProviderError::State(intent) => self.said(order, &intent).await,
            error if error.is_transient() => {
                self.apply(order, &Event::ProviderUnreachable).await?;
                Ok(Carried::Again)
            }
            error => {
                tracing::error!(%error, %order, "the payment provider refuses; look at booking.payments and at its own log");
                Ok(Carried::KeySpent)
            }
        }
    }

    async fn capture(
        &self,
        order: &OrderId,
        intent: &IntentId,
        key: &IdempotencyKey,
    ) -> Result<Carried, StoreError> {
        match self.provider.capture(&providers(intent)?, key).await {
            Ok(intent) => self.said(order, &intent).await,
            Err(
                ProviderError::Declined(_)
                | ProviderError::NotFound { .. }
                | ProviderError::Refused { status: 400, .. },
            ) => {
                let intent = intent.clone();
                self.apply(order, &Event::CaptureFailed { intent }).await?;
                Ok(Carried::Done)
            }
            Err(error) => self.trouble(order, error).await,
        }
    }

    /// Looks first: a provider without idempotency keys would pay back twice where an answer was lost.
    async fn refund(
        &self,
        purchase: &Purchase,
        intent: &IntentId,
        amount: Money,
        attempt: u32,
        key: &IdempotencyKey,
    ) -> Result<Carried, StoreError> {
        let (order, named) = (&purchase.id, providers(intent)?);
        let refunded = |total| Event::Refunded {
            intent: intent.clone(),
            total,
        };
        let before = match self.refunded(&named).await {
            Ok(total) => total,
            Err(error) => return self.trouble(order, error).await,
        };
        let known = purchase
            .order
            .payment(intent)
            .map_or(0, |payment| payment.refunded);
        if before >= known + amount.amount {
            self.apply(order, &refunded(before)).await?;
            return Ok(Carried::Done);
        }
        match self.provider.refund(&named, amount, key).await {
            Ok(refund) if refund.status.counts() => {
                self.apply(order, &refunded(before + refund.amount.amount))
                    .await?;
            }
            Err(error) if error.is_transient() => return self.trouble(order, error).await,
            failed => {
                if let Err(error) = failed {
                    tracing::warn!(%error, %order, "a refund was refused");
                }
                let intent = intent.clone();
                self.apply(order, &Event::RefundFailed { intent, attempt })
                    .await?;
            }
        }
        Ok(Carried::Done)
    }

    /// What has gone back of a payment in all, or is on its way.
    pub(super) async fn refunded(&self, intent: &ProvidersId) -> Result<i64, ProviderError> {
        let refunds = self.provider.refunds(intent).await?;
        let counted = refunds.iter().filter(|refund| refund.status.counts());
        Ok(counted.map(|refund| refund.amount.amount).sum())
    }

    /// Every payment of the order. Where the provider's list may be behind, asking for the payment once more under the
    /// key of the first time brings the one that was made, or makes one that is given up at once.
    async fn find(&self, purchase: &Purchase) -> Result<Carried, StoreError> {
        let order = &purchase.id;
        let found = match self.provider.find_by_order(order.as_str()).await {
            Ok(found) => found,
            Err(error) => return self.trouble(order, error).await,
        };
        for intent in &found.intents {
            self.said(order, intent).await?;
        }
        if !found.intents.is_empty() {
            return Ok(Carried::Done);
        }
        if found.certain {
            self.apply(order, &Event::NoIntentFound).await?;
            return Ok(Carried::Done);
        }
        let amount = purchase.order.total;
        let first = format!("{order}:{}", order::Effect::CreateIntent { amount }.key());
        let first = first.parse().expect("an id and a name fit into a key");
        match self.create(purchase, amount, &first).await {
            Ok(intent) => self.said(order, &intent).await,
            Err(error) => self.trouble(order, error).await,
        }
    }
}
