//! What comes in is read as the description of the calls says, and what is wrong is told in the words of the call.

use hyper::Method;
use serde_json::json;

use crate::support::buyer::Buyer;
use crate::support::{Answer, Running};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_list_is_no_object_and_unknown_members_are_refused() {
    let shop = Running::new().await;
    let fan = Buyer::new(&shop).await;
    for path in [
        "/reserve",
        "/book",
        "/signup",
        "/login",
        "/password/forgot",
        "/checkin",
        "/showtimes/1/holds",
    ] {
        for body in [json!([]), json!(["x", "y"]), json!({"what": 1, "else": "x"})] {
            let answer = fan.post(path, &body).await;
            if path == "/checkin" {
                answer.is_problem(403, "role-needed");
                continue;
            }
            assert!(
                matches!(answer.status.as_u16(), 400 | 422),
                "{path} {body}: {answer:?}"
            );
            for word in ["sequence", "struct", "map", "expected", "i64"] {
                assert!(!answer.text.contains(word), "{path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_password_is_counted_in_characters() {
    let shop = Running::new().await;
    let sign_up = async |name: &str, password: &str| -> Answer {
        let body = json!({"username": name, "password": password}).to_string();
        shop.send(Method::POST, "/signup", &[JSON], &body).await
    };
    assert_eq!(
        sign_up("four", "ääää").await.is_problem(422, "bad-field")["field"],
        "password"
    );
    for (name, password) in [("eight", "ä".repeat(8)), ("many", "ä".repeat(256))] {
        assert_eq!(sign_up(name, &password).await.status, 201, "{name}");
    }
    let longer = "a".repeat(257);
    assert_eq!(
        sign_up("more", &longer).await.is_problem(422, "bad-field")["field"],
        "password"
    );
}

#[tokio::test]
async fn keys_are_visible_characters() {
    let shop = Running::new().await;
    let fan = Buyer::new(&shop).await;
    let wish = json!({"showtime": 1, "seats": ["A-1"]});
    for key in ["a b", "", &"k".repeat(256)] {
        let refused = fan
            .post_with("/reserve", &wish, &[("idempotency-key", key)])
            .await;
        refused.is_problem(400, "bad-request");
    }
    let taken = fan
        .post_with("/reserve", &wish, &[("idempotency-key", "!~")])
        .await;
    assert_eq!(taken.status, 201);
}

#[tokio::test]
async fn a_body_of_the_wrong_kind_or_size_is_told_so() {
    let shop = Running::new().await;
    let fan = Buyer::new(&shop).await;
    let headers = [FORM, ("cookie", fan.cookie.as_str())];
    let answer = shop.send(Method::POST, "/reserve", &headers, "seats=A-1").await;
    let problem = answer.is_problem(415, "unsupported-body");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("application/json") && !detail.contains("form"),
        "{detail}"
    );
    let notice = "x".repeat(300 * 1024);
    let answer = shop
        .send(Method::POST, "/payments/webhook", &[JSON], &notice)
        .await;
    answer.is_problem(413, "body-too-large");
}
