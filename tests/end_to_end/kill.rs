//! Twenty times kill -9 with sockets open: every fan keeps place and order, no number twice, nobody over-admitted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{Fan, Origin, Tidegate, eventually};

const ROUNDS: usize = 20;
const LIMIT: u64 = 4;

#[test]
fn places_order_and_limit_survive_twenty_kills() {
    let origin = Origin::start();
    let room = format!(
        "mode = \"on\"\nactive_max = {LIMIT}\nadmit_per_min = 6000\nvisit_ttl = \"5m\"\naway_after = \"2m\""
    );
    let mut tidegate = Tidegate::proxy(origin.address, &room);
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<Fan> = Vec::new();
    let mut inside: Vec<Fan> = Vec::new();
    let mut order = Vec::new();
    for round in 0..ROUNDS {
        for _ in 0..3 {
            let mut fan = Fan::of(&tidegate.site);
            fan.get("/");
            let place = fan.place().expect("a place");
            assert!(seen.insert(place), "round {round}: {place:?} was given twice");
            waiting.push(fan);
        }
        let places: Vec<_> = waiting.iter().map(|fan| fan.place().expect("a place")).collect();
        let mut sockets: Vec<_> = waiting
            .iter_mut()
            .map(|fan| fan.socket().expect("a socket"))
            .collect();
        for (socket, place) in sockets.iter_mut().zip(&places) {
            let number = socket.until("place", Duration::from_secs(10))["number"].as_u64();
            assert_eq!(number, Some(place.1), "round {round}: the place survived");
        }
        // The first in line is called and enters, unless the room is full; the rest stay silent.
        if (inside.len() as u64) < LIMIT {
            let mut first = sockets.remove(0);
            let admitted = first.answer_until_admitted(Duration::from_secs(15));
            let mut fan = waiting.remove(0);
            order.push(fan.place().expect("a place"));
            assert_eq!(fan.enter(&admitted, "/").status, 303);
            assert!(fan.get("/").text().contains("Welcome"));
            inside.push(fan);
        } else if round % 3 == 0 {
            let mut fan = inside.remove(0);
            let path = "/_tidegate/rooms/drop/visits/me";
            assert_eq!(fan.send(crate::support::Sent::new("DELETE", path)).status, 204);
        }
        tidegate.kill_and_restart();
        let room = tidegate.room();
        assert_eq!(
            room["active"],
            inside.len(),
            "round {round}: every visit survived, and no other"
        );
        for fan in &mut inside {
            assert!(
                fan.get("/").text().contains("Welcome"),
                "round {round}: who is inside stays inside"
            );
        }
        assert!(
            tidegate.room()["active"]
                .as_u64()
                .is_some_and(|active| active <= LIMIT)
        );
        eventually("regrouped", Duration::from_secs(10), || {
            (tidegate.room()["status"] != "regroup").then_some(())
        });
    }
    assert!(
        order.is_sorted(),
        "admitted in place order across the kills: {order:?}"
    );
    assert!(order.len() >= 5, "the line moved: {order:?}");
}
