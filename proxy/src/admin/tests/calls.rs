//! Each call: what it answers, what it changes, what it refuses.

use std::time::Duration;

use serde_json::{Value, json};

use super::edge::{Edge, TOKEN, read_until};

const ROOM: &str = "/api/v1/rooms/drop";

#[tokio::test]
async fn everything_under_api_needs_the_token_and_nothing_else_does() {
    let edge = Edge::start().await;
    for path in [
        "/api/v1/rooms",
        ROOM,
        "/api/v1/rooms/none",
        "/api/v1/nothing",
        "/api/v2",
        "/api/v1/rooms/drop/stream",
    ] {
        for header in [
            "",
            "Authorization: Bearer wrong\r\n",
            "Authorization: Basic YTpi\r\n",
        ] {
            let answer = edge.send("GET", path, header, "").await;
            assert_eq!(answer.problem(), (401, "unauthorized".to_owned()), "{path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        }
    }
    let paused = edge.send("POST", "/api/v1/rooms/drop/pause", "", "").await;
    assert_eq!(paused.status, 401);
    assert_eq!(edge.get(ROOM).await.json()["paused"], false);
    for path in ["/live", "/ready", "/metrics", "/openapi.json"] {
        assert_eq!(edge.send("GET", path, "", "").await.status, 200, "{path}");
    }
    let metrics = edge.send("GET", "/metrics", "", "").await;
    assert!(
        metrics
            .body
            .contains("tidegate_refused_total{why=\"admin_token\"} 19"),
        "{}",
        metrics.body
    );
    edge.stop().await;
}

#[tokio::test]
async fn the_figures_are_the_lines_own() {
    let edge = Edge::start().await;
    edge.visit(1).await;
    edge.visit(2).await;
    edge.wait_in_line(3).await;
    let room = edge.until(|room| room["waiting"] == 1).await;
    let some = json!({
        "id": "drop", "status": "open", "store_up": true, "mode": "auto", "active_max": 2, "admit_per_min": 6_000,
        "notice": "Soon", "paused": false, "draining": false, "settings_version": 1, "waiting": 1, "ready": 0,
        "active": 2, "reserve": 0, "issued": 3, "admitted": 2, "held": 1, "stock": null, "visit_ttl_s": 300,
        "visit_max_s": 1_800, "away_after_s": 30, "on_turn": "enter", "on_store_loss": "hold",
    });
    for (key, value) in some.as_object().unwrap() {
        assert_eq!(room[key], *value, "{key}");
    }
    let all = edge.get("/api/v1/rooms").await;
    assert_eq!(all.header("cache-control"), Some("no-store"));
    let all = all.json();
    assert_eq!(all["rooms"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&all["sockets"], &all["rooms"][0]["id"]),
        (&json!(0), &json!("drop"))
    );
    assert_eq!(
        edge.get("/api/v1/rooms/none").await.problem(),
        (404, "no-such-room".to_owned())
    );
    let metrics = edge.send("GET", "/metrics", "", "").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4"));
    for series in [
        "room_active{room=\"drop\"} 2",
        "room_waiting{room=\"drop\"} 1",
        "room_active_max{room=\"drop\"} 2",
    ] {
        assert!(
            metrics.body.contains(&format!("tidegate_{series}\n")),
            "{series}: {}",
            metrics.body
        );
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_limit_that_is_changed_is_in_force_with_the_answer() {
    let edge = Edge::start().await;
    edge.visit(1).await;
    edge.visit(2).await;
    let asked = r#"{"mode":"on","active_max":5,"admit_per_min":1200,"notice":"Two more gates are open"}"#;
    let room = edge.call("PATCH", ROOM, asked).await.json();
    let is = |room: &Value| {
        assert_eq!(
            (&room["mode"], &room["active_max"], &room["admit_per_min"]),
            (&json!("on"), &json!(5), &json!(1200))
        );
        assert_eq!(
            (&room["notice"], &room["settings_version"]),
            (&json!("Two more gates are open"), &json!(2))
        );
    };
    is(&room);
    is(&edge.get(ROOM).await.json());
    // The line itself has it: under the old limit a fourth and fifth visit would not be given.
    assert_eq!(
        edge.call("PATCH", ROOM, r#"{"mode":"auto","notice":null}"#)
            .await
            .json()["notice"],
        Value::Null
    );
    for visitor in 3..=5 {
        edge.visit(visitor).await;
    }
    edge.wait_in_line(6).await;
    edge.until(|room| room["active"] == 5 && room["waiting"] == 1)
        .await;
    // What changes nothing is no change.
    assert_eq!(edge.call("PATCH", ROOM, "{}").await.json()["settings_version"], 3);
    edge.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_fit_changes_nothing() {
    let edge = Edge::start().await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let answer = edge
        .call("PATCH", ROOM, r#"{"active_max":0,"mode":"on","burst":3}"#)
        .await;
    assert_eq!(answer.problem(), (422, "unfit-values".to_owned()));
    let keys: Vec<Value> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["key"].clone())
        .collect();
    assert_eq!(keys, ["active_max", "burst"]);
    assert_eq!(
        edge.call("PATCH", ROOM, "{\"mode\":").await.problem(),
        (400, "bad-body".to_owned())
    );
    assert_eq!(
        edge.call("PATCH", ROOM, "").await.problem(),
        (415, "unsupported-media-type".to_owned())
    );
    let form = edge
        .send(
            "PATCH",
            ROOM,
            &format!("{bearer}Content-Type: text/plain\r\n"),
            "{}",
        )
        .await;
    assert_eq!(form.status, 415);
    let large = format!("{{\"notice\":\"{}\"}}", "x".repeat(16 * 1024));
    assert_eq!(
        edge.call("PATCH", ROOM, &large).await.problem(),
        (413, "body-too-large".to_owned())
    );
    let room = edge.get(ROOM).await.json();
    assert_eq!(
        (&room["settings_version"], &room["mode"]),
        (&json!(1), &json!("auto"))
    );
    edge.stop().await;
}

#[tokio::test]
async fn a_room_pauses_drains_closes_and_comes_back() {
    let edge = Edge::start().await;
    let post = async |action: &str| edge.call("POST", &format!("{ROOM}/{action}"), "").await.json();
    let paused = post("pause").await;
    assert_eq!(
        (&paused["status"], &paused["paused"]),
        (&json!("paused"), &json!(true))
    );
    assert_eq!(post("drain").await["draining"], true);
    let resumed = post("resume").await;
    assert_eq!(
        (&resumed["status"], &resumed["paused"], &resumed["draining"]),
        (&json!("open"), &json!(false), &json!(false))
    );
    assert_eq!(post("drain").await["status"], "draining");
    post("resume").await;

    edge.visit(1).await;
    let closed = post("close").await;
    assert_eq!(
        (&closed["status"], &closed["active"], &closed["issued"]),
        (&json!("closed"), &json!(0), &json!(0))
    );
    assert!(closed["round"].as_u64() > resumed["round"].as_u64());
    assert_eq!(
        post("close").await["round"],
        closed["round"],
        "closing twice ends one round"
    );
    let open = post("resume").await;
    assert_eq!(
        (&open["status"], &open["round"]),
        (&json!("open"), &closed["round"])
    );
    edge.visit(2).await;
    edge.stop().await;
}

#[tokio::test]
async fn visits_are_listed_and_ended() {
    let edge = Edge::start().await;
    let first = edge.visit(0xabcd_ef01_u128 << 96).await;
    let second = edge.visit(2).await;
    let listed = edge.get("/api/v1/rooms/drop/visits").await;
    assert!(
        listed.body.contains("\"visitor\":\"abcdef01\""),
        "{}",
        listed.body
    );
    let visits = listed.json()["visits"].clone();
    assert_eq!(visits.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&visits[0]["id"], &visits[1]["id"]),
        (&json!(first.to_string()), &json!(second.to_string()))
    );
    assert_eq!(visits[0]["stage"], "entered");
    let (expires, ends) = (
        visits[0]["expires_in_s"].as_u64().unwrap(),
        visits[0]["ends_in_s"].as_u64().unwrap(),
    );
    assert!(
        expires <= 300 && (1_700..=1_800).contains(&ends),
        "{expires} {ends}"
    );
    edge.until(|room| room["active"] == 2).await;
    let one = edge.get("/api/v1/rooms/drop/visits?limit=1").await.json();
    assert_eq!(
        (one["visits"].as_array().map(Vec::len), &one["active"]),
        (Some(1), &json!(2))
    );
    assert_eq!(
        edge.get("/api/v1/rooms/drop/visits?limit=0").await.problem().0,
        422
    );

    let path = format!("/api/v1/rooms/drop/visits/{first}");
    let ended = edge.call("DELETE", &path, "").await;
    assert_eq!((ended.status, ended.body.as_str()), (204, ""));
    edge.until(|room| room["active"] == 1).await;
    assert_eq!(
        edge.call("DELETE", &path, "").await.problem(),
        (404, "no-such-visit".to_owned())
    );
    let odd = edge.call("DELETE", "/api/v1/rooms/drop/visits/odd", "").await;
    assert_eq!(odd.problem(), (404, "no-such-visit".to_owned()));
    edge.stop().await;
}

#[tokio::test]
async fn a_stream_tells_the_figures_until_the_edge_stops() {
    let edge = Edge::start().await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let mut stream = edge.open("GET", "/api/v1/rooms/drop/stream", &bearer, "").await;
    let first = read_until(&mut stream, |text| text.contains("\"active_max\":2")).await;
    assert!(
        first.starts_with("HTTP/1.1 200") && first.contains("content-type: text/event-stream"),
        "{first}"
    );
    assert!(
        first.contains("event: room\n") && first.contains("retry: 2000\n"),
        "{first}"
    );
    edge.call("PATCH", ROOM, r#"{"active_max":77}"#).await;
    read_until(&mut stream, |text| text.contains("\"active_max\":77")).await;
    edge.stop().await;
    let rest = read_until(&mut stream, |_| false).await;
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ends whole: {rest}");
}

#[tokio::test]
async fn only_so_many_streams_are_held() {
    let edge = Edge::start().await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let mut held = Vec::new();
    for _ in 0..crate::admin::STREAMS_MAX {
        let mut stream = edge.open("GET", "/api/v1/rooms/drop/stream", &bearer, "").await;
        read_until(&mut stream, |text| text.contains("event: room")).await;
        held.push(stream);
    }
    assert_eq!(
        edge.get("/api/v1/rooms/drop/stream").await.problem(),
        (503, "too-many-streams".to_owned())
    );
    held.pop();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut again = edge.open("GET", "/api/v1/rooms/drop/stream", &bearer, "").await;
        if read_until(&mut again, |text| text.contains("\r\n\r\n"))
            .await
            .starts_with("HTTP/1.1 200")
        {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "a stream that was closed is never free again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(held);
    edge.stop().await;
}

#[tokio::test]
async fn probes_say_what_the_edge_says() {
    let edge = Edge::start().await;
    assert_eq!(edge.send("GET", "/ready", "", "").await.body, "ready\n");
    edge.ready.store(false, std::sync::atomic::Ordering::Relaxed);
    let not = edge.send("GET", "/ready", "", "").await;
    assert_eq!(
        (not.status, not.body.contains("starting or shutting down")),
        (503, true)
    );
    assert_eq!(edge.send("GET", "/live", "", "").await.status, 200);
    edge.metrics.socket_opened();
    assert!(
        edge.send("GET", "/metrics", "", "")
            .await
            .body
            .contains("tidegate_sockets 1\n")
    );
    assert_eq!(
        edge.get("/nothing").await.problem(),
        (404, "not-found".to_owned())
    );
    let wrong = edge.call("POST", "/live", "").await;
    assert_eq!(wrong.problem(), (405, "method-not-allowed".to_owned()));
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
    edge.stop().await;
}
