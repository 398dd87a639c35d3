//! What the fans of a rehearsal saw, as plain data.
//!
//! The fans write it, the judge reads it, and nothing here knows a socket or a clock. Every instant is in microseconds
//! since the rehearsal began, on this process's monotonic clock: the judge never sees the server's time.

use std::collections::BTreeMap;

use serde::Serialize;

/// Microseconds since the rehearsal began. Signed, because a tolerance may reach before the beginning.
pub(crate) type Micros = i64;

/// A second, in [`Micros`].
pub(crate) const SECOND: Micros = 1_000_000;

/// Most connections remembered for one fan; a fan that loses its socket more often stops being judged by order.
const CONNECTIONS_MAX: usize = 32;

/// What a fan was sent to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// Waits, answers, enters, stays, leaves.
    #[default]
    Enters,
    /// Disconnects while waiting and does not come back.
    Vanishes,
    /// Stays connected and does not answer when called.
    Silent,
}

/// A fan's standing in the line: ordered by epoch, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Place {
    /// The life of the line store.
    pub(crate) epoch: u64,
    /// The number given in it.
    pub(crate) number: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (epoch {})", self.number, self.epoch)
    }
}

/// What a token says, read without verifying it. What is missing is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The room.
    pub(crate) room: Option<String>,
    /// The room's round; places of different rounds are not compared.
    pub(crate) round: Option<String>,
    /// Epoch and number, when both are there.
    pub(crate) place: Option<Place>,
    /// The visitor it is bound to.
    pub(crate) visitor: Option<String>,
    /// Expiry, seconds since the Unix epoch.
    pub(crate) exp_s: Option<i64>,
}

/// One stretch of waiting on one line socket, while its edge was in touch with the line as far as it said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The first frame arrived: the edge holds the fan. Or the first after a pause.
    pub(crate) from_us: Micros,
    /// The socket was lost or closed, by either side, or the fan was told that the line is paused.
    pub(crate) until_us: Option<Micros>,
    /// It ended with a pause: the socket is still there.
    pub(crate) paused: bool,
    /// The first `called` on this socket arrived.
    pub(crate) called_us: Option<Micros>,
    /// The last `here` on this socket was sent.
    pub(crate) here_us: Option<Micros>,
}

/// How a fan was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// It cannot have been decided before this: the `here` (or the request that went straight through) was sent.
    /// Unknown when the token came over a later socket, or after a pause, without an answer there: it may be a repeated
    /// grant, or one that was held up.
    pub(crate) since_us: Option<Micros>,
    /// It was decided by this: the token (or the answer with the visit cookie) arrived.
    pub(crate) at_us: Micros,
    /// Without the line.
    pub(crate) straight: bool,
}

/// A fan's stay on the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// The visit cookie arrived.
    pub(crate) from_us: Micros,
    /// The last request that the gate let pass with it was sent.
    pub(crate) honoured_us: Option<Micros>,
    /// What the latest visit cookie promises: it stays valid until then unless it is ended early.
    pub(crate) valid_until_us: Option<Micros>,
    /// `DELETE .../visits/me` was sent.
    pub(crate) released_us: Option<Micros>,
    /// A request found that the visit had ended by itself.
    pub(crate) found_ended: bool,
}

/// `ahead` as one fan saw it, folded: the frames themselves are too many to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    last: Option<u64>,
    /// How many times a figure was shown.
    pub(crate) shown: u32,
    /// How many times it grew.
    pub(crate) grew: u32,
    /// The first growth, from and to.
    pub(crate) example: Option<(u64, u64)>,
}

impl Ahead {
    /// A figure is shown.
    pub(crate) fn show(&mut self, ahead: u64) {
        self.shown += 1;
        if let Some(last) = self.last
            && ahead > last
        {
            self.grew += 1;
            self.example.get_or_insert((last, ahead));
        }
        self.last = Some(ahead);
    }

    /// The fan reconnected: another edge cannot know what this one showed, and those who came back meanwhile count.
    pub(crate) fn reconnected(&mut self) {
        self.last = None;
    }
}

/// The first range of waiting time a fan was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    /// When.
    pub(crate) at_us: Micros,
    /// At least, seconds.
    pub(crate) low_s: f64,
    /// At most, seconds.
    pub(crate) high_s: f64,
}

