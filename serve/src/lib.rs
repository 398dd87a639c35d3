//! The listener of a service behind the edge: takes connections within bounds until it is told to stop, and lets the
//! requests under way be finished.
//!
//! It knows no route and no service. Who sends a head too slowly, or takes nothing of an answer, is hung up on; beyond
//! so many connections new ones wait in the system's backlog. How long the requests under way may take at the end is
//! the service's to say.

mod stalled;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use stalled::Impatient;

/// How long a client may take to send a request's head: longer than any edge takes, and any fan's bad line.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what is sent to it. What a stream has to say fits into the system's buffers for
/// minutes, so this is somebody who has stopped reading.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// How long to wait after the system refused a connection (out of descriptors, most likely) before asking again.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What one listener puts up with.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections_max: usize,
    /// How long a client may take to send a request's head.
    pub head_within: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub stalled_after: Duration,
}

impl Bounds {
    /// The usual ones, for so many connections.
    pub const fn of(connections_max: usize) -> Self {
        Self {
            connections_max,
            head_within: HEAD_WITHIN,
            stalled_after: STALLED_AFTER,
        }
    }
}

/// The connections that were open when the listener stopped.
pub struct UnderWay(GracefulShutdown);

impl UnderWay {
    /// Waits until the last request under way is answered, however long that takes; idle connections are closed at once.
    pub async fn finish(self) {
        self.0.shutdown().await;
    }
}

/// Serves until `shutdown`, and stops to listen. `who` is named in the log.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    bounds: Bounds,
    who: &'static str,
    shutdown: impl Future<Output = ()>,
) -> UnderWay {
    let connections = Arc::new(Semaphore::new(bounds.connections_max));
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
                let served = graceful.watch(connection(stream, routes.clone(), bounds));
                tokio::spawn(async move {
                    // An error here is a client that went away or spoke no HTTP; hyper has answered what it could.
                    let _ = served.await;
                    drop(permit);
                });
            }
            Err(why) => {
                tracing::warn!(who, %why, "cannot take a connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    UnderWay(graceful)
}

type Connection = http1::Connection<TokioIo<Impatient<TcpStream>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, routes: Router, bounds: Bounds) -> Connection {
    // Answers are written whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_within)
        .serve_connection(
            TokioIo::new(Impatient::new(stream, bounds.stalled_after)),
            TowerToHyperService::new(routes),
        )
}
