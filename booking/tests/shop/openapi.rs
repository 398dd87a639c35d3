//! The description of the calls, held against the service by a tool that nobody here wrote: schemathesis makes up calls
//! from it, sound and unsound ones, and looks at every answer.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::buyer::Buyer;
use crate::support::{Running, config};

/// Calls made up for each operation.
const EXAMPLES: &str = "30";

fn peers() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/peers/bin")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_that_is_not_described_and_nothing_breaks() {
    let shop = Running::with(&config()).await;
    let fan = Buyer::new(&shop).await;
    let done = fan.buy(1, &["A-1"]).await;
    let document = fan.get("/openapi.json").await.json();
    let folder = tempfile::tempdir().unwrap();
    // What exists is called, too: the ids that are in this database stand in the description as examples.
    let file = folder.path().join("openapi.json");
    let mut described = document.clone();
    let examples = [
        ("event", json!(1)),
        ("showtime", json!(1)),
        ("order", done["id"].clone()),
        ("ticket", done["tickets"][0]["id"].clone()),
    ];
    for (_, calls) in described["paths"].as_object_mut().unwrap() {
        for (_, call) in calls.as_object_mut().unwrap() {
            for parameter in call["parameters"].as_array_mut().unwrap() {
                for (name, value) in &examples {
                    if parameter["name"] == *name && parameter["in"] == "path" {
                        parameter["example"] = value.clone();
                    }
                }
            }
        }
    }
    std::fs::write(&file, described.to_string()).unwrap();
    let address = format!("http://{}", shop.address);
    let cookie = format!("Cookie: {}", fan.cookie);
    let report = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(peers().join("schemathesis"))
            .arg("run")
            .arg(&file)
            .args(["--url", &address, "--header", &cookie])
            .args([
                "--max-examples",
                EXAMPLES,
                "--seed",
                "1",
                "--workers",
                "2",
                "--no-color",
            ])
            // Logging out would make strangers of all calls after it.
            .args(["--phases", "examples,fuzzing", "--exclude-path", "/logout"])
            // Streams do not end.
            .args(["--exclude-path", "/showtimes/{showtime}/seats/stream"])
            .args([
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,\
                 response_schema_conformance",
            ])
            .current_dir(report)
            .output()
    });
    let output = output
        .await
        .unwrap()
        .expect("scripts/need-test.sh installs the peers");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprintln!("{}", said.lines().rev().take(12).collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn every_described_call_exists() {
    let shop = Running::new().await;
    let document = shop.get("/openapi.json").await.json();
    for path in [
        "/account/delete",
        "/payments/webhook",
        "/showtimes/{showtime}/seats/stream",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is not described");
    }
    for (path, calls) in document["paths"].as_object().unwrap() {
        if path.ends_with("/stream") {
            continue;
        }
        for (method, _) in calls.as_object().unwrap() {
            let at = path
                .replace("{event}", "1")
                .replace("{showtime}", "1")
                .replace("{hold}", &"0".repeat(32))
                .replace("{order}", &"0".repeat(32))
                .replace("{ticket}", &"0".repeat(32))
                .replace("{venue}", "1")
                .replace("{username}", "nobody");
            let method = method.to_ascii_uppercase().parse().unwrap();
            let answer = shop.send(method, &at, &[], "").await;
            let nothing_there = answer.text.contains("There is nothing at this address");
            assert!(answer.status != 405 && !nothing_there, "{path}: {answer:?}");
        }
    }
}
