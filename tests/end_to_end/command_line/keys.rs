//! Keys from the command line, beside a running edge and without one.

use serde_json::Value;

use super::{SOON, err, folder, out, run};
use crate::support::{Fan, Origin, Tidegate, eventually};

/// The `kid` of a token.
fn kid(token: &str) -> String {
    use base64::Engine;
    let head = token.split('.').next().expect("a header");
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(head)
        .expect("base64url");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    head["kid"].as_str().expect("a kid").to_owned()
}

#[test]
fn keys_rotate_under_a_running_edge_and_nobody_is_logged_out() {
    let origin = Origin::start();
    let tidegate = Tidegate::proxy(
        origin.address,
        "active_max = 1\nadmit_per_min = 600\nvisit_ttl = \"1m\"",
    );
    let keys = |what: &str| {
        let output = run(
            tidegate.folder.path(),
            &["keys", what, "--config", "tidegate.toml"],
        );
        assert!(output.status.success(), "keys {what}: {}", err(&output));
        out(&output)
    };
    let mut inside = Fan::of(&tidegate.site);
    assert!(inside.get("/").text().contains("Welcome"));
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let place = fan.place().expect("a place");
    let old = kid(&fan.cookies["tidegate_place_drop"]);
    assert!(
        keys("list")
            .lines()
            .any(|line| line.starts_with(&old) && line.ends_with("signs"))
    );

    let said = keys("rotate");
    let new = said.split_whitespace().next().expect("a key id").to_owned();
    assert_ne!(new, old);
    let list = keys("list");
    assert!(
        list.lines()
            .any(|line| line.starts_with(&new) && line.ends_with("signs")),
        "{list}"
    );
    assert!(
        list.lines()
            .any(|line| line.starts_with(&old) && line.ends_with("verifies")),
        "{list}"
    );
    let exported: Value = serde_json::from_str(&keys("export")).expect("a JWK set");
    let kids: Vec<&str> = exported["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    assert_eq!(kids, [&*new, &*old]);
    assert!(
        exported["keys"]
            .as_array()
            .is_some_and(|keys| keys.iter().all(|key| key["d"].is_null() && key["x"].is_string()))
    );

    eventually("new tokens are signed with the new key", SOON, || {
        let mut late = Fan::of(&tidegate.site);
        late.get("/");
        (kid(&late.cookies["tidegate_place_drop"]) == new).then_some(())
    });
    let served = crate::support::send(
        &tidegate.site,
        &crate::support::Sent::new("GET", "/_tidegate/jwks.json"),
    );
    assert_eq!(served.json(), exported, "origins are told the same");
    fan.get("/");
    assert_eq!(fan.place(), Some(place), "a place survives");
    assert!(inside.get("/").text().contains("Welcome"), "and a visit");
    let mode = {
        use std::os::unix::fs::PermissionsExt;
        let file = tidegate.folder.path().join("data/keys.json");
        std::fs::metadata(file)
            .expect("the key file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode, 0o600);
}

#[test]
fn listing_keys_makes_none() {
    let folder = folder();
    for what in ["list", "rotate", "export", "share"] {
        let output = run(folder.path(), &["keys", what]);
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(
            err(&output).contains("no keys") && err(&output).contains("--data-dir"),
            "{}",
            err(&output)
        );
        assert_eq!(out(&output), "", "{what}: nothing is headed that is not there");
    }
    assert!(!folder.path().join("tidegate-data").exists());
}
