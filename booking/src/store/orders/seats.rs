//! What an order does to its claims. Each change names the order and the fencing token: a token that has moved on is
//! somebody else's seat.

use sqlx::{Acquire, Any, Transaction};

use super::{Purchase, Statement, Store, StoreError};
use crate::store::claims::json_of;

/// The hold's own claims, still held, become the order's.
static KEEP: Statement = Statement::new(
    "update claim set state = 'paying', order_id = $5, changed = {changed} \
     where showtime_id = $1 and seat in (select value from {each:$2}) and hold_id = $3 and token = $4 \
     and owner = $6 and state = 'held' and {live}",
);

static SELL: Statement = Statement::new(
    "update claim set state = 'sold', changed = {changed} \
     where showtime_id = $1 and seat in (select value from {each:$2}) and order_id = $3 and token = $4 \
     and state in ('paying', 'sold')",
);

/// A free seat without a hold: where the claim has expired, or is the fan's own again, or there is none.
static SELL_FREE: Statement = Statement::new(
    "insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at, order_id, changed) \
     select $1, asked.value, 'sold', $4, $5, $6, 0, $3, {changed} from {each:$2} where true order by asked.key \
     on conflict (showtime_id, seat) do update set state = 'sold', owner = excluded.owner, \
     hold_id = excluded.hold_id, token = excluded.token, expires_at = 0, extended = 0, \
     order_id = excluded.order_id, changed = excluded.changed \
     where claim.order_id = excluded.order_id \
     or (claim.state = 'held' and (claim.expires_at <= {now} or claim.owner = excluded.owner))",
);

/// Free again. The row stays, so that whoever watches the seats sees the change.
static LET_GO: Statement = Statement::new(
    "update claim set state = 'held', expires_at = 0, extended = 0, order_id = null, changed = {changed} \
     where showtime_id = $1 and seat in (select value from {each:$2}) and order_id = $3 and token = $4",
);

impl Store {
    /// Whether all of the hold's claims are the order's now.
    pub(super) async fn keep_seats(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
    ) -> Result<bool, StoreError> {
        self.next_token(tx).await?;
        let kept = sqlx::query(self.sql(&KEEP))
            .bind(purchase.showtime.0)
            .bind(json_of(&purchase.seats()))
            .bind(purchase.hold.as_str())
            .bind(purchase.token)
            .bind(purchase.id.as_str())
            .bind(purchase.owner.as_str())
            .execute(&mut **tx)
            .await?;
        Ok(kept.rows_affected() == purchase.lines.len() as u64)
    }

    /// Sells what the order has; whether that was all of it.
    pub(super) async fn sell_own(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
    ) -> Result<bool, StoreError> {
        self.next_token(tx).await?;
        let sold = sqlx::query(self.sql(&SELL))
            .bind(purchase.showtime.0)
            .bind(json_of(&purchase.seats()))
            .bind(purchase.id.as_str())
            .bind(purchase.token)
            .execute(&mut **tx)
            .await?;
        Ok(sold.rows_affected() == purchase.lines.len() as u64)
    }

    /// Sells seats that are free, under a new token, all of them or none.
    pub(super) async fn sell_again(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &mut Purchase,
    ) -> Result<bool, StoreError> {
        let mut trial = tx.begin().await?;
        let token = self.next_token(&mut trial).await?;
        let sold = sqlx::query(self.sql(&SELL_FREE))
            .bind(purchase.showtime.0)
            .bind(json_of(&purchase.seats()))
            .bind(purchase.id.as_str())
            .bind(purchase.owner.as_str())
            .bind(purchase.hold.as_str())
            .bind(token)
            .execute(&mut *trial)
            .await?;
        if sold.rows_affected() != purchase.lines.len() as u64 {
            trial.rollback().await?;
            return Ok(false);
        }
        trial.commit().await?;
        purchase.token = token;
        Ok(true)
    }

    pub(super) async fn release_seats(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
    ) -> Result<(), StoreError> {
        self.next_token(tx).await?;
        sqlx::query(self.sql(&LET_GO))
            .bind(purchase.showtime.0)
            .bind(json_of(&purchase.seats()))
            .bind(purchase.id.as_str())
            .bind(purchase.token)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}
