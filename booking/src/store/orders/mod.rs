//! Orders: how each is made of a hold, moved by what happens, and read again.
//!
//! The rules are [`crate::domain::order`]'s. Here is what they ask of a database: one transaction that locks the order,
//! takes the event in, changes claims and tickets, and writes down what is still to be done.

mod apply;
mod begin;
mod due;
mod inbox;
mod outbox;
mod seats;
mod tickets;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Statement, Store, StoreError};
use crate::domain::order::{IntentId, Order};
use crate::domain::{HoldId, Line, OrderId, Owner, PaymentPage, Purchase, ShowtimeId};

pub use apply::Applied;
pub use begin::{Begun, NewOrder};
pub use inbox::Heard;
pub use outbox::{Entry, Lease};
pub use tickets::{CheckedIn, PassedOn};

/// Most orders in one list.
const LIST_MAX: i64 = 100;

macro_rules! purchase {
    () => {
        "select orders.id, owner, showtime_id, hold_id, token, email, lines, doc, (pay_by - {now}) / 1000 as left_s, \
         created_at, check_round from orders "
    };
}
use purchase;

static BY_ID: Statement = Statement::new(concat!(purchase!(), "where id = $1"));
static BY_HOLD: Statement = Statement::new(concat!(purchase!(), "where hold_id = $1"));
static BY_OWNER: Statement = Statement::new(concat!(
    purchase!(),
    "where owner = $1 order by created_at desc limit $2"
));
static LATEST_PAYMENT: Statement = Statement::new(
    "select intent, page, client_secret from payment where order_id = $1 order by intent desc",
);
static KEEP_PAYMENT: Statement = Statement::new(
    "insert into payment (intent, order_id, page, client_secret) values ($1, $2, $3, $4) on conflict (intent) do nothing",
);
static ORDER_OF_PAYMENT: Statement = Statement::new("select order_id from payment where intent = $1");

impl Store {
    /// The order of this name.
    pub async fn order(&self, id: &OrderId) -> Result<Option<Purchase>, StoreError> {
        let query = sqlx::query(self.sql(&BY_ID)).bind(id.as_str());
        let row = query.fetch_optional(&self.readers).await?;
        self.with_payment(row.as_ref().map(purchase_of).transpose()?)
            .await
    }

    /// The order that was made of a hold.
    pub async fn order_of_hold(&self, hold: &HoldId) -> Result<Option<Purchase>, StoreError> {
        let query = sqlx::query(self.sql(&BY_HOLD)).bind(hold.as_str());
        let row = query.fetch_optional(&self.readers).await?;
        self.with_payment(row.as_ref().map(purchase_of).transpose()?)
            .await
    }

    /// The owner's orders, the newest first; without their payments' pages.
    pub async fn orders_of(&self, owner: &Owner) -> Result<Vec<Purchase>, StoreError> {
        let query = sqlx::query(self.sql(&BY_OWNER))
            .bind(owner.as_str())
            .bind(LIST_MAX);
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(purchase_of).collect()
    }

    async fn with_payment(&self, found: Option<Purchase>) -> Result<Option<Purchase>, StoreError> {
        let Some(mut purchase) = found else {
            return Ok(None);
        };
        let query = sqlx::query_as(self.sql(&LATEST_PAYMENT)).bind(purchase.id.as_str());
        let pages: Vec<(String, String, String)> = query.fetch_all(&self.readers).await?;
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        // The one that pays, or else the one that still can.
        let known = &purchase.order;
        let live = known.payments.iter().rfind(|payment| payment.is_live());
        let chosen = known.kept.as_ref().or(live.map(|payment| &payment.intent));
        let page = pages
            .into_iter()
            .find(|(intent, ..)| chosen.is_some_and(|chosen| chosen.as_str() == intent));
        if let Some((intent, page, secret)) = page {
            purchase.payment = Some(PaymentPage {
                intent: intent_of(&intent)?,
                url: given(page),
                client_secret: given(secret),
            });
        }
        Ok(Some(purchase))
    }

    /// Keeps where a payment is made. It stays as it was first told.
    pub async fn keep_payment(&self, order: &OrderId, page: &PaymentPage) -> Result<(), StoreError> {
        sqlx::query(self.sql(&KEEP_PAYMENT))
            .bind(page.intent.as_str())
            .bind(order.as_str())
            .bind(page.url.as_deref().unwrap_or_default())
            .bind(page.client_secret.as_deref().unwrap_or_default())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The order that a payment was made for, as far as that was kept.
    pub async fn order_of_payment(&self, intent: &IntentId) -> Result<Option<OrderId>, StoreError> {
        let query = sqlx::query_scalar(self.sql(&ORDER_OF_PAYMENT)).bind(intent.as_str());
        let found: Option<String> = query.fetch_optional(&self.readers).await?;
        found.map(|text| order_id_of(&text)).transpose()
    }
}

fn purchase_of(row: &AnyRow) -> Result<Purchase, StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name);
    let (lines, doc) = (text("lines")?, text("doc")?);
    let lines: Vec<Line> =
        serde_json::from_str(&lines).map_err(|_| StoreError::Corrupt("an order's lines".into()))?;
    let order: Order =
        serde_json::from_str(&doc).map_err(|_| StoreError::Corrupt("an order's document".into()))?;
    let hold = text("hold_id")?.parse();
    Ok(Purchase {
        id: order_id_of(&text("id")?)?,
        owner: Owner::from_store(text("owner")?),
        showtime: ShowtimeId(row.try_get("showtime_id")?),
        hold: hold.map_err(|_| StoreError::Corrupt("an order's hold".into()))?,
        token: row.try_get("token")?,
        email: Some(text("email")?).filter(|email| !email.is_empty()),
        lines,
        order,
        seconds_left: row.try_get::<i64, _>("left_s")?.max(0),
        created_at_ms: row.try_get("created_at")?,
        payment: None,
    })
}

fn order_id_of(text: &str) -> Result<OrderId, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("an order's id {text:?}")))
}

fn intent_of(text: &str) -> Result<IntentId, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("a payment's id {text:?}")))
}
