//! What follows from an order's moves outside the database: payments are asked for, taken and given back, tickets are
//! written, mails are sent.
//!
//! - `carry`: one entry of the outbox after another; `money`: those that ask the provider; `letters`: those that write.
//! - `watch`: what the provider says unasked, checks that are due, and events that were called off.
//! - `transfer`: tickets that are passed on.
//! - `office`: the keys that sign tickets, and a ticket as a person sees it.
//!
//! It decides nothing: [`crate::domain::order`] does. Everything here may break off anywhere and be done again, by this
//! instance or by another.

mod carry;
mod letters;
mod money;
mod office;
mod transfer;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch as signal};
use tokio::task::JoinSet;

use crate::domain::OrderId;
use crate::domain::order::Event;
use crate::mail::{Mailer, Site};
use crate::payment::Secret;
use crate::payment::stripe::Provider;
use crate::store::{Applied, Store, StoreError};
pub(crate) use letters::printed;
pub(crate) use office::{Office, OfficeError};
pub(crate) use watch::BadNotice;

/// Orders worked off at once. Each waits for the provider or the mail server most of the time: with a provider that takes
/// 300 ms for a call, some fifty orders a second.
const LANES: usize = 32;

/// How long shutdown waits for the orders under way. What is cut off is done again at the next start.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Orders whose moves are told to whoever waits for them; beyond, a waiter looks for itself.
const TOLD_MAX: usize = 1024;

/// What it is made of.
pub(crate) struct Fulfilment {
    pub(crate) store: Store,
    pub(crate) provider: Provider,
    pub(crate) webhook_secrets: Vec<Secret>,
    pub(crate) mailer: Mailer,
    pub(crate) office: Office,
    pub(crate) site: Site,
    wake: Notify,
    heard: Notify,
    worked: broadcast::Sender<OrderId>,
}

impl Fulfilment {
    pub(crate) fn new(
        store: Store,
        provider: Provider,
        webhook_secrets: Vec<Secret>,
        mailer: Mailer,
        office: Office,
        site: Site,
    ) -> Self {
        Self {
            store,
            provider,
            webhook_secrets,
            mailer,
            office,
            site,
            wake: Notify::new(),
            heard: Notify::new(),
            worked: broadcast::Sender::new(TOLD_MAX),
        }
    }

    /// Takes an event in, and has what follows from it done.
    pub(crate) async fn apply(&self, order: &OrderId, event: &Event) -> Result<Applied, StoreError> {
        let applied = self.store.apply(order, event).await?;
        self.wake.notify_one();
        Ok(applied)
    }

    /// Has what is due of an order done now, and waits for it, but not longer than that.
    pub(crate) async fn hurry(&self, order: &OrderId, within: Duration) {
        let mut worked = self.worked.subscribe();
        if matches!(self.store.next_due(order).await, Ok(None)) {
            return;
        }
        self.wake.notify_one();
        let done = async {
            while let Ok(other) = worked.recv().await {
                if other == *order {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(within, done).await;
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(self: Arc<Self>, mut stop: signal::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for lane in 0..LANES {
            tasks.spawn(Arc::clone(&self).lane(lane, stop.clone()));
        }
        tasks.spawn(Arc::clone(&self).watch(stop.clone()));
        let _ = stop.wait_for(|stopping| *stopping).await;
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            tracing::warn!("orders under way were left to the next start");
        }
    }
}
