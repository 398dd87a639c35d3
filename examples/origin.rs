//! A site behind the edge that counts who is on it, and believes nobody but the edge's assertion.
//!
//! A visit is live from the first request that asserts it until this site released it, or until the expiry it last
//! asserted. That is never more than the edge thinks is live: the slot is still taken when this site stops counting it.
//! So whatever is counted above the limit was let in above the limit.
//!
//! | path | does |
//! |---|---|
//! | `/leave` | answers `Tidegate-Command: release`: the visit is over |
//! | `/_count` | the figures as JSON; ask this one directly, not through the edge |
//! | all others | a page |
//!
//! It decodes assertions and does not verify them: it listens on this machine alone, behind the edge under test.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Parser;
use serde_json::{Value, json};

/// A site that counts its visits.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one, printed on the first line of standard output
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Most live visits that the room in front was given
    #[arg(long, default_value_t = 500)]
    limit: usize,
}

/// Who is on the site.
#[derive(Default)]
struct Census {
    /// Live visits, each with the expiry asserted last, in Unix seconds.
    live: HashMap<String, u64>,
    /// Visits this site released. They stay over, whatever arrives late. Bounded by the length of one load test.
    released: HashSet<String>,
    /// Most live at once.
    most: usize,
    /// Different visits seen.
    seen: usize,
    /// Requests that came without an assertion that names a visit.
    unasserted: u64,
    /// Requests of visits that were over.
    late: u64,
}

impl Census {
    fn forget_expired(&mut self, now_s: u64) {
        self.live.retain(|_, expires_s| *expires_s > now_s);
    }

    fn saw(&mut self, visit: Visit, now_s: u64) {
        self.forget_expired(now_s);
        if self.released.contains(&visit.id) {
            self.late += 1;
            return;
        }
        if self.live.insert(visit.id, visit.expires_s).is_none() {
            self.seen += 1;
        }
        self.most = self.most.max(self.live.len());
    }

    fn released(&mut self, visit: Visit) {
        self.live.remove(&visit.id);
        self.released.insert(visit.id);
    }
}

/// What an assertion says.
struct Visit {
    id: String,
    expires_s: u64,
}

impl Visit {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let token = headers.get("tidegate-assertion")?.to_str().ok()?;
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let id = match claims.get("visit")? {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let expires_s = claims.get("exp")?.as_u64()?;
        Some(Self { id, expires_s })
    }
}

#[derive(Clone)]
struct Site {
    census: Arc<Mutex<Census>>,
    limit: usize,
}

impl Site {
    fn census(&self) -> MutexGuard<'_, Census> {
        // A count is whole between statements, so a panicked request left nothing half done.
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let site = Site {
        census: Arc::default(),
        limit: args.limit,
    };
    let router = Router::new()
        .route("/_count", axum::routing::get(count))
        .fallback(page)
        .with_state(site);
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, router).await.context("the listener failed")
}

async fn count(State(site): State<Site>) -> impl IntoResponse {
    let mut census = site.census();
    census.forget_expired(now_s());
    let figures = json!({
        "live": census.live.len(),
        "most": census.most,
        "limit": site.limit,
        "over": census.most.saturating_sub(site.limit),
        "seen": census.seen,
        "unasserted": census.unasserted,
        "late": census.late,
    });
    ([("content-type", "application/json")], figures.to_string())
}

async fn page(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> impl IntoResponse {
    let leaves = uri.path() == "/leave";
    let mut census = site.census();
    match Visit::of(&headers) {
        None => {
            census.unasserted += 1;
            return (StatusCode::FORBIDDEN, HeaderMap::new(), "only through the edge\n");
        }
        Some(visit) if leaves => census.released(visit),
        Some(visit) => census.saw(visit, now_s()),
    }
    let mut answer = HeaderMap::new();
    let mut say = |name, value| answer.insert(name, axum::http::HeaderValue::from_static(value));
    say("content-type", "text/plain");
    say("cache-control", "no-store");
    say("counting-origin", "1");
    if leaves {
        say("tidegate-command", "release");
    }
    (StatusCode::OK, answer, "you are in\n")
}

fn now_s() -> u64 {
    // Before 1970 nothing has expired.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
