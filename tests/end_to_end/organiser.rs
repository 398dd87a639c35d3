//! An organiser from the operator's command to the search: a role given while the service runs, and events that are found
//! when they are made, under their new title when it changes, and no more when they are called off.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Response, Sent, Tidegate, binary, eventually, send};

/// Search asks once a second; the rest is a slow machine.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// `host:port` of a part, as the start said.
fn address(tidegate: &Tidegate, part: &str) -> String {
    let log = tidegate.log();
    let line = log.lines().find(|line| line.trim_start().starts_with(part));
    let url = line
        .and_then(|line| line.split("http://").nth(1))
        .expect("its address");
    url.split('/').next().expect("host and port").to_owned()
}

fn grant(tidegate: &Tidegate, more: &[&str]) -> (Option<i32>, String) {
    let data = tidegate.folder.path().join("data");
    let output = binary()
        .args(["booking", "grant", "--data-dir"])
        .arg(data)
        .args(more)
        .output()
        .expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_an_organiser_puts_up_is_found_and_what_is_called_off_is_gone() {
    let tidegate = Tidegate::up();
    let (booking, search) = (address(&tidegate, "booking"), address(&tidegate, "search"));
    let ada = json!({"username": "Ada", "password": "correct horse battery"});
    let signed_up = send(&booking, &Sent::new("POST", "/signup").json(&ada));
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    let token = signed_up.json()["user_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let call = |method: &str, path: &str, body: &Value| -> Response {
        let bearer = format!("Bearer {token}");
        send(
            &booking,
            &Sent::new(method, path).header("Authorization", bearer).json(body),
        )
    };
    let venue = json!({"name": "Bell Hall", "city": "Chico", "country": "United States", "time_zone": "America/Los_Angeles",
        "currency": "USD", "sections": [{"name": "Stalls", "level": 1, "rows": [{"label": "A", "seats": 9}]}]});
    assert_eq!(
        call("POST", "/venues", &venue).status,
        403,
        "a fan makes no venues"
    );

    let (code, said) = grant(&tidegate, &["--role", "organiser", "--username", "nobody"]);
    assert!(
        code == Some(1) && said.contains("no account \"nobody\""),
        "{code:?}: {said}"
    );
    let (code, said) = grant(&tidegate, &["--role", "king", "--username", "ada"]);
    assert!(
        code == Some(64) && said.contains("fan, organiser, staff or admin"),
        "{code:?}: {said}"
    );
    let (code, said) = grant(&tidegate, &["--role", "organiser", "--username", "a b"]);
    assert!(code == Some(64) && said.contains("3 to 32"), "{code:?}: {said}");
    let (code, said) = grant(&tidegate, &["--role", "organiser", "--username", "ADA"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "Ada has the role organiser from now on\n")
    );

    // No visit and no admission, though the room is there: an organiser does not stand in line.
    let made = call("POST", "/venues", &venue);
    assert_eq!(made.status, 201, "{}", made.text());
    let event = json!({"venue": made.json()["id"], "category": "concert", "title": "Zugunruhe", "description": "Cranes.",
        "prices": [{"level": 1, "amount": 4500}], "showtimes": [{"starts_at": in_a_month()}]});
    let made = call("POST", "/events", &event);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].clone();
    let finds = |word: &str| -> bool {
        let found = send(
            &search,
            &Sent::new("GET", &format!("/search?q={word}&city=chico")).header("Accept", "application/json"),
        );
        found.status == 200
            && found.json()["events"]
                .as_array()
                .is_some_and(|events| events.iter().any(|event| event["id"] == id))
    };
    let follows = |what: &str, done: &dyn Fn() -> bool| {
        let began = Instant::now();
        eventually(what, FOUND_WITHIN, || done().then_some(()));
        println!("{what} after {:?}", began.elapsed());
    };
    follows("the new event is found", &|| finds("zugunruhe"));
    let change = call("PATCH", &format!("/events/{id}"), &json!({"title": "Vogelzug"}));
    assert_eq!(change.status, 200, "{}", change.text());
    follows("the new title is found", &|| {
        finds("vogelzug") && !finds("zugunruhe")
    });
    let cancelled = call("POST", &format!("/events/{id}/cancel"), &json!({}));
    assert_eq!(cancelled.json(), json!({"id": id, "cancelled": true}));
    follows("what was called off is gone", &|| !finds("vogelzug"));
}

/// A start some weeks ahead, as UTC.
fn in_a_month() -> String {
    let in_s = std::time::SystemTime::now() + Duration::from_secs(30 * 24 * 3600);
    let text = humantime::format_rfc3339_seconds(in_s).to_string();
    assert!(text.ends_with('Z'));
    text
}
