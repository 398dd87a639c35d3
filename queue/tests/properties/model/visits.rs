//! The life of a visit, as the model has it.

use tidegate_queue::line::{Entered, Place, Settings, Stage, Visit, VisitId, Visitor};

use super::{COME_BACK_MS, COST, Model};

/// What the model knows of a live visit.
#[derive(Clone, Copy, Debug)]
pub struct ModelVisit {
    pub id: VisitId,
    pub stage: Stage,
    pub visitor: Option<Visitor>,
    pub expires_at_ms: u64,
    pub hard_end_ms: u64,
}

impl ModelVisit {
    /// As the line has it.
    pub fn new(id: VisitId, visit: &Visit) -> Self {
        Self {
            id,
            stage: visit.stage,
            visitor: visit.visitor,
            expires_at_ms: visit.expires_at_ms,
            hard_end_ms: visit.hard_end_ms,
        }
    }
}

impl Model {
    pub(super) fn expire(&mut self, now: u64, settings: &Settings) {
        let over: Vec<Place> = self
            .visits
            .iter()
            .filter(|(_, v)| v.expires_at_ms <= now)
            .map(|(p, _)| *p)
            .collect();
        for place in over {
            let Some(visit) = self.visits.remove(&place) else {
                continue;
            };
            if visit.stage < Stage::Entered {
                self.used.remove(&place);
                self.refunds.push(now);
                self.gain(COST, settings);
            }
        }
    }

    /// A visit or a grant that the store lost takes a slot held back.
    pub(super) fn adopt(&mut self, id: VisitId, stage: Stage, hard_end_ms: u64, now: u64) {
        assert!(
            self.used.insert(id.place),
            "a place whose visit is over was adopted again: {id}"
        );
        self.clear(id.place);
        let visit = ModelVisit {
            id,
            stage,
            visitor: None,
            expires_at_ms: now,
            hard_end_ms,
        };
        self.visits.insert(id.place, visit);
    }

    pub(super) fn enter(&mut self, id: VisitId, visitor: Visitor, entered: Entered, now: u64) {
        let Some(visit) = self.visits.get_mut(&id.place).filter(|v| v.id == id) else {
            assert_eq!(entered, Entered::Over, "exchange of {id}, which is over");
            return;
        };
        if visit.visitor.is_some_and(|owner| owner != visitor) {
            assert_eq!(entered, Entered::NotTheirs, "exchange of somebody else's {id}");
            return;
        }
        visit.visitor = Some(visitor);
        if visit.stage < Stage::Entered {
            visit.stage = Stage::Entered;
            visit.expires_at_ms = visit.expires_at_ms.max(now + COME_BACK_MS).min(visit.hard_end_ms);
        }
        let (expires_at_ms, hard_end_ms) = (visit.expires_at_ms, visit.hard_end_ms);
        assert_eq!(
            entered,
            Entered::Yes {
                expires_at_ms,
                hard_end_ms
            },
            "exchange of {id}"
        );
    }

    /// A slot is taken, for the first time by this place and with a turn of its own, and paid for.
    pub(super) fn grant(
        &mut self,
        id: VisitId,
        stage: Stage,
        within_ms: u64,
        settings: &Settings,
    ) -> ModelVisit {
        self.pay(id);
        assert!(Some(id.turn) > self.turn, "the turn of {id} was given before");
        self.turn = Some(id.turn);
        assert!(self.used.insert(id.place), "{} was admitted twice", id.place);
        self.admissions.push((self.now_ms, 1));
        let hard_end_ms = self.now_ms + settings.visit_max_ms;
        let visit = ModelVisit {
            id,
            stage,
            visitor: None,
            expires_at_ms: (self.now_ms + within_ms).min(hard_end_ms),
            hard_end_ms,
        };
        self.visits.insert(id.place, visit);
        visit
    }
}
