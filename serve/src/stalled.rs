//! A connection that gives up a peer who has stopped reading, so that nobody keeps a stream's place without listening.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection on which every write has to be taken in time; it fails with `TimedOut` otherwise. Reading may take as long
/// as it takes.
pub(crate) struct Impatient<S> {
    stream: S,
    after: Duration,
    /// Set while something waits to be taken.
    given_up_at: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    /// Gives the peer that long to take something.
    pub(crate) fn new(stream: S, after: Duration) -> Self {
        Self {
            stream,
            after,
            given_up_at: None,
        }
    }

    fn watched<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.given_up_at = None;
            return written;
        }
        let after = self.after;
        let given_up_at = self
            .given_up_at
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + after)));
        given_up_at
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watched(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn who_reads_slowly_is_kept_and_who_stops_is_given_up() {
        let after = Duration::from_millis(200);
        let (ours, mut theirs) = duplex(8);
        let mut ours = Impatient::new(ours, after);
        let slow = tokio::spawn(async move {
            let mut taken = [0; 8];
            for _ in 0..6 {
                tokio::time::sleep(after / 4).await;
                theirs.read_exact(&mut taken).await.expect("more");
            }
            theirs
        });
        let begun = Instant::now();
        ours.write_all(&[7; 56]).await.expect("taken a little at a time");
        assert!(begun.elapsed() > after, "slower than one write may be");
        let theirs = slow.await.expect("no panic");
        let begun = Instant::now();
        let error = ours.write_all(&[7; 9]).await.expect_err("nobody takes it");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= after);
        drop(theirs);
    }
}
