//! Where calls are carried out: each in one transaction that holds the payment, the webhooks about it and the answer
//! under its key, so that a kill at any moment leaves all of them or none.

use hyper::StatusCode;
use jiff::Timestamp;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::Value;
use tokio::sync::Notify;

use super::book::{Book, Kept, Letter, Turn};
use super::calls::{Call, New, Part};
use super::chaos::Faults;
use super::describe;
use super::record::{Clock, Done, Record};
use super::refusal::Refusal;
use crate::payment::stripe::Status;

/// How long an unsent webhook is in one sender's hands; longer than a sender waits for the answer.
const LEASE_MS: i64 = 30_000;

/// The desk.
pub(super) struct Desk {
    pub(super) book: Book,
    pub(super) faults: Faults,
    pub(super) public_url: String,
    pub(super) pay_within_ms: i64,
    /// Whether anyone wants webhooks.
    pub(super) tells: bool,
    /// Something was posted, or a payment has got a time at which it ends.
    pub(super) wake: Notify,
}

/// The caller's key, and what was asked under it.
pub(super) struct Keyed {
    pub(super) key: String,
    pub(super) request: String,
}

/// What is sent back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    /// Whether the same was answered before.
    pub(super) replayed: bool,
}

impl Answer {
    fn new(status: StatusCode, body: &Value) -> Self {
        Self {
            status,
            body: body.to_string(),
            replayed: false,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, &refusal.document())
    }
}

