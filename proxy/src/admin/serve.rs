//! The connections of the operator's side: how many, how long, and how they end.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{AdminState, router};

/// Connections at once: operators, a scraper and probes are a handful. Beyond this many, new ones wait in the backlog.
const CONNECTIONS_MAX: usize = 256;
/// How long a client may take to send a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long calls under way may take to finish at shutdown; then they are cut off. The edge has drained by then, and
/// only waits for its operators.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait after the system refused a connection (out of descriptors, most likely) before asking again.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Answers operators on `listener` until `shutdown` says true or its sender is gone, then lets calls under way finish.
///
/// # Errors
/// When the listener cannot be used at all.
pub async fn serve(
    listener: std::net::TcpListener,
    state: AdminState,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let routes = router(state, shutdown.clone());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    let served = graceful.watch(connection(stream, routes.clone()));
                    // An error is a client that went away or spoke no HTTP; hyper has answered what it could.
                    connections.spawn(async move { drop(served.await) });
                }
                Err(why) => {
                    tracing::warn!(%why, "the admin listener cannot take a connection");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("calls of operators were still under way and were cut off");
    }
    connections.shutdown().await;
    Ok(())
}

/// Until shutdown is said, or nobody is left to say it.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stopped| *stopped).await);
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, routes: Router) -> Connection {
    // Answers are written whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
}
