//! Reading a client's frames, in chunks of any size and within a hard bound.

use super::{CloseCode, PAYLOAD_MAX};

/// What a client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// To be answered with [`super::pong`] and the same bytes.
    Ping(&'a [u8]),
    /// An answer to our ping, or unasked for.
    Pong(&'a [u8]),
    /// The client says goodbye, to be answered with [`super::close_echo`]; nothing follows.
    Close(Option<CloseCode>),
}

/// Reads a client's frames from chunks of any size. At rest it is two words and no heap.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What came of a frame or a fragmented message that is not complete.
    pending: Option<Box<Pending>>,
    /// A close frame or an error came: whatever follows is not looked at.
    finished: bool,
}

/// Bounded: `frame` by [`super::HEADER_MAX`] + [`PAYLOAD_MAX`], `message` by [`PAYLOAD_MAX`].
#[derive(Debug, Default)]
struct Pending {
    /// The start of an incomplete frame, as it came.
    frame: Vec<u8>,
    /// The fragments of an unfinished text message, unmasked; `None` outside of one.
    message: Option<Vec<u8>>,
}

/// A frame's header, checked.
struct Header {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    header_len: usize,
    payload_len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Close,
    Ping,
    Pong,
}

/// What is known of a frame from its first bytes.
enum Parsed {
    /// At least so many bytes are needed to know more.
    Needs(usize),
    /// All of the header.
    Header(Header),
}

