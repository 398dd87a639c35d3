//! Every slot is taken and the store loses everything: those inside stay, and nobody comes in beside them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::SOON;
use crate::support::{Drill, Edge, Fan, Frames, RedisServer, Sent, claims, eventually};

const LIMIT: usize = 20;
const ROOM: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 6000\nvisit_ttl = \"10s\"";
/// Fans at each edge, of whom the limit lets in a third.
const FANS_PER_EDGE: usize = 20;
/// Visitors ask for a page so often.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// A visitor whose edge is gone goes on elsewhere when the line has regrouped, and before the slot is given away.
const IN_TIME: Duration = Duration::from_secs(6);
/// Slots that were held back have been let go by then.
const SETTLED_AFTER: Duration = Duration::from_secs(13);
/// Of the fans who came first.
const LEAVING: usize = 15;

/// A visit that opened the site.
struct Stay {
    visit: String,
    /// From the first answer to the last question that was answered so: all the time between, the visit was live.
    from: Instant,
    until: Instant,
}

/// What all fans share.
struct Hall {
    sites: Vec<String>,
    stays: Mutex<Vec<Stay>>,
    /// Visitors whose edge is gone go on elsewhere.
    may_return: AtomicBool,
    over: AtomicBool,
}

impl Hall {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn let_return(&self) {
        self.may_return.store(true, Ordering::Relaxed);
    }

    fn welcomed(&self, visit: String, asked: Instant, answered: Instant) {
        let mut stays = self.stays.lock().expect("nobody panicked");
        match stays.iter_mut().find(|stay| stay.visit == visit) {
            Some(stay) => stay.until = asked,
            None => stays.push(Stay {
                visit,
                from: answered,
                until: answered,
            }),
        }
    }

    /// Visits that opened the site after `since`.
    fn opened_since(&self, since: Instant) -> usize {
        let stays = self.stays.lock().expect("nobody panicked");
        stays.iter().filter(|stay| stay.until > since).count()
    }

    fn begun(&self) -> usize {
        self.stays.lock().expect("nobody panicked").len()
    }

    /// Most visits that were live at one instant.
    fn live_max(&self) -> usize {
        let stays = self.stays.lock().expect("nobody panicked");
        let live_at = |at: Instant| {
            stays
                .iter()
                .filter(|stay| stay.from <= at && at < stay.until)
                .count()
        };
        stays.iter().map(|stay| live_at(stay.from)).max().unwrap_or(0)
    }

    /// A fan who came to the edge with this index stands in line, and then stays.
    fn attend(&self, mut fan: Fan, mut edge: usize, leaves: &AtomicBool) {
        let mut socket: Option<Frames> = None;
        while !self.is_over() {
            if fan.has_visit() && leaves.load(Ordering::Relaxed) {
                let _ = fan.try_send(Sent::new("DELETE", "/_tidegate/rooms/drop/visits/me"));
                return;
            }
            let went_on = if fan.has_visit() {
                self.visit(&mut fan)
            } else {
                wait(&mut fan, &mut socket)
            };
            if went_on.is_err() {
                socket = None;
                std::thread::sleep(ASK_EVERY);
                while fan.has_visit() && !self.may_return.load(Ordering::Relaxed) && !self.is_over() {
                    std::thread::sleep(ASK_EVERY);
                }
                edge = (edge + 1) % self.sites.len();
                fan.site.clone_from(&self.sites[edge]);
            }
        }
    }

    /// Asks for a page with the visit.
    fn visit(&self, fan: &mut Fan) -> std::io::Result<()> {
        let visit = claims(&fan.cookies["tidegate_visit_drop"])["visit"].to_string();
        let asked = Instant::now();
        let answer = fan.try_send(Sent::page("/"))?;
        if answer.text().contains("Welcome") {
            self.welcomed(visit, asked, Instant::now());
        }
        std::thread::sleep(ASK_EVERY);
        Ok(())
    }
}

