//! A path in segments, split once for all routes, without allocating.

/// Most segments of a path that are told apart; what lies deeper can only be reached by `**`.
pub const SEGMENTS_MAX: usize = 64;

/// A path's segments on the stack, without a trailing empty one.
#[derive(Clone)]
pub(super) struct Segments<'a> {
    first: [&'a [u8]; SEGMENTS_MAX],
    len: usize,
    /// There were more than fit.
    pub(super) deeper: bool,
    /// Something is escaped, so octets must be decoded to be compared.
    pub(super) escaped: bool,
    /// There is a `;`, written out or encoded.
    pub(super) parameters: bool,
}

impl<'a> Segments<'a> {
    pub(super) fn split(path: &'a str) -> Self {
        let mut segments = Self {
            first: [b""; SEGMENTS_MAX],
            len: 0,
            deeper: false,
            escaped: false,
            parameters: false,
        };
        let path = path.strip_prefix('/').unwrap_or(path);
        let bytes = path.strip_suffix('/').unwrap_or(path).as_bytes();
        let mut start = 0;
        for (at, &b) in bytes.iter().enumerate() {
            match b {
                b'/' => {
                    segments.push(&bytes[start..at]);
                    start = at + 1;
                }
                b'%' => {
                    segments.escaped = true;
                    segments.parameters |= bytes[at..].starts_with(b"%3B");
                }
                b';' => segments.parameters = true,
                _ => {}
            }
        }
        if !bytes.is_empty() {
            segments.push(&bytes[start..]);
        }
        segments
    }

    fn push(&mut self, segment: &'a [u8]) {
        match self.first.get_mut(self.len) {
            Some(slot) => {
                *slot = segment;
                self.len += 1;
            }
            None => self.deeper = true,
        }
    }

    /// As those read it who drop `;parameters`.
    pub(super) fn without_parameters(&self) -> Self {
        let mut segments = self.clone();
        for segment in &mut segments.first[..self.len] {
            let raw = segment.iter().position(|&b| b == b';');
            let encoded = segment.windows(3).position(|bytes| bytes == b"%3B");
            let end = raw.into_iter().chain(encoded).min().unwrap_or(segment.len());
            *segment = &segment[..end];
        }
        // `/;jsessionid=1` is the root to them.
        if segments.as_slice().last().is_some_and(|last| last.is_empty()) {
            segments.len -= 1;
        }
        segments
    }

    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        &self.first[..self.len]
    }
}
