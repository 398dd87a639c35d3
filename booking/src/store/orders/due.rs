//! What the reconciler looks for: checks whose time has come, and orders for what was called off.

use super::{Statement, Store, StoreError, order_id_of};
use crate::domain::OrderId;

/// Most orders taken up at once; the rest follow at the next look.
const BATCH: i64 = 100;

static CHECKS: Statement = Statement::new(
    "select id, check_round from orders where check_at is not null and check_at <= {now} order by check_at limit $1",
);

/// Orders that have not heard that their showtime, or its event, was called off. Each hears it once; what was heard is
/// marked in the transaction that takes it in, so that a batch that broke off goes on where it was.
static CALLED_OFF: Statement = Statement::new(
    "select orders.id from showtime join event on event.id = showtime.event_id \
     join orders on orders.showtime_id = showtime.id and orders.called_off = 0 \
     where showtime.cancelled_at is not null or event.cancelled_at is not null limit $1",
);

impl Store {
    /// Orders whose check is due, with its number.
    pub async fn checks_due(&self) -> Result<Vec<(OrderId, u32)>, StoreError> {
        let query = sqlx::query_as(self.sql(&CHECKS)).bind(BATCH);
        let rows: Vec<(String, i64)> = query.fetch_all(&self.readers).await?;
        let due = rows
            .iter()
            .map(|(id, round)| Ok((order_id_of(id)?, u32::try_from(*round).unwrap_or(0))));
        due.collect()
    }

    /// Orders that are to hear that their event will not take place.
    pub async fn orders_called_off(&self) -> Result<Vec<OrderId>, StoreError> {
        let query = sqlx::query_scalar(self.sql(&CALLED_OFF)).bind(BATCH);
        let rows: Vec<String> = query.fetch_all(&self.readers).await?;
        rows.iter().map(|id| order_id_of(id)).collect()
    }
}
