//! A correct line in virtual time, and what its fans would have seen over a network of a given slowness. The judge must
//! find nothing wrong with it; with a fault seeded it must find that one.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::rehearse::noise::Noise;
use crate::rehearse::observe::{
    Admission, Claims, End, FanRecord, Micros, Part, Place, SECOND, Stop, Terms, Visit,
};

use super::{Evidence, Findings, judge};

const TICK_US: Micros = 10_000;
const ANSWER_WITHIN_US: Micros = SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Of those ready, the latest goes first.
    LastFirst,
    /// That many more visits than the limit.
    Beyond(usize),
    /// Allowance accrues half as fast again.
    Faster,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) fans: usize,
    pub(super) over_us: Micros,
    pub(super) limit: usize,
    pub(super) rate_per_min: u32,
    pub(super) stay_us: Micros,
    pub(super) latency_us_max: Micros,
    pub(super) called_ahead: usize,
    pub(super) fault: Fault,
}

/// Something on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Inbound {
    Joins,
    Here,
    Goes,
    Releases,
}

struct Model {
    rules: Rules,
    rng: StdRng,
    records: Vec<FanRecord>,
    inbound: BTreeSet<(Micros, usize, Inbound)>,
    uncalled: BTreeSet<usize>,
    called: BTreeMap<usize, Micros>,
    ready: BTreeSet<usize>,
    live: usize,
    allowance: f64,
}

/// Runs the line to its end and judges it.
pub(super) fn judged(seed: u64, rules: Rules) -> Findings {
    let (records, stopped_us) = history(seed, rules);
    let mut noise = Noise::default();
    for second in 0..=stopped_us / SECOND {
        noise.round_trip(second * SECOND, second * SECOND + rules.latency_us_max);
    }
    judge(&Evidence {
        fans: &records,
        noise: &noise,
        terms: Terms {
            limit: u32::try_from(rules.limit).ok(),
            rate_per_min: Some(rules.rate_per_min),
        },
        stop: Stop::Done,
        stopped_us,
        had_time: true,
    })
}

fn history(seed: u64, rules: Rules) -> (Vec<FanRecord>, Micros) {
    let mut model = Model::new(seed, rules);
    let mut now_us = 0;
    while model
        .records
        .iter()
        .any(|fan| fan.part == Part::Enters && fan.end != End::Left)
    {
        now_us += TICK_US;
        assert!(now_us < 3_600 * SECOND, "the model's line ends");
        model.tick(now_us);
    }
    (model.records, now_us + 2 * SECOND)
}

