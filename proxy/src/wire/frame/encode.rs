//! Writing a server's frames: appended to a buffer of the caller's, unmasked, whole.

use super::{CONTROL_PAYLOAD_MAX, CloseCode, HEADER_MAX};

/// Appends a text frame. The caller vouches that the payload is UTF-8, as JSON is.
pub fn text(payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_MAX + payload.len());
    header(0x81, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a ping; more than [`CONTROL_PAYLOAD_MAX`] bytes are cut.
pub fn ping(payload: &[u8], out: &mut Vec<u8>) {
    control(0x89, payload, out);
}

/// Appends a pong; it returns what the ping brought.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    control(0x8a, payload, out);
}

/// Appends a close frame. A reason that does not fit is cut between characters.
pub fn close(code: CloseCode, reason: &str, out: &mut Vec<u8>) {
    let end = reason.floor_char_boundary(CONTROL_PAYLOAD_MAX - 2);
    header(0x88, 2 + end, out);
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(&reason.as_bytes()[..end]);
}

/// Appends the answer to a client's close frame: its own code back, or none.
pub fn close_echo(code: Option<CloseCode>, out: &mut Vec<u8>) {
    match code {
        Some(code) => close(code, "", out),
        None => header(0x88, 0, out),
    }
}

fn control(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_MAX)];
    header(first, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a header with the length in its shortest form.
pub(super) fn header(first: u8, len: usize, out: &mut Vec<u8>) {
    out.push(first);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        for (len, wanted) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            text(&vec![b'x'; len], &mut out);
            assert_eq!(out[..wanted.len()], wanted, "{len}");
            assert_eq!(out.len(), wanted.len() + len);
        }
        let mut out = Vec::new();
        close(CloseCode::RESTART, &"é".repeat(100), &mut out);
        assert_eq!(out[..4], [0x88, 124, 0x03, 0xf4]);
        assert!(std::str::from_utf8(&out[4..]).is_ok());
        out.clear();
        ping(&[7; 300], &mut out);
        assert_eq!(out.len(), 2 + CONTROL_PAYLOAD_MAX);
        out.clear();
        close_echo(None, &mut out);
        assert_eq!(out, [0x88, 0]);
    }
}
