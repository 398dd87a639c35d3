//! Places of general admission. They are numbered like seats, so that one row is the truth about each of them as well;
//! nobody chooses the number. Rivals take numbers at random, so that they hardly ever want the same row at once, whether
//! the section is empty or nearly full.

use std::time::Duration;

use rand::seq::index;

use super::json_of;
use crate::domain::{HoldId, HoldOutcome, OpenSection, Owner, Seat, SeatLimit, ShowtimeId};
use crate::store::{Statement, Store, StoreError};

/// Rounds of drawing before all free places are looked for: with nine in ten gone, one round of [`drawn`] finds enough
/// places most of the time.
const DRAWS: u32 = 3;

/// Tries after that, each with all that is free at its moment. The last places of a section are worth a few.
const SEARCHES: u32 = 5;

/// The first of the drawn places that nobody has. Looked up one by one: a join would read all claims of the showtime for
/// the sake of a handful.
static FREE_AMONG: Statement = Statement::new(
    "select asked.value from {each:$2} where coalesce((select case when {live} then 1 else 0 end from claim \
     where claim.showtime_id = $1 and claim.seat = asked.value), 0) = 0 order by asked.key limit $3",
);

/// Live claims of one section.
static CLAIMED: Statement =
    Statement::new("select seat from claim where showtime_id = $1 and seat like $2 and {live}");

/// How many numbers a draw looks at for so many places.
fn drawn(quantity: usize) -> usize {
    8 + 8 * quantity
}

impl Store {
    /// Claims so many places of a section for general admission, or none.
    #[allow(clippy::too_many_arguments)]
    pub async fn hold_open(
        &self,
        showtime: ShowtimeId,
        section: &OpenSection,
        quantity: usize,
        owner: &Owner,
        id: HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<HoldOutcome, StoreError> {
        for turn in 0..DRAWS + SEARCHES {
            let mut seats = if turn < DRAWS {
                self.draw(showtime, section, quantity).await?
            } else {
                self.search(showtime, section, quantity).await?
            };
            if seats.len() < quantity {
                if turn < DRAWS {
                    continue;
                }
                return Ok(HoldOutcome::NotEnough {
                    left: seats.len() as u32,
                });
            }
            seats.sort();
            match self.hold(showtime, &seats, owner, id.clone(), ttl, limit).await? {
                HoldOutcome::JustTaken(_) => {}
                outcome => return Ok(outcome),
            }
        }
        Err(StoreError::Busy)
    }

    async fn draw(
        &self,
        showtime: ShowtimeId,
        section: &OpenSection,
        quantity: usize,
    ) -> Result<Vec<Seat>, StoreError> {
        let capacity = section.capacity as usize;
        let numbers = index::sample(&mut rand::rng(), capacity, drawn(quantity).min(capacity));
        let candidates: Vec<Seat> = numbers
            .into_iter()
            .map(|at| section.place(at as u32 + 1))
            .collect();
        let free: Vec<String> = sqlx::query_scalar(self.sql(&FREE_AMONG))
            .bind(showtime.0)
            .bind(json_of(&candidates))
            .bind(quantity as i64)
            .fetch_all(&self.readers)
            .await?;
        free.iter().map(|text| super::seat_of(text)).collect()
    }

    /// Looks at the whole section, for when little of it is left.
    async fn search(
        &self,
        showtime: ShowtimeId,
        section: &OpenSection,
        quantity: usize,
    ) -> Result<Vec<Seat>, StoreError> {
        let claimed: Vec<String> = sqlx::query_scalar(self.sql(&CLAIMED))
            .bind(showtime.0)
            .bind(format!("{}-%", section.label))
            .fetch_all(&self.readers)
            .await?;
        let claimed: std::collections::HashSet<String> = claimed.into_iter().collect();
        let free: Vec<Seat> = (1..=section.capacity)
            .map(|number| section.place(number))
            .filter(|seat| !claimed.contains(&seat.to_string()))
            .collect();
        let take = index::sample(&mut rand::rng(), free.len(), quantity.min(free.len()));
        Ok(take.into_iter().map(|at| free[at].clone()).collect())
    }
}
