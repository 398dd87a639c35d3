//! The life of a visit: granted, taken, entered, renewed, and over.
//!
//! Each visit is a slot in use from its grant on. Who is given one is decided in `front`.

use super::place::{Place, Turn, VisitId, Visitor};
use super::recover::Record;
use super::tick::{Ended, Entered, Renew, Renewed};
use super::visits::{Stage, Visit};
use super::work::{EXPIRY, Work};
use super::{COME_BACK_MS, Line};

impl Line {
    pub(super) fn free_slots(&self) -> u32 {
        let taken = self.visits.len().saturating_add(self.loss.reserve);
        self.settings.active_max.saturating_sub(taken)
    }

    /// Makes the visit of `place`: a slot and one admission's allowance. The caller has seen that there are both.
    pub(super) fn grant(&mut self, place: Place, stage: Stage, within_ms: u64) -> VisitId {
        let paid = self.allowance.spend();
        debug_assert!(paid && self.free_slots() > 0 && self.visits.at(place).is_none());
        let visit = VisitId {
            place,
            turn: Turn(self.next_turn),
        };
        self.next_turn += 1;
        self.admitted += 1;
        let hard_end_ms = self.now_ms + self.settings.visit_max_ms;
        let expires_at_ms = (self.now_ms + within_ms).min(hard_end_ms);
        self.epochs.life(place.epoch).admitted.insert(place.number);
        self.visits.put(
            place,
            Visit {
                turn: visit.turn,
                stage,
                visitor: None,
                expires_at_ms,
                hard_end_ms,
            },
        );
        self.records.push(Record::Granted {
            visit,
            stage,
            hard_end_ms,
        });
        visit
    }

    pub(super) fn take(&mut self, id: VisitId) {
        let Some(visit) = self.visits.get(id).copied().filter(|v| v.stage == Stage::Granted) else {
            return;
        };
        let expires_at_ms = (self.now_ms + self.settings.enter_within_ms).min(visit.hard_end_ms);
        self.visits.put(
            id.place,
            Visit {
                stage: Stage::Taken,
                expires_at_ms,
                ..visit
            },
        );
    }

    pub(super) fn enter(&mut self, id: VisitId, visitor: Visitor) -> Entered {
        let Some(visit) = self.visits.get(id).copied().or_else(|| self.adopt_grant(id)) else {
            return Entered::Over;
        };
        if visit.visitor.is_some_and(|owner| owner != visitor) {
            return Entered::NotTheirs;
        }
        let mut entered = Visit {
            visitor: Some(visitor),
            ..visit
        };
        if visit.stage < Stage::Entered {
            entered.stage = Stage::Entered;
            entered.expires_at_ms = visit
                .expires_at_ms
                .max(self.now_ms + COME_BACK_MS)
                .min(visit.hard_end_ms);
        }
        self.visits.put(id.place, entered);
        if visit.visitor.is_none() {
            self.records.push(Record::Entered { visit: id, visitor });
        }
        Entered::Yes {
            expires_at_ms: entered.expires_at_ms,
            hard_end_ms: entered.hard_end_ms,
        }
    }

    pub(super) fn renew(&mut self, renew: Renew) -> Renewed {
        let id = renew.visit;
        let known = self.visits.get(id).copied().or_else(|| self.adopt(renew));
        let expires_at_ms = known.map(|visit| {
            let expires_at_ms = (self.now_ms + self.settings.visit_ttl_ms).min(visit.hard_end_ms);
            self.visits.put(
                id.place,
                Visit {
                    stage: Stage::Live,
                    expires_at_ms,
                    ..visit
                },
            );
            expires_at_ms
        });
        Renewed {
            visit: id,
            expires_at_ms,
        }
    }

    /// A grant that the store lost is good as long as the token that its fan has for it.
    fn adopt_grant(&mut self, visit: VisitId) -> Option<Visit> {
        let hard_end_ms = self.now_ms + self.settings.visit_max_ms;
        let adopted = self.adopt(Renew { visit, hard_end_ms })?;
        let stage = Stage::Taken;
        Some(Visit { stage, ..adopted })
    }

    /// A visit that the store lost takes one of the slots reserved for it.
    fn adopt(&mut self, renew: Renew) -> Option<Visit> {
        let Renew {
            visit: id,
            hard_end_ms,
        } = renew;
        if !self.is_of_round(id.place) {
            return None;
        }
        self.know(id.place);
        let unseen = self.visits.at(id.place).is_none() && !self.epochs.is_admitted(id.place);
        if self.loss.reserve == 0 || !unseen || hard_end_ms <= self.now_ms {
            return None;
        }
        self.loss.found();
        self.next_turn = self.next_turn.max(id.turn.0 + 1);
        self.epochs.life(id.place.epoch).admitted.insert(id.place.number);
        self.epochs.clear_waiting(id.place);
        let expires_at_ms = self.now_ms;
        let visit = Visit {
            turn: id.turn,
            stage: Stage::Live,
            visitor: None,
            expires_at_ms,
            hard_end_ms,
        };
        self.records.push(Record::Granted {
            visit: id,
            stage: Stage::Live,
            hard_end_ms,
        });
        Some(visit)
    }

    pub(super) fn end(&mut self, id: VisitId) {
        if self.visits.get(id).is_some() {
            self.visits.remove(id.place);
            self.over(id.place, id.turn);
            self.hold_back_ended();
        }
    }

    /// Visits whose time is over, the oldest first. Those that are left hold their slots until the next tick.
    pub(super) fn expire(&mut self, work: &mut Work) {
        if self.now_ms < self.loss.grace_until_ms {
            return;
        }
        work.next_kind();
        while let Some(place) = self.visits.first_expired(self.now_ms) {
            if !work.pay(EXPIRY, place) {
                break;
            }
            let Some(visit) = self.visits.remove(place) else {
                break;
            };
            match visit.stage {
                Stage::Granted | Stage::Taken => self.undo(place, visit.turn),
                Stage::Entered | Stage::Live => self.over(place, visit.turn),
            }
        }
    }

    /// The fan never entered: the slot, the allowance and the place are as if there had been no grant. Whoever comes
    /// back is next.
    pub(super) fn undo(&mut self, place: Place, turn: Turn) {
        self.epochs.life(place.epoch).admitted.remove(place.number);
        self.allowance.refund(self.settings.admit_per_min);
        self.admitted = self.admitted.saturating_sub(1);
        let visit = VisitId { place, turn };
        self.ended.push(Ended { visit, used: false });
        self.records.push(Record::Undone(place));
    }

    /// The visit is over and its place used.
    fn over(&mut self, place: Place, turn: Turn) {
        let visit = VisitId { place, turn };
        self.ended.push(Ended { visit, used: true });
        self.records.push(Record::Over(place));
    }
}
