//! The edge's own tasks: none of them ends unnoticed.
//!
//! A runtime catches the panic of a task and tells nobody but whoever waits for it. So each task that is to run for as
//! long as the edge has a name here, and the first that ends before it was told to is heard of at once.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::task::JoinSet;

/// Something panicked. What it was is on the standard error, where panics are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it panicked, which is a defect: the place in the code stands on the standard error")]
pub(crate) struct Panicked;

/// What `work` comes to, or that it panicked. What it has changed by then may be halfway.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// Tasks that run until the edge stops.
#[derive(Default)]
pub(crate) struct Background {
    tasks: JoinSet<(&'static str, Result<(), Panicked>)>,
}

impl Background {
    /// Runs `task`, which `name` names to operators.
    pub(crate) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move { (name, caught(task).await) });
    }

    /// The next task to end, and whether it panicked; never, once none is left.
    pub(crate) async fn ended(&mut self) -> (&'static str, Result<(), Panicked>) {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => ended,
            // Its panic was caught inside of it, and nobody aborts one.
            Some(Err(_)) => ("a task", Err(Panicked)),
            None => std::future::pending().await,
        }
    }

    /// Until all of them have ended.
    pub(crate) async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_heard_of_by_name_and_how() {
        let mut background = Background::default();
        background.spawn("one that goes on", std::future::pending());
        background.spawn("one that fails", async { panic!("on purpose") });
        assert_eq!(background.ended().await, ("one that fails", Err(Panicked)));
        background.spawn("one that ends", async {});
        assert_eq!(background.ended().await, ("one that ends", Ok(())));
    }
}
