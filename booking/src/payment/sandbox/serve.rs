//! The life of a listener: takes connections until it is told to stop, then finishes the requests under way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; beyond, new ones wait in the backlog.
const CONNECTIONS_MAX: usize = 1024;

/// How long a client may take to send a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long requests under way may take to finish at shutdown.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait after the system refused a connection before asking again.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Serves until `shutdown`; says whether every request under way could be finished.
pub(super) async fn serve(listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) -> bool {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            // Never closed, so the only error cannot happen; without a permit the connection is dropped at once.
            let permit = Arc::clone(&connections).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        let Some(permit) = permit else { continue };
        match accepted {
            Ok((stream, _)) => {
                // Answers are written whole; waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_WITHIN)
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
                let served = graceful.watch(connection);
                tokio::spawn(async move {
                    // An error here is a client that went away or spoke no HTTP; hyper has answered what it could.
                    let _ = served.await;
                    drop(permit);
                });
            }
            Err(why) => {
                tracing::warn!(%why, "the sandbox cannot take a connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    drop(listener);
    tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown())
        .await
        .is_ok()
}
