//! What an edge says in a tick: mostly what edges say, now and then at the wrong time, of nobody, or far too much.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::world::World;
use crate::line::{BLOCK, BlockId, Epoch, Known, Load, Place, Renew, Request, Turn, VisitId, Visitor};

impl World {
    fn some_places(&mut self, most: usize) -> Vec<Place> {
        let count = self.rng.random_range(0..=most);
        (0..count).filter_map(|_| self.some_place()).collect()
    }

    /// Mostly one that was given, now and then one that was not.
    fn some_place(&mut self) -> Option<Place> {
        let mut place = *self.places.choose(&mut self.rng)?;
        match self.rng.random_range(0..400) {
            _ if !self.stormy => {}
            3..6 => {
                let nonce = self.rng.random_range(0..3);
                place.epoch = Epoch::stamp(self.clock_ms, nonce, place.epoch);
                place.number = self.rng.random_range(1..20);
                self.places.push(place);
                self.places.sort_unstable();
            }
            0 => place.number += self.rng.random_range(1..100),
            1 => place.epoch = Epoch(place.epoch.0 + (1 << 20)),
            2 => place.epoch = Epoch(place.epoch.0 - (1 << 20)),
            _ => {}
        }
        Some(place)
    }

    fn some_visits(&mut self, most: usize) -> Vec<(VisitId, u64)> {
        let count = self.rng.random_range(0..=most);
        let mut visits = Vec::new();
        for _ in 0..count {
            let recent = self.visits.len().saturating_sub(80);
            let Some((mut visit, hard_end_ms)) = self.visits[recent..].choose(&mut self.rng).copied() else {
                break;
            };
            if self.rng.random_ratio(1, 50) {
                visit.turn = Turn(visit.turn.0 + 1);
            }
            visits.push((visit, hard_end_ms));
        }
        visits
    }

    pub(super) fn request(&mut self, at: usize) -> Request {
        let arrivals = match self.rng.random_range(0..200) {
            0 if self.stormy => self.rng.random_range(1_000..9_000),
            1 if self.stormy => 70_000,
            // A quiet room is empty now and then, so that fans go straight through.
            20..60 if !self.stormy => 0,
            // More than can go straight through in one tick.
            2..4 if !self.stormy => self.rng.random_range(100..400),
            2..60 => self.rng.random_range(1..20),
            _ => 0,
        };
        let visits = |visits: Vec<(VisitId, u64)>| visits.into_iter().map(|(visit, _)| visit).collect();
        // Now and then as many say something as one tick can carry, and more than the line can do in it.
        let many = if self.rng.random_ratio(1, 12) { 12 } else { 1 };
        let here = self.called_places(12 * many);
        let enter = self
            .some_visits(4)
            .into_iter()
            .map(|(visit, _)| {
                (
                    visit,
                    Visitor(u128::from(visit.turn.0 % 3) << 100 | self.rng.random_range(0..2)),
                )
            })
            .collect();
        let mut request = Request {
            arrivals,
            end: visits(self.some_visits(2 * many)),
            take: visits(self.some_visits(6 * many)),
            enter,
            renew: self
                .some_visits(5)
                .into_iter()
                .map(|(visit, hard_end_ms)| Renew { visit, hard_end_ms })
                .collect(),
            leave: self.some_places(1),
            absent: self.some_places(4),
            back: self.some_places(12 * many),
            here,
            counts: self.rng.random_bool(0.5),
            ..Request::default()
        };
        if !self.rng.random_ratio(1, 10) || self.line.is_none() {
            trim(&mut request);
        }
        let asked = self.rng.random_range(0..4);
        request.blocks = (0..asked)
            .filter_map(|_| self.places.choose(&mut self.rng))
            .map(|place| BlockId {
                epoch: place.epoch,
                index: (place.number / BLOCK) as u32,
            })
            .collect();
        let odd = self.rng.random_range(0..60);
        let silent_ms = self.rng.random_range(0..5_000);
        let edge = &mut self.edges[at];
        edge.seq += 1;
        (request.boot, request.seq) = (edge.boot, edge.seq);
        (request.grants_read, request.ended_read) = if odd == 0 { (1, 1) } else { edge.cursors };
        request.settings_read = edge.settings_read;
        request.known = edge.known.clone().map(|known| Known { silent_ms, ..known });
        if odd == 1 {
            request.known = None;
        }
        request
    }

    /// Those who answer: mostly fans who were called.
    fn called_places(&mut self, most: usize) -> Vec<Place> {
        let called = self
            .edges
            .iter()
            .filter_map(|edge| Some(edge.known.as_ref()?.called_upto))
            .max();
        let upto = self.places.partition_point(|place| Some(*place) <= called);
        let from = upto.saturating_sub(most * 5);
        let count = self.rng.random_range(0..most);
        let mut here: Vec<Place> = (0..count)
            .filter_map(|_| self.places[from..upto].choose(&mut self.rng).copied())
            .collect();
        here.extend(self.some_place().filter(|_| self.rng.random_ratio(1, 10)));
        here
    }
}

/// Leaves what one tick can carry.
fn trim(request: &mut Request) {
    let mut load = Load::default();
    request.end.retain(|_| load.add_visit());
    request.renew.retain(|_| load.add_visit());
    request.take.retain(|_| load.add_visit());
    request.enter.retain(|_| load.add_visit());
    request.here.retain(|place| load.add_place(*place));
    request.leave.retain(|place| load.add_place(*place));
    request.absent.retain(|place| load.add_place(*place));
    request.back.retain(|place| load.add_place(*place));
}
