//! Small drops rehearsed against the whole thing: the judge must find every promise kept.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Edge, Origin, RedisServer, Tidegate, binary, edges, eventually, free_port};

const SOON: Duration = Duration::from_secs(15);
const ROOM: &str = "mode = \"on\"\nactive_max = 20\nadmit_per_min = 1200";
/// Of 240 fans at three edges one in five roams and one in seven stays silent.
const SPREAD: &str =
    "--fans 240 --over 4s --stay 500ms --roam 20% --no-shows 15% --limit 20 --rate 1200 --json";

fn rehearsal(args: &str, site: &[Tidegate]) -> Command {
    let mut command = binary();
    command.arg("rehearse").args(args.split(' '));
    for edge in site {
        command.arg("--url").arg(format!("http://{}", edge.site));
    }
    command
}

fn three(origin: &Origin, redis: &RedisServer) -> Vec<Tidegate> {
    edges(origin.address, ROOM, &vec![Edge::on(redis.url()); 3])
}

/// Starts a rehearsal whose report is read when it ends.
fn started(args: &str, site: &[Tidegate]) -> Child {
    let mut command = rehearsal(args, site);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the rehearsal runs")
}

/// The findings of a rehearsal that must have found every promise kept.
fn kept(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
    let mut report: Value = serde_json::from_str(&said).expect("a JSON report");
    for finding in report["findings"]["promises"].as_array().expect("promises") {
        assert_eq!(finding["verdict"], "kept", "{finding}\n{said}");
    }
    report["findings"].take()
}

#[test]
fn a_crowd_with_vanishers_and_no_shows_finds_every_promise_kept() {
    let tidegate = Tidegate::up();
    tidegate.change(&json!({"active_max": 20, "admit_per_min": 1200}));
    let crowd = "--fans 250 --over 4s --stay 500ms --vanish 20% --no-shows 20% --limit 20 --rate 1200 --json";
    let output = rehearsal(crowd, &[tidegate])
        .output()
        .expect("the rehearsal runs");
    // Those who went straight through were never called, so that they could not stay silent.
    let left = kept(&output)["fans"]["left"].as_u64();
    assert!(left.is_some_and(|left| left >= 150), "{left:?}");
}

#[test]
fn three_edges_keep_every_promise_together_while_fans_roam() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = three(&origin, &redis);
    let findings = kept(&rehearsal(SPREAD, &site).output().expect("the rehearsal runs"));
    let fans = &findings["fans"];
    assert_eq!(
        (&fans["left"], &fans["lost"], &fans["moved"]),
        (&json!(204), &json!(0), &json!(0)),
        "{findings}"
    );
    assert!(
        fans["roamed"].as_u64().is_some_and(|roamed| roamed >= 20),
        "{findings}"
    );
    assert_eq!(findings["errors"], json!({}), "{findings}");
}

#[test]
fn an_edge_that_is_killed_loses_nobody() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let mut site = three(&origin, &redis);
    let rehearsal = started(SPREAD, &site);
    eventually("half of the fans wait", SOON, || {
        let waiting = site[0].room()["waiting"].as_u64();
        waiting.filter(|waiting| *waiting >= 100)
    });
    site[1].kill();
    let output = rehearsal.wait_with_output().expect("the rehearsal ends");
    let findings = kept(&output);
    let fans = &findings["fans"];
    assert_eq!(
        (&fans["left"], &fans["lost"]),
        (&json!(204), &json!(0)),
        "{findings}"
    );
    assert!(
        fans["moved"].as_u64().is_some_and(|moved| moved >= 20),
        "{findings}"
    );
}

#[test]
fn a_store_that_is_gone_for_a_while_breaks_no_promise() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let site = three(&origin, &redis);
    let rehearsal = started(SPREAD, &site);
    eventually("half of the fans wait", SOON, || {
        let waiting = site[0].room()["waiting"].as_u64();
        waiting.filter(|waiting| *waiting >= 100)
    });
    redis.freeze();
    std::thread::sleep(Duration::from_secs(8));
    redis.thaw();
    let output = rehearsal.wait_with_output().expect("the rehearsal ends");
    let findings = kept(&output);
    assert_eq!(
        (&findings["fans"]["left"], &findings["fans"]["lost"]),
        (&json!(204), &json!(0)),
        "{findings}"
    );
}

#[test]
fn edges_that_do_not_share_their_keys_are_refused_at_the_beginning() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let one = edges(origin.address, ROOM, &[Edge::on(redis.url())]);
    let other = edges(origin.address, ROOM, &[Edge::embedded()]);
    let site: Vec<Tidegate> = one.into_iter().chain(other).collect();
    let output = rehearsal(SPREAD, &site).output().expect("the rehearsal runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(1), 1),
        "{said}"
    );
    assert!(said.contains("tidegate keys adopt"), "{said}");
}

#[test]
fn what_is_no_edge_is_refused_at_the_beginning() {
    let (nothing, origin) = (format!("127.0.0.1:{}", free_port()), Origin::start());
    for (url, status, why) in [
        (format!("http://{nothing}"), 1, "does not answer"),
        (format!("http://{}", origin.address), 1, "has no keys"),
        ("nope".to_owned(), 64, "--url"),
    ] {
        let mut command = binary();
        command.args(["rehearse", "--fans", "5", "--url", &url]);
        let output = command.output().expect("the rehearsal runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{url}: {said}");
        assert!(said.lines().count() == 1 && said.contains(why), "{url}: {said}");
        assert!(output.stdout.is_empty(), "{url}: nothing was rehearsed");
    }
}

#[test]
fn edges_that_share_their_keys_and_not_the_store_are_found_out() {
    let origin = Origin::start();
    let site = edges(origin.address, ROOM, &vec![Edge::embedded(); 3]);
    let output = rehearsal(SPREAD, &site).output().expect("the rehearsal runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let report: Value = serde_json::from_str(&said).expect("a JSON report");
    let broken: Vec<&str> = report["findings"]["promises"]
        .as_array()
        .expect("promises")
        .iter()
        .filter(|finding| finding["verdict"] == "broken")
        .filter_map(|finding| finding["promise"].as_str())
        .collect();
    for promise in ["one_line", "within_limit", "within_rate"] {
        assert!(
            broken.contains(&promise),
            "{promise} is not among {broken:?}\n{said}"
        );
    }
}
