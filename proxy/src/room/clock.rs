//! What time it is in a room: the store's word, carried on by this process's monotonic clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Room time, in milliseconds. Counted from when the last request to the store was *sent*, so that this edge is never
/// behind the store by more than one exchange took, and judges a visit over rather too early than too late.
pub struct RoomClock {
    started: Instant,
    /// Room time less the time since `started`.
    offset_ms: AtomicU64,
}

impl Default for RoomClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            offset_ms: AtomicU64::new(0),
        }
    }
}

impl RoomClock {
    /// Room time now.
    pub fn now_ms(&self) -> u64 {
        self.offset_ms.load(Ordering::Relaxed) + self.elapsed_ms(Instant::now())
    }

    /// Takes the store's time for the moment its request was sent.
    pub(super) fn set(&self, now_ms: u64, sent: Instant) {
        self.offset_ms
            .store(now_ms.saturating_sub(self.elapsed_ms(sent)), Ordering::Relaxed);
    }

    fn elapsed_ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.started).as_millis() as u64
    }
}
