//! When fans with a stream look again: one clock for all of them instead of a timer each.
//!
//! Time is cut into slots of a tenth of a second. A fan stands in at most one slot that counts. One who was just told
//! something puts the next look off with a single store, and is moved on when the slot comes: so fifteen thousand frames
//! set no timer and cancel none, and who is due in the same slot is woken together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::fans::{Fan, moment_ms};

/// Length of a slot: less than half of the shortest time between two looks.
const SLOT: Duration = Duration::from_millis(100);

/// A fan's next look, in slots since this process began; zero is never.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    /// When the fan is to look again.
    due: AtomicU64,
    /// The slot the fan stands in; in any other it was left behind.
    stands_in: AtomicU64,
}

/// The slots to come.
#[derive(Default)]
pub struct Reminders {
    slots: Mutex<BTreeMap<u64, Vec<Arc<Fan>>>>,
}

fn slot_at(ms: u64) -> u64 {
    ms / SLOT.as_millis() as u64 + 1
}

impl Reminders {
    /// Wakes the fan after so long, unless reminded anew meanwhile: the last word counts.
    pub fn remind(&self, fan: &Arc<Fan>, after: Duration) {
        let due = slot_at(moment_ms() + after.as_millis() as u64);
        let reminder = &fan.reminder;
        reminder.due.store(due, Ordering::Relaxed);
        let stands_in = reminder.stands_in.load(Ordering::Relaxed);
        if stands_in == 0 || due < stands_in {
            self.put(fan.clone(), due);
        }
    }

    fn put(&self, fan: Arc<Fan>, slot: u64) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        fan.reminder.stands_in.store(slot, Ordering::Relaxed);
        slots.entry(slot).or_default().push(fan);
    }

    /// Wakes whoever is due by now.
    fn fire(&self) {
        let now = slot_at(moment_ms());
        let past = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let to_come = slots.split_off(&now);
            std::mem::replace(&mut *slots, to_come)
        };
        for (slot, fans) in past {
            for fan in fans {
                let reminder = &fan.reminder;
                if reminder.stands_in.load(Ordering::Relaxed) != slot {
                    continue; // a nearer slot was chosen since
                }
                let due = reminder.due.load(Ordering::Relaxed);
                if due >= now {
                    self.put(fan, due);
                } else {
                    reminder.stands_in.store(0, Ordering::Relaxed);
                    fan.wake.notify_waiters();
                }
            }
        }
    }

    /// Goes through the slots as they come, until told to stop.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(SLOT) => self.fire(),
                _ = stop.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_queue::line::{Place, Round, Visitor};

    use super::*;
    use crate::room::Fans;

    fn is_woken(fan: &Fan, within: Duration, reminders: &Reminders) -> bool {
        let woken = fan.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        std::thread::sleep(within);
        reminders.fire();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        woken.poll(&mut cx).is_ready()
    }

    #[test]
    fn the_last_word_counts_whether_sooner_or_later() {
        let (fans, reminders) = (Fans::default(), Reminders::default());
        let fan = fans.hold(Place::START, Round(1), Visitor(1));
        let ms = Duration::from_millis;
        reminders.remind(&fan, ms(100));
        assert!(!is_woken(&fan, ms(0), &reminders), "too early");
        assert!(is_woken(&fan, ms(250), &reminders), "due");
        assert!(!is_woken(&fan, ms(250), &reminders), "once");
        reminders.remind(&fan, ms(100));
        reminders.remind(&fan, ms(10_000));
        assert!(!is_woken(&fan, ms(250), &reminders), "put off");
        reminders.remind(&fan, ms(100));
        assert!(is_woken(&fan, ms(250), &reminders), "and called nearer");
    }
}
