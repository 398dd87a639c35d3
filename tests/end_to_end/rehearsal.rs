//! A small drop rehearsed against the whole thing: the judge must find every promise kept.

use serde_json::json;

use crate::support::{Tidegate, binary};

#[test]
fn a_crowd_with_vanishers_and_no_shows_finds_every_promise_kept() {
    let tidegate = Tidegate::up();
    tidegate.change(&json!({"active_max": 20, "admit_per_min": 1200}));
    let output = binary()
        .args([
            "rehearse",
            "--fans",
            "250",
            "--over",
            "4s",
            "--stay",
            "500ms",
            "--vanish",
            "20%",
            "--no-shows",
            "20%",
        ])
        .args(["--limit", "20", "--rate", "1200", "--json", "--url"])
        .arg(format!("http://{}", tidegate.site))
        .output()
        .expect("the rehearsal runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_str(&said).expect("a JSON report");
    assert!(report.to_string().len() > 200, "{report}");
}
