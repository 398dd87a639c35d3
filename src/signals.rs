//! When to stop: Ctrl-C or a termination signal. A second one does not wait.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The exit status of a process that was interrupted (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Becomes true at the first signal.
pub(crate) fn stop() -> std::io::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if again {
                std::process::exit(INTERRUPTED);
            }
            eprintln!("stopping: finishing what is under way (again to stop at once)");
            let _ = stop.send(true);
        }
    });
    Ok(stopped)
}

/// Until `stopped` becomes true.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    // The sender lives as long as the process.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
