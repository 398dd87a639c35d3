//! A client's connection: what is written in pieces leaves as one packet, and at rest it holds no buffer.
//!
//! Pingora writes an answer's head and body one after the other and then flushes. Its own buffered streams keep 64 KB
//! for that as long as a connection lives; fifteen thousand waiting sockets cannot have that, and two packets an answer
//! cost a fifth of a request's CPU. So the buffer is here, and only while there is something in it.
//!
//! And a request that is handed on gets to read no further than its own end. What a client sends behind it before it is
//! answered is the next request (RFC 9112, section 9.3.2), which Pingora would take for an offence and drop.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is written is gathered up to here; a piece that does not fit goes out with what has, uncopied.
const GATHERED_MAX: usize = 4 * 1024;
/// What comes behind a request under way is read up to here, so that a client who goes is noticed. One who sends more waits
/// for the answer first.
const EARLY_MAX: usize = 4 * 1024;
/// Bytes read at once between requests. Nearly every head fits.
const READ: usize = 4 * 1024;

/// A connection to a client.
pub(super) struct Connection {
    stream: Stream,
    gathered: BytesMut,
    /// How many bytes of the request under way are still to come. Whoever reads has to know the end by itself where this
    /// says nothing.
    left: Option<u64>,
    /// It is no connection for requests any more: everything that comes is for whoever reads.
    switched: AtomicBool,
    /// What has come behind the request under way.
    early: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            gathered: BytesMut::new(),
            left: None,
            switched: AtomicBool::new(false),
            early: BytesMut::new(),
        }
    }

    /// Reads once, and says how much. The space is on the stack of one poll, so that a connection at rest does not carry it.
    pub(super) async fn read_some(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *self).poll_read(cx, &mut space))?;
            into.extend_from_slice(space.filled());
            Poll::Ready(Ok(space.filled().len()))
        })
        .await
    }

    /// A request of so many bytes is handed on. `read` begins with it, and keeps nothing that came behind it.
    pub(super) fn hand_on(&mut self, bytes: u64, read: &mut BytesMut) {
        let own = usize::try_from(bytes).map_or(read.len(), |bytes| bytes.min(read.len()));
        if own < read.len() {
            self.early = read.split_off(own);
        }
        self.left = Some(bytes - own as u64);
    }

    /// The request is answered: anything may be read again. Returns what came behind it.
    pub(super) fn next(&mut self) -> BytesMut {
        self.left = None;
        std::mem::take(&mut self.early)
    }

    /// The two ends have agreed on another protocol than HTTP.
    pub(super) fn switch(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    /// Writes out what has gathered, and waits until the client has gone. Called for a request that has all come.
    pub(super) async fn gone(&mut self) {
        std::future::poll_fn(|cx| {
            if ready!(Pin::new(&mut *self).poll_flush(cx)).is_err() {
                return Poll::Ready(());
            }
            self.poll_early(cx).map(drop)
        })
        .await;
    }

    /// Waits for the end of the connection behind a request that has all come.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.early.len() < EARLY_MAX {
            let mut space = [MaybeUninit::uninit(); EARLY_MAX];
            let mut space = ReadBuf::uninit(&mut space[self.early.len()..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
            if space.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.early.extend_from_slice(space.filled());
        }
        Poll::Pending // the answer, once it is written, is what moves this connection on
    }

    /// Reads of the `left` bytes of the request under way.
    fn poll_left(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>, left: u64) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.remaining());
        let mut part = ReadBuf::new(into.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        into.advance(read);
        self.left = Some(left - read as u64);
        Poll::Ready(Ok(()))
    }

    /// The other end's address.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        let digest = self.stream.get_socket_digest()?;
        Some(digest.peer_addr()?.as_inet()?.ip())
    }

    /// Writes out what has gathered together with `bytes`; says how many of those went.
    fn poll_send_with(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.gathered.is_empty() {
            let pieces = [IoSlice::new(&self.gathered), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(of_bytes) = written.checked_sub(self.gathered.len()) {
                self.gathered = BytesMut::new();
                if of_bytes > 0 {
                    return Poll::Ready(Ok(of_bytes));
                }
            } else {
                self.gathered.advance(written);
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// The connection without what was written and not flushed.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Writes out what has gathered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.gathered))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(written);
        }
        self.gathered = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let switched = self.switched.load(Ordering::Relaxed);
        match self.left {
            Some(0) if switched => {
                let early = self.early.len().min(into.remaining());
                if early == 0 {
                    return Pin::new(&mut self.stream).poll_read(cx, into);
                }
                into.put_slice(&self.early.split_to(early));
                Poll::Ready(Ok(()))
            }
            Some(0) => self.poll_early(cx),
            Some(left) => self.poll_left(cx, into, left),
            None => Pin::new(&mut self.stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.gathered.len() + bytes.len() <= GATHERED_MAX {
            self.gathered.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        self.poll_send_with(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

// The rest is what Pingora asks of a stream, and the stream inside knows.

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // Whoever shuts down has flushed; there is nobody to tell if not.
        let _ = tokio::io::AsyncWriteExt::flush(self).await;
        self.stream.shutdown().await;
    }
}

#[async_trait]
impl Peek for Connection {
    async fn try_peek(&mut self, into: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(into).await
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Connection {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.stream.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.set_socket_digest(digest);
    }
}
