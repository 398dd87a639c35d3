//! The protocol `tidegate.v1`: what an edge and a fan say to each other, as JSON text and as server-sent events.
//!
//! Fields are public protocol: add, do not rename or remove. Clients must ignore fields they do not know, and so does
//! this end; a *type* it does not know closes the socket, since whoever sent it waits for something.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::frame::CloseCode;

/// How the line stands for a fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It moves.
    Waiting,
    /// The operator, or a lost store, holds it.
    Paused,
    /// It begins to move at `opens_at`.
    BeforeSale,
    /// Nothing is left and nothing can come back.
    SoldOut,
    /// It is over.
    Closed,
}

/// What the origin says is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Free to take now.
    pub free: u64,
    /// Held by someone who may not buy.
    pub held: u64,
}

/// A fan's standing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position<'a> {
    /// How the line stands.
    pub state: State,
    /// How many are before the fan.
    pub ahead: u64,
    /// The range of seconds that should hold for nine fans in ten; `null` while there is nothing to go by.
    pub wait_s: Option<(u32, u32)>,
    /// Admissions a minute, as measured.
    pub rate_per_min: u32,
    /// What the operator tells everyone.
    pub notice: Option<&'a str>,
    /// When the line opens (RFC 3339), in state `before_sale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<&'a str>,
    /// What the origin says is left, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<Left>,
}

/// From the edge to a fan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToFan<'a> {
    /// The fan's place, once after joining, and again when the token was renewed.
    Place {
        /// The place's number in its epoch.
        number: u64,
        /// The signed place, for clients that keep no cookies.
        place_token: &'a str,
    },
    /// How the fan stands.
    Position(Position<'a>),
    /// Are you here? To be answered with `here`.
    Called,
    /// The fan's turn.
    Admitted {
        /// To be spent at `enter`.
        admission_token: &'a str,
        /// The path to spend it at.
        enter: &'a str,
        /// Seconds until it expires.
        expires_in_s: u32,
    },
    /// The room is switched off: go straight in.
    Open,
}

impl ToFan<'_> {
    /// The frame's `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Place { .. } => "place",
            Self::Position(_) => "position",
            Self::Called => "called",
            Self::Admitted { .. } => "admitted",
            Self::Open => "open",
        }
    }

    /// Appends the frame as JSON.
    pub fn json(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if serde_json::to_writer(&mut *out, self).is_err() {
            // Structs of text and numbers written to memory do not fail; half a frame must not leave in any case.
            out.truncate(start);
        }
    }

    /// Appends the frame as a server-sent event without a name, so that one handler reads socket and events alike. JSON
    /// has no line breaks of its own, so one `data` line holds it.
    pub fn event(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        self.json(out);
        out.extend_from_slice(b"\n\n");
    }
}

/// A comment that keeps proxies from closing a quiet event stream.
pub const EVENT_KEEP_ALIVE: &[u8] = b": still here\n\n";

/// Appends how long a client should wait before it opens a lost event stream again.
pub fn event_retry(milliseconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
}

/// The answer to a poll: a frame, and when to poll again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Polled<'a> {
    /// The same as on the socket.
    #[serde(flatten)]
    pub frame: ToFan<'a>,
    /// Seconds until the next poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_after_s: Option<u32>,
}

/// The answer to a join (`201`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Joined<'a> {
    /// The signed place, for clients that keep no cookies.
    pub place_token: &'a str,
    /// The place's number in its epoch.
    pub number: u64,
    /// How many are before the fan.
    pub ahead: u64,
    /// As in [`Position`].
    pub wait_s: Option<(u32, u32)>,
    /// Seconds until the first poll.
    pub poll_after_s: u32,
}

/// From a fan to the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromFan {
    /// Answers a call.
    Here,
    /// Gives the place up.
    Leave,
}

/// Why a fan's message closes the socket, with [`NotUnderstood::CODE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// Not a JSON object with one `type`, a string.
    #[error("not a JSON object with a type")]
    NotAFrame,
    /// A type that `tidegate.v1` does not have.
    #[error("unknown type: tidegate.v1 has here and leave")]
    UnknownType,
}

impl NotUnderstood {
    /// The code to close with.
    pub const CODE: CloseCode = CloseCode::POLICY;
}

