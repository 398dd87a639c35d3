//! Best available: the seats are chosen from the picture, brought up to date inside the transaction that claims them.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::board::Board;
use super::picture::View;
use crate::domain::{
    Ask, Focus, HoldId, HoldOutcome, Money, Owner, Place, Row, Seat, SeatLimit, SeatMap, Spread, choose,
};
use crate::store::{Cursor, SeatChanges, Store, StoreError};

/// Tries when somebody who named their seats was quicker; those who choose wait for each other and never are.
const TRIES: u32 = 4;

/// How long somebody waits for their turn to choose, of some milliseconds each, before they are told to come back.
const TURN_WITHIN: Duration = Duration::from_secs(2);

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

impl Board {
    /// Claims the best seats that fit the wish, or none. One at a time: of many who want the best, each chooses when those
    /// before have theirs.
    pub(super) async fn hold_best(
        &self,
        store: &Store,
        wish: &BestWish<'_>,
        owner: &Owner,
        id: &HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<HoldOutcome, StoreError> {
        let turn = timeout(TURN_WITHIN, self.choosing.lock());
        let _turn = turn.await.map_err(|_| StoreError::Busy)?;
        let showtime = self.detail(store).await?;
        let map = &showtime.map;
        let (mut rows, sections) = rows_of(map, |level| showtime.event.price_of(level));
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
        for turn in 1..=TRIES {
            let _asking = self.asking.lock().await;
            let asked_at = Instant::now();
            // The last time without any belief of one's own.
            let since = match turn {
                TRIES => Cursor::default(),
                _ => self.seen().picture.moment(View::Now).cursor,
            };
            let choice = |read: &SeatChanges| {
                let mut seen = self.seen();
                seen.read(asked_at, read);
                seen.picture.mark_free(&mut rows);
                drop(seen);
                match choose(&rows, Focus::front_centre(&rows), &ask, Spread::NONE) {
                    Ok(Some(choice)) => Ok(named(map, &choice.seats)),
                    Ok(None) | Err(_) => Err(HoldOutcome::NotEnough {
                        left: left(&rows, &ask),
                    }),
                }
            };
            let held = store.hold_chosen(self.showtime, since, choice, owner, id.clone(), ttl, limit);
            if let Some(outcome) = held.await? {
                return Ok(outcome);
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
