//! Best available: the seats are chosen from the picture, brought up to date inside the transaction that claims them.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::board::Board;
use super::picture::View;
use crate::domain::{
    Ask, Fit, Focus, HoldId, HoldOutcome, Money, Owner, Place, Row, Seat, SeatLimit, SeatMap, Spread, choose,
};
use crate::store::{Cursor, SeatChanges, Store, StoreError};

/// Tries when somebody who named their seats was quicker; those who choose wait for each other and never are.
const TRIES: u32 = 4;

/// How long somebody waits for their turn to choose, of some milliseconds each, before they are told to come back.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// How many rows farther is still near.
const NEAR: usize = 3;

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

impl Board {
    /// Seats for somebody whose seats were just taken: as many, side by side in the same rows or near them, and no dearer.
    /// None where there are none; nothing is held.
    pub(super) async fn instead_of(
        &self,
        store: &Store,
        asked: &[Seat],
        taken: &[Seat],
    ) -> Result<Vec<Seat>, StoreError> {
        self.refresh(store).await?;
        let showtime = self.detail(store).await?;
        let price_of = |level| showtime.event.price_of(level);
        let Some(near) = rows_near(&showtime.map, asked) else {
            return Ok(Vec::new());
        };
        let (mut rows, _) = rows_of(&near, price_of);
        let mut wanted = Vec::new();
        {
            let seen = self.seen();
            for (known, row) in near.rows.iter().zip(&mut rows) {
                for (number, place) in (1..).zip(&mut row.places) {
                    let seat = Seat {
                        row: known.label.clone(),
                        number,
                    };
                    place.free = seen.picture.is_free(&seat) && !taken.contains(&seat);
                    if asked.contains(&seat) {
                        wanted.push((place.x, row.y, place.price, place.accessible));
                    }
                }
            }
        }
        let (Some(dearest), count) = (wanted.iter().map(|seat| seat.2).max(), wanted.len() as i32) else {
            return Ok(Vec::new());
        };
        let middle = |sum: i32| i16::try_from(sum / count).unwrap_or_default();
        let focus = Focus {
            x: middle(wanted.iter().map(|seat| i32::from(seat.0)).sum()),
            y: middle(wanted.iter().map(|seat| i32::from(seat.1)).sum()),
        };
        let ask = Ask {
            quantity: asked.len(),
            section: None,
            price_max: Some(dearest),
            accessible: wanted.iter().all(|seat| seat.3),
        };
        Ok(match choose(&rows, focus, &ask, Spread::NONE) {
            Ok(Some(choice)) if choice.fit <= Fit::LeavingSingle => named(&near, &choice.seats),
            _ => Vec::new(),
        })
    }
}

/// The rows of the asked seats' section from a few before them to a few behind.
fn rows_near(map: &SeatMap, asked: &[Seat]) -> Option<SeatMap> {
    let at = |seat: &Seat| map.rows.iter().position(|row| row.label == seat.row);
    let first = asked.iter().filter_map(at).min()?;
    let last = asked.iter().filter_map(at).max()?;
    let near = first.saturating_sub(NEAR)..(last + NEAR + 1).min(map.rows.len());
    let section = &map.rows[first].section;
    let rows = map.rows[near].iter().filter(|row| row.section == *section);
    Some(SeatMap {
        rows: rows.cloned().collect(),
        open: Vec::new(),
    })
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
