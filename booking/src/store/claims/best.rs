//! Seats that are chosen inside the transaction that claims them, while nobody else chooses for this showtime.

use std::time::Duration;

use super::hold::{Claim, Pick};
use super::watch::{Cursor, SeatChanges};
use crate::domain::{HoldId, HoldOutcome, Owner, Seat, SeatLimit, ShowtimeId};
use crate::store::{Engine, Store, StoreError};

/// Taken before looking: whoever chooses for the same showtime waits, and whoever names seats does not.
const ONE_AT_A_TIME: &str = "select cast(pg_advisory_xact_lock(7, cast($1 as integer)) as text)";

impl Store {
    /// Lets the caller choose by the claims that may have changed since the cursor, and claims what was chosen, or none.
    /// `None`: somebody who named their seats was quicker; another look shows who.
    #[allow(clippy::too_many_arguments)]
    pub async fn hold_chosen(
        &self,
        showtime: ShowtimeId,
        since: Cursor,
        choose: impl FnOnce(&SeatChanges) -> Result<Vec<Seat>, HoldOutcome> + Send,
        owner: &Owner,
        id: HoldId,
        ttl: Duration,
        limit: SeatLimit,
    ) -> Result<Option<HoldOutcome>, StoreError> {
        let mut tx = self.writing().await?;
        if self.engine == Engine::Postgres {
            let lock = sqlx::query(ONE_AT_A_TIME).bind(showtime.0 & i64::from(i32::MAX));
            lock.execute(&mut *tx).await?;
        }
        let read = self.changes_within(&mut *tx, showtime, since).await?;
        let claim = match choose(&read) {
            Err(refused) => return Ok(Some(refused)),
            Ok(seats) => Claim {
                showtime,
                seats,
                pick: Pick::All,
                owner: owner.clone(),
                id,
                ttl,
                limit,
            },
        };
        let outcomes = self.claim_within(&mut tx, &[&claim]).await?;
        match outcomes.and_then(|outcomes| outcomes.into_iter().next()) {
            Some(held @ HoldOutcome::Held(_)) => {
                tx.commit().await?;
                Ok(Some(held))
            }
            None | Some(HoldOutcome::JustTaken(_)) => Ok(None),
            refused => Ok(refused),
        }
    }
}
