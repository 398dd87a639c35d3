//! The mutants: what is broken, and where. Each text must occur exactly once in its file.

/// One way to break the line.
pub struct Mutant {
    /// What it breaks, in words.
    pub breaks: &'static str,
    /// In `src/line`.
    pub file: &'static str,
    pub find: &'static str,
    pub replace: &'static str,
}

const fn mutant(
    breaks: &'static str,
    file: &'static str,
    find: &'static str,
    replace: &'static str,
) -> Mutant {
    Mutant {
        breaks,
        file,
        find,
        replace,
    }
}

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "visits never expire",
        "mod.rs",
        "        self.expire(&mut work);\n",
        "",
    ),
    mutant(
        "one visit more than the limit",
        "slots.rs",
        "self.settings.active_max.saturating_sub(taken)",
        "(self.settings.active_max + 1).saturating_sub(taken)",
    ),
    mutant(
        "slots held back after a loss are given away",
        "slots.rs",
        "self.visits.len().saturating_add(self.loss.reserve)",
        "self.visits.len()",
    ),
    mutant(
        "the slot of a visit that ended before the loss is given to somebody else",
        "learn.rs",
        "self.loss.reserve += 1;",
        "",
    ),
    mutant(
        "nothing is held back after a loss",
        "learn.rs",
        "self.loss.reserve = self.loss.reserve.max(unseen).min(free);",
        "let _ = (unseen, free);",
    ),
    mutant(
        "the last who answered goes first",
        "epochs.rs",
        "life.ready.first().map(|number| Place {",
        "life.ready.ranges().last().map(|range| range.1 - 1).map(|number| Place {",
    ),
    mutant(
        "the youngest epoch goes first",
        "epochs.rs",
        "self.lives.iter().find_map(|(epoch, life)| {\n            life.ready",
        "self.lives.iter().rev().find_map(|(epoch, life)| {\n            life.ready",
    ),
    mutant(
        "an undone grant is refunded twice",
        "slots.rs",
        "        self.allowance.refund(self.settings.admit_per_min);\n",
        "        self.allowance.refund(self.settings.admit_per_min);\n        \
         self.allowance.refund(self.settings.admit_per_min);\n",
    ),
    mutant(
        "two seconds' worth of admissions in one burst",
        "allowance.rs",
        "COST.max(1_000 * u64::from(admit_per_min))",
        "COST.max(2_000 * u64::from(admit_per_min))",
    ),
    mutant(
        "an admission costs nothing",
        "allowance.rs",
        "            self.0 -= COST;\n",
        "",
    ),
    mutant(
        "a clock that goes back is time that passed",
        "mod.rs",
        "store_ms.saturating_sub(self.store_ms).min(GAP_MAX_MS)",
        "store_ms.abs_diff(self.store_ms).min(GAP_MAX_MS)",
    ),
    mutant(
        "a clock that jumps ends visits",
        "mod.rs",
        "store_ms.saturating_sub(self.store_ms).min(GAP_MAX_MS)",
        "store_ms.saturating_sub(self.store_ms)",
    ),
    mutant(
        "an arrival goes straight through past fans in line",
        "front.rs",
        "\n            && self.epochs.next_present(self.calling.floor()).is_none()\n            \
         && self.calling.open() == 0\n            && self.epochs.ready() == 0",
        "",
    ),
    mutant(
        "an arrival goes straight through past a fan who came back in time",
        "front.rs",
        "self.epochs.next_present(self.calling.floor()).is_none()",
        "self.epochs.next_present(self.called_upto).is_none()",
    ),
    mutant(
        "an answer given twice closes somebody else's call",
        "fans.rs",
        "if life.ready.insert(place.number) && life.asked.remove(place.number) {",
        "life.asked.remove(place.number);\n        if life.ready.insert(place.number) && place > self.calling.floor() {",
    ),
    mutant(
        "arrivals go straight through where everyone should wait",
        "front.rs",
        "\n            && self.settings.mode == tidegate_config::Mode::Auto",
        "",
    ),
    mutant(
        "a turn is given again",
        "slots.rs",
        "        self.next_turn += 1;\n",
        "",
    ),
    mutant(
        "a restart gives turns again",
        "recover.rs",
        "(saved.highest_turn + 1).max(line.epoch.first_turn().0 + 1)",
        "2",
    ),
    mutant(
        "an undone grant leaves the place used",
        "slots.rs",
        "        self.epochs.life(place.epoch).admitted.remove(place.number);\n",
        "",
    ),
    mutant(
        "a grant nobody took uses the place up",
        "slots.rs",
        "Stage::Granted | Stage::Taken => self.undo(place, visit.turn),",
        "Stage::Granted | Stage::Taken => self.over(place, visit.turn),",
    ),
    mutant(
        "fans who are gone stay in line",
        "mod.rs",
        "            .for_each(|place| self.epochs.clear_waiting(*place));\n",
        "            .for_each(|_| ());\n",
    ),
    mutant(
        "a restart gives numbers again",
        "recover.rs",
        "line.epoch = Epoch::begin(line.now_ms, nonce, saved.ends.keys().next_back().copied());",
        "line.epoch = saved.ends.keys().next_back().copied().unwrap_or(line.epoch);",
    ),
    mutant(
        "numbers the store has lost are given again",
        "learn.rs",
        "} else if place.epoch > self.epoch || (place.epoch == self.epoch && place.number > end) {",
        "} else if place.epoch > self.epoch {",
    ),
    mutant(
        "an edge that knows more numbers is not heard",
        "learn.rs",
        "            self.know(known.place);\n",
        "",
    ),
    mutant(
        "a repeated tick is done again",
        "once.rs",
        "if request.seq == last.seq {",
        "if request.seq == last.seq + 1_000_000 {",
    ),
    mutant(
        "a late tick is done",
        "once.rs",
        "if request.seq < last.seq {",
        "if request.seq + 1_000_000 < last.seq {",
    ),
    mutant(
        "a used place answers again",
        "fans.rs",
        "if self.epochs.is_admitted(place) {",
        "if self.epochs.is_admitted(place) && place.number == 0 {",
    ),
    mutant(
        "fans answer before they are called",
        "fans.rs",
        "if !self.back(place, spent) || place > self.called_upto {",
        "if !self.back(place, spent) {",
    ),
    mutant(
        "calls begin again at the start",
        "front.rs",
        "let Some(place) = self.epochs.next_present(self.called_upto) else {",
        "let Some(place) = self.epochs.next_present(Place::START) else {",
    ),
    mutant(
        "a visit outlives its hard end",
        "slots.rs",
        "(self.now_ms + self.settings.visit_ttl_ms).min(visit.hard_end_ms)",
        "self.now_ms + self.settings.visit_ttl_ms",
    ),
    mutant(
        "another visitor enters with somebody's token",
        "slots.rs",
        "if visit.visitor.is_some_and(|owner| owner != visitor) {",
        "if visit.visitor.is_some_and(|_| false) {",
    ),
    mutant(
        "a paused room admits",
        "front.rs",
        "status && self.settings.mode",
        "(status || self.settings.paused) && self.settings.mode",
    ),
    mutant(
        "a room that is off admits",
        "front.rs",
        "status && self.settings.mode != tidegate_config::Mode::Off && ",
        "status && ",
    ),
    mutant(
        "a closed room gives places",
        "front.rs",
        "if arrivals == 0 || self.closed || self.settings.draining {",
        "if arrivals == 0 || self.settings.draining {",
    ),
    mutant(
        "places of the last round go first in this one",
        "fans.rs",
        "place.epoch.0 >= self.round.0",
        "place.epoch.0 > 0",
    ),
    mutant(
        "visits do not outlive a restart",
        "recover.rs",
        "        line.visits = line.revived(saved);\n",
        "",
    ),
    mutant(
        "a store that lost its numbers admits at once",
        "learn.rs",
        "self.loss.regroup_until_ms = self.now_ms + REGROUP_MS;",
        "self.loss.regroup_until_ms = self.now_ms;",
    ),
    mutant(
        "there is no end to what a tick may do",
        "work.rs",
        "        let enough = self.left >= self.kept + price;\n        if enough {\n            self.left -= price;",
        "        let enough = true;\n        if enough {\n            self.left = self.left.saturating_sub(price);",
    ),
    mutant(
        "one kind of work takes all that a tick may do",
        "work.rs",
        "self.kept = self.left - self.left / 2;",
        "self.kept = 0;",
    ),
    mutant(
        "work that was cut short waits for a tick that somebody needs",
        "work.rs",
        "        self.cut |= !enough;\n",
        "",
    ),
    mutant(
        "a tick puts as many straight through as there are",
        "work.rs",
        "wanted.min(self.left / price)",
        "wanted",
    ),
    mutant(
        "notes that are left wait for a tick that somebody needs",
        "log.rs",
        "cursor + 1 < self.next",
        "cursor + 1 < 1",
    ),
    mutant(
        "silent fans keep the line waiting for their answer",
        "calling.rs",
        "            self.floor = batch.upto;\n",
        "",
    ),
];
