//! A store that is slow: nobody is counted twice, and whoever is inside does not notice.

use std::time::{Duration, Instant};

use super::{SOON, inside, is_inside};
use crate::support::{CROWD, Crowd, Drill, Edge, FaultLink, RedisServer, eventually};

/// Nothing is lost here, so nothing waits for visits to end.
const ROOM: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 1200\nvisit_ttl = \"20s\"";
/// A page that waits for the store would take longer.
const PAGE_WITHIN: Duration = Duration::from_millis(300);

/// Has the crowd and one visitor at a store that becomes slow, and judges.
///
/// An answer that was given first and reached the store second is second there. The judge measures how far the fans are
/// from their edges, and has to be told how far these may be from the store: `tolerance`.
fn survives(edges: usize, slow: impl FnOnce(&FaultLink, &mut dyn FnMut()), tolerance: &'static str) {
    let redis = RedisServer::start();
    let link = FaultLink::to(redis.address());
    let mut drill = Drill::quiet(ROOM, &vec![Edge::on(link.redis_url()); edges]);
    let mut visitor = inside(&drill.site[edges - 1].site);
    drill.send(Crowd { tolerance, ..CROWD });
    slow(&link, &mut || {
        let asked = Instant::now();
        assert!(is_inside(&mut visitor), "a visitor is served by a slow store");
        let took = asked.elapsed();
        assert!(took < PAGE_WITHIN, "a page in {took:?}");
    });
    let issued = eventually("each fan is in line or admitted, once", SOON, || {
        let room = drill.site[0].room();
        let known = room["waiting"].as_u64()? + room["admitted"].as_u64()?;
        (known == CROWD.fans + 1).then(|| room["issued"].clone())
    });
    drill.end();
    assert_eq!(issued, CROWD.fans + 1, "a number for each fan, and no other");
}

fn far_away(link: &FaultLink, visit: &mut dyn FnMut()) {
    link.delay(Duration::from_millis(200));
    for _ in 0..20 {
        visit();
        std::thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn a_store_that_is_far_away_gives_each_fan_one_number() {
    // There and back, and a tick's wait before each.
    survives(3, far_away, "800ms");
}

#[test]
fn an_edge_that_is_far_from_its_store_keeps_the_order_of_its_fans() {
    survives(1, far_away, "");
}

#[test]
fn a_store_that_hangs_again_and_again_gives_each_fan_one_number() {
    let hang = |link: &FaultLink, visit: &mut dyn FnMut()| {
        for _ in 0..3 {
            link.stall();
            for _ in 0..8 {
                visit();
                std::thread::sleep(Duration::from_millis(250));
            }
            link.resume();
            std::thread::sleep(Duration::from_millis(700));
        }
    };
    // One silence, and the tick that is sent again after it.
    survives(3, hang, "3s");
}
