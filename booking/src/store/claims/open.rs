//! Places of general admission. They are numbered like seats, so that one row is the truth about each of them as well;
//! nobody chooses the number. Rivals take numbers at random, so that they hardly ever want the same row at once, whether
//! the section is empty or nearly full.

use std::time::Duration;

use rand::seq::index;

use super::hold::{Claim, Pick};
use crate::domain::{HoldId, HoldOutcome, OpenSection, Owner, Seat, SeatLimit, ShowtimeId};
use crate::store::{Statement, Store, StoreError};

/// Rounds of drawing before all free places are looked for, each with so many numbers for a place that is wanted: two are
/// enough while a section is half empty, and with nine in ten gone the last round finds enough most of the time.
const DRAWS: [usize; 3] = [2, 6, 12];

/// Tries after that, each with all that is free at its moment. The last places of a section are worth a few.
const SEARCHES: usize = 5;

/// Live claims of one section.
static CLAIMED: Statement =
    Statement::new("select seat from claim where showtime_id = $1 and seat like $2 and {live}");

/// So many places at random, or all there are.
fn drawn(section: &OpenSection, count: usize) -> Vec<Seat> {
    let capacity = section.capacity as usize;
    let numbers = index::sample(&mut rand::rng(), capacity, count.min(capacity));
    numbers
        .into_iter()
        .map(|at| section.place(at as u32 + 1))
        .collect()
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
        for turn in 0..DRAWS.len() + SEARCHES {
            let seats = match DRAWS.get(turn) {
                Some(spare) => drawn(section, quantity * spare),
                None => self.search(showtime, section, quantity).await?,
            };
            if seats.len() < quantity {
                if turn < DRAWS.len() {
                    continue;
                }
                return Ok(HoldOutcome::NotEnough {
                    left: seats.len() as u32,
                });
            }
            let claim = Claim {
                showtime,
                seats,
                pick: Pick::Any(quantity),
                owner: owner.clone(),
                id: id.clone(),
                ttl,
                limit,
            };
            match self.claim(claim).await? {
                HoldOutcome::JustTaken(_) => {}
                outcome => return Ok(outcome),
            }
        }
        Err(StoreError::Busy)
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
