//! A room at work: ticks at a fixed rate while many are inside, and whether a longer line makes them dearer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_queue::line::{
    BLOCK, BLOCKS_MAX, BlockId, Change, Grant, Place, Renew, Reply, Request, Settings, Visitor,
};

use crate::edge::{Outcome, of_places};
use crate::scene::{RESERVED, Scene, Ticks, settings};
use crate::server::spread;

/// Ticks of all edges together: twenty edges that tick every 100 ms.
const TICKS_A_SECOND: u64 = 200;
const LASTS: Duration = Duration::from_secs(20);
/// Inside while it is measured.
const VISITS: u32 = 10_000;
/// Fans who come, answer, enter and go in each tick: 400 a second of each.
const FANS_A_TICK: usize = 2;
/// More than they need, so that slots are what bounds them; and how fast the room is filled.
const ADMIT_PER_MIN: u32 = 60_000;
/// Most who answer in one tick, which they do at once when they are called; and who take the next steps while it is filled.
const ANSWERS_MAX: usize = 15;
/// Visits renewed in each tick beside the new ones: each of them every ten seconds.
const RENEWED_A_TICK: usize = 5;
/// The edge's own ticks: one in ten brings the counts.
const COUNTS_EVERY: u64 = 10;
/// What joins in one tick.
const JOINS: u32 = 5_000;
/// Fans in a short line, and those at the front of a long one who are followed.
const FOLLOWED: u64 = 1_000 + VISITS as u64;
/// The longest line there is to be.
const LONGEST: u64 = 10_000_000;
/// Ticks of each line when they are compared.
const TURNS: usize = 1_000;

pub async fn measure(url: &str) -> Outcome<Value> {
    let mut young = Crowd::open(url, "pace-young", FOLLOWED, FOLLOWED).await?;
    let mut passed = Crowd::open(url, "pace-passed", LONGEST, FOLLOWED).await?;
    let mut waiting = Crowd::open(url, "pace-waiting", 0, LONGEST).await?;
    let paced = paced(&mut waiting).await?;
    let mut ticks = Ticks::default();
    for turn in 0..TURNS {
        let mut crowds = [
            (&mut young, "a thousand waiting"),
            (&mut waiting, "ten million waiting"),
            (&mut passed, "a thousand waiting, ten million passed"),
        ];
        crowds.rotate_left(turn % 3);
        for (crowd, name) in crowds {
            let says = crowd.says(FANS_A_TICK);
            let reply = crowd.scene.tick(&mut ticks, name, says).await?;
            crowd.take_in(&reply);
        }
    }
    Ok(json!({"paced": paced, "flat": ticks.json()}))
}

