//! Holding and releasing over HTTP, as a program and as a browser without scripts.

use hyper::Method;
use serde_json::json;
use tidegate_booking::domain::Seat;

use crate::support::{Answer, Running};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BROWSER: (&str, &str) = ("accept", "text/html");

async fn release(running: &Running, path: &str, cookie: &str) -> Answer {
    running
        .send(Method::DELETE, path, &[("cookie", cookie)], "")
        .await
}

#[tokio::test]
async fn all_seats_are_held_or_none() {
    let running = Running::new().await;
    let first = running.hold(7, &["A-2", "a-1"], &[]).await;
    assert_eq!(first.status, 201, "{first:?}");
    let hold = first.json();
    assert_eq!(hold["seats"], json!(["A-1", "A-2"]));
    assert!(
        (470..=480).contains(&hold["seconds_left"].as_i64().unwrap()),
        "{hold}"
    );
    assert!(hold["token"].as_i64().unwrap() > 0);
    assert_eq!(first.header("location"), hold["url"].as_str());

    let second = running.hold(7, &["A-2", "A-3"], &[]).await;
    let problem = second.is_problem(409, "seats-taken");
    assert_eq!(problem["seats"], json!(["A-2"]));
    let third = running.hold(7, &["A-3"], &[]).await;
    assert_eq!(
        third.status, 201,
        "A-3 was not held by the refused request: {third:?}"
    );
    assert!(third.json()["token"].as_i64() > hold["token"].as_i64());
}

#[tokio::test]
async fn whose_seats_were_just_taken_is_offered_others_beside_them() {
    let running = Running::new().await;
    let (ann, bob) = (running.fan().await, running.fan().await);
    running.hold(7, &["A-4", "A-5"], &[("cookie", &ann)]).await;
    let refused = running.hold(7, &["A-5", "A-6"], &[("cookie", &bob)]).await;
    let problem = refused.is_problem(409, "seats-taken");
    assert_eq!(problem["seats"], json!(["A-5"]));
    let offered: Vec<Seat> = problem["alternative"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seat| seat.as_str().unwrap().parse().unwrap())
        .collect();
    let [one, other] = offered.as_slice() else {
        panic!("as many as were asked for: {problem}")
    };
    assert_eq!((&one.row, one.number + 1), (&other.row, other.number));
    assert!(
        "ABCD".contains(&one.row) && (2..=7).contains(&one.number),
        "near: {problem}"
    );

    // In a browser it is one tap.
    let page = [FORM, BROWSER, ("cookie", bob.as_str())];
    let holds = "/showtimes/7/holds";
    let shown = running
        .send(Method::POST, holds, &page, "seats=A-5&seats=A-6")
        .await;
    assert_eq!(shown.status, 409);
    let tap = format!("Hold {one}, {other} instead");
    assert!(shown.text.contains(&tap), "{}", shown.text);
    let body = format!("seats={one}&seats={other}");
    let tapped = running.send(Method::POST, holds, &page, &body).await;
    assert_eq!(tapped.status, 303, "{body}: {}", tapped.text);
}

#[tokio::test]
async fn a_hold_is_released_by_its_owner_only() {
    let running = Running::new().await;
    let (mine, other) = (
        running.hold(7, &["A-1"], &[]).await,
        running.hold(7, &["A-2"], &[]).await,
    );
    let path = mine.json()["url"].as_str().unwrap().to_owned();
    release(&running, &path, &other.cookie())
        .await
        .is_problem(404, "not-found");
    assert_eq!(running.get("/showtimes/7/seats").await.json()["stock"]["held"], 2);
    let freed = release(&running, &path, &mine.cookie()).await;
    assert_eq!(
        (freed.status.as_u16(), freed.json()["released"][0].as_str()),
        (200, Some("A-1"))
    );
    assert_eq!(
        freed.header("tidegate-command"),
        Some("release"),
        "the visit ends"
    );
    let late = release(&running, &path, &mine.cookie()).await;
    late.is_problem(404, "not-found");
    assert_eq!(late.header("tidegate-command"), None);
    let stays = release(&running, "/showtimes/7/holds/me?stay=true", &other.cookie()).await;
    assert_eq!(
        (stays.status.as_u16(), stays.header("tidegate-command")),
        (200, None)
    );
    assert_eq!(running.get("/showtimes/7/seats").await.json()["stock"]["held"], 0);
}

