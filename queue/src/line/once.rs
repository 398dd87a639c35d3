//! Once: a tick that is sent again gets the reply it got, and one that comes late changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tick::{Refused, Reply, Request};

/// Edges whose last reply is kept for repetition; the one silent longest is forgotten first.
const EDGES_MAX: usize = 64;

/// The last exchange with one edge.
#[derive(Clone, Debug)]
struct LastTick {
    seq: u64,
    at_ms: u64,
    reply: Arc<Reply>,
}

/// The edges heard lately.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    last: BTreeMap<u64, LastTick>,
}

impl Edges {
    /// The reply `request` already got, if it is its edge's last; refused when it is older than that.
    pub fn answered(&self, request: &Request) -> Result<Option<Arc<Reply>>, Refused> {
        let Some(last) = self.last.get(&request.boot) else {
            return Ok(None);
        };
        if request.seq == last.seq {
            return Ok(Some(last.reply.clone()));
        }
        if request.seq < last.seq {
            return Err(Refused::Late {
                seq: request.seq,
                last: last.seq,
            });
        }
        Ok(None)
    }

    /// Keeps the reply for repetition.
    pub fn remember(&mut self, request: &Request, reply: &Arc<Reply>) {
        let last = LastTick {
            seq: request.seq,
            at_ms: reply.now_ms,
            reply: reply.clone(),
        };
        self.last.insert(request.boot, last);
        if self.last.len() > EDGES_MAX {
            let oldest = self.last.iter().min_by_key(|(_, last)| last.at_ms);
            oldest.map(|(boot, _)| *boot).map(|boot| self.last.remove(&boot));
        }
    }
}
