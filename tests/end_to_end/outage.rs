//! The store does not answer for a while: who is inside stays inside, who waits is told, and who arrives has a place.

mod half_a_minute;
mod over;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::many_edges::{open, waiting};
use crate::support::{Edge, Fan, FaultLink, Frames, Origin, RedisServer, Tidegate, edges, eventually};

const SOON: Duration = Duration::from_secs(20);
const ROOM: &str = "mode = \"on\"\nactive_max = 2\nadmit_per_min = 6000\nvisit_ttl = \"2m\"";

/// Reads until the state of the line is this.
fn until_state(socket: &mut Frames, state: &str) {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        let frame = socket.until("position", SOON);
        if frame["state"] == state {
            return;
        }
    }
    panic!("never {state}: {:?}", socket.past);
}

/// Waits for the turn and takes it.
fn enters(fan: &mut Fan, socket: &mut Frames) {
    let admitted = turn(socket);
    assert_eq!(fan.enter(&admitted, "/").status, 303);
}

fn turn(socket: &mut Frames) -> Value {
    loop {
        match socket.next(SOON).expect("a frame").expect("no close") {
            frame if frame["type"] == "called" => socket.say("here"),
            frame if frame["type"] == "admitted" => return frame,
            _ => {}
        }
    }
}

#[test]
fn who_arrives_while_the_store_is_gone_has_a_place_in_the_order_of_arrival() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = edges(origin.address, ROOM, &vec![Edge::on(redis.url()); 2]);
    open(&site);
    let mut inside = Vec::new();
    for edge in &site {
        let (mut fan, mut socket) = waiting(&edge.site);
        enters(&mut fan, &mut socket);
        assert!(fan.get("/").text().contains("Welcome"));
        inside.push(fan);
    }
    let (waits, mut waits_socket) = waiting(&site[0].site);
    redis.freeze();
    until_state(&mut waits_socket, "paused");
    for edge in &site {
        let store_up = || (edge.room()["store_up"] == false).then_some(());
        eventually("the edge notices", SOON, store_up);
    }
    // They come to both edges in turn. One loads the page again, one goes to the other edge; both keep their places.
    let mut late: Vec<Fan> = Vec::new();
    for at in 0..6 {
        let mut fan = Fan::of(&site[at % 2].site);
        let page = fan.get("/");
        assert_eq!(page.status, 200);
        assert!(fan.place().is_some(), "a place though the store is gone");
        late.push(fan);
        std::thread::sleep(Duration::from_millis(150));
    }
    let place = late[0].place();
    late[0].get("/");
    assert_eq!(
        late[0].place(),
        place,
        "the same place when the page is loaded again"
    );
    late[1].site.clone_from(&site[0].site);
    let mut sockets: Vec<Frames> = late
        .iter_mut()
        .map(|fan| fan.socket().expect("a socket"))
        .collect();
    for fan in &mut inside {
        assert!(
            fan.get("/").text().contains("Welcome"),
            "who is inside stays inside"
        );
    }

    redis.thaw();
    let mut order = vec![waits.place().expect("a place")];
    order.extend(late.iter().map(|fan| fan.place().expect("a place")));
    assert!(
        order.is_sorted(),
        "in the order of arrival, after who was there: {order:?}"
    );
    until_state(&mut waits_socket, "waiting");
    // Two leave, then everyone enters and leaves in turn.
    inside.iter_mut().for_each(crate::many_edges::leave);
    let mut first = waits;
    let mut everyone = vec![(&mut first, &mut waits_socket)];
    everyone.extend(late.iter_mut().zip(&mut sockets));
    let mut granted = Vec::new();
    for (fan, socket) in everyone {
        enters(fan, socket);
        granted.push(fan.place());
        assert!(fan.get("/").text().contains("Welcome"));
        crate::many_edges::leave(fan);
    }
    assert_eq!(granted.len(), 7);
    eventually("nobody waits for nothing", SOON, || {
        (site[0].room()["waiting"] == 0).then_some(())
    });
}

#[test]
fn a_slow_store_gives_out_exactly_as_many_numbers_as_there_are_fans() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let link = FaultLink::to(redis.address());
    let site = edges(
        origin.address,
        ROOM,
        &[Edge::on(link.redis_url()), Edge::on(redis.url())],
    );
    open(&site);
    let before = site[1].room()["issued"].as_u64().unwrap_or_default();
    let joins = |edge: &Tidegate, fans: usize| {
        let site = edge.site.clone();
        std::thread::spawn(move || {
            (0..fans)
                .map(|_| {
                    let mut fan = Fan::of(&site);
                    fan.get("/");
                    fan.place().expect("a place")
                })
                .collect::<Vec<_>>()
        })
    };
    let mut threads = Vec::new();
    for _ in 0..3 {
        threads.extend((0..8).map(|_| joins(&site[0], 3)));
        // Ticks are under way, their answers are not: each is sent again, several times.
        link.stall();
        std::thread::sleep(Duration::from_secs(2));
        link.resume();
        std::thread::sleep(Duration::from_millis(500));
    }
    let mut places: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("fans with places"))
        .collect();
    places.sort_unstable();
    let fans = places.len() as u64;
    places.dedup();
    assert_eq!(places.len() as u64, fans, "no place twice");
    // Those who arrived while the store did not answer have places that it did not give.
    let store_epoch = site[1].room()["epoch"].as_u64();
    let stamped = places.iter().filter(|(epoch, _)| epoch & (1 << 19) != 0).count() as u64;
    eventually("as many numbers as fans", SOON, || {
        let issued = site[1].room()["issued"].as_u64()?;
        (issued - before == fans - stamped).then_some(())
    });
    assert!(stamped < fans, "{stamped} of {fans} {store_epoch:?}");
}

#[test]
fn a_room_that_says_so_is_open_while_the_store_is_gone_and_no_longer() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let room = format!("{ROOM}\non_store_loss = \"open\"");
    let site = edges(origin.address, &room, &[Edge::on(redis.url())]);
    open(&site);
    let passes = || Fan::of(&site[0].site).get("/").text().contains("Welcome");
    assert!(!passes(), "a line while the store is there");
    redis.freeze();
    eventually("open", SOON, || passes().then_some(()));
    redis.thaw();
    eventually("a line again", SOON, || (!passes()).then_some(()));
}

#[test]
fn another_file_s_settings_are_reported_and_the_store_s_are_in_force() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let one = edges(origin.address, ROOM, &[Edge::on(redis.url())]);
    let keys = one[0].key_file();
    let other = Tidegate::start(
        origin.address,
        &crate::support::Proxy {
            room: ROOM.replace("active_max = 2", "active_max = 9"),
            store: Some(redis.url()),
            keys: Some(keys),
            ..crate::support::Proxy::default()
        },
    );
    assert_eq!(other.room()["active_max"], 2, "the store's settings are in force");
    let log = other.log();
    assert!(
        log.contains("the store's settings are in force") && log.contains("active_max = 2, not 9"),
        "{log}"
    );
}
