//! A fan who buys: signs up, holds, books, pays on the sandbox's page, and looks at what comes of it.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use super::{Answer, Running};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PAGE: (&str, &str) = ("accept", "text/html");

/// The sandbox's cards.
pub const PAYS: &str = "4242424242424242";
pub const DECLINES: &str = "4000000000000002";
pub const ASKS: &str = "4000002500003155";
pub const CAPTURE_FAILS: &str = "4000000000000341";

pub struct Buyer<'a> {
    pub at: &'a Running,
    pub cookie: String,
}

impl<'a> Buyer<'a> {
    pub async fn new(at: &'a Running) -> Self {
        let cookie = at.fan().await;
        Self { at, cookie }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let headers = [("accept", "application/json"), ("cookie", self.cookie.as_str())];
        self.at.send(Method::GET, path, &headers, "").await
    }

    pub async fn page(&self, path: &str) -> Answer {
        let headers = [PAGE, ("cookie", self.cookie.as_str())];
        self.at.send(Method::GET, path, &headers, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    pub async fn post_with(&self, path: &str, body: &Value, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![JSON, ("cookie", self.cookie.as_str())];
        headers.extend_from_slice(more);
        self.at
            .send(Method::POST, path, &headers, &body.to_string())
            .await
    }

    /// The id of a hold on these seats.
    pub async fn hold(&self, showtime: i64, seats: &[&str]) -> String {
        let held = self
            .post("/reserve", &json!({"showtime": showtime, "seats": seats}))
            .await;
        assert_eq!(held.status, 201, "{held:?}");
        held.json()["id"].as_str().unwrap().to_owned()
    }

    pub async fn book(&self, hold: &str) -> Value {
        let booked = self
            .post("/book", &json!({"hold": hold, "email": "ada@example.com"}))
            .await;
        assert_eq!(booked.status, 201, "{booked:?}");
        booked.json()
    }

    /// Holds and books, up to the page on which to pay.
    pub async fn order(&self, showtime: i64, seats: &[&str]) -> Value {
        let hold = self.hold(showtime, seats).await;
        self.book(&hold).await
    }

    /// Types the card's number on the sandbox's page.
    pub async fn pay(&self, order: &Value, card: &str) -> Answer {
        let url = order["payment"]["url"]
            .as_str()
            .unwrap_or_else(|| panic!("nowhere to pay: {order}"));
        assert!(url.starts_with("/pay/"), "{url}");
        let body = format!("number={card}");
        self.at.send(Method::POST, url, &[FORM, PAGE], &body).await
    }

    /// Says yes or no at the bank.
    pub async fn step(&self, order: &Value, answer: &str) -> Answer {
        let url = format!("{}/step", order["payment"]["url"].as_str().unwrap());
        let body = format!("answer={answer}");
        self.at.send(Method::POST, &url, &[FORM, PAGE], &body).await
    }

    /// The order, once it is in one of these states.
    pub async fn until(&self, order: &Value, states: &[&str]) -> Value {
        self.until_within(order, states, Duration::from_secs(20)).await
    }

    pub async fn until_within(&self, order: &Value, states: &[&str], within: Duration) -> Value {
        let path = format!("/orders/{}", order["id"].as_str().unwrap());
        let began = Instant::now();
        loop {
            let now = self.get(&path).await;
            assert_eq!(now.status, 200, "{now:?}");
            let now = now.json();
            if states.iter().any(|state| now["state"] == **state) {
                return now;
            }
            assert!(
                began.elapsed() < within,
                "not {states:?} within {within:?}: {now}"
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// A ticket in the hand, for each seat.
    pub async fn buy(&self, showtime: i64, seats: &[&str]) -> Value {
        let order = self.order(showtime, seats).await;
        self.pay(&order, PAYS).await;
        self.until(&order, &["issued"]).await
    }

    /// What the QR code of a ticket says.
    pub async fn code(&self, ticket: &Value) -> String {
        let shown = self.get(ticket["url"].as_str().unwrap()).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        shown.json()["code"].as_str().unwrap().to_owned()
    }
}
