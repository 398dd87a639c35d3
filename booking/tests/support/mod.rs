//! A booking service of a test's own: own folder, own port, stopped when dropped; and a small client.

#![allow(dead_code, clippy::unwrap_used)]

pub mod buyer;
pub mod databases;
pub mod events;
pub mod hall;
pub mod house;
pub mod redis;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_booking::{RunError, Service};
use tidegate_config::{Booking, Database, LoginFor, Mail, Payments};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const PASSWORD: &str = "correct horse battery";

pub fn config() -> Booking {
    Booking {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: Database::Sqlite("booking.db".into()),
        hold_ttl: Duration::from_secs(480),
        pay_within: Duration::from_secs(600),
        max_seats_per_fan: 6,
        login: LoginFor::Writing,
        require_admission: false,
        jwks_url: None,
        public_url: "http://127.0.0.1:8080".to_owned(),
        payments: Payments::Sandbox { chaos: false },
        mail: Mail {
            smtp_url: None,
            from: "tickets@example.com".to_owned(),
        },
        redis: None,
    }
}

pub struct Running {
    pub address: SocketAddr,
    pub folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RunError>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Running {
    pub async fn new() -> Self {
        Self::with(&config()).await
    }

    pub async fn with(config: &Booking) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = tidegate_booking::start(config, folder.path()).await.unwrap();
        Self::run(service, folder)
    }

    pub fn run(service: Service, folder: TempDir) -> Self {
        let address = service.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(service.run(async {
            let _ = stopped.await;
        }));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            address,
            folder,
            stop: Some(stop),
            task,
            client,
        }
    }

    /// Asks it to stop and waits for the drain.
    pub async fn stop(mut self) -> (Result<(), RunError>, TempDir) {
        self.stop.take().map(|stop| stop.send(()));
        let ended = tokio::time::timeout(Duration::from_secs(20), &mut self.task)
            .await
            .unwrap()
            .unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (ended, folder)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "application/json")], "")
            .await
    }

    pub async fn page(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html,*/*;q=0.8")], "")
            .await
    }

    /// The login cookie of somebody new.
    pub async fn fan(&self) -> String {
        let name = format!("fan-{:016x}", rand::random::<u64>());
        let body = serde_json::json!({"username": name, "password": PASSWORD}).to_string();
        let json = ("content-type", "application/json");
        let signed_up = self.send(Method::POST, "/signup", &[json], &body).await;
        assert_eq!(signed_up.status, 201, "{signed_up:?}");
        signed_up.cookie()
    }

    /// Holds seats, for somebody new unless the headers have a cookie; the answer's cookie is the login's.
    pub async fn hold(&self, showtime: i64, seats: &[&str], headers: &[(&str, &str)]) -> Answer {
        let body = serde_json::json!({ "seats": seats }).to_string();
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let login = match headers.iter().find(|(name, _)| *name == "cookie") {
            Some((_, cookie)) => (*cookie).to_owned(),
            None => self.fan().await,
        };
        all.push(("cookie", &login));
        let path = format!("/showtimes/{showtime}/holds");
        let mut answer = self.send(Method::POST, &path, &all, &body).await;
        answer.login = Some(login);
        answer
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (status, headers, body) = self.exchange(method, path, headers, body).await;
        Answer {
            status,
            headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
            login: None,
        }
    }

    /// What comes for a `GET`, as it comes.
    pub async fn bytes(&self, path: &str, headers: &[(&str, &str)]) -> (HeaderMap, Bytes) {
        let (_, headers, body) = self.exchange(Method::GET, path, headers, "").await;
        (headers, body)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let within = Duration::from_secs(20);
        let answer = tokio::time::timeout(within, self.client.request(request))
            .await
            .unwrap()
            .unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, body)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// Of whoever asked, where that was somebody new.
    login: Option<String>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn is_problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(
            problem["type"],
            format!("urn:tidegate:problem:{kind}"),
            "{self:?}"
        );
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.len() > 10),
            "{self:?}"
        );
        problem
    }

    /// The cookie it sets, or the login's that it was asked with, as one sends it back.
    pub fn cookie(&self) -> String {
        if let Some(login) = &self.login {
            return login.clone();
        }
        let set = self
            .header("set-cookie")
            .unwrap_or_else(|| panic!("no cookie in {self:?}"));
        set.split(';').next().unwrap().to_owned()
    }
}
