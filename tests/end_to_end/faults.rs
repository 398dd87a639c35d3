//! What breaks under three edges of one room while a crowd waits: every promise is kept all the same.

mod clocks;
mod failover;
mod limit;
mod lost_store;
mod settings;
mod slow_store;

use std::time::Duration;

use crate::support::{Fan, Sent};

const SOON: Duration = Duration::from_secs(20);
/// After a loss the line regroups for five seconds, and slots are held back for as long as a visit lives: no longer.
const ROOM: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 1200\nvisit_ttl = \"5s\"";

/// A fan inside.
pub fn inside(site: &str) -> Fan {
    let mut fan = Fan::of(site);
    fan.get("/");
    let mut socket = fan.socket().expect("a socket");
    let admitted = socket.answer_until_admitted(SOON);
    assert_eq!(fan.enter(&admitted, "/").status, 303);
    assert!(is_inside(&mut fan), "a visit opens the site");
    fan
}

/// Whether the fan gets the site now.
fn is_inside(fan: &mut Fan) -> bool {
    fan.try_send(Sent::page("/"))
        .is_ok_and(|answer| answer.text().contains("Welcome"))
}
