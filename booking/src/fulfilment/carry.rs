//! The outbox, carried out: an order is leased, its entries are done one after another, and what cannot be done now is
//! put off.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as signal;

use super::Fulfilment;
use crate::domain::OrderId;
use crate::domain::order::{Effect, Event, still_wanted};
use crate::store::{Entry, Lease, StoreError};

/// How long an order is leased: this long after a process died, another goes on with its orders.
const LEASE: Duration = Duration::from_secs(6);

/// A lease is renewed this often while an order is worked off; only a process that was paused loses it.
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// How often the first lane looks by itself, for what other instances left.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the others do, should they have missed a call.
const OTHERS_LOOK_EVERY: Duration = Duration::from_secs(5);

/// Before the second try; doubles with each.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Tries are never further apart than this.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(300);

/// Entries of one order at a time, so that an order that fills its own outbox lets others have their turn.
const ENTRIES_MAX: usize = 32;

/// What became of an entry.
pub(super) enum Carried {
    Done,
    /// To be tried again, in the usual time.
    Again,
    /// The provider refused for good under this key; another try needs another.
    KeySpent,
}

/// How long to wait after so many tries.
fn backoff(tries: u32) -> Duration {
    AGAIN_AFTER
        .saturating_mul(1 << tries.min(16))
        .min(AGAIN_AFTER_MAX)
}

impl Fulfilment {
    pub(super) async fn lane(self: Arc<Self>, lane: usize, mut stop: signal::Receiver<bool>) {
        let look_every = if lane == 0 { LOOK_EVERY } else { OTHERS_LOOK_EVERY };
        while !*stop.borrow() {
            match self.store.lease_due(LEASE).await {
                Ok(Some(lease)) => {
                    // Where one is due there may be more: another lane is to look, too.
                    self.wake.notify_one();
                    self.work_off(&lease).await;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "cannot look into the outbox"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(look_every) => {}
                _ = stop.wait_for(|stopping| *stopping) => {}
            }
        }
    }

    async fn work_off(&self, lease: &Lease) {
        // Whatever is broken off in the middle is done again by whoever has the lease now.
        let worked = tokio::select! {
            worked = self.entries(lease) => worked,
            () = self.until_lost(lease) => {
                tracing::warn!(order = %lease.order, "somebody else goes on with an order");
                return;
            }
        };
        if let Err(error) = worked {
            tracing::warn!(%error, order = %lease.order, "cannot go on with an order; it is tried again");
        }
        if let Err(error) = self.store.end_lease(lease).await {
            tracing::warn!(%error, order = %lease.order, "an order stays leased until its lease runs out");
        }
        let _ = self.worked.send(lease.order.clone());
    }

    /// Renews the lease, until it is found to be somebody else's.
    async fn until_lost(&self, lease: &Lease) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if matches!(self.store.keep_lease(lease, LEASE).await, Ok(false)) {
                return;
            }
        }
    }

    async fn entries(&self, lease: &Lease) -> Result<(), StoreError> {
        let order = &lease.order;
        for _ in 0..ENTRIES_MAX {
            let Some(entry) = self.store.next_due(order).await? else {
                break;
            };
            let after = backoff(entry.tries);
            let Some(effect) = &entry.effect else {
                if entry.tries == 0 {
                    tracing::error!(%order, entry = entry.key, "cannot read what is to be done for an order; it waits \
                        for a program that can");
                }
                self.store.try_later(order, &entry, after, false).await?;
                continue;
            };
            match self.carry(order, effect, &entry).await {
                Ok(Carried::Done) => self.store.done(order, &entry).await?,
                Ok(Carried::Again) => self.store.try_later(order, &entry, after, false).await?,
                Ok(Carried::KeySpent) => self.store.try_later(order, &entry, after, true).await?,
                Err(error) => {
                    self.store.try_later(order, &entry, after, false).await?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn carry(&self, id: &OrderId, effect: &Effect, entry: &Entry) -> Result<Carried, StoreError> {
        let Some(purchase) = self.store.order(id).await? else {
            return Ok(Carried::Done);
        };
        if !still_wanted(&purchase.order, effect) {
            return Ok(Carried::Done);
        }
        match effect {
            Effect::IssueTickets => {
                self.apply(id, &Event::TicketsIssued).await?;
                Ok(Carried::Done)
            }
            Effect::SendMail(mail) => self.send(&purchase, *mail, entry).await,
            Effect::TellOfTransfer(transfer) => self.tell_of_transfer(transfer, entry).await,
            Effect::Alert(alert) => {
                tracing::error!(order = %id, state = %purchase.order.state, ?alert, "an order needs an operator");
                Ok(Carried::Done)
            }
            effect => self.ask(&purchase, effect, entry).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_and_further_apart_up_to_a_limit() {
        let waits: Vec<u128> = (0..4).map(|tries| backoff(tries).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000]);
        assert_eq!(backoff(40), AGAIN_AFTER_MAX);
    }
}
