//! What outlives a store: the records a journal keeps, what they add up to, and the line made of it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Line;
use super::bits::Bits;
use super::calling::Calling;
use super::epochs::Epochs;
use super::learn::REGROUP_MS;
use super::place::{Epoch, Place, Round, VisitId, Visitor};
use super::settings::{Change, Settings};
use super::visits::{Stage, Visit, Visits};

/// Something a restart must know, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A store began an epoch; a new round forgets everything of the last.
    Begin {
        /// The round it belongs to.
        round: Round,
        /// The new epoch.
        epoch: Epoch,
        /// Room time then.
        now_ms: u64,
    },
    /// Numbers up to `end` are given.
    Numbers {
        /// Of this epoch.
        epoch: Epoch,
        /// The highest.
        end: u64,
    },
    /// Fans up to here were called, and up to `floor` passed over.
    Called {
        /// The highest place called.
        upto: Place,
        /// See [`super::Front::floor`].
        floor: Place,
    },
    /// A visit was granted.
    Granted {
        /// Which.
        visit: VisitId,
        /// How far it had come.
        stage: Stage,
        /// When it ends whatever happens, in room time.
        hard_end_ms: u64,
    },
    /// A visitor entered with the visit.
    Entered {
        /// Which visit.
        visit: VisitId,
        /// Who.
        visitor: Visitor,
    },
    /// The grant of this place was undone.
    Undone(Place),
    /// The visit of this place is over, or the place was given up.
    Over(Place),
    /// An operator changed the settings.
    Changed(Change),
    /// The room was closed or opened.
    Closed(bool),
}

/// A visit as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedVisit {
    /// Which.
    pub visit: VisitId,
    /// How far it had come.
    pub stage: Stage,
    /// Who entered.
    pub visitor: Option<Visitor>,
    /// When it ends whatever happens, in room time.
    pub hard_end_ms: u64,
}

/// One epoch as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedLife {
    epoch: Epoch,
    end: u64,
    /// Used places, as half-open ranges.
    admitted: Vec<(u64, u64)>,
}

/// What the records of a line add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    round: Option<Round>,
    now_ms: u64,
    closed: bool,
    ends: BTreeMap<Epoch, u64>,
    admitted: BTreeMap<Epoch, Bits>,
    called_upto: Option<Place>,
    visits: BTreeMap<Place, SavedVisit>,
    highest_turn: u64,
    change: Change,
}

/// [`Saved`] in the form it has in a file.
#[derive(Serialize, Deserialize)]
struct SavedFile {
    round: Option<Round>,
    now_ms: u64,
    closed: bool,
    lives: Vec<SavedLife>,
    called_upto: Option<Place>,
    visits: Vec<SavedVisit>,
    highest_turn: u64,
    change: Change,
}

