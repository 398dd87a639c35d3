//! Tickets: one for each seat of an order, living as long as the order stands, and let in once.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{Purchase, Statement, Store, StoreError, order_id_of};
use crate::domain::order::Transfer;
use crate::domain::{AccountId, OrderId, Owner, ShowtimeId};
use crate::store::catalogue::json_list;
use crate::store::claims::seat_of;
use crate::ticket::{Generation, Ticket, TicketId};

/// What the gate is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckedIn {
    /// Let them in: it was marked used just now.
    Welcome(Ticket),
    /// Somebody came in with it before.
    UsedBefore(Ticket),
    /// It was refunded or called off.
    Dead(Ticket),
    /// The code is an old one: the ticket was passed on.
    Superseded(Ticket),
    /// There is no such ticket.
    Unknown,
}

/// What came of passing a ticket on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedOn {
    /// It is the other's, under a new code.
    Done(Ticket),
    /// It is not the giver's, or dead, or was used.
    NotPossible,
}

macro_rules! ticket {
    () => {
        "select id, order_id, showtime_id, seat, section, amount, owner, generation, \
         case when used_at is null then -1 else ({now} - used_at) / 1000 end as used_s, \
         case when dead_at is null then 0 else 1 end as dead from ticket "
    };
}

static BY_ID: Statement = Statement::new(concat!(ticket!(), "where id = $1"));
static BY_ORDERS: Statement = Statement::new(concat!(
    ticket!(),
    "where order_id in (select value from {each:$1})"
));
/// Until the transaction ends, nobody comes in with one of them or passes it on.
static OF_ORDER_LOCKED: Statement =
    Statement::new(concat!(ticket!(), "where order_id = $1 order by id {lock}"));
static BY_OWNER: Statement = Statement::new(concat!(
    ticket!(),
    "where owner = $1 and dead_at is null order by issued_at desc, seat limit 500"
));
static ISSUE: Statement = Statement::new(
    "insert into ticket (id, order_id, showtime_id, seat, section, amount, owner, issued_at) \
     values ($1, $2, $3, $4, $5, $6, $7, {now})",
);
static KILL: Statement =
    Statement::new("update ticket set dead_at = {now} where order_id = $1 and dead_at is null");
static USE: Statement = Statement::new(
    "update ticket set used_at = {now}, used_by = $3 \
     where id = $1 and generation = $2 and used_at is null and dead_at is null",
);
static LOCK_ORDER: Statement = Statement::new("select id from orders where id = $1 {lock}");
static PASS_ON: Statement = Statement::new(
    "update ticket set owner = $3, generation = generation + 1 \
     where id = $1 and owner = $2 and used_at is null and dead_at is null",
);

impl Store {
    /// The ticket of this name.
    pub async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, StoreError> {
        let query = sqlx::query(self.sql(&BY_ID)).bind(id.to_string());
        let row = query.fetch_optional(&self.readers).await?;
        row.as_ref().map(ticket_of).transpose()
    }

    /// All tickets that were ever issued for an order.
    pub async fn tickets_of_order(&self, order: &OrderId) -> Result<Vec<Ticket>, StoreError> {
        let mut tickets = self.tickets_of_orders([order]).await?;
        Ok(tickets.remove(order).unwrap_or_default())
    }

    /// The same for many orders, in one query; an order without tickets is left out.
    pub async fn tickets_of_orders(
        &self,
        orders: impl IntoIterator<Item = &OrderId>,
    ) -> Result<HashMap<OrderId, Vec<Ticket>>, StoreError> {
        let orders = json_list(&Vec::from_iter(orders));
        let query = sqlx::query(self.sql(&BY_ORDERS)).bind(orders);
        let mut by_order: HashMap<OrderId, Vec<Ticket>> = HashMap::new();
        for row in query.fetch_all(&self.readers).await? {
            let ticket = ticket_of(&row)?;
            by_order.entry(ticket.order.clone()).or_default().push(ticket);
        }
        for tickets in by_order.values_mut() {
            tickets.sort_by(|a, b| a.seat.cmp(&b.seat));
        }
        Ok(by_order)
    }

    /// The live tickets that are somebody's now, the newest first.
    pub async fn tickets_of(&self, owner: &Owner) -> Result<Vec<Ticket>, StoreError> {
        let query = sqlx::query(self.sql(&BY_OWNER)).bind(owner.as_str());
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(ticket_of).collect()
    }

