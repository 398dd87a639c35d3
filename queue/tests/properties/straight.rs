//! Who goes straight through overtakes nobody who was asked and may still answer, however others came and went.

use tidegate_config::Mode;
use tidegate_queue::line::{Line, Place, Reply, Request, Settings, VisitId};

/// A room of three slots, all of them taken straight through, and three fans in line behind them.
struct Full {
    line: Line,
    now_ms: u64,
    seq: u64,
    on_site: Vec<VisitId>,
    in_line: [Place; 3],
}

impl Full {
    fn new() -> Self {
        let settings = Settings {
            version: 1,
            mode: Mode::Auto,
            active_max: 3,
            admit_per_min: 6_000,
            visit_ttl_ms: 60_000,
            visit_max_ms: 600_000,
            enter_within_ms: 60_000,
            answer_within_ms: 5_000,
            paused: false,
            draining: false,
            notice: None,
        };
        let now_ms = 1_790_000_000_000;
        let mut full = Self {
            line: Line::new(settings, now_ms, 1),
            now_ms,
            seq: 0,
            on_site: Vec::new(),
            in_line: [Place::START; 3],
        };
        let arrivals = Request {
            arrivals: 6,
            ..Request::default()
        };
        let reply = full.tick(arrivals);
        let given = reply.given.expect("places for six");
        assert_eq!((given.straight, reply.front.called_upto), (3, Place::START));
        full.on_site = full
            .line
            .visits()
            .map(|(place, visit)| VisitId {
                place,
                turn: visit.turn,
            })
            .collect();
        full.in_line = [4, 5, 6].map(|number| Place {
            number,
            ..given.first
        });
        full
    }

    fn tick(&mut self, request: Request) -> std::sync::Arc<Reply> {
        self.seq += 1;
        self.now_ms += 100;
        let (boot, seq) = (1, self.seq);
        self.line
            .tick(self.now_ms, &Request { boot, seq, ..request })
            .expect("a well-formed tick is answered")
    }

    /// The whole site empties while somebody arrives, who then is or is not let straight through.
    fn empties_for_an_arrival(&mut self, back: &[Place]) -> bool {
        let end = self.on_site.clone();
        let reply = self.tick(Request {
            end,
            back: back.to_vec(),
            arrivals: 1,
            ..Request::default()
        });
        assert!(reply.figures.active < 4, "over the limit");
        reply.given.expect("a place").straight == 1
    }
}

#[test]
fn an_answer_given_twice_is_nobody_elses() {
    let mut full = Full::new();
    let [first, second, last] = full.in_line;
    full.tick(Request::default());
    for _ in 0..3 {
        full.tick(Request {
            here: vec![first],
            ..Request::default()
        });
        full.tick(Request {
            absent: vec![first],
            ..Request::default()
        });
    }
    full.tick(Request {
        leave: vec![first],
        ..Request::default()
    });
    assert!(
        !full.empties_for_an_arrival(&[]),
        "{second} and {last} were asked and have time to answer"
    );
}

#[test]
fn the_answer_of_a_fan_who_was_away_when_called_is_nobody_elses() {
    let mut full = Full::new();
    let [first, away, last] = full.in_line;
    full.tick(Request {
        absent: vec![away],
        ..Request::default()
    });
    full.tick(Request {
        here: vec![first, away],
        ..Request::default()
    });
    assert!(
        !full.empties_for_an_arrival(&[]),
        "{last} was asked and has time to answer"
    );
}

#[test]
fn a_fan_who_comes_back_before_the_line_has_gone_on_is_not_overtaken() {
    let mut full = Full::new();
    let [first, away, last] = full.in_line;
    full.tick(Request {
        absent: vec![away],
        ..Request::default()
    });
    full.tick(Request {
        here: vec![first, last],
        ..Request::default()
    });
    assert!(
        !full.empties_for_an_arrival(&[away]),
        "{away} is before an arrival"
    );
}

#[test]
fn an_arrival_goes_straight_through_once_the_line_has_gone_on() {
    let mut full = Full::new();
    full.tick(Request::default());
    for _ in 0..50 {
        full.tick(Request::default());
    }
    assert_eq!(full.line.figures().no_shows, 3, "nobody answered");
    assert!(full.empties_for_an_arrival(&[]), "and nobody is waited for");
}
