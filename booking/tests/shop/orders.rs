//! From held seats to tickets in the hand and back to money, through the real service with its sandbox, on both engines.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use sqlx::Row;
use tidegate_config::Booking;

use crate::support::buyer::{ASKS, Buyer, CAPTURE_FAILS, DECLINES, PAYS};
use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Running, config};

const SHOWTIME: i64 = 1;

/// A service on a database of its own.
async fn shop(on: &TestDatabase, change: impl FnOnce(&mut Booking)) -> Running {
    let mut config = config();
    config.database = on.database.clone();
    change(&mut config);
    Running::with(&config).await
}

async fn sql(on: &TestDatabase, statement: &str) {
    let mut raw = on.raw().await;
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut raw)
        .await
        .unwrap();
}

async fn number(on: &TestDatabase, query: &str) -> i64 {
    let mut raw = on.raw().await;
    let row = sqlx::query(sqlx::AssertSqlSafe(query.to_owned()))
        .fetch_one(&mut raw)
        .await
        .unwrap();
    row.get(0)
}

/// Whether somebody new can hold a seat; they do.
async fn is_free(shop: &Running, seat: &str) -> bool {
    let wish = json!({"showtime": SHOWTIME, "seats": [seat]});
    let asked = Buyer::new(shop).await.post("/reserve", &wish).await;
    if asked.status != 201 {
        asked.is_problem(409, "seats-taken");
    }
    asked.status == 201
}

fn seats_of(order: &Value) -> Vec<&str> {
    let seats = order["seats"].as_array().unwrap();
    seats.iter().map(|line| line["seat"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn held_seats_become_tickets_with_a_mail_and_let_one_in_once() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        let fan = Buyer::new(&shop).await;
        let order = fan.order(SHOWTIME, &["A-1", "A-2"]).await;
        assert_eq!(
            (&order["state"], &order["status"]),
            (&json!("paying"), &json!("payable"))
        );
        assert!(order["seconds_left"].as_i64().unwrap() > 590, "{order}");
        assert_eq!(seats_of(&order), ["A-1", "A-2"]);
        let paid = fan.pay(&order, PAYS).await;
        assert_eq!(paid.status, 303, "{paid:?}");
        let back = format!("/orders/{}?returned=1", order["id"].as_str().unwrap());
        assert!(paid.header("location").unwrap().contains(&back), "{paid:?}");
        let done = fan.until(&order, &["issued"]).await;
        assert_eq!(done["tickets"].as_array().unwrap().len(), 2, "{done}");
        assert!(!is_free(&shop, "A-1").await);

        let shown = fan.get(&back).await;
        assert_eq!(shown.header("tidegate-command"), Some("release"), "{shown:?}");

        let ticket = &done["tickets"][0];
        let code = fan.code(ticket).await;
        let staff = Buyer::new(&shop).await;
        let refused = staff.post("/checkin", &json!({"code": code})).await;
        refused.is_problem(403, "role-needed");
        sql(&on, "update account set role = 'staff'").await;
        let elsewhere = staff
            .post("/checkin", &json!({"code": code, "showtime": "2"}))
            .await;
        elsewhere.is_problem(409, "other-showtime");
        let forged = staff.post("/checkin", &json!({"code": format!("{code}A")})).await;
        forged.is_problem(422, "bad-ticket");
        let welcome = staff
            .post("/checkin", &json!({"code": code, "showtime": "1"}))
            .await;
        assert_eq!(welcome.status, 200, "{welcome:?}");
        let again = staff.post("/checkin", &json!({"code": code})).await;
        again.is_problem(409, "ticket-used");

        let folder = shop.folder.path().join("mail");
        let mails: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
        assert_eq!(mails.len(), 1, "{mails:?}");
        let mail = std::fs::read_to_string(mails[0].path()).unwrap();
        assert!(
            mail.contains("ada@example.com") && mail.contains("application/pdf"),
            "{mail}"
        );
        assert_eq!(
            number(&on, "select count(*) from ticket where dead_at is null").await,
            2
        );
    }
}

#[tokio::test]
async fn a_ticket_comes_as_page_picture_paper_and_date() {
    let shop = Running::new().await;
    let fan = Buyer::new(&shop).await;
    let done = fan.buy(SHOWTIME, &["B-3"]).await;
    let url = done["tickets"][0]["url"].as_str().unwrap();
    for (path, kind, begins) in [
        (url.to_owned(), "text/html; charset=utf-8", "<!doctype html>"),
        (format!("{url}/code.svg"), "image/svg+xml", "<svg"),
        (
            format!("{url}/calendar.ics"),
            "text/calendar; charset=utf-8",
            "BEGIN:VCALENDAR",
        ),
    ] {
        let got = fan.page(&path).await;
        assert_eq!(
            (got.status.as_u16(), got.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(got.text.starts_with(begins), "{path}: {}", got.text);
        // Nobody else's business.
        let other = Buyer::new(&shop).await;
        other.get(&path).await.is_problem(404, "not-found");
    }
    let order = done["url"].as_str().unwrap();
    for path in ["/orders", "/tickets", "/account", order] {
        let page = fan.page(path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
    }
    Buyer::new(&shop)
        .await
        .get(order)
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn after_a_decline_another_card_pays_and_a_step_at_the_bank_too() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        let fan = Buyer::new(&shop).await;
        let order = fan.order(SHOWTIME, &["A-1"]).await;
        let declined = fan.pay(&order, DECLINES).await;
        assert!(declined.text.contains("another card"), "{declined:?}");
        let at = format!("/orders/{}?returned=1", order["id"].as_str().unwrap());
        let now = fan.get(&at).await.json();
        assert_eq!(
            (&now["state"], &now["status"]),
            (&json!("paying"), &json!("try_another_card"))
        );
        fan.pay(&now, ASKS).await;
        fan.step(&now, "approve").await;
        fan.until(&order, &["issued"]).await;
    }
}

#[tokio::test]
async fn what_is_not_paid_in_time_is_free_again_and_nothing_stays_authorised() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |config| config.pay_within = Duration::from_secs(2)).await;
        let (fan, other) = (Buyer::new(&shop).await, Buyer::new(&shop).await);
        let order = fan.order(SHOWTIME, &["A-1"]).await;
        let taken = other
            .post("/reserve", &json!({"showtime": SHOWTIME, "seats": ["A-1"]}))
            .await;
        taken.is_problem(409, "seats-taken");
        let over = fan.until(&order, &["expired"]).await;
        assert_eq!(over["status"], "expired");
        other.buy(SHOWTIME, &["A-1"]).await;
        let late = fan.pay(&order, PAYS).await;
        assert!(!late.status.is_server_error());
        assert_eq!(fan.until(&order, &["expired"]).await["tickets"], json!([]));
    }
}

