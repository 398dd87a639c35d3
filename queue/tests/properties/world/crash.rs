//! The store dies, and is made again from what it wrote.

use std::collections::BTreeSet;

use rand::Rng;
use tidegate_queue::line::{ENTRIES_ANYWHERE, Line, Place, Record, Request, Saved, Settings, View};

use super::World;
use crate::model::ModelVisit;

impl World {
    /// The store dies and is made again from what it wrote; sometimes the machine dies and the end of that is lost.
    pub(super) fn crash(&mut self) {
        let lost = self.rng.random_bool(0.4);
        let mut lost_max = 0;
        if lost {
            lost_max = self
                .unsynced
                .iter()
                .filter(|r| matches!(r, Record::Granted { .. }))
                .count() as u32;
        } else {
            self.unsynced.iter().for_each(|record| self.saved.apply(record));
        }
        let unseen: BTreeSet<Place> = self
            .unsynced
            .iter()
            .filter_map(|r| match r {
                Record::Granted { visit, .. } => Some(visit.place),
                Record::Over(place) => Some(*place),
                _ => None,
            })
            .collect();
        self.unsynced.clear();
        let before = (!lost).then(|| self.line.visits().map(|(id, _)| id).collect::<Vec<_>>());
        let settings = self.line.settings().clone();
        let text = serde_json::to_string(&self.saved).expect("what is saved can be written");
        let saved: Saved = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(saved, self.saved, "what is saved survives being written");
        self.line = Line::restore(
            self.base.clone(),
            &saved,
            self.store_ms,
            self.rng.random(),
            lost_max,
        );
        self.line
            .take_records()
            .iter()
            .for_each(|record| self.saved.apply(record));

        if let Some(before) = before {
            let after: Vec<_> = self.line.visits().map(|(id, _)| id).collect();
            assert_eq!(after, before, "visits written down are there again");
        }
        let tuned = |s: &Settings| (s.mode, s.active_max, s.admit_per_min, s.paused, s.draining);
        assert_eq!(
            tuned(self.line.settings()),
            tuned(&settings),
            "live settings outlive a restart"
        );

        // The model starts from what the line can know, and from nothing it cannot.
        self.model.lost_presence();
        self.model.calls_over();
        self.model.no_shows = 0;
        self.model.allowance = 0;
        self.ticked_ms = self.store_ms;
        self.model.reserve = self.line.figures().reserve;
        self.model.now_ms = 0;
        self.model.rates.clear();
        self.model.admissions.clear();
        self.model.refunds.clear();
        self.model.visits = self
            .line
            .visits()
            .map(|(id, visit)| (id.place, ModelVisit::new(id, visit)))
            .collect();
        if lost {
            self.model.used.retain(|place| !unseen.contains(place));
        }
        self.model.used.extend(self.model.visits.keys());

        // The edge was in the same process: it starts anew, and its fans reconnect.
        self.boot += 1;
        self.seq = 0;
        self.request = Request::default();
        self.known = None;
        self.view = View::default();
        self.front = Place::START;
        for (place, fan) in &mut self.fans {
            fan.answered = false;
            fan.answers_at_ms = None;
            if fan.connected && !fan.entered && !fan.gone {
                fan.visit = None;
                fan.enters_at_ms = None;
                // The others reconnect later: a tick carries only so many.
                fan.connected = self.request.back.len() < ENTRIES_ANYWHERE * 9 / 10;
                if fan.connected {
                    self.request.back.push(*place);
                }
            }
        }
    }
}
