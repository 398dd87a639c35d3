//! The line of one room in Redis: the script that is the line, called.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use redis::{Value, cmd};
use tidegate_config::RoomId;

use super::codec::{self, Ground};
use super::edges::Edge;
use super::error::LinkError;
use super::keys;
use super::line_script::LINE;
use super::link::{Link, Script};
use crate::line::{Change, Epoch, Refused, Reply, Request, Settings, Visit, VisitId};
use crate::store::{LineStore, Round, StoreError};

/// Fields of the visits looked at in one step of a listing.
const SCANNED: usize = 500;

/// One room's line.
pub struct RedisLine {
    link: Arc<Link>,
    script: &'static Script,
    /// What its keys begin with.
    room: String,
    /// As this edge's file has them: in force where the store has none.
    settings: Settings,
    edge: Arc<Edge>,
    lag_ms: u64,
    /// The epoch of the last reply; 0 before the first.
    epoch: AtomicU64,
}

impl RedisLine {
    pub(super) fn new(
        link: Arc<Link>,
        room: &RoomId,
        settings: Settings,
        edge: Arc<Edge>,
        lag_ms: u64,
    ) -> Self {
        Self {
            link,
            script: &LINE,
            room: keys::room(room),
            settings,
            edge,
            lag_ms,
            epoch: AtomicU64::new(0),
        }
    }

    /// A new epoch is a store that may have lost what this edge had entered.
    async fn heard_of(&self, epoch: Epoch) {
        let before = self.epoch.swap(epoch.0, Ordering::Relaxed);
        if before != 0 && before != epoch.0 {
            // The next epoch is another chance; nobody here depends on it.
            let _ = self.edge.enter_again(&self.link).await;
        }
    }

    /// This line by another script.
    #[cfg(test)]
    pub(super) fn by(self, script: &'static Script) -> Self {
        Self { script, ..self }
    }

    async fn call(&self, what: &str, with: &[u8]) -> Result<Vec<u8>, LinkError> {
        let answer = self
            .link
            .run(self.script, self.room.as_bytes(), &[what.as_bytes(), with])
            .await?;
        match answer {
            Value::BulkString(bytes) => Ok(bytes),
            Value::Nil => Ok(Vec::new()),
            other => Err(LinkError::Answer(format!("{other:?}"))),
        }
    }
}

/// The refusal that the script raised, if that is what it is.
fn refused(error: LinkError, seq: u64) -> StoreError {
    match &error {
        LinkError::Script { code, text } if code == "LATE" => {
            let last = text.trim().parse().unwrap_or(seq);
            Refused::Late { seq, last }.into()
        }
        _ => error.into(),
    }
}

#[async_trait]
impl LineStore for RedisLine {
    async fn tick(&self, request: &Request) -> Result<Arc<Reply>, StoreError> {
        if !request.fits() {
            return Err(Refused::TooLarge.into());
        }
        let ground = Ground {
            settings: &self.settings,
            nonce: self.edge.nonce,
            lag_ms: self.lag_ms,
        };
        let packed = codec::request(request, ground);
        let answer = self.call("tick", &packed).await;
        let bytes = answer.map_err(|error| refused(error, request.seq))?;
        let reply = codec::reply(&bytes, request)?;
        self.heard_of(reply.epoch).await;
        Ok(Arc::new(reply))
    }

    fn nonce(&self) -> u32 {
        self.edge.nonce
    }

    async fn configure(&self, change: Change) -> Result<Arc<Settings>, StoreError> {
        let bytes = self.call("configure", &codec::change(&change)).await?;
        Ok(Arc::new(codec::settings(&bytes)?))
    }

    async fn turn(&self, round: Round) -> Result<(), StoreError> {
        let what = match round {
            Round::Close => "close",
            Round::Open => "open",
        };
        self.call(what, &codec::change(&Change::default())).await?;
        Ok(())
    }

    async fn visit(&self, id: VisitId) -> Result<Option<Visit>, StoreError> {
        let field = codec::field(id.place);
        let mut get = cmd("HGET");
        get.arg(keys::visits(&self.room)).arg(&field);
        let Some(bytes) = self.link.query::<Option<Vec<u8>>>(&get).await? else {
            return Ok(None);
        };
        let (found, visit) = codec::visit(&field, &bytes)?;
        Ok((found == id).then_some(visit))
    }

    async fn visits(&self, most: usize) -> Result<Vec<(VisitId, Visit)>, StoreError> {
        let (mut visits, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(keys::visits(&self.room))
                .arg(cursor)
                .arg("COUNT")
                .arg(SCANNED);
            let (next, fields): (u64, Vec<(String, Vec<u8>)>) = self.link.query(&scan).await?;
            for (field, bytes) in fields {
                visits.push(codec::visit(&field, &bytes)?);
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
        // A scan may show a visit twice while others come and go.
        visits.sort_by_key(|(id, _)| *id);
        visits.dedup_by_key(|(id, _)| *id);
        visits.truncate(most);
        Ok(visits)
    }
}
