//! The visits this edge has seen: each token is verified once and its visit asked of the line once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use http::HeaderValue;
use tidegate_queue::line::{Round, VisitId, Visitor};
use tidegate_queue::tokens;

/// A visit as this edge knows it.
#[derive(Debug)]
pub struct Live {
    /// Which.
    pub id: VisitId,
    /// In which round.
    pub round: Round,
    /// Whose.
    pub visitor: Visitor,
    /// When it ends whatever happens, in room time.
    pub hard_end_ms: u64,
    expires_at_ms: AtomicU64,
    over: AtomicBool,
    renewing: AtomicBool,
    /// The assertion for origins, and when it expires in Unix seconds.
    assertion: ArcSwapOption<(u64, HeaderValue)>,
}

impl Live {
    /// A visit that lives until `expires_at_ms` of room time.
    pub(super) fn new(claims: &tokens::Visit, expires_at_ms: u64) -> Self {
        Self {
            id: claims.visit,
            round: claims.round,
            visitor: claims.visitor,
            hard_end_ms: claims.end * 1_000,
            expires_at_ms: AtomicU64::new(expires_at_ms),
            over: AtomicBool::new(false),
            renewing: AtomicBool::new(false),
            assertion: ArcSwapOption::empty(),
        }
    }

    /// Whether the visit lives at `now_ms` of room time.
    pub fn is_live(&self, now_ms: u64) -> bool {
        !self.over.load(Ordering::Relaxed) && now_ms < self.expires_at_ms()
    }

    /// Until when it lives unless renewed, in room time.
    pub fn expires_at_ms(&self) -> u64 {
        self.expires_at_ms.load(Ordering::Relaxed)
    }

    /// True once half of its life is over, until the renewal is answered.
    pub(super) fn wants_renewal(&self, now_ms: u64, visit_ttl_ms: u64) -> bool {
        let left_ms = self.expires_at_ms().saturating_sub(now_ms);
        let can_grow = self.expires_at_ms() < self.hard_end_ms;
        can_grow && left_ms < visit_ttl_ms / 2 && !self.renewing.swap(true, Ordering::Relaxed)
    }

    /// The renewal that was wanted was not asked for.
    pub(super) fn is_not_renewed(&self) {
        self.renewing.store(false, Ordering::Relaxed);
    }

    /// The assertion for origins, made anew by `make` when the last one is about to expire.
    pub fn assertion(
        &self,
        now_s: u64,
        make: impl FnOnce() -> Option<(u64, HeaderValue)>,
    ) -> Option<HeaderValue> {
        if let Some(kept) = self
            .assertion
            .load()
            .as_deref()
            .filter(|(exp, _)| now_s + 5 < *exp)
        {
            return Some(kept.1.clone());
        }
        let made = make()?;
        self.assertion.store(Some(Arc::new(made.clone())));
        Some(made.1)
    }
}

/// Visits by token and by id. Bounded by the visits alive, and by those that have ended while their tokens may still
/// look good: a sweep each second forgets the rest.
#[derive(Default)]
pub struct VisitCache {
    // Tokens are long and looked up at every request, so their hash must be cheap.
    by_token: DashMap<Box<str>, (Arc<Live>, u64), RandomState>,
    by_id: DashMap<VisitId, Arc<Live>>,
    /// Visits that are over. A store that is lost cannot say so, nor can one that has lost the last second.
    over: DashMap<VisitId, Over>,
}

/// A visit that is over.
#[derive(Clone, Copy, Debug)]
struct Over {
    /// Since when, in room time.
    since_ms: u64,
    /// Whether it has ended for good. Otherwise the line did not know it, or it was not renewed in time: it may be asked
    /// for again.
    ended: bool,
}

impl VisitCache {
    /// The visit of a token seen before, and the token's `exp`.
    pub(super) fn by_token(&self, token: &str) -> Option<(Arc<Live>, u64)> {
        self.by_token.get(token).map(|entry| entry.clone())
    }

