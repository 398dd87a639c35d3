//! Where one request head ends and the next begins, and how long a client may take over it.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::Connection;
use crate::request::problem::{Problem, cases};

/// Longest head taken, in bytes. Browsers stay under 16 KB with every cookie a site may set; nginx takes 32 KB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// From its first byte to its last a head may take so long. A fan on the worst of networks needs a few round trips.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection on which nothing is asked for is closed after this; browsers give up theirs after one to five minutes.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(60);

/// Why there is no next request.
pub(super) enum Ended {
    /// Either side has closed, or said nothing for too long.
    Gone,
    /// What was sent is not taken.
    Refused(Problem),
}

/// Reads heads off a connection. One timer serves all of them: it is set again only when it has run out, and for a head
/// that comes in pieces.
pub(super) struct Heads<'a, Stopped> {
    /// What was read and not yet used.
    pub(super) read: BytesMut,
    stopped: Pin<&'a mut Stopped>,
    timer: Pin<Box<Sleep>>,
}

impl<'a, Stopped: Future> Heads<'a, Stopped> {
    pub(super) fn new(stopped: Pin<&'a mut Stopped>) -> Self {
        Self {
            read: BytesMut::new(),
            stopped,
            timer: Box::pin(sleep_until(Instant::now() + IDLE_MAX)),
        }
    }

    /// The length of the next head, once [`Heads::read`] begins with all of it.
    pub(super) async fn next(&mut self, connection: &mut Connection) -> Result<usize, Ended> {
        let mut end = End::default();
        let mut deadline = Instant::now() + IDLE_MAX;
        let mut begun = false;
        loop {
            // Empty lines before a request are allowed and mean nothing (RFC 9112, section 2.2).
            let blank = self
                .read
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            if !begun && blank > 0 {
                self.read.advance(blank);
            }
            if let Some(len) = end.find(&self.read) {
                return Ok(len);
            }
            if self.read.len() > HEAD_BYTES_MAX {
                return Err(Ended::Refused(cases::head_too_large(HEAD_BYTES_MAX)));
            }
            if self.read.is_empty() {
                // At rest a connection holds no buffer.
                self.read = BytesMut::new();
            } else if !begun {
                begun = true;
                deadline = Instant::now() + HEAD_WITHIN;
                self.timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                more = connection.read_some(&mut self.read) => match more {
                    Ok(0) | Err(_) => return Err(Ended::Gone),
                    Ok(_) => {}
                },
                _ = self.stopped.as_mut(), if !begun => return Err(Ended::Gone),
                () = self.timer.as_mut() => {
                    if Instant::now() < deadline {
                        self.timer.as_mut().reset(deadline);
                    } else if begun {
                        return Err(Ended::Refused(cases::head_too_slow(HEAD_WITHIN)));
                    } else {
                        return Err(Ended::Gone);
                    }
                }
            }
        }
    }
}

/// Looks for the empty line that ends a head in what has been read so far, byte by byte only once.
#[derive(Default)]
struct End {
    looked_at: usize,
}

impl End {
    /// The length of the head, once all of it is there. Lines that end in LF alone count, to be refused afterwards.
    fn find(&mut self, read: &[u8]) -> Option<usize> {
        for at in memchr::memchr_iter(b'\n', &read[self.looked_at..]) {
            let end = self.looked_at + at;
            let line = read[..end].strip_suffix(b"\r").unwrap_or(&read[..end]);
            if line.last() == Some(&b'\n') {
                return Some(end + 1);
            }
        }
        self.looked_at = read.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_comes() {
        for (text, wanted) in [
            ("GET / HTTP/1.1\r\nA: b\r\n\r\nrest", Some(24)),
            ("GET / HTTP/1.1\nA: b\n\nrest", Some(21)),
            ("GET / HTTP/1.1\r\n\nrest", Some(17)),
            ("GET / HTTP/1.1\r\nA: b\r\n\r", None),
            ("GET / HTTP/1.1", None),
        ] {
            assert_eq!(End::default().find(text.as_bytes()), wanted, "{text:?} at once");
            let mut end = End::default();
            let found = (1..=text.len()).find_map(|read| end.find(&text.as_bytes()[..read]));
            assert_eq!(found, wanted, "{text:?} byte by byte");
        }
    }
}
