//! Against real servers, each started for one test and killed with it.

mod cluster;
mod conformance;
mod keys;
mod links;
mod script_mutants;
mod sentinels;
mod server;
mod tls;
mod unfit;

use std::time::{Duration, Instant};

use tidegate_config::RedisStore;

use super::link::Link;

fn store(url: &str) -> RedisStore {
    RedisStore {
        url: url.parse().expect("a URL"),
        tls_ca: None,
        max_replica_lag: Duration::from_secs(10),
    }
}

/// A link to a server that has just started, and may not take connections yet.
async fn link(url: &str) -> Link {
    within("a link", Duration::from_secs(5), || async {
        Link::connect(&store(url)).await.ok()
    })
    .await
}

/// Asks until there is an answer, for as long as is allowed.
async fn within<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
