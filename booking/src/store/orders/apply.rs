//! Taking an event in: the order is locked, moved by the pure step, and written with all that follows, or not at all.

use std::collections::VecDeque;
use std::time::Duration;

use sqlx::{Any, Transaction};

use super::{Purchase, Statement, Store, StoreError, purchase_of};
use crate::domain::OrderId;
use crate::domain::order::{Asker, Effect, Event, Refused, Seats, step};
use crate::store::millis;

/// Tries when a free seat was taken by somebody else between the look and the claim.
const TRIES: u32 = 4;

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// There is no such order.
    NoOrder,
    /// It makes no sense where the order stands; nothing has changed.
    Refused(Refused),
    /// It was taken in.
    Taken,
}

/// The same within a transaction that is still to be committed.
pub(super) enum Moved {
    NoOrder,
    Refused(Refused),
    /// Fewer claims than seats were its own; the transaction is to be dropped.
    SeatsShort,
    Taken,
}

static LOCKED: Statement = Statement::new(concat!(super::purchase!(), "where id = $1 {lock}"));

static WRITE: Statement = Statement::new(
    "update orders set state = $2, doc = $3, token = $4, called_off = called_off + $5 where id = $1",
);

/// The next check, in place of one that is due.
static CHECK_AFTER: Statement =
    Statement::new("update orders set check_round = $2, check_at = {now} + $3 where id = $1");
static NO_CHECK: Statement = Statement::new("update orders set check_at = null where id = $1");

static TO_OUTBOX: Statement = Statement::new(
    "insert into outbox (order_id, key, number, effect, made_at, due_at) values ($1, $2, \
     (select coalesce(max(number), 0) + 1 from outbox where order_id = $1), $3, {now}, {now}) \
     on conflict (order_id, key) do update set number = excluded.number, effect = excluded.effect, \
     made_at = excluded.made_at, due_at = excluded.due_at, tries = 0, done_at = null",
);

impl Store {
    /// Takes an event in.
    pub async fn apply(&self, id: &OrderId, event: &Event) -> Result<Applied, StoreError> {
        let mut event = event.clone();
        for _ in 0..TRIES {
            let mut tx = self.writing().await?;
            match self.move_order(&mut tx, id, &event).await {
                Ok(Moved::Taken) => {
                    tx.commit().await?;
                    return Ok(Applied::Taken);
                }
                Ok(Moved::NoOrder) => return Ok(Applied::NoOrder),
                Ok(Moved::Refused(refused)) => return Ok(Applied::Refused(refused)),
                Ok(Moved::SeatsShort) => event = Event::HoldLost,
                Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    pub(super) async fn move_order(
        &self,
        tx: &mut Transaction<'_, Any>,
        id: &OrderId,
        event: &Event,
    ) -> Result<Moved, StoreError> {
        let row = sqlx::query(self.sql(&LOCKED))
            .bind(id.as_str())
            .fetch_optional(&mut **tx)
            .await?;
        let Some(mut purchase) = row.as_ref().map(purchase_of).transpose()? else {
            return Ok(Moved::NoOrder);
        };
        if *event == Event::TicketsIssued && purchase.order.can_be_issued() {
            self.issue(tx, &purchase).await?;
        }
        if matches!(event, Event::RefundAsked(Asker::Fan { .. })) && self.any_gone(tx, &purchase).await? {
            return Ok(Moved::Refused(Refused::TicketGone));
        }
        let mut events = VecDeque::from([event.clone()]);
        let mut check = None;
        let mut later = Vec::new();
        while let Some(event) = events.pop_front() {
            let (order, effects) = match step(&purchase.order, &event) {
                Ok(stepped) => stepped,
                Err(refused) => return Ok(Moved::Refused(refused)),
            };
            purchase.order = order;
            for effect in effects {
                match effect {
                    Effect::CheckAgainAfter { round, after } => check = Some((round, after)),
                    Effect::KeepSeats if !self.keep_seats(tx, &purchase).await? => {
                        return Ok(Moved::SeatsShort);
                    }
                    Effect::KeepSeats => {}
                    Effect::SellSeats => events.push_back(self.sell_seats(tx, &mut purchase).await?),
                    Effect::ReleaseSeats => self.release_seats(tx, &purchase).await?,
                    Effect::KillTickets => self.kill_tickets(tx, &purchase).await?,
                    effect => later.push(effect),
                }
            }
        }
        let called_off = matches!(event, Event::EventCancelled);
        self.write(tx, &purchase, check, called_off).await?;
        for effect in later {
            self.to_outbox(tx, id, &effect).await?;
        }
        Ok(Moved::Taken)
    }

    async fn write(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
        check: Option<(u32, Duration)>,
        called_off: bool,
    ) -> Result<(), StoreError> {
        let (id, order) = (&purchase.id, &purchase.order);
        sqlx::query(self.sql(&WRITE))
            .bind(id.as_str())
            .bind(order.state.as_str())
            .bind(serde_json::to_string(order).expect("an order is texts and numbers"))
            .bind(purchase.token)
            .bind(i64::from(called_off))
            .execute(&mut **tx)
            .await?;
        let query = match check {
            Some((round, after)) => sqlx::query(self.sql(&CHECK_AFTER))
                .bind(id.as_str())
                .bind(i64::from(round))
                .bind(millis(after)),
            None if !order.check_due => sqlx::query(self.sql(&NO_CHECK)).bind(id.as_str()),
            None => return Ok(()),
        };
        query.execute(&mut **tx).await?;
        Ok(())
    }

    pub(super) async fn to_outbox(
        &self,
        tx: &mut Transaction<'_, Any>,
        id: &OrderId,
        effect: &Effect,
    ) -> Result<(), StoreError> {
        sqlx::query(self.sql(&TO_OUTBOX))
            .bind(id.as_str())
            .bind(effect.key())
            .bind(serde_json::to_string(effect).expect("an effect is texts and numbers"))
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Sells the seats to the order; what comes of it is the next event.
    async fn sell_seats(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &mut Purchase,
    ) -> Result<Event, StoreError> {
        let sold = match purchase.order.seats {
            Seats::LetGo => false,
            Seats::Kept | Seats::Sold => self.sell_own(tx, purchase).await?,
        };
        if sold || self.sell_again(tx, purchase).await? {
            Ok(Event::SeatsSold)
        } else {
            Ok(Event::SeatsGone)
        }
    }
}
