//! A fan who wants seats and does not give up: every call may be cut off, and is made again.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::eventually;
use crate::http::{Response, Sent, try_send};

pub const PAYS: &str = "4242424242424242";

/// What a patient fan waits for a service that was killed: its lease on the order, and the first tries after it.
pub const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone)]
pub struct Fan {
    pub at: String,
    cookie: String,
}

impl Fan {
    /// Signs up.
    pub fn new(at: &str) -> Self {
        let name = format!("fan-{:016x}", rand::random::<u64>());
        let body = json!({"username": name, "password": "correct horse battery"});
        let signed_up = eventually("somebody can sign up", PATIENCE, || {
            let answer = try_send(at, &Sent::new("POST", "/signup").json(&body)).ok()?;
            (answer.status < 500).then_some(answer)
        });
        assert_eq!(signed_up.status, 201, "{}", signed_up.text());
        let (name, value) = signed_up.cookies().into_iter().next().unwrap();
        Self {
            at: at.to_owned(),
            cookie: format!("{name}={value}"),
        }
    }

    pub fn send(&self, sent: Sent) -> io::Result<Response> {
        try_send(&self.at, &sent.header("Cookie", self.cookie.clone()))
    }

    pub fn get(&self, path: &str) -> io::Result<Response> {
        self.send(Sent::new("GET", path).header("Accept", "application/json"))
    }

    pub fn post(&self, path: &str, body: &Value) -> io::Result<Response> {
        self.send(Sent::new("POST", path).json(body))
    }

    pub fn reserve(&self, showtime: i64, seats: &[&str]) -> io::Result<Response> {
        self.post("/reserve", &json!({"showtime": showtime, "seats": seats}))
    }

    pub fn book(&self, hold: &str) -> io::Result<Response> {
        self.post("/book", &json!({"hold": hold, "email": "ada@example.com"}))
    }

    /// The hold's id, asked for until there is an answer.
    pub fn hold(&self, showtime: i64, seats: &[&str]) -> Result<String, Value> {
        let answer = eventually("seats can be asked for", PATIENCE, || {
            let answer = self.reserve(showtime, seats).ok()?;
            (answer.status < 500).then_some(answer)
        });
        match answer.status {
            201 => Ok(answer.json()["id"].as_str().unwrap().to_owned()),
            _ => Err(answer.json()),
        }
    }

    /// The order of a hold, asked for until there is an answer.
    pub fn order(&self, hold: &str) -> Result<Value, Value> {
        let answer = eventually("an order can be made", PATIENCE, || {
            let answer = self.book(hold).ok()?;
            (answer.status < 500).then_some(answer)
        });
        match answer.status {
            200 | 201 => Ok(answer.json()),
            _ => Err(answer.json()),
        }
    }

    /// The order as it is.
    pub fn look(&self, order: &Value) -> Option<Value> {
        let path = format!("/orders/{}?returned=1", order["id"].as_str().unwrap());
        let answer = self.get(&path).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// Types a card's number on the provider's page, once there is one.
    pub fn pay(&self, pages: &str, order: &Value, card: &str) {
        let url = eventually("there is somewhere to pay", PATIENCE, || {
            let order = self.look(order)?;
            assert_ne!(order["state"], "failed", "{order}");
            order["payment"]["url"].as_str().map(str::to_owned)
        });
        let path = &url[url.find("/pay/").unwrap()..];
        let paid = try_send(pages, &Sent::new("POST", path).form(&format!("number={card}")));
        assert!(paid.unwrap().status < 400);
    }

    /// The order, once it is in one of these states.
    pub fn until(&self, order: &Value, states: &[&str], within: Duration) -> Value {
        let deadline = Instant::now() + within;
        let mut last = Value::Null;
        loop {
            if let Some(order) = self.look(order) {
                if states.iter().any(|state| order["state"] == **state) {
                    return order;
                }
                last = order;
            }
            assert!(
                Instant::now() < deadline,
                "not {states:?} within {within:?}: {last}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
