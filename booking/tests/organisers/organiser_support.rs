//! A booking service on either engine, people with roles, and what they send.

#![allow(dead_code, clippy::unwrap_used)]

use hyper::Method;
use serde_json::{Value, json};
use tidegate_booking::domain::Role;
use tidegate_booking::store::Engine;
use tidegate_config::Booking;

use crate::support::databases::TestDatabase;
use crate::support::{Answer, PASSWORD, Running, config};

/// Text that means something to HTML and to SQL.
pub const SHARP: &str = "<b onclick=\"x\">&amp; 'quoted'</b>'; drop table event; --";

pub struct Shop {
    pub running: Running,
    pub config: Booking,
    pub database: TestDatabase,
}

impl Shop {
    pub async fn on(engine: Engine) -> Self {
        let database = TestDatabase::on(engine).await;
        let mut config = config();
        config.database = database.database.clone();
        let running = Running::with(&config).await;
        Self {
            running,
            config,
            database,
        }
    }

    /// Somebody new with a role, by name and login cookie. The role comes from the operator's command.
    pub async fn somebody(&self, role: Role) -> (String, String) {
        let name = format!("{}-{:08x}", role.as_str(), rand::random::<u32>());
        let body = json!({"username": name, "password": PASSWORD});
        let signed_up = self.call(Method::POST, "/signup", "", &body).await;
        assert_eq!(signed_up.status, 201, "{signed_up:?}");
        let folder = self.database.folder.path();
        let given = tidegate_booking::grant(&self.config, folder, &name.parse().unwrap(), role).await;
        assert_eq!(given.unwrap(), name);
        (name, signed_up.cookie())
    }

    pub async fn organiser(&self) -> String {
        self.somebody(Role::Organiser).await.1
    }

    /// Sends JSON; an empty cookie sends none.
    pub async fn call(&self, method: Method, path: &str, cookie: &str, body: &Value) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        if !cookie.is_empty() {
            headers.push(("cookie", cookie));
        }
        self.running.send(method, path, &headers, &body.to_string()).await
    }

    pub async fn post(&self, path: &str, cookie: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, cookie, body).await
    }

    pub async fn patch(&self, path: &str, cookie: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, cookie, body).await
    }

    /// Makes a venue and gives its number.
    pub async fn venue(&self, cookie: &str) -> i64 {
        let made = self.post("/venues", cookie, &venue()).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_i64().unwrap()
    }

    /// Makes an event at a venue, as [`event`] has it.
    pub async fn event(&self, cookie: &str, venue: i64) -> Value {
        let made = self.post("/events", cookie, &event(venue)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    }

    /// Where the change feed ends.
    pub async fn version(&self) -> i64 {
        let mut after = 0;
        loop {
            let page = self
                .running
                .get(&format!("/changes?after={after}&limit=200"))
                .await
                .json();
            after = page["next_after"].as_i64().unwrap();
            if page["more"] == false {
                return after;
            }
        }
    }
}

/// A venue with two rows and a floor, in two levels.
pub fn venue() -> Value {
    json!({
        "name": "Bell Hall", "city": "Chico", "country": "United States",
        "time_zone": "America/Los_Angeles", "currency": "USD",
        "sections": [
            {"name": "Stalls", "level": 1, "rows": [
                {"label": "A", "seats": 4, "accessible": [1]}, {"label": "B", "seats": 6, "x": -300, "y": 250}]},
            {"name": "Floor", "level": 2, "label": "GA", "capacity": 50},
        ],
    })
}

/// An event for such a venue, with one showtime next year.
pub fn event(venue: impl Into<Value>) -> Value {
    json!({
        "venue": venue.into(), "category": "concert", "title": "The Lighthouse Quartet",
        "credit": "Late works", "description": "Strings by the sea.",
        "prices": [{"level": 1, "amount": 4500}, {"level": 2, "amount": 2000}],
        "showtimes": [{"starts_at": next_year("06-01T20:00")}],
    })
}

/// A local time of next year, so that no test grows old.
pub fn next_year(month_day_time: &str) -> String {
    let year = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year();
    format!("{}-{month_day_time}", year + 1)
}