impl Serialize for Saved {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lives = self.ends.iter().map(|(epoch, end)| SavedLife {
            epoch: *epoch,
            end: *end,
            admitted: self.admitted.get(epoch).map(Bits::ranges).unwrap_or_default(),
        });
        SavedFile {
            round: self.round,
            now_ms: self.now_ms,
            closed: self.closed,
            lives: lives.collect(),
            called_upto: self.called_upto,
            visits: self.visits.values().copied().collect(),
            highest_turn: self.highest_turn,
            change: self.change.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Saved {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = SavedFile::deserialize(deserializer)?;
        let mut saved = Saved {
            round: file.round,
            now_ms: file.now_ms,
            closed: file.closed,
            called_upto: file.called_upto,
            visits: file.visits.into_iter().map(|v| (v.visit.place, v)).collect(),
            highest_turn: file.highest_turn,
            change: file.change,
            ..Saved::default()
        };
        for life in file.lives {
            saved.ends.insert(life.epoch, life.end);
            for number in life.admitted.into_iter().flat_map(|(from, to)| from..to) {
                saved.admitted.entry(life.epoch).or_default().insert(number);
            }
        }
        Ok(saved)
    }
}

impl Saved {
    /// Adds one record.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Begin { round, epoch, now_ms } => {
                if self.round != Some(*round) {
                    let change = std::mem::take(&mut self.change);
                    *self = Saved {
                        highest_turn: self.highest_turn,
                        change,
                        ..Saved::default()
                    };
                }
                self.round = Some(*round);
                self.now_ms = self.now_ms.max(*now_ms);
                self.ends.entry(*epoch).or_default();
            }
            Record::Numbers { epoch, end } => {
                let known = self.ends.entry(*epoch).or_default();
                *known = (*known).max(*end);
            }
            Record::Called { upto, .. } => self.called_upto = self.called_upto.max(Some(*upto)),
            Record::Granted {
                visit,
                stage,
                hard_end_ms,
            } => {
                let (stage, hard_end_ms) = (*stage, *hard_end_ms);
                let saved = SavedVisit {
                    visit: *visit,
                    stage,
                    visitor: None,
                    hard_end_ms,
                };
                self.visits.insert(visit.place, saved);
                self.used(visit.place);
                self.highest_turn = self.highest_turn.max(visit.turn.0);
            }
            Record::Entered { visit, visitor } => {
                if let Some(saved) = self.visits.get_mut(&visit.place).filter(|s| s.visit == *visit) {
                    saved.visitor = Some(*visitor);
                    saved.stage = saved.stage.max(Stage::Entered);
                }
            }
            Record::Undone(place) => {
                self.visits.remove(place);
                if let Some(used) = self.admitted.get_mut(&place.epoch) {
                    used.remove(place.number);
                    if used.len() == 0 {
                        self.admitted.remove(&place.epoch);
                    }
                }
            }
            Record::Over(place) => {
                self.visits.remove(place);
                self.used(*place);
            }
            Record::Changed(change) => self.change = std::mem::take(&mut self.change).then(change.clone()),
            Record::Closed(closed) => self.closed = *closed,
        }
    }

    /// A place that is used was given, whatever became of the record that said so.
    fn used(&mut self, place: Place) {
        self.admitted.entry(place.epoch).or_default().insert(place.number);
        let end = self.ends.entry(place.epoch).or_default();
        *end = (*end).max(place.number);
    }

    /// The settings changed live, to be laid over the file's.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Whether there is a round to go on with.
    pub fn is_empty(&self) -> bool {
        self.round.is_none()
    }
}

impl Line {
    /// The line made again from what was saved: a new epoch, a regroup, and `lost_max` slots held back for admissions
    /// whose records may not have reached the disk.
    ///
    /// Live changes of settings are laid over `settings`. Half-open visits get their time again: their fans could
    /// not enter while there was nobody to enter with.
    pub fn restore(settings: Settings, saved: &Saved, now_ms: u64, nonce: u32, lost_max: u32) -> Self {
        let Some(round) = saved.round else {
            return Line::new(settings, now_ms, nonce);
        };
        let mut line = Line::new(settings, now_ms.max(saved.now_ms), nonce);
        if saved.change != Change::default() {
            saved.change.apply(Arc::make_mut(&mut line.settings));
        }
        line.store_ms = now_ms;
        line.round = round;
        line.closed = saved.closed;
        line.epochs = Epochs::default();
        line.epoch = Epoch::begin(line.now_ms, nonce, saved.ends.keys().next_back().copied());
        line.epochs.life(line.epoch);
        for (epoch, end) in &saved.ends {
            let life = line.epochs.life(*epoch);
            life.end = *end;
            life.admitted = saved.admitted.get(epoch).cloned().unwrap_or_default();
        }
        line.issued = saved.ends.values().sum();
        line.called_upto = saved.called_upto.unwrap_or(Place::START);
        // Calls that were open when the store went are passed: whoever is still there is asked again by the edge.
        line.calling = Calling::new(line.called_upto);
        line.next_turn = (saved.highest_turn + 1).max(line.epoch.first_turn().0 + 1);
        line.visits = line.revived(saved);
        line.regroup(lost_max);
        line.records = vec![Record::Begin {
            round,
            epoch: line.epoch,
            now_ms: line.now_ms,
        }];
        line
    }

    fn revived(&self, saved: &Saved) -> Visits {
        let mut visits = Visits::default();
        for (place, saved) in &saved.visits {
            let hard_end_ms = saved.hard_end_ms.min(self.now_ms + self.settings.visit_max_ms);
            let lasts_ms = match saved.stage {
                Stage::Granted | Stage::Taken => REGROUP_MS + self.settings.enter_within_ms,
                Stage::Entered | Stage::Live => self.settings.visit_ttl_ms,
            };
            let stage = if saved.stage == Stage::Granted {
                Stage::Taken
            } else {
                saved.stage
            };
            let expires_at_ms = (self.now_ms + lasts_ms).min(hard_end_ms);
            let (turn, visitor) = (saved.visit.turn, saved.visitor);
            visits.put(
                *place,
                Visit {
                    turn,
                    stage,
                    visitor,
                    expires_at_ms,
                    hard_end_ms,
                },
            );
        }
        visits
    }
}
