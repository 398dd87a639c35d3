//! Best available: seats chosen inside the transaction that claims them, while nobody else chooses for this showtime.

use std::collections::HashSet;
use std::time::Duration;

use super::hold::{Claim, claim_at_once};
use crate::domain::{
    Ask, Focus, Hold, HoldId, HoldOutcome, Money, Owner, Place, Row, Seat, SeatLimit, SeatMap, ShowtimeId,
    Spread, choose,
};
use crate::store::{Engine, Statement, Store, StoreError};

/// Tries when somebody who named their seats was quicker; those who choose wait for each other and never are.
const TRIES: u32 = 4;

/// A number of seats and no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BestWish<'a> {
    /// How many.
    pub quantity: u32,
    /// Only in the section of this name.
    pub section: Option<&'a str>,
    /// No seat may cost more.
    pub price_max: Option<i64>,
    /// Accessible seats, and no others.
    pub accessible: bool,
}

/// All claimed seats as one text: tens of thousands of rows would take longer to fetch than to choose from.
static CLAIMED: Statement = Statement::new("select {list:seat} from claim where showtime_id = $1 and {live}");

/// Taken before looking: whoever chooses for the same showtime waits, and whoever names seats does not.
const ONE_AT_A_TIME: &str = "select cast(pg_advisory_xact_lock(7, cast($1 as integer)) as text)";

impl Store {
    /// Claims the best seats that fit the wish, or none. `price_of` says what a level costs at this event.
    #[allow(clippy::too_many_arguments)]
    pub async fn hold_best(
        &self,
        showtime: ShowtimeId,
        map: &SeatMap,
        price_of: impl Fn(u8) -> Option<Money>,
        wish: &BestWish<'_>,
        owner: &Owner,
        id: HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<HoldOutcome, StoreError> {
        let (mut rows, sections) = rows_of(map, price_of);
        let section = match wish
            .section
            .map(|name| sections.iter().position(|known| *known == name))
        {
            None => None,
            Some(Some(at)) => Some(at as u32),
            Some(None) => return Ok(HoldOutcome::NotEnough { left: 0 }),
        };
        let ask = Ask {
            quantity: wish.quantity as usize,
            section,
            price_max: wish.price_max,
            accessible: wish.accessible,
        };
        for _ in 0..TRIES {
            let mut tx = self.writing().await?;
            if self.engine == Engine::Postgres {
                let lock = sqlx::query(ONE_AT_A_TIME).bind(showtime.0 & i64::from(i32::MAX));
                lock.execute(&mut *tx).await?;
            }
            let claimed: Option<String> = sqlx::query_scalar(self.sql(&CLAIMED))
                .bind(showtime.0)
                .fetch_one(&mut *tx)
                .await?;
            mark_free(map, &mut rows, &claimed.unwrap_or_default());
            let seats = match choose(&rows, Focus::front_centre(&rows), &ask, Spread::NONE) {
                Ok(Some(choice)) => named(map, &choice.seats),
                Ok(None) | Err(_) => {
                    return Ok(HoldOutcome::NotEnough {
                        left: left(&rows, &ask),
                    });
                }
            };
            let claim = Claim {
                showtime,
                seats: &seats,
                owner,
                id: &id,
                ttl,
                limit,
            };
            let outcome = match self.engine {
                Engine::Sqlite => Some(self.claim_among_none(&mut tx, &claim).await?),
                Engine::Postgres => claim_at_once(&mut *tx, &claim).await?,
            };
            match outcome {
                Some(held @ HoldOutcome::Held(Hold { .. })) => {
                    tx.commit().await?;
                    return Ok(held);
                }
                None | Some(HoldOutcome::JustTaken(_)) => {}
                Some(refused) => return Ok(refused),
            }
        }
        Err(StoreError::Busy)
    }
}

/// The map as choosing wants it: hundredths become half seats. And the sections' names, in the order of their numbers.
fn rows_of(map: &SeatMap, price_of: impl Fn(u8) -> Option<Money>) -> (Vec<Row>, Vec<&str>) {
    let half_seats = |hundredths: i32| i16::try_from(hundredths / 50).unwrap_or(i16::MAX);
    let mut sections: Vec<&str> = Vec::new();
    let rows = map.rows.iter().map(|row| {
        let known = sections.iter().position(|name| *name == row.section);
        let section = known.unwrap_or_else(|| {
            sections.push(&row.section);
            sections.len() - 1
        });
        let price = price_of(row.level).map_or(i64::MAX, |price| price.amount);
        let place = |number: u32| Place {
            x: half_seats(row.x).saturating_add(Place::STEP.saturating_mul(number as i16 - 1)),
            level: row.level,
            price,
            free: true,
            accessible: row.accessible.contains(&number),
        };
        Row {
            section: section as u32,
            y: half_seats(row.y),
            places: (1..=row.seats).map(place).collect(),
        }
    });
    (rows.collect(), sections)
}

fn mark_free(map: &SeatMap, rows: &mut [Row], claimed: &str) {
    let claimed: HashSet<&str> = claimed.split(' ').collect();
    let mut name = String::new();
    for (row, places) in map.rows.iter().zip(rows) {
        for (number, place) in (1..).zip(&mut places.places) {
            name.clear();
            let seat: u32 = number;
            let _ = std::fmt::Write::write_fmt(&mut name, format_args!("{}-{seat}", row.label));
            place.free = !claimed.contains(name.as_str());
        }
    }
}

fn named(map: &SeatMap, places: &[(usize, usize)]) -> Vec<Seat> {
    let seat = |&(row, place): &(usize, usize)| Seat {
        row: map.rows[row].label.clone(),
        number: place as u32 + 1,
    };
    let mut seats: Vec<Seat> = places.iter().map(seat).collect();
    seats.sort();
    seats
}

/// How many seats fit the wish at all, side by side or not.
fn left(rows: &[Row], ask: &Ask) -> u32 {
    let in_section = |row: &&Row| ask.section.is_none_or(|section| section == row.section);
    let fits = |place: &&Place| {
        place.free
            && place.accessible == ask.accessible
            && ask.price_max.is_none_or(|most| place.price <= most)
    };
    rows.iter()
        .filter(in_section)
        .flat_map(|row| &row.places)
        .filter(fits)
        .count() as u32
}
