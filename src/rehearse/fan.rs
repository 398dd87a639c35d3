//! One fan's life: arrive, wait, enter, stay, leave. Each step says what comes next or how it failed; failures are
//! counted and met with backoff, as the waiting page does.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use super::claims;
use super::cookies::{Jar, SetCookie};
use super::http::{Answer, Client, Failure, Target};
use super::observe::{Admission, End, FanRecord, Micros, Part, Visit};
use super::page::{self, PLACE_COOKIE, VISIT_COOKIE, cookie_of, is_waiting_page, local_path};
use super::record::Notebook;

/// Failures in a row after which a fan gives up: a little over a minute of trying.
pub(super) const GIVE_UP_AFTER: u32 = 12;

/// The first pause after a failure; it doubles with each, up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// The longest pause after a failure that did not name one.
const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// The longest `Retry-After` that is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// What all fans of a rehearsal share.
pub(crate) struct World {
    /// The edges they go to; at least one.
    pub(crate) targets: Vec<Target>,
    /// The page they ask for.
    pub(crate) path: String,
    /// The reserved prefix, with slashes at both ends.
    pub(crate) prefix: String,
    /// The room: given, or learned from the first waiting page.
    pub(crate) room: OnceLock<String>,
    /// How long they stay.
    pub(crate) stay: Duration,
    /// Those who vanish or roam do so within this long of joining.
    pub(crate) restless_for: Duration,
    /// Every so many-th fan pings while it waits.
    pub(crate) probe_every: usize,
    /// Where they write down what they see.
    pub(crate) book: Notebook,
}

impl World {
    /// A path under the room's own, once the room is known.
    pub(super) fn room_path(&self, rest: &str) -> Result<String, Failure> {
        let room = self
            .room
            .get()
            .ok_or_else(|| Failure::new("a waiting page that names no room"))?;
        Ok(format!("{}rooms/{room}/{rest}", self.prefix))
    }
}

/// One fan.
pub(crate) struct Fan {
    pub(super) index: usize,
    pub(super) part: Part,
    pub(super) world: Arc<World>,
    pub(super) jar: Jar,
    pub(super) client: Client,
    pub(super) failures: u32,
    /// Which of the edges it is at.
    pub(super) edge: usize,
    pub(super) vanish_at: Option<Instant>,
    /// It has yet to roam.
    pub(super) roams: bool,
    pub(super) roam_at: Option<Instant>,
    pub(super) rng: StdRng,
}

/// An admission in the fan's hand.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) token: String,
    pub(super) enter: String,
    pub(super) at_us: Micros,
    pub(super) expires_in_s: u64,
}

/// What a fan does next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Ask for the page.
    Arrive,
    /// Wait on the line socket.
    Wait,
    /// Spend the admission.
    Enter(Grant),
    /// Use the site, beginning with this path.
    Stay(String),
    /// Done.
    End(End),
}

impl Fan {
    /// The fan with this number, about to arrive at the edge whose turn it is.
    pub(crate) fn new(index: usize, part: Part, roams: bool, seed: u64, world: Arc<World>) -> Self {
        Self {
            index,
            part,
            jar: Jar::default(),
            client: Client::new(index),
            failures: 0,
            edge: index % world.targets.len().max(1),
            vanish_at: None,
            roams,
            roam_at: None,
            rng: StdRng::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            world,
        }
    }

    /// Lives the whole life.
    pub(crate) async fn live(mut self) {
        self.note(|record, _| record.end = End::InLine);
        let mut step = Step::Arrive;
        loop {
            // Boxed, so that a fan who only waits does not carry the room that entering would need.
            let outcome = match &step {
                Step::Arrive => Box::pin(self.arrive()).await,
                Step::Wait => self.wait().await,
                Step::Enter(grant) => Box::pin(self.enter(grant)).await,
                Step::Stay(path) => Box::pin(self.stay(path)).await,
                Step::End(end) => {
                    self.note(|record, _| record.end = *end);
                    return;
                }
            };
            step = match outcome {
                Ok(next) => {
                    self.failures = 0;
                    next
                }
                Err(failure) => self.after(failure, step).await,
            };
        }
    }

    /// Counts a failure, pauses, and says where to go on.
    async fn after(&mut self, failure: Failure, step: Step) -> Step {
        self.client.close();
        self.note(|record, _| record.failed(&failure.kind));
        self.failures += 1;
        if self.failures >= GIVE_UP_AFTER {
            return Step::End(End::GaveUp);
        }
        if self.can_move(&failure) {
            self.move_on().await;
        } else {
            self.pause(failure.retry_after).await;
        }
        match step {
            // The page would be reloaded: what was known about the place may no longer hold.
            Step::Wait if failure.status.is_some_and(|status| (400..500).contains(&status)) => Step::Arrive,
            step => step,
        }
    }

