//! Claims that come while others are being written wait a moment and are written together: a transaction costs the same
//! for one as for many. At most one is under way an instance, and the next gathers meanwhile.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::hold::Claim;
use crate::database::begin_on_server;
use crate::domain::HoldOutcome;
use crate::store::{Engine, Store, StoreError};

/// Claims in one transaction. It is a few milliseconds' work.
const BATCH_MAX: usize = 128;

/// Claims that wait. At several thousand a second it is a wait of two seconds; whoever comes then is told to come back.
const WAITING_MAX: usize = 8192;

/// How often a claim is tried by itself when somebody was quicker between its look and its claim. Each try sees those who
/// were, so the second one nearly always ends it.
const TRIES: u32 = 4;

/// Many do not wait for the sake of one: where a row stays locked for longer, by a payment or by a process that was
/// paused, each claim goes on by itself.
const BEGIN_IN_COMPANY: &str = "begin; set local lock_timeout = '100ms'";

/// A claim and who waits for its outcome.
struct Asked {
    claim: Claim,
    answer: oneshot::Sender<Result<HoldOutcome, StoreError>>,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(in crate::store) struct Gathering(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    asked: VecDeque<Asked>,
    /// Whether somebody is taking batches.
    at_work: bool,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} claims", self.asked.len())
    }
}

impl Gathering {
    /// Takes a claim in; whether somebody has to be set to work.
    fn take_in(&self, asked: Asked) -> Result<bool, StoreError> {
        let mut waiting = self.waiting();
        if waiting.asked.len() >= WAITING_MAX {
            return Err(StoreError::Busy);
        }
        waiting.asked.push_back(asked);
        Ok(!std::mem::replace(&mut waiting.at_work, true))
    }

    /// Those who waited longest and still wait, an owner's first claim only: the next one is to see what became of it.
    /// With none left, work ends.
    fn next_batch(&self) -> Option<Vec<Asked>> {
        let mut waiting = self.waiting();
        let (mut batch, mut owners, mut later) = (Vec::new(), HashSet::new(), VecDeque::new());
        while batch.len() < BATCH_MAX {
            let Some(asked) = waiting.asked.pop_front() else {
                break;
            };
            if asked.answer.is_closed() {
                continue;
            }
            match owners.insert(asked.claim.owner.clone()) {
                true => batch.push(asked),
                false => later.push_back(asked),
            }
        }
        while let Some(asked) = later.pop_back() {
            waiting.asked.push_front(asked);
        }
        waiting.at_work = !batch.is_empty();
        (!batch.is_empty()).then_some(batch)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever takes batches; after a panic the next claim sets another one to work.
struct Worker(Store);

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.gathering.waiting().at_work = false;
        }
    }
}

