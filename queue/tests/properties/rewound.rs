//! A store that goes back in time under a living edge: a replica that lagged is promoted, a snapshot is restored. The
//! edge knows of numbers and visits that the store does not.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidegate_queue::line::{
    Change, Entered, Known, Line, Load, Place, Renew, Reply, Request, Settings, Status, VisitId, Visitor,
};

use super::settings;

const ACTIVE_MAX: u32 = 20;
/// Who answer in one tick: it carries their visits too.
const ANSWERS_MAX: usize = 25;

/// An edge whose fans all answer and enter at once.
struct Edge {
    line: Line,
    now_ms: u64,
    seq: u64,
    held: BTreeSet<Place>,
    given: BTreeSet<Place>,
    visits: Vec<Renew>,
    request: Request,
    known: Option<Known>,
}

impl Edge {
    fn new(seed: u64) -> Self {
        let settings = Settings {
            active_max: ACTIVE_MAX,
            ..settings()
        };
        let now_ms = 1_790_000_000_000;
        Self {
            line: Line::new(settings, now_ms, seed as u32),
            now_ms,
            seq: 0,
            held: BTreeSet::new(),
            given: BTreeSet::new(),
            visits: Vec::new(),
            request: Request::default(),
            known: None,
        }
    }

    fn tick(&mut self, arrivals: u32) -> std::sync::Arc<Reply> {
        self.seq += 1;
        self.now_ms += 100;
        let mut request = std::mem::take(&mut self.request);
        (request.boot, request.seq, request.arrivals) = (1, self.seq, arrivals);
        request.known = self.known.take();
        let reply = self
            .line
            .tick(self.now_ms, &request)
            .expect("a well-formed tick is answered");
        if let Some(given) = reply.given {
            let hard_end_ms = given.hard_end_ms;
            for (place, visit) in given.places() {
                assert!(self.given.insert(place), "{place} was given twice");
                if let Some(visit) = visit {
                    self.visits.push(Renew { visit, hard_end_ms });
                } else {
                    self.held.insert(place);
                }
            }
        }
        let highest = self.given.last().copied().unwrap_or(Place::START);
        self.known = Some(Known::of(&reply, highest, self.line.settings().clone()));
        self.request.grants_read = reply.grants.1;
        for grant in &reply.grants.0 {
            if self.held.remove(&grant.visit.place) {
                self.request
                    .enter
                    .push((grant.visit, Visitor(grant.visit.place.number.into())));
            }
        }
        for ((visit, _), entered) in request.enter.iter().zip(&reply.entered) {
            if let Entered::Yes { hard_end_ms, .. } = *entered {
                let visit = *visit;
                self.visits.push(Renew { visit, hard_end_ms });
            }
        }
        let upto = reply.front.called_upto;
        self.request.here = self.held.range(..=upto).take(ANSWERS_MAX).copied().collect();
        reply
    }

    fn live(&self) -> BTreeSet<VisitId> {
        self.line.visits().map(|(id, _)| id).collect()
    }
}

#[test]
fn a_store_that_goes_back_in_time_gives_no_number_twice_and_stays_within_the_limit() {
    let mut rewound = 0;
    for seed in 1..=100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut edge = Edge::new(seed);
        for _ in 0..rng.random_range(1..20) {
            edge.tick(rng.random_range(0..4));
        }
        let old = edge.line.clone();
        let epoch = edge.tick(rng.random_range(1..30)).epoch;
        for _ in 0..rng.random_range(1..20) {
            edge.tick(rng.random_range(0..5));
        }

        // Everything after `old` never happened to the store; it did to the fans.
        edge.line = old;
        let entering = std::mem::take(&mut edge.request.enter).into_iter();
        edge.held.extend(entering.map(|(visit, _)| visit.place));
        let knows_more = edge
            .held
            .iter()
            .chain(edge.visits.iter().map(|r| &r.visit.place))
            .max()
            .copied();
        let end = edge.line.figures().issued;
        edge.request.renew = edge.visits.clone();
        edge.request.here.clear();
        // As many as there is room for, the first before all others; those behind them are heard when they answer.
        let mut load = Load::of(&edge.request);
        let back = edge.held.iter().take_while(|place| load.add_place(**place));
        edge.request.back = back.copied().collect();
        let lost = knows_more.is_some_and(|place| place.number > end);
        let reply = edge.tick(7);
        if !lost {
            continue;
        }
        assert!(
            reply.epoch > epoch,
            "seed {seed}: no new epoch though numbers are lost"
        );
        assert_eq!(reply.status, Status::Regroup, "seed {seed}");
        let given = reply.given.expect("numbers are given while the line regroups");
        assert_eq!(
            (given.first.epoch, given.first.number, given.straight),
            (reply.epoch, 1, 0)
        );
        // Each visit the edge reported took one of the slots held back, whoever was unseen.
        rewound += 1;
        let good = reply.renewed.iter().filter(|r| r.expires_at_ms.is_some()).count();
        assert_eq!(
            good,
            edge.visits.len(),
            "seed {seed}: a fan on the site was thrown out"
        );
        let on_site: BTreeSet<VisitId> = edge.visits.iter().map(|r| r.visit).collect();
        for _ in 0..200 {
            let reply = edge.tick(rng.random_range(0..3));
            let still = edge.live();
            assert!(
                on_site.is_subset(&still),
                "seed {seed}: a fan on the site lost the visit"
            );
            assert!(
                reply.figures.active + reply.figures.reserve <= ACTIVE_MAX,
                "seed {seed}: over the limit"
            );
        }
        // The reserve ends with the last visit that could have been unseen, and the line goes on in the old order.
        let first_waiting = edge.held.first().copied();
        for renew in std::mem::take(&mut edge.visits) {
            edge.request.end.push(renew.visit);
        }
        for _ in 0..700 {
            edge.tick(0);
            edge.request.renew = edge.visits.clone();
        }
        if let Some(first) = first_waiting {
            assert!(
                !edge.held.contains(&first),
                "seed {seed}: {first}, who was first in line, still waits"
            );
        }
    }
    assert!(rewound > 50, "only {rewound} stores lost a number");
}

