//! Where all the money is: for tests, which hold it against the orders, and for whoever runs a trial.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calls::Part;
use super::desk::Desk;
use super::record::Record;
use crate::payment::stripe::{ORDER_KEY, Status};

/// Payments that are shown one by one; the sums are over all of them.
const ENTRIES_MAX: usize = 20_000;

/// Payments read in one turn at the book, so that calls get theirs in between.
const READ_AT_ONCE: u32 = 500;

/// Every payment, the newest first, and the sums by currency. Amounts are in the provider's units: the currency's minor
/// unit, as a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// One by one.
    pub intents: Vec<LedgerEntry>,
    /// Whether older ones were left out of the list.
    pub has_more: bool,
    /// By currency, in small letters.
    pub totals: BTreeMap<String, LedgerSums>,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// The intent.
    pub id: String,
    /// The order it is for.
    pub order: Option<String>,
    /// How far it has come.
    pub status: Status,
    /// In small letters.
    pub currency: String,
    /// What was asked for.
    pub amount: i64,
    /// Where that went.
    #[serde(flatten)]
    pub sums: LedgerSums,
}

/// `authorised = captured + cancelled + held`, and `refunded` is never more than `captured`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LedgerSums {
    /// All that any bank ever set aside.
    pub authorised: i64,
    /// Taken.
    pub captured: i64,
    /// Paid back after it was taken.
    pub refunded: i64,
    /// Set aside and let go again.
    pub cancelled: i64,
    /// Set aside at this moment.
    pub held: i64,
}

impl LedgerSums {
    fn add(&mut self, other: Self) {
        self.authorised += other.authorised;
        self.captured += other.captured;
        self.refunded += other.refunded;
        self.cancelled += other.cancelled;
        self.held += other.held;
    }
}

impl From<Record> for LedgerEntry {
    fn from(record: Record) -> Self {
        let sums = LedgerSums {
            authorised: record.authorised,
            captured: record.captured,
            refunded: record.refunded(),
            cancelled: record.released,
            held: record.authorised - record.captured - record.released,
        };
        Self {
            order: record.metadata.get(ORDER_KEY).cloned(),
            id: record.id,
            status: record.status,
            currency: record.currency,
            amount: record.amount,
            sums,
        }
    }
}

pub(super) async fn read(desk: &Desk) -> sqlx::Result<Ledger> {
    let mut ledger = Ledger {
        intents: Vec::new(),
        has_more: false,
        totals: BTreeMap::new(),
    };
    let mut part = Part {
        limit: READ_AT_ONCE,
        after: None,
    };
    loop {
        let mut turn = desk.book.turn().await?;
        let mut records = turn.list(&part).await?;
        turn.commit().await?;
        let more = records.len() > READ_AT_ONCE as usize;
        records.truncate(READ_AT_ONCE as usize);
        part.after = records.last().map(|record| record.id.clone());
        for entry in records.into_iter().map(LedgerEntry::from) {
            ledger
                .totals
                .entry(entry.currency.clone())
                .or_default()
                .add(entry.sums);
            if ledger.intents.len() < ENTRIES_MAX {
                ledger.intents.push(entry);
            } else {
                ledger.has_more = true;
            }
        }
        if !more {
            return Ok(ledger);
        }
    }
}
