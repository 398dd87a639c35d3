//! What is known of one showtime's seats, and the events that were made of it. It asks nobody: the board does, and brings
//! the answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::picture::{Picture, View};
use super::wire::{self, EventMark, SeatsDocument};
use crate::domain::ShowtimeDetail;
use crate::store::SeatChanges;

/// How old seats may be when they are shown to somebody who does not listen. What this instance changed itself, or was
/// told of, is shown at once.
pub(super) const AGE_MAX: Duration = Duration::from_secs(1);

/// Events that a listener may be behind before it is cut: at the most events there can be, three seconds.
pub(super) const BEHIND_MAX: usize = 64;

/// Events kept for listeners that come back: at the most events there can be, 12 s, which is longer than a browser takes.
/// Who comes later is told what differs by the database's own count.
const KEPT_MAX: usize = 256;

/// A showtime as it was last seen.
pub(super) struct Seen {
    /// The showtime and the part of the document that stays; of this state of the catalogue.
    pub(super) detail: Arc<ShowtimeDetail>,
    pub(super) head: Arc<str>,
    pub(super) catalogue: i64,
    pub(super) picture: Picture,
    /// When the last question was asked.
    pub(super) asked_at: Instant,
    /// When somebody last said that something changed.
    pub(super) changed_at: Option<Instant>,
    /// Counts what the picture looked like.
    pub(super) version: u64,
    /// Of that version, where somebody wanted it.
    pub(super) document: Option<Arc<SeatsDocument>>,
    /// Random, so that no other board's events are taken for this one's.
    epoch: u32,
    /// Of the last event.
    number: u64,
    /// The last events, the newest with `number`.
    kept: VecDeque<Bytes>,
    /// `None` once the service stops.
    pub(super) events: Option<broadcast::Sender<Bytes>>,
    pub(super) polled: bool,
}

impl Seen {
    /// As it is read for the first time.
    pub(super) fn new(showtime: Arc<ShowtimeDetail>, asked_at: Instant, read: &SeatChanges) -> Self {
        let (events, _) = broadcast::channel(BEHIND_MAX);
        let mut seen = Self {
            head: wire::head(&showtime).into(),
            catalogue: read.catalogue,
            picture: Picture::new(&showtime.map),
            detail: showtime,
            asked_at,
            changed_at: None,
            version: 0,
            document: None,
            epoch: rand::random(),
            number: 0,
            kept: VecDeque::new(),
            events: Some(events),
            polled: false,
        };
        seen.picture.apply(read);
        seen.picture.tell();
        seen
    }

    /// Of another map or other prices: no event before this one counts, and every listener is told everything.
    pub(super) fn begin_anew(&mut self, head: Arc<str>, asked_at: Instant, all: &SeatChanges) {
        self.head = head;
        self.asked_at = asked_at;
        self.picture = Picture::new(&self.detail.map);
        self.take_in(all);
        self.picture.tell();
        self.epoch = rand::random();
        self.number = 0;
        self.kept.clear();
        let event = wire::seats_event(self.mark(), &self.picture);
        self.events.as_ref().map(|events| events.send(event));
        self.version += 1;
        self.document = None;
    }

    fn mark(&self) -> EventMark {
        EventMark {
            epoch: self.epoch,
            number: self.number,
            moment: self.picture.moment(View::Told),
        }
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.was_asked_within(AGE_MAX, now) && self.changed_at.is_none_or(|changed| changed < self.asked_at)
    }

    pub(super) fn was_asked_within(&self, age: Duration, now: Instant) -> bool {
        now.duration_since(self.asked_at) < age
    }

    fn take_in(&mut self, read: &SeatChanges) {
        if self.picture.apply(read) {
            self.version += 1;
            self.document = None;
        }
    }

    /// Takes in the answer to a question that began where this picture ends, or at the beginning.
    pub(super) fn read(&mut self, asked_at: Instant, read: &SeatChanges) {
        self.asked_at = asked_at;
        self.take_in(read);
        if !self.polled {
            // Whoever was listening and comes back finds what it missed, event by event.
            self.tell();
        }
    }

    /// Makes an event of what looks different; whether anything does.
    pub(super) fn tell(&mut self) -> bool {
        let changed = self.picture.tell();
        if changed.is_empty() {
            return false;
        }
        self.number += 1;
        let stock = self.picture.stock(View::Told);
        self.send(wire::change_event(self.mark(), stock, &changed));
        true
    }

    fn send(&mut self, event: Bytes) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(event.clone());
        // Nobody may listen; whoever comes back finds it among the kept ones.
        self.events.as_ref().map(|events| events.send(event));
    }

    /// Whether a listener has heard of what is not told here yet.
    pub(super) fn is_behind(&self, last: Option<EventMark>) -> bool {
        let told = self.picture.moment(View::Told);
        last.is_some_and(|EventMark { moment, .. }| moment.cursor > told.cursor || moment.now > told.now)
    }

    /// What a listener is to be told first.
    pub(super) fn first_events(&self, last: Option<EventMark>) -> Vec<Bytes> {
        let Some(last) = last else {
            return vec![wire::seats_event(self.mark(), &self.picture)];
        };
        if last.epoch == self.epoch && last.number <= self.number {
            let missed = usize::try_from(self.number - last.number).unwrap_or(usize::MAX);
            if missed <= self.kept.len() {
                return self.kept.range(self.kept.len() - missed..).cloned().collect();
            }
        }
        if self.is_behind(Some(last)) {
            // Of another database, or of a time that was taken back.
            return vec![wire::seats_event(self.mark(), &self.picture)];
        }
        let changed = self.picture.told_since(last.moment);
        if changed.is_empty() {
            return Vec::new();
        }
        let stock = self.picture.stock(View::Told);
        vec![wire::change_event(self.mark(), stock, &changed)]
    }
}