impl Store {
    /// Makes a claim together with whoever else wants one now. Once it has begun, it is made whether or not the caller
    /// still waits.
    pub(super) async fn claim(&self, claim: Claim) -> Result<HoldOutcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        if self.gathering.take_in(Asked { claim, answer })? {
            let worker = Worker(self.clone());
            tokio::spawn(async move {
                while let Some(batch) = worker.0.gathering.next_batch() {
                    worker.0.carry_out(batch).await;
                }
            });
        }
        outcome.await.unwrap_or(Err(StoreError::Busy))
    }

    async fn carry_out(&self, batch: Vec<Asked>) {
        let claims: Vec<&Claim> = batch.iter().map(|asked| &asked.claim).collect();
        let outcomes = match (self.claim_together(&claims).await, self.engine) {
            (Ok(Some(outcomes)), _) => outcomes.into_iter().map(Ok).collect(),
            (Ok(None) | Err(StoreError::Busy), Engine::Postgres) => {
                for asked in batch {
                    let store = self.clone();
                    tokio::spawn(async move {
                        let outcome = store.claim_alone(&asked.claim).await;
                        let _ = asked.answer.send(outcome);
                    });
                }
                return;
            }
            (Ok(None), Engine::Sqlite) => vec![Err(StoreError::Busy); batch.len()],
            (Err(error), _) => vec![Err(error); batch.len()],
        };
        for (asked, outcome) in batch.into_iter().zip(outcomes) {
            // Nobody may wait any more: the hold then ends by itself.
            let _ = asked.answer.send(outcome);
        }
    }

    async fn claim_together(&self, claims: &[&Claim]) -> Result<Option<Vec<HoldOutcome>>, StoreError> {
        let mut tx = match self.engine {
            Engine::Sqlite => self.writing().await?,
            Engine::Postgres => begin_on_server(&self.writer, BEGIN_IN_COMPANY).await?,
        };
        let outcomes = self.claim_within(&mut tx, claims).await?;
        let held = |outcome: &HoldOutcome| matches!(outcome, HoldOutcome::Held(_));
        if outcomes
            .as_ref()
            .is_some_and(|outcomes| outcomes.iter().any(held))
        {
            tx.commit().await?;
        }
        Ok(outcomes)
    }

    async fn claim_alone(&self, claim: &Claim) -> Result<HoldOutcome, StoreError> {
        for _ in 0..TRIES {
            let mut tx = self.writing().await?;
            let Some(outcomes) = self.claim_within(&mut tx, &[claim]).await? else {
                continue;
            };
            let outcome = outcomes.into_iter().next().ok_or(StoreError::Busy)?;
            if let HoldOutcome::Held(_) = outcome {
                tx.commit().await?;
            }
            return Ok(outcome);
        }
        Err(StoreError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::hold::Pick;
    use super::*;
    use crate::domain::{AccountId, HoldId, Owner, SeatLimit, ShowtimeId};

    type Answer = oneshot::Receiver<Result<HoldOutcome, StoreError>>;

    fn ask(gathering: &Gathering, who: u128, number: u128) -> Result<(bool, Answer), StoreError> {
        let (answer, outcome) = oneshot::channel();
        let claim = Claim {
            showtime: ShowtimeId(1),
            seats: Vec::new(),
            pick: Pick::All,
            owner: Owner::account(&AccountId::from_bits(who)),
            id: HoldId::from_bits(number),
            ttl: Duration::ZERO,
            limit: SeatLimit(1),
        };
        Ok((gathering.take_in(Asked { claim, answer })?, outcome))
    }

    fn ids(batch: Option<Vec<Asked>>) -> Option<Vec<u128>> {
        let id = |asked: &Asked| u128::from_str_radix(asked.claim.id.as_str(), 16).expect("an id");
        Some(batch?.iter().map(id).collect())
    }

    #[test]
    fn a_batch_has_each_owner_once_in_order_and_nobody_who_left() {
        let gathering = Gathering::default();
        let (first, _ann) = ask(&gathering, 1, 10).expect("room");
        let (second, _anns_next) = ask(&gathering, 1, 11).expect("room");
        assert!(first && !second, "one is set to work");
        drop(ask(&gathering, 2, 12));
        let _others = [3, 4].map(|who| ask(&gathering, who, 10 + who).expect("room"));
        assert_eq!(ids(gathering.next_batch()), Some(vec![10, 13, 14]));
        assert_eq!(ids(gathering.next_batch()), Some(vec![11]));
        assert_eq!(ids(gathering.next_batch()), None);
        assert!(
            ask(&gathering, 5, 15).expect("room").0,
            "work has ended, and begins again"
        );
    }

    #[test]
    fn a_batch_and_those_who_wait_are_bounded() {
        let gathering = Gathering::default();
        let asked = (0..WAITING_MAX as u128).map(|who| ask(&gathering, who, who).expect("room"));
        let _answers: Vec<_> = asked.collect();
        assert!(matches!(ask(&gathering, 0, 0), Err(StoreError::Busy)));
        assert_eq!(
            ids(gathering.next_batch()).map(|batch| batch.len()),
            Some(BATCH_MAX)
        );
        assert!(ask(&gathering, 0, 0).is_ok());
    }
}
