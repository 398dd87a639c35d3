//! What moves orders without anybody asking: the provider's notices, checks that are due, events that were called off,
//! and payments of which no word ever came.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch as signal;
use tokio::time::Instant;

use super::Fulfilment;
use crate::domain::OrderId;
use crate::domain::order::{Event, IntentId};
use crate::payment::stripe::{Intent, IntentId as ProvidersId, ProviderError};
use crate::payment::webhook::{BadWebhook, WebhookEvent, verify};
use crate::store::{Heard, StoreError};

/// How often the reconciler looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A notice that was taken up and not done with comes again after this long.
const NOTICE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Notices about a payment that no order knows are kept this many tries: longer than any commit takes.
const NOTICE_TRIES_MAX: u32 = 5;

/// Batches of due checks in one turn, so that notices and the rest have theirs.
const CHECK_BATCHES: usize = 20;

/// How often the provider's payments are gone through for those that name an order and of which no word came.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// Why a notice was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadNotice {
    /// It is not the provider's.
    #[error(transparent)]
    Webhook(#[from] BadWebhook),
    /// It could not be written down; the provider sends it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fulfilment {
    /// Takes a notice of the provider: verified and written down, thought about later.
    pub(crate) async fn hear(&self, signature: &str, raw_body: &[u8]) -> Result<(), BadNotice> {
        let WebhookEvent {
            id,
            kind,
            intent,
            won,
            ..
        } = verify(&self.webhook_secrets, signature, raw_body, Timestamp::now())?;
        let Some(intent) = intent.and_then(|intent| intent.as_str().parse::<IntentId>().ok()) else {
            return Ok(());
        };
        if self.store.hear(&id, &kind, &intent, won).await? {
            self.heard.notify_one();
        }
        Ok(())
    }

    pub(super) async fn watch(self: Arc<Self>, mut stop: signal::Receiver<bool>) {
        let mut swept_at = Instant::now();
        while !*stop.borrow() {
            let looked = tokio::select! {
                looked = self.look(&mut swept_at) => looked,
                _ = stop.wait_for(|stopping| *stopping) => return,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "cannot look after orders; it is tried again");
            }
            tokio::select! {
                () = self.heard.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stopping| *stopping) => {}
            }
        }
    }

    async fn look(&self, swept_at: &mut Instant) -> Result<(), StoreError> {
        self.empty_inbox().await?;
        // A drop's unpaid orders come due together; what this turn leaves, the next one takes.
        for _ in 0..CHECK_BATCHES {
            let due = self.store.checks_due().await?;
            if due.is_empty() {
                break;
            }
            let mut moved = false;
            for (order, round) in due {
                moved |= self.moves(&order, &Event::CheckDue { round }).await;
            }
            if !moved {
                break; // the same would be due again
            }
        }
        for order in self.store.orders_called_off().await? {
            self.moves(&order, &Event::EventCancelled).await;
        }
        if swept_at.elapsed() >= SWEEP_EVERY {
            *swept_at = Instant::now();
            self.sweep().await?;
        }
        Ok(())
    }

    /// Moves one order; true where that could be done. One that cannot be read keeps nobody else waiting.
    async fn moves(&self, order: &OrderId, event: &Event) -> bool {
        match self.apply(order, event).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(%order, %error, "cannot look after an order; the others go on");
                false
            }
        }
    }

    /// Thinks about what was heard, a batch at a time: the provider is asked about all of a batch at once.
    async fn empty_inbox(&self) -> Result<(), StoreError> {
        loop {
            let heard = self.store.take_heard(NOTICE_AGAIN_AFTER).await?;
            if heard.is_empty() {
                return Ok(());
            }
            let thoughts = heard.iter().map(|heard| async {
                if self.think(heard).await? {
                    self.store.thought_about(&heard.id).await?;
                }
                Ok::<_, StoreError>(())
            });
            for thought in join_all(thoughts).await {
                thought?;
            }
        }
    }

    /// Asks what became of the payment. Nothing of the notice is believed but which payment it is about and how a
    /// dispute ended. False: again later.
    async fn think(&self, heard: &Heard) -> Result<bool, StoreError> {
        let Ok(named) = heard.intent.as_str().parse::<ProvidersId>() else {
            return Ok(true);
        };
        let intent = match self.provider.get(&named).await {
            Ok(intent) => intent,
            Err(ProviderError::NotFound { .. }) => return Ok(heard.tries >= NOTICE_TRIES_MAX),
            Err(error) => {
                tracing::warn!(%error, "cannot ask about a payment; it is tried again");
                return Ok(false);
            }
        };
        let Some(order) = self.order_of(&intent, &heard.intent).await? else {
            if heard.tries >= NOTICE_TRIES_MAX {
                tracing::warn!(intent = %heard.intent, "a payment that no order knows");
            }
            return Ok(heard.tries >= NOTICE_TRIES_MAX);
        };
        self.said(&order, &intent).await?;
        let about = heard.intent.clone();
        if heard.kind.contains("refund") {
            match self.refunded(&named).await {
                Ok(total) => {
                    self.apply(&order, &Event::Refunded { intent: about, total })
                        .await?;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot ask about a refund; it is tried again");
                    return Ok(false);
                }
            }
        } else if heard.kind == "charge.dispute.created" {
            self.apply(&order, &Event::DisputeOpened { intent: about })
                .await?;
        } else if let Some(won) = heard.won {
            self.apply(&order, &Event::DisputeClosed { intent: about, won })
                .await?;
        }
        Ok(true)
    }

    /// The order that a payment names, or that it was made for; none where there is no such order here.
    async fn order_of(&self, intent: &Intent, id: &IntentId) -> Result<Option<OrderId>, StoreError> {
        if let Some(order) = intent.order.as_deref().and_then(|order| order.parse().ok()) {
            return Ok(self.store.order(&order).await?.map(|purchase| purchase.id));
        }
        self.store.order_of_payment(id).await
    }

    /// Asks about an order's payments that are still open, as the fan comes back from one. No longer than `within`.
    pub(crate) async fn ask_about(&self, order: &OrderId, within: Duration) -> Result<(), StoreError> {
        let Some(purchase) = self.store.order(order).await? else {
            return Ok(());
        };
        let open = purchase.order.payments.iter().filter(|payment| payment.is_live());
        for payment in open {
            let Ok(named) = payment.intent.as_str().parse::<ProvidersId>() else {
                continue;
            };
            if let Ok(Ok(intent)) = tokio::time::timeout(within, self.provider.get(&named)).await {
                self.said(order, &intent).await?;
            }
        }
        Ok(())
    }

    /// Payments that name an order which does not know them: brought, and then kept or undone.
    async fn sweep(&self) -> Result<(), StoreError> {
        let recent = match self.provider.recent().await {
            Ok(recent) => recent,
            Err(error) => {
                tracing::warn!(%error, "cannot go through the provider's payments; it is tried again");
                return Ok(());
            }
        };
        for intent in recent {
            let Some(order) = intent
                .order
                .as_deref()
                .and_then(|order| order.parse::<OrderId>().ok())
            else {
                continue;
            };
            let Some(purchase) = self.store.order(&order).await? else {
                continue;
            };
            let known =
                |payment: &crate::domain::order::Payment| payment.intent.as_str() == intent.id.as_str();
            if !purchase.order.payments.iter().any(known) {
                self.said(&order, &intent).await?;
            }
        }
        Ok(())
    }
}
