//! Who goes straight through overtakes nobody who was asked and may still answer, however others came and went.

use tidegate_queue::line::{Line, Place, Reply, Request, Settings, VisitId};

use super::settings;

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
            active_max: 3,
            ..settings()
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
        full.on_site = given.places().filter_map(|(_, visit)| visit).collect();
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

    fn are_here(&mut self, here: &[Place]) {
        let here = here.to_vec();
        self.tick(Request {
            here,
            ..Request::default()
        });
    }

    fn is_absent(&mut self, place: Place) {
        let absent = vec![place];
        self.tick(Request {
            absent,
            ..Request::default()
        });
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
        full.are_here(&[first]);
        full.is_absent(first);
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
    full.is_absent(away);
    full.are_here(&[first, away]);
    assert!(
        !full.empties_for_an_arrival(&[]),
        "{last} was asked and has time to answer"
    );
}

#[test]
fn a_fan_who_comes_back_before_the_line_has_gone_on_is_not_overtaken() {
    let mut full = Full::new();
    let [first, away, last] = full.in_line;
    full.is_absent(away);
    full.are_here(&[first, last]);
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
