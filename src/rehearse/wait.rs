//! Waiting on the line socket: what a fan hears there, and what each kind of fan answers.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::claims;
use super::fan::{Fan, Grant, Step};
use super::http::Failure;
use super::observe::{Admission, End, FanRecord, Micros, Part, Told};
use super::socket::{Event, Frame, LineSocket};

/// How often a probing fan pings.
const PING_EVERY: Duration = Duration::from_secs(1);

/// What is known about the socket in use.
struct Hearing {
    heard_anything: bool,
    here_sent_us: Option<Micros>,
    ping_sent_us: Option<Micros>,
    ping: Option<Interval>,
}

impl Fan {
    /// Opens the line socket and listens until the turn comes, the fan goes, or the socket is lost.
    pub(super) async fn wait(&mut self) -> Result<Step, Failure> {
        let mut socket = Box::pin(self.open()).await?;
        let heard = self.hear(&mut socket).await;
        self.note(|record, now_us| record.disconnected(now_us));
        heard
    }

    async fn open(&mut self) -> Result<LineSocket, Failure> {
        let path = self.world.room_path("line")?;
        let (socket, headers) = LineSocket::open(self.target(), self.index, &path, &self.jar).await?;
        self.keep_cookies(&headers);
        if self.part == Part::Vanishes && self.vanish_at.is_none() {
            self.vanish_at = Some(self.moment_while_waiting());
        }
        if self.roam_at.is_none() {
            self.roam_at = self.roaming_moment();
        }
        Ok(socket)
    }

    async fn hear(&mut self, socket: &mut LineSocket) -> Result<Step, Failure> {
        let probes = self.index.is_multiple_of(self.world.probe_every);
        let mut hearing = Hearing {
            heard_anything: false,
            here_sent_us: None,
            ping_sent_us: None,
            ping: probes.then(|| pings(self.index)),
        };
        loop {
            let event = tokio::select! {
                event = socket.next() => event,
                () = moment(self.vanish_at) => return Ok(Step::End(End::Vanished)),
                () = moment(self.roam_at) => {
                    self.roam();
                    return Ok(Step::Wait);
                }
                () = tick(&mut hearing.ping) => {
                    if hearing.ping_sent_us.is_none() {
                        hearing.ping_sent_us = Some(self.world.book.now_us());
                        socket.ping().await?;
                    }
                    continue;
                }
            };
            match event {
                Event::Frame(frame) => {
                    if let Some(step) = self.answer(frame, socket, &mut hearing).await? {
                        return Ok(step);
                    }
                }
                Event::Pong => {
                    if let Some(sent_us) = hearing.ping_sent_us.take() {
                        let now_us = self.world.book.now_us();
                        self.world.book.noise().round_trip(sent_us, now_us);
                    }
                }
                Event::Nonsense => self.note(|record, _| record.failed("line socket: not a frame")),
                Event::Gone(failure) => return Err(failure),
            }
        }
    }

    /// Takes in one frame; returns the next step when it ends the waiting.
    async fn answer(
        &mut self,
        frame: Frame,
        socket: &mut LineSocket,
        hearing: &mut Hearing,
    ) -> Result<Option<Step>, Failure> {
        if !hearing.heard_anything {
            hearing.heard_anything = true;
            self.failures = 0;
            self.note(|record, now_us| record.connected(now_us));
        }
        match frame {
            Frame::Place { place_token } => {
                let claims = claims::read(&place_token);
                self.note(|record, _| match claims {
                    Some(claims) => record.given(claims),
                    None => record.failed("place token: not readable"),
                });
            }
            Frame::Position { ahead, wait_s, state } => {
                if state == "paused" {
                    // What was answered before may have gone under with the edge's line, or be granted late.
                    hearing.here_sent_us = None;
                }
                self.note(|record, now_us| {
                    if state == "paused" {
                        record.told_paused(now_us);
                    } else {
                        record.told_on(now_us);
                    }
                    shown(record, now_us, ahead, wait_s);
                });
                if matches!(state.as_str(), "sold_out" | "closed") {
                    return Ok(Some(Step::End(End::ToldClosed)));
                }
            }
            Frame::Called => return self.called(socket, hearing).await,
            Frame::Admitted {
                admission_token,
                enter,
                expires_in_s,
            } => {
                let at_us = self.admitted(&admission_token, hearing.here_sent_us);
                let grant = Grant {
                    token: admission_token,
                    enter,
                    at_us,
                    expires_in_s,
                };
                return Ok((self.part == Part::Enters).then_some(Step::Enter(grant)));
            }
            Frame::Open => return Ok(Some(Step::End(End::Unguarded))),
            Frame::Unknown => {}
        }
        Ok(None)
    }

    async fn called(
        &mut self,
        socket: &mut LineSocket,
        hearing: &mut Hearing,
    ) -> Result<Option<Step>, Failure> {
        self.note(|record, now_us| {
            if let Some(connection) = record.open_connection() {
                connection.called_us.get_or_insert(now_us);
            }
        });
        match self.part {
            Part::Silent => Ok(None),
            Part::Vanishes => Ok(Some(Step::End(End::Vanished))),
            Part::Enters => {
                hearing.here_sent_us.get_or_insert(self.world.book.now_us());
                socket.here().await?;
                self.note(|record, now_us| {
                    record.answered_us.get_or_insert(now_us);
                    if let Some(connection) = record.open_connection() {
                        connection.here_us = Some(now_us);
                    }
                });
                Ok(None)
            }
        }
    }

    /// Writes down an admission that arrived now, and returns when that was.
    fn admitted(&self, token: &str, here_sent_us: Option<Micros>) -> Micros {
        let claims = claims::read(token);
        self.note(|record, now_us| {
            let first = record
                .connections
                .first()
                .filter(|_| record.connections.len() == 1);
            let since_us = here_sent_us.or_else(|| first.map(|connection| connection.from_us));
            record.admission.get_or_insert(Admission {
                since_us,
                at_us: now_us,
                straight: false,
            });
            match claims {
                Some(claims) => record.tokens.push(claims),
                None => record.failed("admission token: not readable"),
            }
            if record.part == Part::Enters {
                record.end = End::OnSite;
            }
            now_us
        })
    }
}

fn shown(record: &mut FanRecord, now_us: Micros, ahead: Option<u64>, wait_s: Option<(f64, f64)>) {
    if let Some(ahead) = ahead {
        record.ahead.show(ahead);
    }
    if let Some((low_s, high_s)) = wait_s {
        record.told.get_or_insert(Told {
            at_us: now_us,
            low_s,
            high_s,
        });
    }
}

/// Pings spread over the second by the fan's number.
fn pings(index: usize) -> Interval {
    let offset = PING_EVERY.mul_f64((index % 97) as f64 / 97.0);
    let mut pings = interval_at(Instant::now() + offset, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

async fn moment(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}