impl Model {
    fn new(seed: u64, rules: Rules) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut joins: Vec<Micros> = (0..rules.fans)
            .map(|_| rng.random_range(0..rules.over_us))
            .collect();
        joins.sort_unstable();
        let records = (0..rules.fans).map(|number| {
            let part = match rng.random_range(0..10) {
                0 => Part::Vanishes,
                1 | 2 => Part::Silent,
                _ => Part::Enters,
            };
            let claims = Claims {
                place: Some(Place {
                    epoch: 1,
                    number: number as u64,
                }),
                round: Some("1".into()),
                ..Claims::default()
            };
            FanRecord {
                part,
                places: vec![claims],
                end: End::InLine,
                ..FanRecord::default()
            }
        });
        let records = records.collect();
        let inbound = joins
            .into_iter()
            .enumerate()
            .map(|(fan, at_us)| (at_us, fan, Inbound::Joins))
            .collect();
        let allowance = burst(rules);
        let (uncalled, called, ready) = Default::default();
        Self {
            rules,
            rng,
            records,
            inbound,
            uncalled,
            called,
            ready,
            live: 0,
            allowance,
        }
    }

    fn way(&mut self) -> Micros {
        self.rng.random_range(0..=self.rules.latency_us_max / 2)
    }

    fn tick(&mut self, now_us: Micros) {
        while let Some(next) = self
            .inbound
            .first()
            .copied()
            .filter(|(at_us, ..)| *at_us <= now_us)
        {
            self.inbound.remove(&next);
            self.receive(now_us, next.1, next.2);
        }
        let faster = if self.rules.fault == Fault::Faster {
            1.5
        } else {
            1.0
        };
        let gain = per_s(self.rules) * faster * TICK_US as f64 / SECOND as f64;
        self.allowance = (self.allowance + gain).min(burst(self.rules));
        self.called.retain(|_, at_us| now_us - *at_us < ANSWER_WITHIN_US);
        while self.called.len() + self.ready.len() < self.rules.called_ahead
            && let Some(fan) = self.uncalled.pop_first()
        {
            self.call(now_us, fan);
        }
        let beyond = if let Fault::Beyond(more) = self.rules.fault {
            more
        } else {
            0
        };
        while self.allowance >= 1.0 && self.live < self.rules.limit + beyond {
            let last_first = self.rules.fault == Fault::LastFirst;
            let next = if last_first {
                self.ready.pop_last()
            } else {
                self.ready.pop_first()
            };
            let Some(fan) = next else { break };
            self.admit(now_us, fan);
        }
    }

    fn receive(&mut self, now_us: Micros, fan: usize, what: Inbound) {
        match what {
            Inbound::Joins => {
                self.uncalled.insert(fan);
                let seen_us = now_us + self.way();
                self.records[fan].connected(seen_us);
                if self.records[fan].part == Part::Vanishes {
                    let goes_us = seen_us + self.rng.random_range(0..10 * SECOND);
                    self.vanish(fan, goes_us);
                }
            }
            Inbound::Here => {
                self.called.remove(&fan);
                self.ready.insert(fan);
            }
            Inbound::Goes => {
                self.uncalled.remove(&fan);
            }
            Inbound::Releases => self.live -= 1,
        }
    }

    fn vanish(&mut self, fan: usize, goes_us: Micros) {
        self.records[fan].disconnected(goes_us);
        self.records[fan].end = End::Vanished;
        let way_us = self.way();
        self.inbound.insert((goes_us + way_us, fan, Inbound::Goes));
    }

    fn call(&mut self, now_us: Micros, fan: usize) {
        self.called.insert(fan, now_us);
        let seen_us = now_us + self.way();
        let way_us = self.way();
        let record = &mut self.records[fan];
        let connection = &mut record.connections[0];
        let seen_us = seen_us.max(connection.from_us);
        if connection.until_us.is_some_and(|gone_us| gone_us < seen_us) {
            return;
        }
        connection.called_us = Some(seen_us);
        match record.part {
            Part::Enters => {
                connection.here_us = Some(seen_us);
                self.inbound.insert((seen_us + way_us, fan, Inbound::Here));
            }
            Part::Vanishes => connection.until_us = Some(seen_us),
            Part::Silent => {}
        }
    }

    fn admit(&mut self, now_us: Micros, fan: usize) {
        self.allowance -= 1.0;
        self.live += 1;
        let at_us = now_us + self.way();
        let from_us = at_us + self.way() + self.way();
        let released_us = from_us + self.rules.stay_us;
        let way_us = self.way();
        self.inbound
            .insert((released_us + way_us, fan, Inbound::Releases));
        let record = &mut self.records[fan];
        let since_us = record.connections[0].here_us;
        record.admission = Some(Admission {
            since_us,
            at_us,
            straight: false,
        });
        record.disconnected(at_us);
        record.visit = Some(Visit {
            from_us,
            honoured_us: Some(from_us),
            valid_until_us: Some(from_us + 300 * SECOND),
            released_us: Some(released_us),
            found_ended: false,
        });
        record.got_in = true;
        record.end = End::Left;
    }
}

fn per_s(rules: Rules) -> f64 {
    f64::from(rules.rate_per_min) / 60.0
}

fn burst(rules: Rules) -> f64 {
    per_s(rules).max(1.0)
}
