//! The frame codec against random chunks, random bytes and tungstenite.

use std::io::{Cursor, ErrorKind, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tidegate_proxy::wire::frame::{self, CloseCode, Decoder, Event, PAYLOAD_MAX};
use tungstenite::protocol::frame::coding::{CloseCode as TheirCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes};

/// An event that outlives the decoder's buffer.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into()),
            Event::Ping(payload) => Self::Ping(payload.into()),
            Event::Pong(payload) => Self::Pong(payload.into()),
            Event::Close(code) => Self::Close(code.map(|code| code.0)),
        }
    }
}

/// Decodes bytes cut at these places, checking on the way that memory stays bounded.
fn decode(bytes: &[u8], cuts: &[Index]) -> (Vec<Said>, Result<(), CloseCode>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut decoder, mut said, mut result, mut start) = (Decoder::default(), Vec::new(), Ok(()), 0);
    for end in ends {
        result = result.and(decoder.decode(&bytes[start..end], |event| said.push(event.into())));
        start = end;
        assert!(
            decoder.heap_bytes() <= 64 + 4 * (PAYLOAD_MAX + 14),
            "{}",
            decoder.heap_bytes()
        );
    }
    (said, result)
}

/// One frame of a client, put together by tungstenite.
fn client_frame(fin: bool, opcode: OpCode, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        is_final: fin,
        opcode,
        mask: Some(mask),
        ..FrameHeader::default()
    };
    let mut bytes = Vec::new();
    Frame::from_payload(header, payload.to_vec().into())
        .format(&mut bytes)
        .expect("memory");
    bytes
}

/// What a well-behaved client says: messages in any number of fragments, pings and pongs also in between.
fn conversation() -> impl Strategy<Value = (Vec<u8>, Vec<Said>)> {
    let control = || (any::<bool>(), vec(any::<u8>(), 0..=125));
    let message = (
        ".{0,100}",
        vec(any::<Index>(), 0..3),
        proptest::option::of(control()),
        any::<[u8; 4]>(),
    );
    vec(message, 0..6).prop_map(|messages| {
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        for (text, cuts, control, mask) in messages {
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let mut start = 0;
            for (at, end) in ends.iter().enumerate() {
                let opcode = if at == 0 {
                    OpCode::Data(Data::Text)
                } else {
                    OpCode::Data(Data::Continue)
                };
                let payload = &text.as_bytes()[start..*end];
                bytes.extend(client_frame(at + 1 == ends.len(), opcode, mask, payload));
                start = *end;
                if let (0, Some((is_ping, payload))) = (at, &control) {
                    use tungstenite::protocol::frame::coding::Control::{Ping, Pong};
                    let opcode = OpCode::Control(if *is_ping { Ping } else { Pong });
                    bytes.extend(client_frame(true, opcode, mask, payload));
                    let control = if *is_ping { Said::Ping } else { Said::Pong };
                    if ends.len() == 1 {
                        said.push(Said::Text(text.clone()));
                    }
                    said.push(control(payload.clone()));
                }
            }
            if ends.len() > 1 || control.is_none() {
                said.push(Said::Text(text));
            }
        }
        (bytes, said)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn chunks_make_no_difference((bytes, wanted) in conversation(), cuts in vec(any::<Index>(), 0..12)) {
        let (said, result) = decode(&bytes, &cuts);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(said, wanted);
    }

    /// Bytes that mean nothing, and good ones with one of them changed: no panic, no growth, and the same answer
    /// however they come.
    #[test]
    fn nonsense_gets_one_answer(
        (mut bytes, _) in conversation(),
        noise in vec(any::<u8>(), 0..40),
        at in any::<Index>(),
        to in any::<u8>(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        bytes.extend(noise);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        prop_assert_eq!(decode(&bytes, &cuts), decode(&bytes, &[]));
    }

    #[test]
    fn tungstenite_as_client_is_understood(
        texts in vec(".{0,128}", 0..5),
        ping in vec(any::<u8>(), 0..=125),
        goodbye in proptest::option::of(".{0,30}"),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut client = WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
        let mut wanted: Vec<Said> = texts.iter().cloned().map(Said::Text).collect();
        for text in &texts {
            client.send(Message::text(text.clone())).expect("memory");
        }
        client.send(Message::Ping(ping.clone().into())).expect("memory");
        wanted.push(Said::Ping(ping));
        let frame = goodbye.as_ref().map(|reason| CloseFrame { code: TheirCode::Away, reason: reason.as_str().into() });
        client.close(frame).expect("memory");
        wanted.push(Said::Close(goodbye.map(|_| 1001)));
        let (said, result) = decode(&client.get_ref().written, &cuts);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(said, wanted);
    }

    #[test]
    fn tungstenite_as_client_understands(
        texts in vec(prop_oneof![".{0,128}", (60_000..70_000usize).prop_map(|len| "x".repeat(len))], 0..3),
        payload in vec(any::<u8>(), 0..=125),
        code in prop_oneof![1000u16..=1003, 1007u16..=1013, 3000u16..=4999],
        reason in ".{0,200}",
    ) {
        let mut bytes = Vec::new();
        for text in &texts {
            frame::text(text.as_bytes(), &mut bytes);
        }
        frame::ping(&payload, &mut bytes);
        frame::pong(&payload, &mut bytes);
        frame::close(CloseCode(code), &reason, &mut bytes);
        let config = WebSocketConfig::default().accept_unmasked_frames(false);
        let pipe = Pipe { incoming: Cursor::new(bytes), written: Vec::new() };
        let mut client = WebSocket::from_raw_socket(pipe, Role::Client, Some(config));
        for text in texts {
            prop_assert_eq!(client.read().expect("text"), Message::Text(Utf8Bytes::from(text)));
        }
        prop_assert_eq!(client.read().expect("ping"), Message::Ping(payload.clone().into()));
        prop_assert_eq!(client.read().expect("pong"), Message::Pong(payload.into()));
        match client.read().expect("close") {
            Message::Close(Some(frame)) => {
                prop_assert_eq!(u16::from(frame.code), code);
                prop_assert!(reason.starts_with(frame.reason.as_str()));
                prop_assert!(frame.reason.len() == reason.len() || frame.reason.len() > 123 - 4);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// A stream in memory: what the other side says, and what was said to it.
#[derive(Default)]
struct Pipe {
    incoming: Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