/// Why a call is not carried out: it should not be, or it cannot be.
enum Failed {
    Refused(Refusal),
    Book(sqlx::Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Book(error)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is due without anyone asking.
pub(super) struct Due {
    pub(super) letters: Vec<Letter>,
    /// When to look again.
    pub(super) next_at_ms: Option<i64>,
}

impl Desk {
    /// Carries a call out, or brings the answer that its key brought before.
    pub(super) async fn carry_out(&self, call: Call, keyed: Option<&Keyed>) -> Answer {
        match self.in_turn(call, keyed).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "the sandbox's book failed");
                Refusal::broken().into()
            }
        }
    }

    async fn in_turn(&self, call: Call, keyed: Option<&Keyed>) -> sqlx::Result<Answer> {
        let clock = self.clock();
        let writes = call.writes();
        let mut turn = self.book.turn().await?;
        self.bury(&mut turn, clock).await?;
        if let Some(keyed) = keyed
            && let Some(kept) = turn.kept(&keyed.key, clock.now_ms).await?
        {
            turn.commit().await?;
            return Ok(replay(kept, &keyed.request));
        }
        let (answer, keep) = match self.execute(&mut turn, call, clock).await {
            Ok(answer) => (answer, true),
            Err(Failed::Refused(refusal)) => {
                let keep = refusal.kept;
                (refusal.into(), keep)
            }
            Err(Failed::Book(error)) => return Err(error),
        };
        if let (Some(keyed), true) = (keyed, keep) {
            let kept = Kept {
                request: keyed.request.clone(),
                status: answer.status.as_u16(),
                body: answer.body.clone(),
            };
            turn.keep(&keyed.key, &kept, clock.now_ms).await?;
        }
        turn.commit().await?;
        if writes {
            self.wake.notify_one();
        }
        Ok(answer)
    }

    async fn execute(&self, turn: &mut Turn, call: Call, clock: Clock) -> Result<Answer, Failed> {
        match call {
            Call::Create(new) => self.create(turn, new, clock).await,
            Call::Get(id) => Ok(self.shown(&find(turn, &id).await?)),
            Call::List(part) => {
                if let Some(after) = &part.after {
                    find(turn, after).await?;
                }
                let records = turn.list(&part).await?;
                Ok(self.page("list", "/v1/payment_intents", &records, part.limit))
            }
            Call::Search { clause, limit } => {
                let records = turn.search(&clause, limit).await?;
                Ok(self.page("search_result", "/v1/payment_intents/search", &records, limit))
            }
            Call::Confirm { id, card } => {
                self.step(turn, &id, clock, |record| record.confirm(card, clock))
                    .await
            }
            Call::Answer { id, approved } => {
                self.step(turn, &id, clock, |record| record.answer(approved, clock))
                    .await
            }
            Call::Capture(id) => self.step(turn, &id, clock, |record| record.capture(clock)).await,
            Call::Cancel { id, reason } => {
                self.step(turn, &id, clock, |record| record.cancel(reason.as_deref()))
                    .await
            }
            Call::Refund { id, amount } => {
                let mut record = find(turn, &id).await?;
                let done = record.refund(format!("re_{}", random_text(24)), amount, clock)?;
                self.write(turn, &record, &done, clock).await?;
                let made = record
                    .refunds
                    .last()
                    .map(|refund| describe::refund(&record, refund));
                Ok(Answer::new(StatusCode::OK, &made.unwrap_or_default()))
            }
            Call::Refunds { id, part } => Ok(refunds(&find(turn, &id).await?, &part)),
        }
    }

    async fn create(&self, turn: &mut Turn, new: New, clock: Clock) -> Result<Answer, Failed> {
        let id = format!("pi_{}", random_text(24));
        let record = Record {
            client_secret: format!("{id}_secret_{}", random_text(24)),
            id,
            created_s: clock.now_s(),
            amount: new.amount,
            currency: new.currency,
            description: new.description,
            metadata: new.metadata,
            status: Status::RequiresPaymentMethod,
            card: None,
            last_error: None,
            authorised: 0,
            captured: 0,
            released: 0,
            refunds: Vec::new(),
            ends_at_ms: Some(clock.now_ms + clock.pay_within_ms),
            cancellation_reason: None,
        };
        turn.insert(&record).await?;
        self.tell(turn, &record, "payment_intent.created", clock).await?;
        Ok(self.shown(&record))
    }

    /// One step of one payment; a bank's no is written down like any other outcome and answered as an error.
    async fn step(
        &self,
        turn: &mut Turn,
        id: &str,
        clock: Clock,
        step: impl FnOnce(&mut Record) -> Result<Done, Refusal>,
    ) -> Result<Answer, Failed> {
        let mut record = find(turn, id).await?;
        let done = step(&mut record)?;
        self.write(turn, &record, &done, clock).await?;
        let Some(fault) = done.declined else {
            return Ok(self.shown(&record));
        };
        let mut error = fault.document();
        error["payment_intent"] = describe::intent(&record, &self.public_url);
        let body = serde_json::json!({ "error": error });
        Ok(Answer::new(StatusCode::PAYMENT_REQUIRED, &body))
    }

    async fn write(&self, turn: &mut Turn, record: &Record, done: &Done, clock: Clock) -> sqlx::Result<()> {
        turn.update(record).await?;
        self.tell(turn, record, done.event, clock).await
    }

    /// Posts a webhook about it, as often and as late as chaos wants.
    async fn tell(&self, turn: &mut Turn, record: &Record, kind: &str, clock: Clock) -> sqlx::Result<()> {
        if !self.tells {
            return Ok(());
        }
        let at = Timestamp::from_millisecond(clock.now_ms).unwrap_or_default();
        let id = format!("evt_{}", random_text(24));
        let body = describe::event(&id, kind, record, &self.public_url, at).to_string();
        for delay in self.faults.webhook() {
            turn.post(&body, clock.now_ms + delay.as_millis() as i64).await?;
        }
        Ok(())
    }

    /// Ends the payments whose time is over.
    async fn bury(&self, turn: &mut Turn, clock: Clock) -> sqlx::Result<()> {
        for mut record in turn.expired(clock.now_ms).await? {
            if let Some(done) = record.expire(clock) {
                self.write(turn, &record, &done, clock).await?;
            }
        }
        Ok(())
    }

    /// Ends what is over, and hands out at most `most` webhooks to be sent now.
    pub(super) async fn due(&self, most: usize) -> sqlx::Result<Due> {
        let clock = self.clock();
        let mut turn = self.book.turn().await?;
        self.bury(&mut turn, clock).await?;
        let letters = if most == 0 {
            Vec::new()
        } else {
            turn.due(clock.now_ms, clock.now_ms + LEASE_MS, most).await?
        };
        let next_at_ms = turn.next_at_ms(self.tells).await?;
        turn.commit().await?;
        Ok(Due { letters, next_at_ms })
    }

    /// Notes that a webhook arrived or is given up (`None`), or is to be sent again after so many milliseconds.
    pub(super) async fn posted(&self, seq: i64, again_in_ms: Option<i64>) -> sqlx::Result<()> {
        let again_at_ms = again_in_ms.map(|ms| self.clock().now_ms + ms);
        let mut turn = self.book.turn().await?;
        turn.posted(seq, again_at_ms).await?;
        turn.commit().await
    }

    /// A payment for the pay page.
    pub(super) async fn look(&self, id: &str) -> sqlx::Result<Option<Record>> {
        let mut turn = self.book.turn().await?;
        self.bury(&mut turn, self.clock()).await?;
        let record = turn.find(id).await?;
        turn.commit().await?;
        Ok(record)
    }

    pub(super) fn clock(&self) -> Clock {
        Clock {
            now_ms: Timestamp::now().as_millisecond(),
            pay_within_ms: self.pay_within_ms,
        }
    }

    fn shown(&self, record: &Record) -> Answer {
        Answer::new(StatusCode::OK, &describe::intent(record, &self.public_url))
    }

    fn page(&self, object: &str, url: &str, records: &[Record], limit: u32) -> Answer {
        let shown = records.iter().take(limit as usize);
        let data = shown
            .map(|record| describe::intent(record, &self.public_url))
            .collect();
        let has_more = records.len() > limit as usize;
        Answer::new(StatusCode::OK, &describe::page(object, url, data, has_more))
    }
}

fn replay(kept: Kept, request: &str) -> Answer {
    if kept.request != request {
        return Refusal::key_reused().into();
    }
    Answer {
        status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK),
        body: kept.body,
        replayed: true,
    }
}

async fn find(turn: &mut Turn, id: &str) -> Result<Record, Failed> {
    let record = turn.find(id).await?;
    Ok(record.ok_or_else(|| Refusal::no_such("payment_intent", id))?)
}

/// The newest first.
fn refunds(record: &Record, part: &Part) -> Answer {
    let mut newest = record.refunds.iter().rev().peekable();
    if let Some(after) = &part.after {
        newest.by_ref().find(|refund| refund.id == *after);
    }
    let page = newest.by_ref().take(part.limit as usize);
    let data = page.map(|refund| describe::refund(record, refund)).collect();
    let has_more = newest.peek().is_some();
    Answer::new(
        StatusCode::OK,
        &describe::page("list", "/v1/refunds", data, has_more),
    )
}

fn random_text(letters: usize) -> String {
    let random = rand::rng().sample_iter(Alphanumeric);
    random.take(letters).map(char::from).collect()
}
