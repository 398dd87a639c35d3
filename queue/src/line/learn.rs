//! What a store that lost something hears from the edges, and what it does until it knows again.
//!
//! A store can be a copy that lagged, an old state read from a disk, or empty. Three things tell: it is another process
//! or another copy than the one that wrote its state ([`Line::moved`]), it has no state at all ([`Line::begin`]), or an
//! edge has heard of more than it knows ([`Line::learn`]). Each begins an epoch: numbers above all that were ever given,
//! slots held back for visits that cannot be seen, and a pause in which the edges report.

use super::Line;
use super::allowance::{Allowance, COST};
use super::log::Log;
use super::place::{Epoch, Place, Round};
use super::recover::Record;
use super::settings::Settings;
use super::tick::Known;

/// After a loss, edges have this long to report before anyone is called or admitted.
pub(super) const REGROUP_MS: u64 = 5_000;
/// After a time in which edges gave places by themselves they have this long to say so: nobody is called before all of
/// those are in line.
const REPORT_MS: u64 = 2_000;

/// What is remembered of a loss until it is made good. Times are room time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// Slots held back for visits that the store can no longer see.
    pub(super) reserve: u32,
    /// How many such visits there may be, whether there are slots for them or not. Of those that the store does see, some
    /// may have been over when it lost sight of the rest.
    unseen: u32,
    /// When the last of those must have expired.
    pub(super) reserve_until_ms: u64,
    /// Until then nobody is called or admitted.
    pub(super) regroup_until_ms: u64,
    /// Until then no visit expires: nobody could be renewed while the store was away.
    pub(super) grace_until_ms: u64,
    /// The epoch that began when the store had no state at all. How many visits were live then is for the edges to say
    /// whose last reply was of another life: of an earlier epoch, or of one that this store never had.
    everything: Option<Epoch>,
    /// And no edge has spoken yet that knew the line before.
    unfounded: bool,
    /// The store is not the one that wrote its state.
    moved: bool,
    /// How long nobody had ticked before this tick, as the store's clock has it.
    pub(super) silent_ms: u64,
    /// For how long before that another copy of the store may have answered and not told this one.
    lag_ms: u64,
}

impl Loss {
    /// Whether the store has changed since the last tick, so that the next begins an epoch.
    pub(super) fn is_of_another_life(&self) -> bool {
        self.moved
    }

    /// A visit that could not be seen has one of the slots held back.
    pub(super) fn found(&mut self) {
        self.reserve -= 1;
        self.unseen = self.unseen.saturating_sub(1);
    }

    /// Whoever was not found by now has expired.
    pub(super) fn all_expired(&mut self) {
        (self.reserve, self.unseen) = (0, 0);
    }

    /// Nothing lost, in a store as it is.
    pub(super) fn forgotten(self) -> Self {
        Self {
            lag_ms: self.lag_ms,
            moved: self.moved,
            silent_ms: self.silent_ms,
            ..Self::default()
        }
    }
}

impl Line {
    /// The line of a store that has no state: of the round that the first edge to speak knows, or of a new one. It
    /// regroups either way, as another edge may know more.
    ///
    /// `lag_ms` bounds how long an old primary may go on answering after this store has taken its place.
    pub fn begin(settings: Settings, now_ms: u64, nonce: u32, lag_ms: u64, known: Option<&Known>) -> Self {
        let mut line = Line::new(settings, now_ms, nonce);
        if let Some(known) = known {
            let epoch = Epoch::begin(now_ms, nonce, Some(known.highest_epoch()));
            line.take_records();
            line.begin_round(known.round, epoch);
            line.closed = known.closed;
        }
        line.loss.lag_ms = lag_ms;
        line.loss.everything = Some(line.epoch);
        line.loss.unfounded = known.is_none();
        line.regroup(0);
        line
    }

    /// The store is another process or another copy than before: the next tick begins an epoch.
    pub fn moved(&mut self) {
        self.loss.moved = true;
    }

    pub(super) fn notice_move(&mut self) {
        if std::mem::take(&mut self.loss.moved) {
            self.begin_epoch(self.epoch);
        }
    }

