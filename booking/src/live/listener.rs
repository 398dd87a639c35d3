//! One listener of a showtime: what it is sent, and when it is given up.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;

/// How long nothing may be said. The edge gives an origin up after 60 s of silence, and some networks after 30.
const SILENT_MAX: Duration = Duration::from_secs(15);

/// A comment, which no listener sees.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": \n\n");

/// How long a browser waits before it comes back: spread, since all of an instance's listeners lose it together.
const COME_BACK_AFTER_MS: std::ops::Range<u32> = 500..4000;

/// A listener; its place is free again when it is dropped.
pub(crate) struct Listener {
    first: std::vec::IntoIter<Bytes>,
    events: Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    pub(super) fn new(first: Vec<Bytes>, events: Receiver<Bytes>, place: OwnedSemaphorePermit) -> Self {
        let after = rand::random_range(COME_BACK_AFTER_MS);
        let mut all = vec![Bytes::from(format!("retry: {after}\n\n"))];
        all.extend(first);
        Self {
            first: all.into_iter(),
            events,
            _place: place,
        }
    }

    /// The next bytes to send. `None` ends the stream: the service stops, or the listener is so far behind that it had
    /// better come back for all it missed.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.next() {
            return Some(first);
        }
        match tokio::time::timeout(SILENT_MAX, self.events.recv()).await {
            Ok(event) => event.ok(),
            Err(_) => Some(KEEP_ALIVE),
        }
    }
}
