//! A rehearsal under way over a site of its own, while a test breaks something. It knows how to send a crowd and what the
//! judge must have found, and nothing of what is broken.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Edge, Fan, Origin, Tidegate, binary, edges, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Thousands come in seconds where nothing else runs, and take a while beside builds.
const GATHERED_WITHIN: Duration = Duration::from_secs(60);

/// Who comes, and how many must wait before anything is broken.
pub struct Crowd {
    /// Arguments of the rehearsal, but for where it goes.
    pub args: &'static str,
    /// As the arguments say.
    pub fans: u64,
    /// So many of them are to enter.
    pub enter: u64,
    /// Enough for a fault to matter.
    pub waiting: u64,
    /// How late an edge may hear from its store; empty for as late as on this machine.
    pub tolerance: &'static str,
    /// Share of them that roam, where there is more than one edge.
    pub roam: &'static str,
    /// Indices of the edges that the fans go to in turn, the next one being where they go on when theirs is gone; none
    /// is each edge once.
    pub to: &'static [usize],
}

/// Of these fans one in five roams, and one in seven stays silent when called. Some are inside when many wait.
pub const CROWD: Crowd = Crowd {
    args: "--fans 240 --over 4s --stay 500ms --no-shows 15% --limit 20 --rate 1200 --timeout 60s --quiet --json",
    fans: 240,
    enter: 204,
    waiting: 100,
    roam: "20%",
    tolerance: "",
    to: &[],
};

/// A rehearsal under way over a site of its own.
pub struct Drill {
    pub site: Vec<Tidegate>,
    rehearsal: Option<(Child, Crowd)>,
    _origin: Origin,
}

impl Drill {
    /// Starts the edges and sends a crowd, and returns when many wait.
    pub fn begin(room: &str, of: &[Edge]) -> Self {
        let mut drill = Self::quiet(room, of);
        drill.send(CROWD);
        drill
    }

    /// The edges, before anyone comes.
    pub fn quiet(room: &str, of: &[Edge]) -> Self {
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

    /// Sends the crowd, and returns when many wait.
    pub fn send(&mut self, crowd: Crowd) {
        let mut command = binary();
        command.arg("rehearse").args(crowd.args.split_whitespace());
        if self.site.len() > 1 {
            command.args(["--roam", crowd.roam]);
        }
        if !crowd.tolerance.is_empty() {
            command.args(["--tolerance", crowd.tolerance]);
        }
        let each_once: Vec<usize> = (0..self.site.len()).collect();
        let to = if crowd.to.is_empty() { &each_once } else { crowd.to };
        for edge in to {
            command
                .arg("--url")
                .arg(format!("http://{}", self.site[*edge].site));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let waiting = crowd.waiting;
        let started = command.spawn().expect("the rehearsal runs");
        let (rehearsal, _) = self.rehearsal.insert((started, crowd));
        eventually("many wait", GATHERED_WITHIN, || {
            let ended = rehearsal.try_wait().expect("a child");
            assert!(ended.is_none(), "the rehearsal ended early: {ended:?}");
            (self.site[0].room()["waiting"].as_u64()? >= waiting).then_some(())
        });
    }

    /// The place of somebody who comes now, as (epoch, number).
    pub fn newcomer(&self) -> (u64, u64) {
        let mut fan = Fan::of(&self.site[0].site);
        eventually("a newcomer has a place", SOON, || {
            fan.get("/");
            fan.place()
        })
    }

    /// Waits for the end, and for certainty that every promise was kept and nobody lost. Returns the findings.
    pub fn end(self) -> Value {
        self.end_but_for(&[])
    }

    /// As [`Self::end`], where the judge cannot see some promises sharply enough.
    pub fn end_but_for(mut self, blurred: &[&str]) -> Value {
        let (rehearsal, crowd) = self.rehearsal.take().expect("a crowd was sent");
        let output = rehearsal.wait_with_output().expect("the rehearsal ends");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let mut report: Value = serde_json::from_str(&said)
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
            (&crowd.fans.into(), &crowd.enter.into(), &0.into()),
            "{said}"
        );
        report["findings"].take()
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        if let Some((mut rehearsal, _)) = self.rehearsal.take() {
            let _ = rehearsal.kill();
            let _ = rehearsal.wait();
        }
    }
}