#[tokio::test]
async fn a_capture_that_fails_gives_the_seats_back() {
    let shop = Running::new().await;
    let fan = Buyer::new(&shop).await;
    let order = fan.order(SHOWTIME, &["A-1"]).await;
    fan.pay(&order, CAPTURE_FAILS).await;
    let failed = fan.until(&order, &["failed"]).await;
    assert_eq!(failed["status"], "declined");
    assert!(is_free(&shop, "A-1").await);
}

#[tokio::test]
async fn a_double_click_makes_one_order_and_a_key_repeats_one_answer() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        let fan = Buyer::new(&shop).await;
        let hold = fan.hold(SHOWTIME, &["A-1"]).await;
        let body = json!({"hold": hold, "email": "ada@example.com"});
        let (one, two) = tokio::join!(fan.post("/book", &body), fan.post("/book", &body));
        assert_eq!(one.json()["id"], two.json()["id"], "{one:?} {two:?}");
        assert_eq!(number(&on, "select count(*) from orders").await, 1);

        let key = ("idempotency-key", "k-1");
        let body = json!({"showtime": SHOWTIME, "seats": ["B-1"]});
        let first = fan.post_with("/reserve", &body, &[key]).await;
        let again = fan.post_with("/reserve", &body, &[key]).await;
        assert_eq!((first.status, &first.text), (again.status, &again.text));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let otherwise = json!({"showtime": SHOWTIME, "seats": ["B-2"]});
        let refused = fan.post_with("/reserve", &otherwise, &[key]).await;
        refused.is_problem(422, "idempotency-key-reused");

        // Another fan's key of the same name is another key.
        let other = Buyer::new(&shop).await;
        let theirs = other.post_with("/reserve", &otherwise, &[key]).await;
        assert_eq!(theirs.status, 201, "{theirs:?}");
    }
}

#[tokio::test]
async fn tickets_given_back_are_void_and_the_money_returns() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        let fan = Buyer::new(&shop).await;
        let done = fan.buy(SHOWTIME, &["A-1", "A-2"]).await;
        let code = fan.code(&done["tickets"][0]).await;
        let cancel = format!("{}/cancel", done["url"].as_str().unwrap());
        let asked = fan.post(&cancel, &json!({})).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let back = fan.until(&done, &["refunded"]).await;
        assert_eq!(back["refunded"], done["total"]);
        assert!(is_free(&shop, "A-1").await);
        sql(&on, "update account set role = 'staff'").await;
        fan.post("/checkin", &json!({"code": code}))
            .await
            .is_problem(409, "ticket-void");
        // A second time changes nothing.
        let again = fan.post(&cancel, &json!({})).await;
        assert_eq!(again.json()["refunded"], done["total"], "{again:?}");
    }
}

