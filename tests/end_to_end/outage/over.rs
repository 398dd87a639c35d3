//! What is over stays over, whatever becomes of the store: slots that were given on are not used twice.

use super::{ROOM, SOON, enters};
use crate::many_edges::{leave, open, waiting};
use crate::support::{Edge, Fan, Origin, RedisServer, Tidegate, edges, eventually};

/// Two edges and their full room: those who have been in and left, as their cookies were before, and those who have
/// their slots since.
fn handed_on(origin: &Origin, redis: &RedisServer) -> (Vec<Tidegate>, Vec<Fan>, Vec<Fan>) {
    let site = edges(origin.address, ROOM, &vec![Edge::on(redis.url()); 2]);
    open(&site);
    let (mut gone, mut inside) = (Vec::new(), Vec::new());
    for edge in &site {
        let (mut fan, mut socket) = waiting(&edge.site);
        enters(&mut fan, &mut socket);
        assert!(fan.get("/").text().contains("Welcome"));
        gone.push(fan.clone());
        leave(&mut fan);
    }
    for edge in &site {
        let (mut fan, mut socket) = waiting(&edge.site);
        enters(&mut fan, &mut socket);
        assert!(fan.get("/").text().contains("Welcome"));
        inside.push(fan);
    }
    (site, gone, inside)
}

fn at(fan: &Fan, edge: &Tidegate) -> Fan {
    let mut fan = fan.clone();
    fan.site.clone_from(&edge.site);
    fan
}

#[test]
fn who_has_left_is_not_let_in_again_while_the_store_is_gone() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let (site, gone, inside) = handed_on(&origin, &redis);
    // Long enough that nobody remembers them for their own requests.
    std::thread::sleep(std::time::Duration::from_secs(2));
    redis.freeze();
    for edge in &site {
        let lost = || (edge.room()["store_up"] == false).then_some(());
        eventually("the edge notices", SOON, lost);
    }
    for edge in &site {
        for fan in &gone {
            let answer = at(fan, edge).get("/").text();
            assert!(!answer.contains("Welcome"), "two are in one slot: {answer}");
        }
        for fan in &inside {
            assert!(at(fan, edge).get("/").text().contains("Welcome"));
        }
    }
    redis.thaw();
}

#[test]
fn a_place_that_was_used_is_not_given_its_turn_again_by_a_store_that_was_emptied() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let (site, gone, inside) = handed_on(&origin, &redis);
    let () = redis.command(&["FLUSHALL"]);
    for (fan, edge) in gone.iter().zip(site.iter().rev()) {
        let mut saved = at(fan, edge);
        eventually("the line is there again", SOON, || {
            (edge.room()["store_up"] == true).then_some(())
        });
        saved.get("/");
        let (before, since) = (fan.place(), saved.place());
        assert!(since.is_some() && since > before, "{since:?} after {before:?}");
    }
    for fan in &inside {
        assert!(fan.clone().get("/").text().contains("Welcome"));
    }
}