#[test]
fn who_took_the_slots_of_visits_that_ended_in_the_time_lost_stays() {
    let mut edge = Edge::new(7);
    let fill = |edge: &mut Edge| {
        for _ in 0..300 {
            edge.tick(1);
            edge.request.renew = edge.visits.clone();
        }
        assert_eq!(edge.live().len(), ACTIVE_MAX as usize);
        edge.live()
    };
    let before = fill(&mut edge);
    edge.request.end = before.iter().copied().collect();
    edge.visits.clear();
    let copy = edge.line.clone();
    let after = fill(&mut edge);
    assert!(before.is_disjoint(&after));

    edge.line = copy;
    edge.line.moved();
    edge.request = Request::default();
    edge.request.end = before.into_iter().collect();
    edge.request.renew = edge.visits.clone();
    for _ in 0..100 {
        let reply = edge.tick(1);
        assert!(
            reply.figures.active + reply.figures.reserve <= ACTIVE_MAX,
            "{:?}",
            reply.figures
        );
        assert_eq!(edge.live(), after, "{:?}", reply.figures);
    }
}

#[test]
fn changes_in_two_lives_of_a_store_have_two_versions() {
    let mut edge = Edge::new(7);
    edge.tick(1);
    let mut copy = edge.line.clone();
    let paused = |paused| Change {
        paused: Some(paused),
        ..Change::default()
    };
    let lost = edge.line.configure(&paused(true));
    copy.moved();
    let kept = copy.configure(&paused(false));
    assert!(kept.version > lost.version, "{kept:?} {lost:?}");
    // An edge that was told the one hears the other, and the other way round nothing changes.
    edge.line = copy;
    edge.known = edge.known.take().map(|known| Known {
        settings: lost,
        ..known
    });
    edge.tick(0);
    assert_eq!(*edge.line.settings(), kept);
}

#[test]
fn an_edge_whose_fans_have_all_gone_still_knows_which_numbers_were_given() {
    for seed in 1..=100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut edge = Edge::new(seed);
        for _ in 0..rng.random_range(1..20) {
            edge.tick(rng.random_range(0..4));
        }
        let old = edge.line.clone();
        let epoch = edge.tick(rng.random_range(1..30)).epoch;
        for _ in 0..rng.random_range(0..5) {
            edge.tick(rng.random_range(0..5));
        }
        edge.line = old;
        edge.held.clear();
        edge.visits.clear();
        edge.request = Request::default();
        let reply = edge.tick(7);
        assert!(reply.epoch > epoch, "seed {seed}: no new epoch");
        assert_eq!(reply.status, Status::Regroup, "seed {seed}");
        let reply = edge.tick(7);
        assert_eq!(
            reply.given.map(|given| given.first.number),
            Some(8),
            "seed {seed}: the new epoch goes on"
        );
    }
}

#[test]
fn a_place_of_an_earlier_round_is_spent_and_moves_nobody() {
    let mut edge = Edge::new(1);
    edge.tick(60);
    edge.tick(0);
    let held = edge.held.clone();
    let visits = edge.visits.clone();
    assert!(!held.is_empty() && !visits.is_empty());
    edge.line.close(edge.now_ms);
    edge.line.open();
    edge.request.here.clear();
    edge.request.back = held.iter().copied().collect();
    edge.request.leave = held.iter().copied().take(3).collect();
    edge.request.renew = visits;
    let reply = edge.tick(5);
    assert_eq!(
        reply.spent.len(),
        held.len(),
        "places of the last round are arrivals"
    );
    assert!(
        reply.renewed.iter().all(|r| r.expires_at_ms.is_none()),
        "a visit outlived its round"
    );
    assert_eq!(
        (reply.figures.waiting, reply.figures.active),
        (0, 5),
        "only the new five are in the new round"
    );
    assert_eq!(
        reply.given.map(|given| given.straight),
        Some(5),
        "and nobody was before them"
    );
}