/// Stands in line for a moment, answers a call, and enters when admitted.
fn wait(fan: &mut Fan, socket: &mut Option<Frames>) -> std::io::Result<()> {
    if socket.is_none() {
        fan.try_send(Sent::page("/"))?;
    }
    let frames = match socket {
        Some(frames) => frames,
        None => match fan.socket() {
            Ok(frames) => socket.insert(frames),
            // The store may be away for the moment.
            Err(error) => {
                std::thread::sleep(ASK_EVERY);
                return match *error {
                    tungstenite::Error::Io(error) => Err(error),
                    _ => Ok(()),
                };
            }
        },
    };
    match frames.next(ASK_EVERY) {
        Some(Ok(frame)) if frame["type"] == "called" => frames.say("here"),
        Some(Ok(frame)) if frame["type"] == "admitted" => {
            let form = format!(
                "token={}&return_to=/",
                frame["admission_token"].as_str().expect("a token")
            );
            let path = frame["enter"].as_str().expect("a path");
            fan.try_send(Sent::new("POST", path).form(&form))?;
        }
        Some(Err(1006)) => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Some(Err(_)) => *socket = None,
        _ => {}
    }
    Ok(())
}

/// What is lost beside all that the store knew.
enum Also {
    Nothing,
    /// An edge, whose visitors come back in time.
    Edge,
    /// An edge, whose visitors wait until they are let.
    EdgeForLong,
}

/// Lets everything be lost while all slots are taken. Then `judge` looks.
fn everything_lost(also: Also, judge: impl Fn(&Hall, &[AtomicBool])) {
    let redis = RedisServer::start();
    let mut drill = Drill::quiet(ROOM, &vec![Edge::on(redis.url()); 3]);
    let hall = Hall {
        sites: drill.site.iter().map(|edge| edge.site.clone()).collect(),
        stays: Mutex::default(),
        may_return: AtomicBool::new(false),
        over: AtomicBool::new(false),
    };
    let leave: Vec<AtomicBool> = (0..3 * FANS_PER_EDGE).map(|_| AtomicBool::new(false)).collect();
    std::thread::scope(|scope| {
        for (index, leaves) in leave.iter().enumerate() {
            // One after the other, so that each edge holds a third of those inside.
            let (hall, mut fan) = (&hall, Fan::of(&hall.sites[index % 3]));
            fan.get("/");
            scope.spawn(move || hall.attend(fan, index % 3, leaves));
        }
        // Whatever fails, the fans must go.
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fill(&drill, &hall);
            redis.command::<()>(&["FLUSHALL"]);
            if !matches!(also, Also::Nothing) {
                drill.site[2].kill();
            }
            std::thread::sleep(IN_TIME);
            if !matches!(also, Also::EdgeForLong) {
                hall.let_return();
            }
            std::thread::sleep(SETTLED_AFTER - IN_TIME);
            judge(&hall, &leave);
            let most = hall.live_max();
            assert_eq!(most, LIMIT, "visits live at one instant");
        }));
        hall.over.store(true, Ordering::Relaxed);
        found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Waits until the room is full and everybody else waits.
fn fill(drill: &Drill, hall: &Hall) {
    eventually("the room is full, and many wait", SOON, || {
        let waiting = drill.site[0].room()["waiting"].as_u64()? as usize;
        (hall.begun() == LIMIT && waiting == 3 * FANS_PER_EDGE - LIMIT).then_some(())
    });
}

/// All who were inside are, and nobody else; for those who leave then, others come in.
fn all_stayed(hall: &Hall, leave: &[AtomicBool]) {
    let since = Instant::now();
    std::thread::sleep(4 * ASK_EVERY);
    assert_eq!(
        (hall.begun(), hall.opened_since(since)),
        (LIMIT, LIMIT),
        "visits that ever opened the site, and that still do"
    );
    for leaves in &leave[..LEAVING] {
        leaves.store(true, Ordering::Relaxed);
    }
    eventually("others come in", SOON, || (hall.begun() > LIMIT).then_some(()));
    std::thread::sleep(4 * ASK_EVERY);
}

#[test]
fn those_inside_fill_the_room_after_everything_was_lost() {
    everything_lost(Also::Nothing, all_stayed);
}

#[test]
fn those_inside_fill_the_room_after_everything_and_an_edge_were_lost() {
    everything_lost(Also::Edge, all_stayed);
}

#[test]
fn whoever_comes_back_after_others_came_in_finds_the_room_full() {
    everything_lost(Also::EdgeForLong, |hall, _| {
        eventually("others come in for all who were lost", SOON, || {
            let inside = hall.opened_since(Instant::now() - 4 * ASK_EVERY);
            (hall.begun() > LIMIT && inside == LIMIT).then_some(())
        });
        hall.let_return();
        std::thread::sleep(8 * ASK_EVERY);
    });
}
