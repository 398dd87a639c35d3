//! What edges say of the fans they hold: they are here, they answer, they give up.

use super::Line;
use super::place::Place;
use super::recover::Record;
use super::tick::Grant;
use super::visits::Stage;

impl Line {
    /// A round is named after its first epoch, so a place of an earlier one shows it. An edge may speak of those until
    /// it has heard that the round is over; they must not go first in the next.
    pub(super) fn is_of_round(&self, place: Place) -> bool {
        place.epoch.0 >= self.round.0
    }

    /// The fan gives the place up. One who is on the site already has nothing left to give up here.
    pub(super) fn leave(&mut self, place: Place) {
        if !self.is_of_round(place) {
            return;
        }
        self.know(place);
        if let Some(visit) = self.visits.at(place).copied() {
            if visit.stage >= Stage::Entered {
                return;
            }
            self.visits.remove(place);
            self.undo(place, visit.turn);
        }
        self.epochs.clear_waiting(place);
        if self.epochs.life(place.epoch).admitted.insert(place.number) {
            self.records.push(Record::Over(place));
        }
    }

    /// An edge holds the fan. One whose grant is under way is told of it again; true when the fan waits.
    pub(super) fn back(&mut self, place: Place, spent: &mut Vec<Place>) -> bool {
        if !self.is_of_round(place) {
            spent.push(place);
            return false;
        }
        self.know(place);
        if let Some(visit) = self.visits.at(place) {
            self.grants.push(Grant {
                visit: visit.id(place),
                hard_end_ms: visit.hard_end_ms,
            });
            return false;
        }
        if self.epochs.is_admitted(place) {
            spent.push(place);
            return false;
        }
        self.epochs.life(place.epoch).present.insert(place.number);
        true
    }

    pub(super) fn here(&mut self, place: Place, spent: &mut Vec<Place>) {
        if !self.back(place, spent) || place > self.called_upto {
            return;
        }
        let life = self.epochs.life(place.epoch);
        // Whoever answers again, or was away when the calls went past, answers no call that is still open.
        if life.ready.insert(place.number) && life.asked.remove(place.number) {
            self.calling
                .answered(self.now_ms, place, self.settings.answer_within_ms);
        }
    }
}
