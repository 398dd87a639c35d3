//! A gzip stream put together from parts that were compressed at start.
//!
//! Compressing a page anew for each fan would cost several times what serving it does. Deflate lets parts be joined: a
//! fixed part is compressed once, on its own and up to a byte boundary; what changes goes between as stored blocks; the
//! checksums combine. A rendering is then a few copies, and the page a third of its size.

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

/// Fixed parts shorter than this are not worth a block of their own.
const WORTH_BYTES_MIN: usize = 256;

/// Header without name or time; trailing block that is empty and final.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
const END: [u8; 2] = [3, 0];

/// Most a stored block holds.
const STORED_MAX: usize = 65_535;

/// A fixed part, ready to be put into a stream.
pub(super) struct Deflated {
    bytes: Vec<u8>,
    checksum: Append,
    /// Of what it stands for; gzip counts modulo 2^32.
    len: u32,
}

/// What appending one fixed text does to the checksum of all that went before. A CRC is linear: bit by bit the old
/// checksum says which of 32 numbers to add up. Worked out once, since doing it anew takes longer than the copy.
struct Append {
    /// The checksum of the text alone.
    own: u32,
    /// What each bit of the checksum before it contributes.
    bits: [u32; 32],
}

impl Append {
    fn of(text: &[u8]) -> Self {
        let mut own = Hasher::new();
        own.update(text);
        let after = |before| {
            let mut all = Hasher::new_with_initial(before);
            all.combine(&own);
            all.finalize()
        };
        let nothing = after(0);
        Self {
            own: nothing,
            bits: std::array::from_fn(|bit| after(1 << bit) ^ nothing),
        }
    }

    /// The checksum after the text, where it was `before`.
    fn after(&self, before: u32) -> u32 {
        let bits = self.bits.iter().enumerate();
        bits.fold(self.own, |sum, (bit, adds)| {
            sum ^ (adds & (before >> bit & 1).wrapping_neg())
        })
    }
}

impl Deflated {
    /// Compresses `text`, or says that it is too short to be worth it.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.len() < WORTH_BYTES_MIN {
            return None;
        }
        let mut deflate = Compress::new(Compression::best(), false);
        let mut bytes = Vec::with_capacity(text.len() + 1_024);
        deflate
            .compress_vec(text.as_bytes(), &mut bytes, FlushCompress::Sync)
            .ok()?;
        // All taken in, and ended as a sync flush ends; else it is sent as it is.
        let whole = deflate.total_in() == text.len() as u64 && bytes.ends_with(&[0, 0, 0xff, 0xff]);
        bytes.shrink_to_fit();
        whole.then_some(Self {
            bytes,
            checksum: Append::of(text.as_bytes()),
            len: text.len() as u32,
        })
    }

    /// Bytes it takes in a stream.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A stream being put together.
pub(super) struct Stream {
    out: Vec<u8>,
    /// What changes, and short fixed parts, not yet in a block.
    pub(super) pending: String,
    checksum: u32,
    len: u32,
}

impl Stream {
    pub(super) fn new(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.extend_from_slice(&HEADER);
        Self {
            out,
            pending: String::with_capacity(4_096),
            checksum: 0,
            len: 0,
        }
    }

    /// Appends a fixed part.
    pub(super) fn push(&mut self, part: &Deflated) {
        self.flush();
        self.out.extend_from_slice(&part.bytes);
        self.checksum = part.checksum.after(self.checksum);
        self.len = self.len.wrapping_add(part.len);
    }

    fn flush(&mut self) {
        for block in self.pending.as_bytes().chunks(STORED_MAX) {
            let len = block.len() as u16;
            self.out.push(0);
            self.out.extend_from_slice(&len.to_le_bytes());
            self.out.extend_from_slice(&(!len).to_le_bytes());
            self.out.extend_from_slice(block);
        }
        let mut checksum = Hasher::new_with_initial(self.checksum);
        checksum.update(self.pending.as_bytes());
        self.checksum = checksum.finalize();
        self.len = self.len.wrapping_add(self.pending.len() as u32);
        self.pending.clear();
    }

    /// The finished stream.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.flush();
        self.out.extend_from_slice(&END);
        self.out.extend_from_slice(&self.checksum.to_le_bytes());
        self.out.extend_from_slice(&self.len.to_le_bytes());
        self.out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{Deflated, Stream};

    #[test]
    fn joined_parts_read_back_as_one_text() {
        let fixed = "the tide comes in and the tide goes out ".repeat(50);
        let part = Deflated::of(&fixed).expect("long enough");
        assert!(part.bytes.len() < fixed.len() / 10);
        assert!(Deflated::of("short").is_none());
        let long = "x".repeat(200_000);
        let mut stream = Stream::new(0);
        stream.push(&part);
        stream.pending.push_str("né");
        stream.push(&part);
        stream.push(&part);
        stream.pending.push_str(&long);
        let bytes = stream.end();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .expect("a valid stream");
        assert_eq!(text, format!("{fixed}né{fixed}{fixed}{long}"));
    }
}
