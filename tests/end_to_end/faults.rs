//! What breaks under three edges of one room while a crowd waits: every promise is kept all the same.

mod clocks;
mod failover;
mod limit;
mod lost_store;
mod settings;
mod slow_store;
mod sockets;

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Edge, Fan, Origin, Sent, Tidegate, binary, edges, eventually};

const SOON: Duration = Duration::from_secs(20);
/// After a loss the line regroups for five seconds, and slots are held back for as long as a visit lives: no longer.
const ROOM: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 1200\nvisit_ttl = \"5s\"";
const FANS: u64 = 240;
/// Of these fans one in five roams, and one in seven stays silent when called.
const CROWD: &str =
    "--fans 240 --over 4s --stay 500ms --no-shows 15% --limit 20 --rate 1200 --timeout 60s --quiet --json";
/// So many of them are to enter.
const ENTER: u64 = 204;
/// Enough of them wait for a fault to matter, and some are inside.
const WAITING: u64 = 100;

/// A rehearsal under way over a site of its own.
struct Drill {
    site: Vec<Tidegate>,
    rehearsal: Option<Child>,
    _origin: Origin,
}

impl Drill {
    /// Starts the edges and sends the crowd, and returns when many wait.
    fn begin(of: &[Edge]) -> Self {
        Self::in_room(ROOM, of)
    }

    fn in_room(room: &str, of: &[Edge]) -> Self {
        let mut drill = Self::quiet(room, of);
        drill.send_the_crowd();
        drill
    }

    /// The edges, before anyone comes.
    fn quiet(room: &str, of: &[Edge]) -> Self {
        let origin = Origin::start();
        let site = edges(origin.address, room, of);
        for edge in &site {
            eventually("the line is open", SOON, || {
                (edge.room()["status"] == "open").then_some(())
            });
        }
        Self {
            site,
            rehearsal: None,
            _origin: origin,
        }
    }

    fn send_the_crowd(&mut self) {
        let mut command = binary();
        command.arg("rehearse").args(CROWD.split_whitespace());
        if self.site.len() > 1 {
            command.args(["--roam", "20%"]);
        }
        for edge in &self.site {
            command.arg("--url").arg(format!("http://{}", edge.site));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let rehearsal = command.spawn().expect("the rehearsal runs");
        let rehearsal = self.rehearsal.insert(rehearsal);
        eventually("many wait", SOON, || {
            let ended = rehearsal.try_wait().expect("a child");
            assert!(ended.is_none(), "the rehearsal ended early: {ended:?}");
            let waiting = self.site[0].room()["waiting"].as_u64()?;
            (waiting >= WAITING).then_some(())
        });
    }

    /// The place of somebody who comes now, as (epoch, number).
    fn newcomer(&self) -> (u64, u64) {
        let mut fan = Fan::of(&self.site[0].site);
        eventually("a newcomer has a place", SOON, || {
            fan.get("/");
            fan.place()
        })
    }

    /// Waits for the end, and for certainty that every promise was kept and nobody lost.
    fn end(self) {
        self.end_but_for(&[]);
    }

    /// As [`Self::end`], where the judge cannot see some promises sharply enough.
    fn end_but_for(mut self, blurred: &[&str]) {
        let rehearsal = self.rehearsal.take().expect("a crowd was sent");
        let output = rehearsal.wait_with_output().expect("the rehearsal ends");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_str(&said)
            .unwrap_or_else(|e| panic!("{e}: {}\n{said}\n{errors}", output.status));
        assert_eq!(report["complete"], true, "{said}\n{errors}");
        let findings = &report["findings"];
        for finding in findings["promises"].as_array().expect("promises") {
            let is_blurred = blurred.iter().any(|promise| finding["promise"] == *promise);
            assert!(is_blurred || finding["verdict"] == "kept", "{finding}\n{said}");
        }
        let fans = &findings["fans"];
        assert_eq!(
            (&fans["arrived"], &fans["left"], &fans["lost"]),
            (&FANS.into(), &ENTER.into(), &0.into()),
            "{said}"
        );
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        if let Some(mut rehearsal) = self.rehearsal.take() {
            let _ = rehearsal.kill();
            let _ = rehearsal.wait();
        }
    }
}

/// A fan inside.
fn inside(site: &str) -> Fan {
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