/// Ticks at the rate; how long each took from its request to its reply, and how much of that the server was at it.
async fn paced(crowd: &mut Crowd) -> Outcome<Value> {
    let mut clock = tokio::time::interval(Duration::from_micros(1_000_000 / TICKS_A_SECOND));
    let (began, entered) = (Instant::now(), crowd.entered);
    let (mut took_us, mut busy_us, mut visits) = (Vec::new(), Vec::new(), Vec::new());
    while began.elapsed() < LASTS {
        clock.tick().await;
        let says = crowd.says(FANS_A_TICK);
        let busy_ns = crowd.scene.server.busy_ns()?;
        let sent = Instant::now();
        let reply = crowd.scene.edge.tick(says).await?;
        took_us.push(sent.elapsed().as_micros() as u64);
        busy_us.push((crowd.scene.server.busy_ns()? - busy_ns) / 1_000);
        visits.push(u64::from(reply.figures.active));
        crowd.take_in(&reply);
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(json!({
        "ticks_a_second": took_us.len() as f64 / seconds,
        "entered_a_second": (crowd.entered - entered) as f64 / seconds,
        "took_us": spread(took_us),
        "busy_us": spread(busy_us),
        "visits": spread(visits),
    }))
}

/// A full room, the fans before it in their order, and how far each has come.
struct Crowd {
    scene: Scene,
    ticks: u64,
    fans: VecDeque<Place>,
    /// Whether those who join now are reached: not behind ten million.
    follows: bool,
    called: Place,
    take: VecDeque<Grant>,
    enter: VecDeque<Grant>,
    renew: VecDeque<Grant>,
    inside: VecDeque<Grant>,
    entered: u64,
    /// Some go from now on, as many as come.
    full: bool,
    blocks: Vec<BlockId>,
}

impl Crowd {
    /// A line of `waiting` fans, the last of `issued` places where so many were, and a room of [`VISITS`] before them.
    async fn open(url: &str, room: &str, issued: u64, waiting: u64) -> Outcome<Self> {
        let settings = Settings {
            answer_within_ms: 5_000,
            visit_ttl_ms: 600_000,
            ..settings()
        };
        let passed = issued.saturating_sub(waiting);
        let mut scene = Scene::open(url, room, &settings, issued, passed).await?;
        let mut first = passed + 1;
        if issued > 0 {
            for back in of_places(&scene.places(first..issued + 1)) {
                let back = back.to_vec();
                scene
                    .edge
                    .tick(Request {
                        back,
                        ..Request::default()
                    })
                    .await?;
            }
        } else {
            for _ in 0..waiting / u64::from(JOINS) {
                let says = Request {
                    arrivals: JOINS,
                    ..Request::default()
                };
                let given = scene.edge.tick(says).await?.given.ok_or("no places were given")?;
                scene.epoch = given.first.epoch;
            }
            first = 1;
        }
        let followed = if issued > 0 { FOLLOWED } else { FOLLOWED * 4 };
        let epoch = scene.epoch;
        let front = ((first + u64::from(VISITS)) / BLOCK) as u32;
        let mut crowd = Self {
            fans: scene.places(first..first + followed).into(),
            follows: issued > 0,
            scene,
            ticks: 0,
            called: Place::START,
            take: VecDeque::new(),
            enter: VecDeque::new(),
            renew: VecDeque::new(),
            inside: VecDeque::new(),
            entered: 0,
            full: false,
            blocks: (front..)
                .take(BLOCKS_MAX)
                .map(|index| BlockId { epoch, index })
                .collect(),
        };
        crowd.fill().await?;
        Ok(crowd)
    }

    /// Lets fans in until the room is full.
    async fn fill(&mut self) -> Outcome<()> {
        let change = Change {
            active_max: Some(VISITS + RESERVED),
            admit_per_min: Some(ADMIT_PER_MIN),
            paused: Some(false),
            ..Change::default()
        };
        self.scene.edge.configure(change).await?;
        while self.inside.len() < VISITS as usize {
            let says = self.says(ANSWERS_MAX);
            let reply = self.scene.edge.tick(says).await?;
            self.take_in(&reply);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.full = true;
        Ok(())
    }

    /// What the fans have to say, `each` of them at every step after their answer.
    fn says(&mut self, each: usize) -> Request {
        self.ticks += 1;
        let mut says = Request {
            arrivals: FANS_A_TICK as u32,
            counts: self.ticks.is_multiple_of(COUNTS_EVERY),
            blocks: self.blocks.clone(),
            ..Request::default()
        };
        while says.here.len() < ANSWERS_MAX
            && let Some(fan) = self.fans.pop_front_if(|fan| *fan <= self.called)
        {
            says.here.push(fan);
        }
        // One goes away and another comes back, somewhere behind.
        let somewhere = |ticks: u64| self.fans.get(ticks as usize % 500 + 400).copied();
        says.absent.extend(somewhere(self.ticks));
        says.back.extend(somewhere(self.ticks - 1));
        if self.full {
            says.end
                .extend(drain(&mut self.inside, FANS_A_TICK).map(|grant| grant.visit));
        }
        let fresh: Vec<Grant> = drain(&mut self.renew, each).collect();
        let again: Vec<Grant> = drain(&mut self.inside, RENEWED_A_TICK).collect();
        self.inside.extend(fresh.iter().chain(&again));
        let renew = |grant: &Grant| Renew {
            visit: grant.visit,
            hard_end_ms: grant.hard_end_ms,
        };
        says.renew.extend(fresh.iter().chain(&again).map(renew));
        let entering: Vec<Grant> = drain(&mut self.enter, each).collect();
        says.enter.extend(
            entering
                .iter()
                .map(|grant| (grant.visit, Visitor(u128::from(grant.visit.turn.0)))),
        );
        self.entered += entering.len() as u64;
        self.renew.extend(entering);
        let taking: Vec<Grant> = drain(&mut self.take, each).collect();
        says.take.extend(taking.iter().map(|grant| grant.visit));
        self.enter.extend(taking);
        says
    }

    fn take_in(&mut self, reply: &Reply) {
        self.called = reply.front.called_upto;
        self.take.extend(&reply.grants.0);
        if self.follows {
            let places = reply.given.into_iter().flat_map(|given| given.places());
            self.fans.extend(places.map(|(place, _)| place));
        }
    }
}

fn drain(queue: &mut VecDeque<Grant>, most: usize) -> std::collections::vec_deque::Drain<'_, Grant> {
    queue.drain(..queue.len().min(most))
}
