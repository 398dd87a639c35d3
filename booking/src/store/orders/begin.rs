//! Making an order of a hold, with all that follows from beginning to pay, in one transaction.

use std::time::Duration;

use super::apply::Moved;
use super::{Statement, Store, StoreError, order_id_of};
use crate::domain::order::{Event, Order};
use crate::domain::{HoldId, Line, OrderId, Owner, ShowtimeId};
use crate::store::millis;

/// An order that is to be made.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Its name.
    pub id: OrderId,
    /// Whose.
    pub owner: Owner,
    /// For which showtime.
    pub showtime: ShowtimeId,
    /// Of which hold, and under which token that was read.
    pub hold: HoldId,
    /// Likewise.
    pub token: i64,
    /// Where its mails go.
    pub email: String,
    /// All seats of the hold.
    pub lines: Vec<Line>,
    /// What they cost.
    pub order: Order,
    /// How long the fan is asked to pay.
    pub pay_within: Duration,
    /// How long after that the first check comes: longer than a payment that was begun in time can take.
    pub grace: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The order is made, and its seats are its own.
    Made,
    /// There is one of this hold already: a second click.
    Before(OrderId),
    /// The hold has expired or is not as it was read. Nothing was made.
    HoldLost,
}

static MAKE: Statement = Statement::new(
    "insert into orders (id, owner, showtime_id, hold_id, token, email, lines, state, doc, pay_by, created_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, {now} + $10, {now}) on conflict (hold_id) do nothing",
);
static OF_HOLD: Statement = Statement::new("select id from orders where hold_id = $1");

impl Store {
    /// Makes the order and begins to pay: its claims are `paying`, and the payment is in the outbox.
    pub async fn begin_order(&self, new: &NewOrder) -> Result<Begun, StoreError> {
        let mut tx = self.writing().await?;
        let lines = serde_json::to_string(&new.lines).expect("lines are texts and numbers");
        let doc = serde_json::to_string(&new.order).expect("an order is texts and numbers");
        let made = sqlx::query(self.sql(&MAKE))
            .bind(new.id.as_str())
            .bind(new.owner.as_str())
            .bind(new.showtime.0)
            .bind(new.hold.as_str())
            .bind(new.token)
            .bind(&new.email)
            .bind(lines)
            .bind(new.order.state.as_str())
            .bind(doc)
            .bind(millis(new.pay_within))
            .execute(&mut *tx)
            .await?;
        if made.rows_affected() == 0 {
            let before: String = sqlx::query_scalar(self.sql(&OF_HOLD))
                .bind(new.hold.as_str())
                .fetch_one(&mut *tx)
                .await?;
            return Ok(Begun::Before(order_id_of(&before)?));
        }
        let pay_within = new.pay_within + new.grace;
        match self
            .move_order(&mut tx, &new.id, &Event::Begin { pay_within })
            .await?
        {
            Moved::Taken => {
                tx.commit().await?;
                Ok(Begun::Made)
            }
            Moved::SeatsShort => Ok(Begun::HoldLost),
            Moved::NoOrder | Moved::Refused(_) => {
                Err(StoreError::Corrupt("an order that cannot begin".into()))
            }
        }
    }
}