impl FromFan {
    /// Reads a text message. Its length was bounded by [`super::frame::PAYLOAD_MAX`].
    pub fn parse(text: &str) -> Result<Self, NotUnderstood> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
        }
        // Serde would also read a struct from an array.
        if !text.trim_start().starts_with('{') {
            return Err(NotUnderstood::NotAFrame);
        }
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|_| NotUnderstood::NotAFrame)?;
        match raw.kind.as_ref() {
            "here" => Ok(Self::Here),
            "leave" => Ok(Self::Leave),
            _ => Err(NotUnderstood::UnknownType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(frame: &ToFan<'_>) -> String {
        let mut out = Vec::new();
        frame.json(&mut out);
        String::from_utf8(out).expect("text")
    }

    fn position() -> Position<'static> {
        Position {
            state: State::Waiting,
            ahead: 1204,
            wait_s: Some((95, 160)),
            rate_per_min: 600,
            notice: None,
            opens_at: None,
            stock: None,
        }
    }

    /// The frames of the published protocol, letter for letter.
    #[test]
    fn frames_read_as_published() {
        let place = ToFan::Place {
            number: 41207,
            place_token: "...",
        };
        assert_eq!(
            json(&place),
            r#"{"type":"place","number":41207,"place_token":"..."}"#
        );
        assert_eq!(
            json(&ToFan::Position(position())),
            r#"{"type":"position","state":"waiting","ahead":1204,"wait_s":[95,160],"rate_per_min":600,"notice":null}"#
        );
        assert_eq!(json(&ToFan::Called), r#"{"type":"called"}"#);
        let enter = "/_tidegate/rooms/drop/enter";
        let admitted = ToFan::Admitted {
            admission_token: "...",
            enter,
            expires_in_s: 60,
        };
        assert_eq!(
            json(&admitted),
            r#"{"type":"admitted","admission_token":"...","enter":"/_tidegate/rooms/drop/enter","expires_in_s":60}"#
        );
        assert_eq!(json(&ToFan::Open), r#"{"type":"open"}"#);
        let all = [
            place,
            ToFan::Position(position()),
            ToFan::Called,
            admitted,
            ToFan::Open,
        ];
        for frame in &all {
            assert!(json(frame).starts_with(&format!(r#"{{"type":"{}""#, frame.name())));
        }
    }

    #[test]
    fn states_and_extras() {
        let states = [
            State::Waiting,
            State::Paused,
            State::BeforeSale,
            State::SoldOut,
            State::Closed,
        ];
        let names = serde_json::to_string(&states).expect("json");
        assert_eq!(names, r#"["waiting","paused","before_sale","sold_out","closed"]"#);
        let before = Position {
            state: State::BeforeSale,
            opens_at: Some("2031-05-01T10:00:00Z"),
            stock: Some(Left { free: 0, held: 3 }),
            ..position()
        };
        let text = json(&ToFan::Position(before));
        assert!(
            text.ends_with(r#""opens_at":"2031-05-01T10:00:00Z","stock":{"free":0,"held":3}}"#),
            "{text}"
        );
        let polled = Polled {
            frame: ToFan::Called,
            poll_after_s: Some(2),
        };
        assert_eq!(
            serde_json::to_string(&polled).expect("json"),
            r#"{"type":"called","poll_after_s":2}"#
        );
    }

    #[test]
    fn the_same_as_events() {
        let notice = Position {
            notice: Some("two\nlines"),
            wait_s: None,
            ..position()
        };
        let mut out = Vec::new();
        ToFan::Position(notice).event(&mut out);
        ToFan::Called.event(&mut out);
        event_retry(1500, &mut out);
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "data: {\"type\":\"position\",\"state\":\"waiting\",\"ahead\":1204,\"wait_s\":null,\
             \"rate_per_min\":600,\"notice\":\"two\\nlines\"}\n\ndata: {\"type\":\"called\"}\n\n\
             retry: 1500\n\n"
        );
    }

    #[test]
    fn what_fans_may_say() {
        assert_eq!(FromFan::parse(r#"{"type":"here"}"#), Ok(FromFan::Here));
        assert_eq!(
            FromFan::parse(r#" {"v":2,"type":"leave","why":{"a":[1]}} "#),
            Ok(FromFan::Leave)
        );
        assert_eq!(FromFan::parse(r#"{"type":"\u0068ere"}"#), Ok(FromFan::Here));
        for text in [r#"{"type":"jump"}"#, r#"{"type":"HERE"}"#, r#"{"type":""}"#] {
            assert_eq!(FromFan::parse(text), Err(NotUnderstood::UnknownType), "{text}");
        }
        let deep = format!(r#"{{"type":"here","x":{}"#, "[".repeat(400));
        for text in [
            "",
            "here",
            "{}",
            "[]",
            r#"["here"]"#,
            r#"{"type":1}"#,
            r#"{"type":null}"#,
            r#"{"type":"here"}x"#,
            r#"{"type":"here","type":"leave"}"#,
            &deep,
        ] {
            assert_eq!(FromFan::parse(text), Err(NotUnderstood::NotAFrame), "{text}");
        }
    }
}
