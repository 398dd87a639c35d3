//! An edge that is killed under many sockets: everyone stands where they stood.

use std::time::{Duration, Instant};

use super::{Drill, SOON};
use crate::support::{Edge, Fan, Frames, RedisServer, eventually};

/// Nobody's turn comes, so that everyone waits.
const ROOM: &str = "mode = \"on\"\nactive_max = 1\nadmit_per_min = 0";
const FANS: usize = 1_000;
/// Fans who come at the same time.
const AT_ONCE: usize = 20;
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// Does the same for all, some at a time.
fn each<T: Send, R: Send>(all: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut shares: Vec<Vec<T>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for (index, one) in all.into_iter().enumerate() {
        shares[index % AT_ONCE].push(one);
    }
    std::thread::scope(|scope| {
        let of = &of;
        let started: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(move || share.into_iter().map(of).collect::<Vec<R>>()))
            .collect();
        started
            .into_iter()
            .flat_map(|share| share.join().expect("nobody panicked"))
            .collect()
    })
}

/// Opens a socket, and hears which place it is.
fn socket(mut fan: Fan) -> (Fan, Frames, u64) {
    let mut socket = fan.socket().expect("a socket");
    let number = socket.until("place", SOON)["number"].as_u64().expect("a number");
    (fan, socket, number)
}

#[test]
fn everyone_at_an_edge_that_is_killed_stands_in_the_same_place_elsewhere() {
    let redis = RedisServer::start();
    let mut drill = Drill::quiet(ROOM, &vec![Edge::on(redis.url()); 3]);
    let sites: Vec<String> = drill.site.iter().map(|edge| edge.site.clone()).collect();
    let fans = each((0..FANS).collect(), |_| {
        let mut fan = Fan::of(&sites[0]);
        fan.get("/");
        socket(fan)
    });
    let waiting = |drill: &Drill| drill.site[1].room()["waiting"].as_u64();
    eventually("everyone waits", SOON, || {
        (waiting(&drill) == Some(FANS as u64)).then_some(())
    });

    drill.site[0].kill();
    let killed = Instant::now();
    let moved = each(
        fans.into_iter().enumerate().collect(),
        |(index, (mut fan, mut old, number))| {
            old.until_closed(SOON);
            fan.site.clone_from(&sites[1 + index % 2]);
            let place = fan.place();
            let (fan, open, now) = socket(fan);
            assert_eq!((now, fan.place()), (number, place), "the same place");
            (fan, open)
        },
    );
    let took = killed.elapsed();
    assert!(took < BACK_WITHIN, "all back after {took:?}");
    // Nobody is an arrival, and nobody is counted twice.
    eventually("everyone is held", SOON, || {
        let held = |edge: usize| drill.site[edge].room()["held"].as_u64();
        (held(1)? + held(2)? == FANS as u64).then_some(())
    });
    let room = drill.site[1].room();
    assert_eq!(
        (&room["waiting"], &room["issued"]),
        (&FANS.into(), &FANS.into()),
        "{room}"
    );
    drop(moved);
}