    /// Takes over what an edge knows and the store does not.
    pub(super) fn learn(&mut self, known: &Known) {
        if known.settings.version > self.settings.version {
            self.settings = known.settings.clone();
        }
        if known.round > self.round {
            let epoch = Epoch::begin(
                self.now_ms,
                self.nonce,
                Some(known.highest_epoch().max(self.epoch)),
            );
            self.begin_round(known.round, epoch);
            self.closed = known.closed;
            self.loss.everything = Some(epoch);
            self.regroup(0);
        }
        if known.round < self.round && self.loss.unfounded {
            // This one was begun for an edge that knew of none. Its places are younger than all of the old round.
            (self.round, self.closed) = (known.round, known.closed);
        }
        let lost = self.loss.everything;
        let speaks_of_before = lost.is_some_and(|begun| known.epoch < begun || known.epoch > self.epoch);
        if speaks_of_before || self.now_ms >= self.loss.regroup_until_ms {
            self.loss.unfounded = false;
        }
        if known.round < self.round {
            return;
        }
        self.know(Place {
            epoch: known.epoch,
            number: 0,
        });
        if self.is_of_round(known.place) {
            self.know(known.place);
        }
        if known.called_upto > self.called_upto {
            // Whoever was asked may answer; whoever was silent has been passed.
            self.called_upto = known.called_upto;
            self.calling.pass_all(known.called_upto);
            self.epochs.close_calls(known.called_upto);
        }
        if speaks_of_before {
            let unseen = known
                .active
                .saturating_add(self.admissions_within(known.silent_ms));
            self.hold_back(unseen.saturating_sub(self.visits.len()));
        }
    }

    /// Makes sure that `place` is known. One that the store should have given itself, and does not know, shows that
    /// the store has lost what it knew: an epoch above it begins. So it does after one that an edge gave by itself, but
    /// then nothing is lost.
    pub(super) fn know(&mut self, place: Place) {
        let end = self.epochs.life(self.epoch).end;
        if place.epoch.is_stamp() {
            let unheard = place.number.saturating_sub(self.epochs.life(place.epoch).end);
            self.issued += unheard;
            self.joined += unheard;
        }
        self.epochs.know(place);
        if place.epoch > self.epoch && place.epoch.is_stamp() {
            self.rise_above(place.epoch);
            self.loss.regroup_until_ms = self.loss.regroup_until_ms.max(self.now_ms + REPORT_MS);
        } else if place.epoch > self.epoch || (place.epoch == self.epoch && place.number > end) {
            self.begin_epoch(place.epoch);
        }
    }

    /// From now on places are of an epoch above all that are known, and above `above`.
    fn rise_above(&mut self, above: Epoch) {
        self.epoch = Epoch::begin(self.now_ms, self.nonce, Some(self.epoch.max(above)));
        self.next_turn = self.next_turn.max(self.epoch.first_turn().0 + 1);
        self.epochs.life(self.epoch);
        self.records.push(Record::Begin {
            round: self.round,
            epoch: self.epoch,
            now_ms: self.now_ms,
        });
    }

    /// The store has lost something: a new epoch, and what follows from not knowing.
    fn begin_epoch(&mut self, above: Epoch) {
        self.rise_above(above);
        (self.grants, self.ended) = (Log::new(self.epoch), Log::new(self.epoch));
        let settings = &self.settings;
        self.loss.grace_until_ms = self.now_ms + settings.visit_ttl_ms;
        self.regroup(self.admissions_within(self.loss.silent_ms));
    }

    /// What every loss begins with: no allowance, slots held back for `unseen` visits, a pause for reports.
    pub(super) fn regroup(&mut self, unseen: u32) {
        self.allowance = Allowance::default();
        self.hold_back(unseen);
        self.loss.reserve_until_ms = self.now_ms + self.settings.visit_ttl_ms;
        self.loss.regroup_until_ms = self.now_ms + REGROUP_MS;
    }

    /// Holds back slots for at least `unseen` visits, as far as there are any.
    fn hold_back(&mut self, unseen: u32) {
        let free = self.settings.active_max.saturating_sub(self.visits.len());
        self.loss.unseen = self.loss.unseen.max(unseen);
        self.loss.reserve = self.loss.reserve.max(unseen).min(free);
    }

    /// A visit has ended. While edges report, that may have been before the loss, and its slot is held back for whoever
    /// has it since.
    pub(super) fn hold_back_ended(&mut self) {
        if self.now_ms < self.loss.regroup_until_ms && self.loss.reserve < self.loss.unseen {
            self.loss.reserve += 1;
        }
    }

    /// The most who can have been admitted in a time of which the store knows nothing: a burst, and the rate for as
    /// long as it was silent and for as long as another copy may have gone on.
    fn admissions_within(&self, silent_ms: u64) -> u32 {
        let per_min = self.settings.admit_per_min;
        let burst = Allowance::cap(per_min) / COST;
        let lasted_ms = silent_ms.saturating_add(self.loss.lag_ms);
        let admitted = lasted_ms.saturating_mul(u64::from(per_min)) / COST;
        u32::try_from(burst.saturating_add(admitted).saturating_add(1)).unwrap_or(u32::MAX)
    }
}

impl Known {
    /// An epoch above this one is above all that the edge knows.
    fn highest_epoch(&self) -> Epoch {
        let Round(round) = self.round;
        self.epoch.max(self.place.epoch).max(Epoch(round))
    }
}
