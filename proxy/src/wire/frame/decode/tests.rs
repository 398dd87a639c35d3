//! Frames as clients send them, whole, in pieces, and broken.

use super::*;
use crate::wire::frame::{HEADER_MAX, encode};

/// A client's frame with a mask that changes every byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::header(first, payload.len(), &mut bytes);
    bytes[1] |= 0x80;
    let mask = [0x11, 0xa2, 0x03, 0xf4];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(p, m)| p ^ m));
    bytes
}

/// What a decoder says to bytes that come one at a time, and that it says the same to all of them at once.
fn run(bytes: &[u8]) -> (Vec<String>, Result<(), CloseCode>) {
    let collect = |chunk: usize| {
        let (mut decoder, mut seen, mut result) = (Decoder::default(), Vec::new(), Ok(()));
        for chunk in bytes.chunks(chunk) {
            result = result.and(decoder.decode(chunk, |event| seen.push(format!("{event:?}"))));
        }
        (seen, result)
    };
    let (slow, fast) = (collect(1), collect(bytes.len().max(1)));
    assert_eq!(slow, fast);
    fast
}

#[test]
fn messages_and_control_frames() {
    let bytes = [
        frame(0x81, b"{}"),
        frame(0x89, b"p"),
        frame(0x01, "hé".as_bytes().split_at(2).0), // in the middle of a character
        frame(0x8a, b""),
        frame(0x00, b""),
        frame(0x80, "hé".as_bytes().split_at(2).1),
        frame(0x81, &[b'x'; PAYLOAD_MAX]),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x81, b"after goodbye"),
    ]
    .concat();
    let (seen, result) = run(&bytes);
    assert_eq!(result, Ok(()));
    let long = format!("Text({:?})", "x".repeat(PAYLOAD_MAX));
    let wanted = [
        "Text(\"{}\")",
        "Ping([112])",
        "Pong([])",
        "Text(\"hé\")",
        &long,
        "Close(Some(CloseCode(1000)))",
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn what_breaks_the_standard_closes() {
    let unmasked = {
        let mut bytes = Vec::new();
        encode::text(b"{}", &mut bytes);
        bytes
    };
    let fragments = |first: usize, second: usize| {
        [frame(0x01, &vec![b'x'; first]), frame(0x80, &vec![b'x'; second])].concat()
    };
    let mut long_form = vec![0x81, 0x80 | 126, 0, 5];
    long_form.extend([0; 9]);
    for (what, bytes, code) in [
        ("unmasked", unmasked, 1002),
        ("reserved bit 1", frame(0xc1, b"x"), 1002),
        ("reserved bit 3", frame(0x91, b"x"), 1002),
        ("reserved opcode", frame(0x83, b"x"), 1002),
        ("reserved control", frame(0x8b, b""), 1002),
        ("binary", frame(0x82, b"x"), 1003),
        ("fragmented ping", frame(0x09, b"x"), 1002),
        ("long ping", frame(0x89, &[0; 126]), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "text within text",
            [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
            1002,
        ),
        ("length not in shortest form", long_form, 1002),
        ("too long", frame(0x81, &[b'x'; PAYLOAD_MAX + 1]), 1009),
        ("far too long", vec![0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], 1009),
        ("too long in fragments", fragments(PAYLOAD_MAX, 1), 1009),
        ("not UTF-8", frame(0x81, b"\xc0\xaf"), 1007),
        (
            "not UTF-8 at the end",
            [frame(0x01, b"x"), frame(0x80, b"\xe2\x82")].concat(),
            1007,
        ),
        ("half a close code", frame(0x88, b"\x03"), 1002),
        (
            "a close code for nobody",
            frame(0x88, &1005u16.to_be_bytes()),
            1002,
        ),
        ("a close reason not in UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
    ] {
        let (_, result) = run(&bytes);
        assert_eq!(result, Err(CloseCode(code)), "{what}");
    }
    assert_eq!(run(&fragments(PAYLOAD_MAX, 0)).1, Ok(()));
}

#[test]
fn nothing_is_looked_at_after_an_error() {
    let mut decoder = Decoder::default();
    assert!(
        decoder
            .decode(&frame(0x82, b"x"), |_| panic!("no event"))
            .is_err()
    );
    assert!(decoder.is_finished());
    assert_eq!(decoder.decode(&frame(0x81, b"x"), |_| panic!("no event")), Ok(()));
}

#[test]
fn a_quiet_decoder_holds_nothing_and_a_busy_one_little() {
    assert!(size_of::<Decoder>() <= 16);
    let mut decoder = Decoder::default();
    let mut most = 0;
    let half = PAYLOAD_MAX / 2;
    let bytes = [
        frame(0x01, &vec![b'x'; half]),
        frame(0x80, &vec![b'x'; half]),
        frame(0x89, b"p"),
    ]
    .concat();
    for byte in &bytes {
        decoder
            .decode(std::slice::from_ref(byte), |_| ())
            .expect("well-formed");
        most = most.max(decoder.heap_bytes());
    }
    assert_eq!(decoder.heap_bytes(), 0);
    // Vec doubles, so twice the bound for each buffer.
    assert!(
        most <= size_of::<Pending>() + 2 * (HEADER_MAX + PAYLOAD_MAX) + 2 * PAYLOAD_MAX,
        "{most}"
    );
}