#[tokio::test]
async fn a_ticket_passed_on_has_a_new_code_and_the_old_one_is_dead_at_once() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        let (fan, friend) = (Buyer::new(&shop).await, Buyer::new(&shop).await);
        let name = friend.get("/account").await.json()["username"].clone();
        let done = fan.buy(SHOWTIME, &["A-1"]).await;
        let ticket = &done["tickets"][0];
        let old = fan.code(ticket).await;
        let transfer = format!("{}/transfer", ticket["url"].as_str().unwrap());
        let nobody = fan.post(&transfer, &json!({"username": "nobody-at-all"})).await;
        nobody.is_problem(422, "bad-field");
        let passed = fan.post(&transfer, &json!({"username": name})).await;
        assert_eq!(passed.status, 200, "{passed:?}");
        fan.get(ticket["url"].as_str().unwrap())
            .await
            .is_problem(404, "not-found");
        let order = format!("/orders/{}", done["id"].as_str().unwrap());
        let told = fan.get(&order).await.json();
        assert!(told["message"].as_str().unwrap().contains("passed"), "{told}");
        let (status, url) = (&told["tickets"][0]["status"], &told["tickets"][0]["url"]);
        assert_eq!((status, url), (&json!("passed_on"), &Value::Null));
        for page in [order.as_str(), "/orders"] {
            let shown = fan.page(page).await.text;
            assert!(
                shown.contains("passed") && !shown.contains("Here are your tickets"),
                "{shown}"
            );
        }
        let new = friend.code(ticket).await;
        sql(&on, "update account set role = 'staff'").await;
        let refused = fan.post("/checkin", &json!({"code": old})).await;
        refused.is_problem(409, "ticket-superseded");
        assert_eq!(fan.post("/checkin", &json!({"code": new})).await.status, 200);
    }
}

#[tokio::test]
async fn an_event_called_off_pays_everybody_back() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        let (one, two) = (Buyer::new(&shop).await, Buyer::new(&shop).await);
        let (paid, open) = (
            one.buy(SHOWTIME, &["A-1"]).await,
            two.order(SHOWTIME, &["A-2"]).await,
        );
        sql(&on, "update showtime set cancelled_at = 1 where id = 1").await;
        let paid = one.until(&paid, &["refunded"]).await;
        assert_eq!(paid["refunded"], paid["total"]);
        let open = two.until(&open, &["cancelled"]).await;
        assert_eq!(open["status"], "event_cancelled");
        let another = two
            .post("/reserve", &json!({"showtime": SHOWTIME, "seats": ["B-1"]}))
            .await;
        another.is_problem(409, "cancelled");
    }
}

#[tokio::test]
async fn what_costs_nothing_is_issued_at_once() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let shop = shop(&on, |_| {}).await;
        sql(&on, "update price set amount = 0").await;
        let fan = Buyer::new(&shop).await;
        let order = fan.order(SHOWTIME, &["A-1"]).await;
        let done = fan.until(&order, &["issued"]).await;
        assert_eq!(done["tickets"].as_array().unwrap().len(), 1, "{done}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let shop = Running::new().await;
    let (fan, other) = (Buyer::new(&shop).await, Buyer::new(&shop).await);
    let hold = fan.hold(SHOWTIME, &["A-1"]).await;
    let theirs = other
        .post("/book", &json!({"hold": hold, "email": "b@example.com"}))
        .await;
    theirs.is_problem(404, "no-hold");
    let no_mail = fan.post("/book", &json!({"hold": hold})).await;
    assert_eq!(no_mail.is_problem(422, "bad-field")["field"], "email");
    let priced = json!({"hold": hold, "email": "a@example.com", "amount": "1"});
    fan.post("/book", &priced).await.is_problem(422, "bad-field");
    let odd = json!({"hold": "x", "email": "a@example.com"});
    fan.post("/book", &odd).await.is_problem(422, "bad-field");
    let unknown = json!({"hold": "0".repeat(32), "email": "a@example.com"});
    fan.post("/book", &unknown).await.is_problem(404, "no-hold");
    let nobody = shop
        .send(
            Method::POST,
            "/book",
            &[("content-type", "application/json")],
            &json!({"hold": hold}).to_string(),
        )
        .await;
    nobody.is_problem(401, "login-needed");
    let unsigned = shop
        .send(
            Method::POST,
            "/payments/webhook",
            &[("stripe-signature", "t=1,v1=00")],
            "{}",
        )
        .await;
    unsigned.is_problem(400, "bad-request");
    for path in ["/orders/x", "/tickets/x", &format!("/orders/{}", "0".repeat(32))] {
        let answer = fan.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {answer:?}");
    }
    fan.book(&hold).await;
}

#[tokio::test]
async fn two_pages_for_a_hold_without_scripts_lead_to_the_order() {
    let shop = Running::new().await;
    let fan = Buyer::new(&shop).await;
    let hold = fan.hold(SHOWTIME, &["A-1"]).await;
    let page = fan.page(&format!("/checkout/{hold}")).await;
    assert!(
        page.text.contains("action=\"/book\"") && page.text.contains(&hold),
        "{page:?}"
    );
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("cookie", fan.cookie.as_str()),
    ];
    let body = format!("hold={hold}&email=ada%40example.com");
    let booked = shop.send(Method::POST, "/book", &form, &body).await;
    assert_eq!(booked.status, 303, "{booked:?}");
    let order = fan.page(booked.header("location").unwrap()).await;
    assert!(order.text.contains("href=\"/pay/"), "{order:?}");
}
