//! An edge that is alone with its store has heard of everything with each reply, whatever comes at once.

use std::sync::Arc;

use tidegate_config::Mode;
use tidegate_queue::line::{Change, Line, Load, Place, Reply, Request, Round, Settings};

use super::settings;

/// Fans in line.
const FANS: u32 = 3_500;

/// The only edge of a large room.
pub struct Edge {
    pub line: Line,
    /// How long after each other it ticks.
    pub every_ms: u64,
    now_ms: u64,
    last: Request,
    round: Option<Round>,
}

/// How many of these places, from the first, one tick can carry.
pub fn fitting(places: &[Place]) -> usize {
    let mut load = Load::default();
    places.iter().take_while(|place| load.add_place(**place)).count()
}

impl Edge {
    pub fn new(settings: Settings) -> Self {
        let now_ms = 1_790_000_000_000;
        Self {
            line: Line::new(settings, now_ms, 1),
            every_ms: 100,
            now_ms,
            last: Request::default(),
            round: None,
        }
    }

    pub fn tick(&mut self, request: Request) -> Arc<Reply> {
        self.now_ms += self.every_ms;
        let request = Request {
            boot: 1,
            seq: self.last.seq + 1,
            grants_read: self.last.grants_read,
            ended_read: self.last.ended_read,
            ..request
        };
        let reply = self
            .line
            .tick(self.now_ms, &request)
            .expect("a well-formed tick is answered");
        let round_over = self.round.replace(reply.round) != Some(reply.round);
        assert!(round_over || !reply.missed_notes(&request), "notes were lost");
        self.last = Request {
            seq: request.seq,
            grants_read: reply.grants.1,
            ended_read: reply.ended.1,
            ..Request::default()
        };
        reply
    }

    pub fn pause(&mut self, paused: bool) {
        let change = Change {
            paused: Some(paused),
            ..Change::default()
        };
        self.line.configure(&change);
    }

    /// Asks for nothing while nobody is admitted; whatever it hears was left over.
    fn is_left_with_nothing(&mut self) {
        self.pause(true);
        let reply = self.tick(Request::default());
        assert_eq!(reply.grants.0, [], "grants of an earlier tick");
        assert_eq!(reply.ended.0, [], "ends of an earlier tick");
        self.pause(false);
    }
}

#[test]
fn no_grant_and_no_end_is_left_for_the_next_reply() {
    let settings = Settings {
        mode: Mode::On,
        active_max: 100_000,
        admit_per_min: 6_000_000,
        answer_within_ms: 60_000,
        ..settings()
    };
    let mut edge = Edge::new(settings);
    let arrivals = Request {
        arrivals: FANS,
        ..Request::default()
    };
    let reply = edge.tick(arrivals);
    let (round, given) = (reply.round, reply.given.expect("places"));
    let held: Vec<Place> = given.places().map(|(place, _)| place).collect();
    // A tick calls only so many, and says that there are more.
    while edge.tick(Request::default()).more {}
    let called_upto = edge.tick(Request::default()).front.called_upto;
    assert_eq!(Some(&called_upto), held.last(), "all were asked");

    // All of them answer while the room is paused: they could be admitted at once.
    edge.pause(true);
    let mut answered = 0;
    while answered < held.len() {
        let here = held[answered..][..fitting(&held[answered..])].to_vec();
        answered += here.len();
        edge.tick(Request {
            here,
            ..Request::default()
        });
    }
    edge.pause(false);
    // No grant expires meanwhile.
    edge.every_ms = 1;
    let mut granted = 0;
    while granted < held.len() {
        // Meanwhile others are told of their grants again.
        let back = held[..fitting(&held[..granted])].to_vec();
        let again = back.len();
        let reply = edge.tick(Request {
            back,
            ..Request::default()
        });
        assert!(
            reply.grants.0.len() > again,
            "none was admitted beside what the tick carried"
        );
        granted += reply.grants.0.len() - again;
        assert_eq!(
            reply.more,
            granted < held.len(),
            "whether there are more to admit"
        );
        edge.is_left_with_nothing();
    }
    assert_eq!(granted, held.len(), "all were admitted");

    // As many as one tick may name give their grants up, and then the round ends for all others.
    let leave = held[..fitting(&held)].to_vec();
    let leaving = leave.len();
    let reply = edge.tick(Request {
        leave,
        ..Request::default()
    });
    assert_eq!(reply.ended.0.len(), leaving, "each grant was given up");
    edge.is_left_with_nothing();
    edge.line.close(edge.now_ms);
    let reply = edge.tick(Request::default());
    assert!(reply.round > round, "the round says that its visits are over");
    edge.is_left_with_nothing();
}