#[tokio::test]
async fn the_limit_counts_over_all_holds_of_an_event() {
    let running = Running::new().await;
    let first = running.hold(7, &["A-1", "A-2", "A-3", "A-4"], &[]).await;
    let cookie = first.cookie();
    let mine = [("cookie", cookie.as_str())];
    running
        .hold(7, &["B-1", "B-2", "B-3"], &mine)
        .await
        .is_problem(422, "too-many-seats");
    assert_eq!(running.hold(7, &["B-1", "B-2"], &mine).await.status, 201);
    running
        .hold(7, &["B-3"], &mine)
        .await
        .is_problem(422, "too-many-seats");
    running
        .hold(8, &["A-1"], &mine)
        .await
        .is_problem(422, "too-many-seats");
    // Asking again for one's own is no more than one has, and another event counts by itself.
    assert_eq!(running.hold(7, &["A-1"], &mine).await.status, 201);
    assert_eq!(running.hold(100, &["A-1"], &mine).await.status, 201);
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let running = Running::new().await;
    let json = ("content-type", "application/json");
    let cookie = running.fan().await;
    let fan = ("cookie", cookie.as_str());
    for (body, status, kind) in [
        ("", 400, "bad-request"),
        ("{", 400, "bad-request"),
        ("[]", 422, "bad-seats"),
        ("{\"seats\":\"A-1\"}", 422, "bad-seats"),
        ("{\"seats\":[1]}", 422, "bad-seats"),
        ("{\"seats\":[]}", 422, "bad-seats"),
        ("{\"seats\":[\"Z-99\"]}", 422, "bad-seats"),
        ("{\"seats\":[\"\u{0}\"]}", 400, "bad-request"),
        (
            "{\"seats\":[\"A-1\",\"A-2\",\"A-3\",\"A-4\",\"A-5\",\"A-6\",\"A-7\"]}",
            422,
            "too-many-seats",
        ),
    ] {
        running
            .send(Method::POST, "/showtimes/7/holds", &[json, fan], body)
            .await
            .is_problem(status, kind);
    }
    let many = format!("{{\"seats\":[{}\"A-1\"]}}", "\"A-1\",".repeat(1500));
    running
        .send(Method::POST, "/showtimes/7/holds", &[json, fan], &many)
        .await
        .is_problem(422, "bad-seats");
    let huge = "x".repeat(17 * 1024);
    running
        .send(Method::POST, "/showtimes/7/holds", &[json, fan], &huge)
        .await
        .is_problem(413, "body-too-large");
    let text = ("content-type", "text/plain");
    running
        .send(Method::POST, "/showtimes/7/holds", &[text, fan], "A-1")
        .await
        .is_problem(415, "unsupported-body");
    running
        .hold(999_999, &["A-1"], &[])
        .await
        .is_problem(404, "not-found");
    let strange = [("cookie", "booking_user=visitor:root; x=;;=")];
    running
        .hold(7, &["A-1"], &strange)
        .await
        .is_problem(401, "login-needed");
    let foreign = running
        .hold(7, &["A-2"], &[("sec-fetch-site", "cross-site")])
        .await;
    foreign.is_problem(403, "cross-site");
    release(&running, "/showtimes/7/holds/xyz", &cookie)
        .await
        .is_problem(400, "bad-request");
}

#[tokio::test]
async fn a_browser_without_scripts_holds_and_leaves() {
    let running = Running::new().await;
    let page = running.page("/showtimes/7").await;
    assert!(
        page.text
            .contains("<input type=\"checkbox\" name=\"seats\" value=\"A-1\""),
        "{}",
        page.text
    );
    let posted = running
        .send(Method::POST, "/showtimes/7/holds", &[FORM, BROWSER], "seats=A-1")
        .await;
    assert_eq!(
        (posted.status.as_u16(), posted.header("location")),
        (303, Some("/login?return_to=%2Fshowtimes%2F7")),
        "the login comes first"
    );
    let (cookie, others) = (running.fan().await, running.fan().await);
    let (fan, other_fan) = (("cookie", cookie.as_str()), ("cookie", others.as_str()));
    let posted = running
        .send(
            Method::POST,
            "/showtimes/7/holds",
            &[FORM, BROWSER, fan],
            "seats=A-1&seats=A-2",
        )
        .await;
    assert_eq!(
        (posted.status.as_u16(), posted.header("location")),
        (303, Some("/showtimes/7"))
    );
    let mine = running
        .send(Method::GET, "/showtimes/7", &[BROWSER, ("cookie", &cookie)], "")
        .await;
    assert!(mine.text.contains("Seats A-1, A-2 are yours"), "{}", mine.text);
    assert!(mine.text.contains("Release my seats and leave"));

    let other = running
        .send(
            Method::POST,
            "/showtimes/7/holds",
            &[FORM, BROWSER, other_fan],
            "seats=A-2&seats=A-3",
        )
        .await;
    assert_eq!(other.status, 409);
    assert!(other.text.contains("Seat A-2 was just taken"), "{}", other.text);
    assert!(
        other.text.starts_with("<!doctype html>"),
        "and the seats as they are now"
    );
    let none = running
        .send(
            Method::POST,
            "/showtimes/7/holds",
            &[FORM, BROWSER, other_fan],
            "",
        )
        .await;
    assert!(none.status == 422 && none.text.contains("Choose at least one seat."));

    let leave = "/showtimes/7/holds/me/release";
    let headers = [FORM, BROWSER, ("cookie", cookie.as_str())];
    let changed = running
        .send(Method::POST, &format!("{leave}?stay=true"), &headers, "")
        .await;
    assert_eq!(
        (changed.status.as_u16(), changed.header("tidegate-command")),
        (303, None)
    );
    let bye = running.send(Method::POST, leave, &headers, "").await;
    assert_eq!(
        (bye.status.as_u16(), bye.header("tidegate-command")),
        (200, Some("release"))
    );
    assert!(bye.text.contains("Thank you for making room."));
}