/// Where a fan's story stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// Has not sent its first request.
    #[default]
    NotYet,
    /// Asking for the page, or waiting in line.
    InLine,
    /// Holds an admission token or a visit.
    OnSite,
    /// Did everything it came for.
    Left,
    /// Vanished as planned.
    Vanished,
    /// The site let it pass without the room (switched off, or the path is free).
    Unguarded,
    /// Was told that the room is closed or sold out.
    ToldClosed,
    /// Was admitted, and not let in.
    TurnedAway,
    /// Met too many failures in a row.
    GaveUp,
}

/// Everything one fan saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct FanRecord {
    /// What it was sent to do.
    pub(crate) part: Part,
    /// The distinct place tokens it was given, in order; one, when all is well.
    pub(crate) places: Vec<Claims>,
    /// Its stretches of waiting, in order.
    pub(crate) connections: Vec<Connection>,
    /// Its first `here` was sent.
    pub(crate) answered_us: Option<Micros>,
    /// How often it went on at the next edge because it lost its own, or the connection there.
    pub(crate) moved: u32,
    /// It went to another edge of its own accord, as planned.
    pub(crate) roamed: bool,
    /// The `ahead` it was shown.
    pub(crate) ahead: Ahead,
    /// The first wait it was told.
    pub(crate) told: Option<Told>,
    /// The first admission; the same one repeated is not another.
    pub(crate) admission: Option<Admission>,
    /// Admission and visit tokens it was given.
    pub(crate) tokens: Vec<Claims>,
    /// Its stay.
    pub(crate) visit: Option<Visit>,
    /// It entered and came back, and the gate let it pass.
    pub(crate) got_in: bool,
    /// It held a fresh admission and was refused or sent back to the line: the answer's status.
    pub(crate) turned_away: Option<u16>,
    /// Failures it met, by kind.
    pub(crate) errors: BTreeMap<String, u32>,
    /// Where its story stands.
    pub(crate) end: End,
}

impl FanRecord {
    /// The place it stands at: the last one given.
    pub(crate) fn place(&self) -> Option<Place> {
        self.places.last().and_then(|claims| claims.place)
    }

    /// The round of that place.
    pub(crate) fn round(&self) -> Option<&str> {
        self.places.last().and_then(|claims| claims.round.as_deref())
    }

    /// A place token arrived, by cookie or by frame.
    pub(crate) fn given(&mut self, claims: Claims) {
        let known = self
            .places
            .iter()
            .any(|held| held.place == claims.place && held.round == claims.round);
        if claims.place.is_some() && !known {
            self.places.push(claims);
        }
    }

    /// A line socket carried its first frame.
    pub(crate) fn connected(&mut self, now_us: Micros) {
        self.ahead.reconnected();
        self.begin_stretch(now_us);
    }

    /// The fan is told that nobody is admitted for now. Its edge may have lost the line: what is said from now on
    /// reaches the line when the pause is over.
    pub(crate) fn told_paused(&mut self, now_us: Micros) {
        if let Some(open) = self.open_connection() {
            (open.until_us, open.paused) = (Some(now_us), true);
        }
    }

    /// The fan is told anything else about the line: a pause, if there was one, is over.
    pub(crate) fn told_on(&mut self, now_us: Micros) {
        if self.is_paused() {
            self.begin_stretch(now_us);
        }
    }

    /// Whether the last word over a socket that is still there was that the line is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.connections.last().is_some_and(|last| last.paused)
    }

    fn begin_stretch(&mut self, now_us: Micros) {
        if self.connections.len() < CONNECTIONS_MAX {
            self.connections.push(Connection {
                from_us: now_us,
                ..Connection::default()
            });
        }
    }

    /// The line socket is gone.
    pub(crate) fn disconnected(&mut self, now_us: Micros) {
        if let Some(last) = self.connections.last_mut() {
            last.until_us.get_or_insert(now_us);
            last.paused = false;
        }
    }

    /// The connection in use, if any.
    pub(crate) fn open_connection(&mut self) -> Option<&mut Connection> {
        self.connections
            .last_mut()
            .filter(|connection| connection.until_us.is_none())
    }

    /// A failure happened.
    pub(crate) fn failed(&mut self, kind: &str) {
        *self.errors.entry(kind.to_owned()).or_default() += 1;
    }
}

/// What the room promises, as far as the rehearsal was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Terms {
    /// Most live visits.
    pub(crate) limit: Option<u32>,
    /// Admissions a minute.
    pub(crate) rate_per_min: Option<u32>,
}

/// Why the rehearsal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    /// Every fan who was to enter has finished.
    Done,
    /// Time ran out.
    Timeout,
    /// The operator interrupted it.
    Interrupted,
}
