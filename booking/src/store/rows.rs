//! Rows of the catalogue on their way in, many at a time: each statement takes them as one JSON text.

use serde_json::{Value, json};
use sqlx::{Any, Transaction};

use super::{Statement, Store, StoreError};
use crate::domain::SeatMap;

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 1000;

pub(super) static VENUES: Statement = Statement::new(
    "insert into venue (id, organiser, import_key, name, city, country, time_zone, currency, capacity) \
     select cast(value ->> 'id' as bigint), value ->> 'organiser', value ->> 'key', value ->> 'name', \
     value ->> 'city', value ->> 'country', value ->> 'time_zone', value ->> 'currency', \
     cast(value ->> 'capacity' as bigint) from {rows:$1}",
);

pub(super) static SEAT_ROWS: Statement = Statement::new(
    "insert into seat_row (venue_id, position, section, level, label, seats, x, y, accessible) \
     select cast(value ->> 'venue' as bigint), cast(value ->> 'position' as bigint), value ->> 'section', \
     cast(value ->> 'level' as bigint), value ->> 'label', cast(value ->> 'seats' as bigint), \
     cast(value ->> 'x' as bigint), cast(value ->> 'y' as bigint), value ->> 'accessible' from {rows:$1}",
);

pub(super) static OPEN_SECTIONS: Statement = Statement::new(
    "insert into open_section (venue_id, position, name, label, level, capacity) \
     select cast(value ->> 'venue' as bigint), cast(value ->> 'position' as bigint), value ->> 'name', \
     value ->> 'label', cast(value ->> 'level' as bigint), cast(value ->> 'capacity' as bigint) from {rows:$1}",
);

pub(super) static EVENTS: Statement = Statement::new(
    "insert into event (id, venue_id, organiser, import_key, category, title, credit, description) \
     select cast(value ->> 'id' as bigint), cast(value ->> 'venue' as bigint), value ->> 'organiser', \
     value ->> 'key', value ->> 'category', value ->> 'title', value ->> 'credit', value ->> 'description' \
     from {rows:$1}",
);

pub(super) static PRICES: Statement = Statement::new(
    "insert into price (event_id, level, amount) select cast(value ->> 'event' as bigint), \
     cast(value ->> 'level' as bigint), cast(value ->> 'amount' as bigint) from {rows:$1}",
);

pub(super) static SHOWTIMES: Statement = Statement::new(
    "insert into showtime (id, event_id, starts_at) select cast(value ->> 'id' as bigint), \
     cast(value ->> 'event' as bigint), cast(value ->> 'starts_at' as bigint) from {rows:$1}",
);

pub(super) static CHANGES: Statement = Statement::new(
    "insert into catalogue_change (version, event_id) select cast(value ->> 'version' as bigint), \
     cast(value ->> 'event' as bigint) from {rows:$1}",
);

/// The rows of a venue's map for [`SEAT_ROWS`].
pub(super) fn seat_rows(venue: i64, map: &SeatMap) -> Vec<Value> {
    let rows = (0..).zip(&map.rows).map(|(at, row): (i64, _)| {
        json!({"venue": venue, "position": at, "section": row.section, "level": row.level, "label": row.label,
            "seats": row.seats, "x": row.x, "y": row.y, "accessible": json!(row.accessible).to_string()})
    });
    rows.collect()
}

/// The sections without seats of a venue's map for [`OPEN_SECTIONS`].
pub(super) fn open_sections(venue: i64, map: &SeatMap) -> Vec<Value> {
    let rows = (0..).zip(&map.open).map(|(at, open): (i64, _)| {
        json!({"venue": venue, "position": at, "name": open.name, "label": open.label, "level": open.level,
            "capacity": open.capacity})
    });
    rows.collect()
}

impl Store {
    /// Puts rows in with one of the statements above.
    pub(super) async fn insert(
        &self,
        tx: &mut Transaction<'_, Any>,
        statement: &'static Statement,
        rows: Vec<Value>,
    ) -> Result<(), StoreError> {
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            let text = Value::from(chunk).to_string();
            sqlx::query(self.sql(statement))
                .bind(text)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}
