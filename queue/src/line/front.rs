//! How the front of the line moves: who is called, who is passed over, who is admitted, and who may go straight
//! through.

use super::calling::MILLI;
use super::place::{Place, Turn};
use super::recover::Record;
use super::tick::{Given, Grant, Status};
use super::visits::Stage;
use super::work::{ADMISSION, CALL, STRAIGHT, Work};
use super::{COME_BACK_MS, Line};

/// A grant that no edge takes to its fan within this is undone: the edge that held the fan is gone.
const UNTAKEN_MS: u64 = 5_000;
/// Calls run ahead far enough to cover this much of what could be admitted, beyond the time answers take.
const CALL_AHEAD_MS: u64 = 2_000;
/// Answers slower than this do not stretch the calls further ahead.
const ANSWER_DELAY_MAX_MS: u64 = 30_000;
/// However small the room, this many more fans than it holds may be asked to be ready.
const READY_SPARE: u64 = 16;

impl Line {
    /// Of those who answered, the lowest place first, while there is a slot and an allowance for it.
    pub(super) fn admit(&mut self, work: &mut Work) {
        work.next_kind();
        while self.moves() && self.free_slots() > 0 && self.allowance.admissions() > 0 {
            let Some(place) = self.epochs.lowest_ready() else {
                break;
            };
            if !work.pay(ADMISSION, place) {
                break;
            }
            self.epochs.clear_waiting(place);
            let visit = self.grant(place, Stage::Granted, UNTAKEN_MS);
            let hard_end_ms = self.visits.get(visit).map_or(self.now_ms, |v| v.hard_end_ms);
            self.grants.push(Grant { visit, hard_end_ms });
        }
    }

    pub(super) fn retire(&mut self) {
        let (silent, rose) = self.calling.retire(self.now_ms, self.settings.answer_within_ms);
        self.no_shows += silent;
        if rose {
            self.epochs.close_calls(self.calling.floor());
            self.records.push(Record::Called {
                upto: self.called_upto,
                floor: self.calling.floor(),
            });
        }
    }

    /// Asks so many fans, in place order, that those ready and those likely to answer cover what could be admitted
    /// while answers are under way and [`CALL_AHEAD_MS`] beyond.
    pub(super) fn call(&mut self, work: &mut Work) {
        if !self.moves() {
            return;
        }
        let answer_within_ms = self.settings.answer_within_ms;
        let horizon_ms = CALL_AHEAD_MS + self.calling.delay_ms().min(ANSWER_DELAY_MAX_MS);
        // A rate a minute over a horizon in ms, in thousandths of a fan: * horizon / 60,000 * 1,000.
        let by_rate = u64::from(self.settings.admit_per_min) * horizon_ms / 60;
        let by_room = (u64::from(self.settings.active_max) + READY_SPARE) * MILLI;
        let wanted = by_rate.clamp(MILLI, by_room);

        let mut expected =
            self.epochs.ready() * MILLI + self.calling.hope_milli(self.now_ms, answer_within_ms);
        let mut called = 0;
        work.next_kind();
        while expected < wanted {
            let Some(place) = self.epochs.next_present(self.called_upto) else {
                break;
            };
            if !work.pay(CALL, place) {
                break;
            }
            self.called_upto = place;
            self.epochs.life(place.epoch).asked.insert(place.number);
            called += 1;
            expected += self.calling.fresh_hope_milli();
        }
        if called > 0 {
            self.calling
                .called(self.now_ms, self.called_upto, called, answer_within_ms);
            self.records.push(Record::Called {
                upto: self.called_upto,
                floor: self.calling.floor(),
            });
        }
    }

    /// Places for `arrivals` new fans. The first go straight through where nobody is in line before them; those who come
    /// after them are then in line, and nobody goes past them.
    pub(super) fn give(&mut self, arrivals: u32, work: &mut Work) -> Option<Given> {
        if arrivals == 0 || self.closed || self.settings.draining {
            return None;
        }
        let free = u64::from(self.free_slots()).min(self.allowance.admissions());
        let straight = if self.goes_straight() {
            free.min(u64::from(arrivals)) as u32
        } else {
            0
        };
        let straight = work.pay_last(STRAIGHT, straight);
        let first = Place {
            epoch: self.epoch,
            number: self.epochs.life(self.epoch).end + 1,
        };
        let turn = Turn(self.next_turn);
        for offset in 0..u64::from(arrivals) {
            let place = Place {
                number: first.number + offset,
                ..first
            };
            if offset < u64::from(straight) {
                self.grant(place, Stage::Entered, COME_BACK_MS);
            } else {
                self.epochs.life(self.epoch).present.insert(place.number);
            }
        }
        self.epochs.life(self.epoch).end += u64::from(arrivals);
        self.issued += u64::from(arrivals);
        self.joined += u64::from(arrivals - straight);
        let hard_end_ms = self.now_ms + self.settings.visit_max_ms;
        let expires_at_ms = (self.now_ms + COME_BACK_MS).min(hard_end_ms);
        let end = first.number + u64::from(arrivals) - 1;
        self.records.push(Record::Numbers {
            epoch: self.epoch,
            end,
        });
        Some(Given {
            first,
            count: arrivals,
            straight,
            turn,
            expires_at_ms,
            hard_end_ms,
        })
    }

    /// Nobody in line may be overtaken by an arrival: nobody whom the line has not passed over yet, called or not; nobody
    /// who was called and is away for a moment; and nobody who has answered, however late.
    fn goes_straight(&self) -> bool {
        self.moves()
            && self.settings.mode == tidegate_config::Mode::Auto
            && self.epochs.next_present(self.calling.floor()).is_none()
            && self.calling.open() == 0
            && self.epochs.ready() == 0
    }

    /// Whether anyone is called or admitted at all just now.
    fn moves(&self) -> bool {
        let status = matches!(self.status(), Status::Open | Status::Draining);
        status && self.settings.mode != tidegate_config::Mode::Off && self.settings.admit_per_min > 0
    }
}