    /// Waits before trying again, longer with each failure in a row.
    pub(super) async fn pause(&mut self, asked: Option<Duration>) {
        let doubled = BACKOFF_FIRST.saturating_mul(1 << self.failures.saturating_sub(1).min(8));
        let backoff = doubled.min(BACKOFF_MAX).mul_f64(self.rng.random_range(0.5..1.0));
        sleep(backoff.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))).await;
    }

    /// A moment at which a restless fan goes.
    pub(super) fn moment_while_waiting(&mut self) -> Instant {
        Instant::now() + self.world.restless_for.mul_f64(self.rng.random_range(0.0..1.0))
    }

    /// Asks for the page, as a browser navigates.
    async fn arrive(&mut self) -> Result<Step, Failure> {
        let path = self.world.path.clone();
        let (answer, cookies, sent_us) = self.navigate(&path).await?;
        self.client.close();
        if let Some(room) = page::room(&answer.headers, &cookies) {
            self.world.room.get_or_init(|| room);
        }
        if let Some(visit) = cookie_of(&cookies, VISIT_COOKIE) {
            let location = local_path(&answer.headers).unwrap_or(path);
            self.note(|record, now_us| {
                record.end = End::OnSite;
                // Who had a place was let in by reloading; when that was decided is not known.
                let straight = record.places.is_empty();
                if straight {
                    record.given(claims::read(&visit.value).unwrap_or_default());
                }
                let since_us = straight.then_some(sent_us);
                record.admission.get_or_insert(Admission {
                    since_us,
                    at_us: now_us,
                    straight,
                });
            });
            self.begin_visit(visit);
            return Ok(Step::Stay(location));
        }
        let status = answer.status;
        if is_waiting_page(&answer, &cookies) {
            Ok(Step::Wait)
        } else if status.is_success() || status.is_redirection() || status == http::StatusCode::NOT_FOUND {
            Ok(Step::End(End::Unguarded))
        } else {
            Err(Failure::status("page", status, &answer.headers))
        }
    }

    /// Sends a navigation; returns the answer, the cookies it set and when it was sent.
    pub(super) async fn navigate(&mut self, path: &str) -> Result<(Answer, Vec<SetCookie>, Micros), Failure> {
        let headers = [
            (ACCEPT, HeaderValue::from_static("text/html")),
            (
                HeaderName::from_static("sec-fetch-mode"),
                HeaderValue::from_static("navigate"),
            ),
            (
                HeaderName::from_static("sec-fetch-dest"),
                HeaderValue::from_static("document"),
            ),
        ];
        let sent_us = self.world.book.now_us();
        let target = &self.world.targets[self.edge];
        let sending = self
            .client
            .send(target, &self.jar, Method::GET, path, &headers, Bytes::new());
        let answer = sending.await?;
        let cookies = self.keep_cookies(&answer.headers);
        Ok((answer, cookies, sent_us))
    }

    /// Keeps an answer's cookies and writes down the place among them.
    pub(super) fn keep_cookies(&mut self, headers: &HeaderMap) -> Vec<SetCookie> {
        let cookies = self.jar.take(headers);
        if let Some(place) = cookie_of(&cookies, PLACE_COOKIE)
            && let Some(claims) = claims::read(&place.value)
        {
            self.note(|record, _| record.given(claims));
        }
        cookies
    }

    /// A visit cookie arrived for a visit that begins.
    pub(super) fn begin_visit(&mut self, cookie: &SetCookie) {
        let claims = claims::read(&cookie.value);
        let valid_s = super::visit::valid_for_s(cookie, claims.as_ref());
        self.note(|record, now_us| {
            record.tokens.extend(claims);
            record.visit = Some(Visit {
                from_us: now_us,
                honoured_us: None,
                valid_until_us: valid_s.map(|seconds| now_us + seconds * super::observe::SECOND),
                released_us: None,
                found_ended: false,
            });
        });
    }

    /// Writes into the fan's record; the second argument is now.
    pub(super) fn note<T>(&self, write: impl FnOnce(&mut FanRecord, Micros) -> T) -> T {
        let now_us = self.world.book.now_us();
        write(&mut self.world.book.fan(self.index), now_us)
    }
}