    /// Remembers a token that was verified, and its visit, which the line has just called live. One that has ended since
    /// the line was asked stays over.
    pub(super) fn insert(&self, token: &str, claims: &tokens::Visit, expires_at_ms: u64) -> Arc<Live> {
        let live = self
            .by_id
            .entry(claims.visit)
            .or_insert_with(|| Arc::new(Live::new(claims, expires_at_ms)))
            .clone();
        live.expires_at_ms.fetch_max(expires_at_ms, Ordering::Relaxed);
        self.over.remove_if(&claims.visit, |_, over| !over.ended);
        // Looked at after the visit can be found by whoever ends it: one of the two sees the other.
        if self.over.contains_key(&claims.visit) {
            live.over.store(true, Ordering::Relaxed);
        }
        self.by_token.insert(token.into(), (live.clone(), claims.exp));
        live
    }

    /// Takes the line's answer to a renewal, given at `now_ms`.
    pub(super) fn renewed(&self, visit: VisitId, expires_at_ms: Option<u64>, now_ms: u64) {
        let Some(expires_at_ms) = expires_at_ms else {
            return self.is_over_since(visit, now_ms, false);
        };
        if let Some(live) = self.by_id.get(&visit) {
            live.expires_at_ms.store(expires_at_ms, Ordering::Relaxed);
            live.renewing.store(false, Ordering::Relaxed);
        }
    }

    /// The visit is over, from `now_ms` on.
    pub fn end(&self, visit: VisitId, now_ms: u64) {
        self.is_over_since(visit, now_ms, true);
    }

    fn is_over_since(&self, visit: VisitId, since_ms: u64, ended: bool) {
        self.over.entry(visit).or_insert(Over { since_ms, ended }).ended |= ended;
        if let Some(live) = self.by_id.get(&visit) {
            live.over.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a visit that is not cached is over, as far as it can be said without asking the line. One that may be
    /// asked for is, unless it `can_ask`.
    pub(super) fn is_over(&self, visit: VisitId, can_ask: bool) -> bool {
        self.over.get(&visit).is_some_and(|over| over.ended || !can_ask)
    }

    /// The visits that have ended for good since `since_ms`.
    pub(super) fn ended_since(&self, since_ms: u64) -> Vec<VisitId> {
        let recent = |over: &Over| over.ended && over.since_ms >= since_ms;
        let ended = self.over.iter().filter(|entry| recent(entry.value()));
        ended.map(|entry| *entry.key()).collect()
    }

    /// Every visit seen here.
    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        self.by_id.iter().map(|live| live.clone()).collect()
    }

    /// Every visit is over: the round has ended, and its tokens are worth nothing.
    pub(super) fn end_all(&self) {
        self.over.clear();
        self.by_id
            .iter()
            .for_each(|live| live.over.store(true, Ordering::Relaxed));
    }

    /// Forgets the visits that are over, and after `kept_ms` also that they are.
    pub(super) fn sweep(&self, now_ms: u64, kept_ms: u64) {
        self.by_token.retain(|_, (live, _)| live.is_live(now_ms));
        self.by_id.retain(|visit, live| {
            let goes_on = live.is_live(now_ms);
            if !goes_on {
                let expired = Over {
                    since_ms: now_ms,
                    ended: false,
                };
                self.over.entry(*visit).or_insert(expired);
            }
            goes_on
        });
        self.over.retain(|_, over| now_ms < over.since_ms + kept_ms);
    }
}

#[cfg(test)]
mod tests {
    use tidegate_queue::line::{Epoch, Place, Turn};

    use super::*;

    fn claims(turn: u64) -> tokens::Visit {
        let visit = VisitId {
            place: Place::START,
            turn: Turn(turn),
        };
        tokens::Visit {
            room: "drop".to_owned(),
            round: Round(1),
            epoch: Epoch(1),
            number: 1,
            visitor: Visitor(1),
            visit,
            exp: 100,
            end: 100,
        }
    }

    #[test]
    fn a_visit_that_ends_while_the_line_is_asked_for_it_stays_over() {
        let visits = VisitCache::default();
        let (ended, unknown) = (claims(1), claims(2));
        visits.end(ended.visit, 1_000);
        visits.renewed(unknown.visit, None, 1_000);
        assert!(!visits.insert("ended", &ended, 100_000).is_live(2_000));
        assert!(
            visits
                .by_token("ended")
                .is_some_and(|(live, _)| !live.is_live(2_000))
        );
        assert!(visits.is_over(ended.visit, true));
        assert!(
            visits.insert("unknown", &unknown, 100_000).is_live(2_000),
            "the line may know it again"
        );
    }
}
