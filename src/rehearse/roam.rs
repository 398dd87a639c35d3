//! Which edge a fan is at: the one it was sent to, another one it roams to, or the next when its own is gone.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::{Instant, sleep};

use super::fan::Fan;
use super::http::{Failure, Target};

/// Going on at another edge takes this long on average, and for each fan another time: an edge that dies must not send
/// all its fans to the next one at once.
const MOVE_AFTER: Duration = Duration::from_secs(1);

/// How far that spreads, as a share of it.
const MOVE_SPREAD: std::ops::Range<f64> = 0.5..1.5;

impl Fan {
    /// The edge this fan is at.
    pub(super) fn target(&self) -> &Target {
        &self.world.targets[self.edge]
    }

    /// Whether there is another edge to go to after a failure that says that this one is gone.
    pub(super) fn can_move(&self, failure: &Failure) -> bool {
        failure.edge_gone && self.world.targets.len() > 1
    }

    /// Goes on at the next edge, after a moment. Once all were tried in a row there is no hurry any more.
    pub(super) async fn move_on(&mut self) {
        self.edge = (self.edge + 1) % self.world.targets.len();
        self.note(|record, _| record.moved = record.moved.saturating_add(1));
        if self.failures as usize >= self.world.targets.len() {
            self.pause(None).await;
        } else {
            sleep(MOVE_AFTER.mul_f64(self.rng.random_range(MOVE_SPREAD))).await;
        }
    }

    /// Goes to any other edge; the socket here is lost without a word.
    pub(super) fn roam(&mut self) {
        let others = self.world.targets.len() - 1;
        if others > 0 {
            self.edge = (self.edge + self.rng.random_range(1..=others)) % self.world.targets.len();
            self.note(|record, _| record.roamed = true);
        }
        (self.roams, self.roam_at) = (false, None);
    }

    /// The moment at which a fan who roams goes, counted from now.
    pub(super) fn roaming_moment(&mut self) -> Option<Instant> {
        self.roams.then(|| self.moment_while_waiting())
    }
}
