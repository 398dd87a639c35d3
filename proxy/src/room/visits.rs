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

/// Visits by token and by id. Bounded by the visits alive: a sweep each second forgets what is over.
#[derive(Default)]
pub struct VisitCache {
    // Tokens are long and looked up at every request, so their hash must be cheap.
    by_token: DashMap<Box<str>, (Arc<Live>, u64), RandomState>,
    by_id: DashMap<VisitId, Arc<Live>>,
}

impl VisitCache {
    /// The visit of a token seen before, and the token's `exp`.
    pub(super) fn by_token(&self, token: &str) -> Option<(Arc<Live>, u64)> {
        self.by_token.get(token).map(|entry| entry.clone())
    }

    /// Remembers a token that was verified, and its visit.
    pub(super) fn insert(&self, token: &str, claims: &tokens::Visit, expires_at_ms: u64) -> Arc<Live> {
        let live = self
            .by_id
            .entry(claims.visit)
            .or_insert_with(|| Arc::new(Live::new(claims, expires_at_ms)))
            .clone();
        live.expires_at_ms.fetch_max(expires_at_ms, Ordering::Relaxed);
        self.by_token.insert(token.into(), (live.clone(), claims.exp));
        live
    }

    /// Takes the line's answer to a renewal.
    pub(super) fn renewed(&self, visit: VisitId, expires_at_ms: Option<u64>) {
        let Some(live) = self.by_id.get(&visit) else {
            return;
        };
        match expires_at_ms {
            Some(expires_at_ms) => live.expires_at_ms.store(expires_at_ms, Ordering::Relaxed),
            None => live.over.store(true, Ordering::Relaxed),
        }
        live.renewing.store(false, Ordering::Relaxed);
    }

    /// The visit is over, from this moment.
    pub fn end(&self, visit: VisitId) {
        if let Some(live) = self.by_id.get(&visit) {
            live.over.store(true, Ordering::Relaxed);
        }
    }

    /// Every visit seen here.
    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        self.by_id.iter().map(|live| live.clone()).collect()
    }

    /// Every visit is over: the round has ended.
    pub(super) fn end_all(&self) {
        self.by_id
            .iter()
            .for_each(|live| live.over.store(true, Ordering::Relaxed));
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self, now_ms: u64) {
        self.by_token.retain(|_, (live, _)| live.is_live(now_ms));
        self.by_id.retain(|_, live| live.is_live(now_ms));
    }
}