impl Decoder {
    /// Takes what was read from the socket and reports what it completes, in order. On an error, close with its code
    /// and read no more.
    pub fn decode(&mut self, mut input: &[u8], mut out: impl FnMut(Event<'_>)) -> Result<(), CloseCode> {
        while !input.is_empty() && !self.finished {
            let result = if self
                .pending
                .as_ref()
                .is_none_or(|pending| pending.frame.is_empty())
            {
                self.take_from_input(&mut input, &mut out)
            } else {
                self.complete_pending(&mut input, &mut out)
            };
            if let Err(code) = result {
                self.finished = true;
                self.pending = None;
                return Err(code);
            }
        }
        Ok(())
    }

    /// Whether a close frame or an error ended this side of the conversation.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Bytes on the heap, for the memory gauge and the tests.
    pub fn heap_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| {
            size_of::<Pending>()
                + pending.frame.capacity()
                + pending.message.as_ref().map_or(0, Vec::capacity)
        })
    }

    fn in_message(&self) -> Option<usize> {
        self.pending
            .as_ref()
            .and_then(|pending| pending.message.as_ref())
            .map(Vec::len)
    }

    /// The usual way: a whole frame lies in the input, nothing is copied to the heap.
    fn take_from_input(
        &mut self,
        input: &mut &[u8],
        out: &mut impl FnMut(Event<'_>),
    ) -> Result<(), CloseCode> {
        if let Parsed::Header(header) = parse(input, self.in_message())? {
            let frame_len = header.header_len + header.payload_len;
            if let Some(frame) = input.get(..frame_len) {
                *input = &input[frame_len..];
                return self.take(&header, &frame[header.header_len..], out);
            }
        }
        self.pending
            .get_or_insert_default()
            .frame
            .extend_from_slice(input);
        *input = &[];
        Ok(())
    }

    /// Adds to an incomplete frame just what it needs, so that it never holds more than one.
    fn complete_pending(
        &mut self,
        input: &mut &[u8],
        out: &mut impl FnMut(Event<'_>),
    ) -> Result<(), CloseCode> {
        let in_message = self.in_message();
        let pending = self.pending.get_or_insert_default();
        let parsed = parse(&pending.frame, in_message)?;
        let needed = match &parsed {
            Parsed::Needs(needed) => *needed,
            Parsed::Header(header) => header.header_len + header.payload_len,
        };
        let (more, rest) = input.split_at(input.len().min(needed - pending.frame.len()));
        pending.frame.extend_from_slice(more);
        *input = rest;
        // A header that has just become complete may describe an empty frame: look again before waiting for bytes.
        let Parsed::Header(header) = parse(&pending.frame, in_message)? else {
            return Ok(());
        };
        if pending.frame.len() < header.header_len + header.payload_len {
            return Ok(());
        }
        let frame = std::mem::take(&mut pending.frame);
        self.take(&header, &frame[header.header_len..], out)
    }

    /// Acts on a whole frame.
    fn take(
        &mut self,
        header: &Header,
        masked: &[u8],
        out: &mut impl FnMut(Event<'_>),
    ) -> Result<(), CloseCode> {
        let mut buffer = [0; PAYLOAD_MAX];
        let payload = &mut buffer[..masked.len()];
        for ((plain, masked), mask) in payload.iter_mut().zip(masked).zip(header.mask.iter().cycle()) {
            *plain = masked ^ mask;
        }
        match header.opcode {
            Opcode::Ping => out(Event::Ping(payload)),
            Opcode::Pong => out(Event::Pong(payload)),
            Opcode::Close => {
                let code = close_code(payload)?;
                self.finished = true;
                self.pending = None;
                out(Event::Close(code));
            }
            Opcode::Text if header.fin => out(Event::Text(utf8(payload)?)),
            Opcode::Text | Opcode::Continuation => {
                let pending = self.pending.get_or_insert_default();
                let message = pending.message.get_or_insert_default();
                message.extend_from_slice(payload);
                if header.fin {
                    let message = pending.message.take().unwrap_or_default();
                    out(Event::Text(utf8(&message)?));
                }
            }
        }
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.message.is_none() && pending.frame.is_empty())
        {
            self.pending = None;
        }
        Ok(())
    }
}

fn utf8(payload: &[u8]) -> Result<&str, CloseCode> {
    std::str::from_utf8(payload).map_err(|_| CloseCode::INVALID_PAYLOAD)
}

/// Reads a header as far as it has come, and fails as early as can be known. `in_message` is the length so far of an
/// unfinished fragmented message.
fn parse(bytes: &[u8], in_message: Option<usize>) -> Result<Parsed, CloseCode> {
    let Some(&first) = bytes.first() else {
        return Ok(Parsed::Needs(2));
    };
    let fin = first & 0x80 != 0;
    let opcode = match first & 0x7f {
        // The three reserved bits are part of the value, so setting one matches nothing.
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => return Err(CloseCode::UNSUPPORTED),
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(CloseCode::PROTOCOL),
    };
    let is_control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
    let continues = opcode == Opcode::Continuation;
    if (is_control && !fin) || (!is_control && continues != in_message.is_some()) {
        return Err(CloseCode::PROTOCOL);
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(Parsed::Needs(2));
    };
    if second & 0x80 == 0 {
        return Err(CloseCode::PROTOCOL); // clients mask
    }
    let (payload_len, length_end) = match second & 0x7f {
        126 if is_control => return Err(CloseCode::PROTOCOL),
        126 => match bytes.get(2..4) {
            None => return Ok(Parsed::Needs(4)),
            Some(length) => (usize::from(u16::from_be_bytes([length[0], length[1]])), 4),
        },
        127 if is_control => return Err(CloseCode::PROTOCOL),
        127 => return Err(CloseCode::TOO_BIG), // 65,536 or more, whatever follows
        length => (usize::from(length), 2),
    };
    if length_end == 4 && payload_len < 126 {
        return Err(CloseCode::PROTOCOL); // lengths come in the shortest form
    }
    if !is_control && payload_len + in_message.unwrap_or(0) > PAYLOAD_MAX {
        return Err(CloseCode::TOO_BIG);
    }
    let header_len = length_end + 4;
    match bytes.get(length_end..header_len) {
        Some(&[a, b, c, d]) => Ok(Parsed::Header(Header {
            fin,
            opcode,
            mask: [a, b, c, d],
            header_len,
            payload_len,
        })),
        _ => Ok(Parsed::Needs(header_len)),
    }
}

/// Checks a close frame's payload: nothing, or a code that may be sent and a reason in UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, CloseCode> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = CloseCode(u16::from_be_bytes([*high, *low]));
            utf8(reason)?;
            if code.may_be_sent() {
                Ok(Some(code))
            } else {
                Err(CloseCode::PROTOCOL)
            }
        }
        [_] => Err(CloseCode::PROTOCOL),
    }
}

#[cfg(test)]
mod tests;