    /// Writes a ticket for each seat. A seat that has a live one fails all of it.
    pub(super) async fn issue(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
    ) -> Result<(), StoreError> {
        for line in &purchase.lines {
            sqlx::query(self.sql(&ISSUE))
                .bind(TicketId(rand::random()).to_string())
                .bind(purchase.id.as_str())
                .bind(purchase.showtime.0)
                .bind(line.seat.to_string())
                .bind(&line.section)
                .bind(line.amount)
                .bind(purchase.owner.as_str())
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn kill_tickets(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(self.sql(&KILL)).bind(purchase.id.as_str());
        query.execute(&mut **tx).await?;
        Ok(())
    }

    /// Whether a ticket of the order is no longer the buyer's to give back. None of them moves before the transaction ends.
    pub(super) async fn any_gone(
        &self,
        tx: &mut Transaction<'_, Any>,
        purchase: &Purchase,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(self.sql(&OF_ORDER_LOCKED)).bind(purchase.id.as_str());
        for row in query.fetch_all(&mut **tx).await? {
            if ticket_of(&row)?.is_gone(&purchase.owner) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Marks a ticket used, once: of two gates at the same moment one is told so.
    pub async fn check_in(
        &self,
        id: TicketId,
        generation: Generation,
        gate: &str,
    ) -> Result<CheckedIn, StoreError> {
        let used = sqlx::query(self.sql(&USE))
            .bind(id.to_string())
            .bind(i64::from(generation.0))
            .bind(gate)
            .execute(&self.writer)
            .await?;
        let query = sqlx::query(self.sql(&BY_ID)).bind(id.to_string());
        let row = query.fetch_optional(&self.writer).await?;
        let Some(ticket) = row.as_ref().map(ticket_of).transpose()? else {
            return Ok(CheckedIn::Unknown);
        };
        Ok(match used.rows_affected() {
            1 => CheckedIn::Welcome(ticket),
            _ if ticket.dead => CheckedIn::Dead(ticket),
            _ if ticket.generation != generation => CheckedIn::Superseded(ticket),
            _ => CheckedIn::UsedBefore(ticket),
        })
    }

    /// Gives a ticket to somebody else; both are told. Its code so far is worthless from the same moment.
    pub async fn pass_on(
        &self,
        ticket: &Ticket,
        from: &AccountId,
        to: &AccountId,
    ) -> Result<PassedOn, StoreError> {
        let mut tx = self.writing().await?;
        // The order first, as whoever takes its tickets back has it: so the two wait for each other in one order only.
        sqlx::query(self.sql(&LOCK_ORDER))
            .bind(ticket.order.as_str())
            .execute(&mut *tx)
            .await?;
        let done = sqlx::query(self.sql(&PASS_ON))
            .bind(ticket.id.to_string())
            .bind(Owner::account(from).as_str())
            .bind(Owner::account(to).as_str())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(PassedOn::NotPossible);
        }
        let query = sqlx::query(self.sql(&BY_ID)).bind(ticket.id.to_string());
        let row = query.fetch_one(&mut *tx).await?;
        let passed = ticket_of(&row)?;
        for effect in Transfer::follows(passed.id, passed.generation, from, to) {
            self.to_outbox(&mut tx, &passed.order, &effect).await?;
        }
        tx.commit().await?;
        Ok(PassedOn::Done(passed))
    }
}

fn ticket_of(row: &AnyRow) -> Result<Ticket, StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name);
    let number = |name: &str| row.try_get::<i64, _>(name);
    let used_s = number("used_s")?;
    let id = text("id")?.parse();
    Ok(Ticket {
        id: id.map_err(|_| StoreError::Corrupt("a ticket's id".into()))?,
        order: order_id_of(&text("order_id")?)?,
        showtime: ShowtimeId(number("showtime_id")?),
        seat: seat_of(&text("seat")?)?,
        section: text("section")?,
        amount: number("amount")?,
        owner: Owner::from_store(text("owner")?),
        generation: Generation(u32::try_from(number("generation")?).unwrap_or(u32::MAX)),
        used_seconds_ago: (used_s >= 0).then_some(used_s),
        dead: number("dead")? != 0,
    })
}
