//! A room's figures as server-sent events: one at once, then one every second.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::extract::Named;
use super::room_view::RoomView;
use super::serve::stopped;
use super::{Shared, problems};
use crate::request::problem::Problem;
use crate::room::Room;

/// The figures are told this often.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// How long a browser waits before it connects again.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Proxies on the way must not collect events.
const NO_BUFFERING: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

struct Telling {
    room: Arc<Room>,
    every: Interval,
    shutdown: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Telling {
    /// The next event; none once the edge shuts down. A reader who is slow gets fewer of them, not old ones.
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            () = stopped(&mut self.shutdown) => None,
            _ = self.every.tick() => {
                let event = Event::default().event("room").retry(RETRY_AFTER);
                // Plain fields always serialise.
                event.json_data(RoomView::now(&self.room)).ok()
            }
        }
    }
}

pub(super) async fn stream(State(admin): State<Shared>, Named(room): Named) -> Result<Response, Problem> {
    let permit = Arc::clone(&admin.streams)
        .try_acquire_owned()
        .map_err(|_| problems::too_many_streams())?;
    let mut every = interval(TOLD_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let telling = Telling {
        room,
        every,
        shutdown: admin.shutdown.clone(),
        _permit: permit,
    };
    let events = stream::unfold(telling, |mut telling| async move {
        let event = telling.next().await?;
        Some((Ok::<_, Infallible>(event), telling))
    });
    Ok(([NO_BUFFERING], Sse::new(events)).into_response())
}
