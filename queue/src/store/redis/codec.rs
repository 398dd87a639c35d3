//! Requests and replies as MessagePack, which Redis's Lua reads and writes by itself.
//!
//! Whole numbers stay below 2^53, the most that a Lua number holds exactly: epochs and turns are made so, and times and
//! counts are far from it. What may be larger (the boot of an edge, visitors) travels as text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::error::LinkError;
use crate::line::{
    BlockId, BlockView, Change, Counts, Ended, Entered, Epoch, Figures, Front, Given, Grant, Known, Load,
    Place, Renewed, Reply, Request, Round, Settings, Stage, Status, Turn, Visit, VisitId, Visitor,
};

type PlaceCode = (u64, u64);
type VisitCode = (u64, u64, u64);
/// For each epoch, how many are set in each of its blocks.
type LivesCode = Vec<(u64, ByteBuf)>;

/// What the script is asked, beside the request itself: what the line is made of where there is none.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) settings: &'a Settings,
    pub(super) nonce: u32,
    pub(super) lag_ms: u64,
}

#[derive(Serialize)]
struct KnownCode<'a> {
    round: u64,
    closed: bool,
    epoch: u64,
    place: PlaceCode,
    called_upto: PlaceCode,
    active: u32,
    silent_ms: u64,
    settings: &'a Settings,
}

#[derive(Serialize)]
struct RequestCode<'a> {
    boot: String,
    seq: u64,
    settings: &'a Settings,
    nonce: u32,
    lag_ms: u64,
    /// What the entries take of the tick's budget.
    work: u32,
    known: Option<KnownCode<'a>>,
    grants_read: u64,
    ended_read: u64,
    settings_read: u64,
    end: Vec<VisitCode>,
    renew: Vec<(u64, u64, u64, u64)>,
    take: Vec<VisitCode>,
    enter: Vec<(u64, u64, u64, String)>,
    leave: Vec<PlaceCode>,
    absent: Vec<PlaceCode>,
    back: Vec<PlaceCode>,
    here: Vec<PlaceCode>,
    arrivals: u32,
    counts: bool,
    blocks: Vec<(u64, u32)>,
}

#[derive(Deserialize)]
struct ReplyCode {
    now_ms: u64,
    round: u64,
    epoch: u64,
    status: Status,
    given: Option<(u64, u64, u32, u32, u64, u64, u64)>,
    called_upto: PlaceCode,
    floor: PlaceCode,
    counts: Option<(LivesCode, LivesCode)>,
    blocks: Vec<(ByteBuf, ByteBuf)>,
    grants: (Vec<ByteBuf>, u64),
    ended: (Vec<ByteBuf>, u64),
    renewed: Vec<u64>,
    entered: Vec<EnteredCode>,
    spent: Vec<PlaceCode>,
    figures: (u64, u64, u32, u32, u64, u64, i64, u64),
    more: bool,
    settings: Option<Settings>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EnteredCode {
    Yes(u64, u64),
    No(String),
}

fn place_code(place: &Place) -> PlaceCode {
    (place.epoch.0, place.number)
}

fn place((epoch, number): PlaceCode) -> Place {
    Place {
        epoch: Epoch(epoch),
        number,
    }
}

fn visit_code(visit: &VisitId) -> VisitCode {
    (visit.place.epoch.0, visit.place.number, visit.turn.0)
}

fn visit_id((epoch, number, turn): VisitCode) -> VisitId {
    VisitId {
        place: place((epoch, number)),
        turn: Turn(turn),
    }
}

fn known_code(known: &Known) -> KnownCode<'_> {
    KnownCode {
        round: known.round.0,
        closed: known.closed,
        epoch: known.epoch.0,
        place: place_code(&known.place),
        called_upto: place_code(&known.called_upto),
        active: known.active,
        silent_ms: known.silent_ms,
        settings: &known.settings,
    }
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    // Only a type that cannot be written, or a full disk, could fail; this has neither.
    rmp_serde::to_vec_named(value).expect("it can be packed")
}

fn unpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, LinkError> {
    rmp_serde::from_slice(bytes).map_err(|error| LinkError::Answer(error.to_string()))
}

/// A tick's request.
pub(super) fn request(request: &Request, ground: Ground<'_>) -> Vec<u8> {
    let places = |places: &[Place]| places.iter().map(place_code).collect();
    let visits = |visits: &[VisitId]| visits.iter().map(visit_code).collect();
    let renew = request.renew.iter().map(|renew| {
        let (epoch, number, turn) = visit_code(&renew.visit);
        (epoch, number, turn, renew.hard_end_ms)
    });
    let enter = request.enter.iter().map(|(visit, visitor)| {
        let (epoch, number, turn) = visit_code(visit);
        (epoch, number, turn, visitor.to_string())
    });
    pack(&RequestCode {
        boot: request.boot.to_string(),
        seq: request.seq,
        settings: ground.settings,
        nonce: ground.nonce,
        lag_ms: ground.lag_ms,
        work: Load::of(request).work(),
        known: request.known.as_ref().map(known_code),
        grants_read: request.grants_read,
        ended_read: request.ended_read,
        settings_read: request.settings_read,
        end: visits(&request.end),
        renew: renew.collect(),
        take: visits(&request.take),
        enter: enter.collect(),
        leave: places(&request.leave),
        absent: places(&request.absent),
        back: places(&request.back),
        here: places(&request.here),
        arrivals: request.arrivals,
        counts: request.counts,
        blocks: request
            .blocks
            .iter()
            .map(|block| (block.epoch.0, block.index))
            .collect(),
    })
}

/// The reply to `request`.
pub(super) fn reply(bytes: &[u8], request: &Request) -> Result<Reply, LinkError> {
    let code: ReplyCode = unpack(bytes)?;
    let given = code.given.map(
        |(epoch, number, count, straight, turn, expires_at_ms, hard_end_ms)| Given {
            first: place((epoch, number)),
            count,
            straight,
            turn: Turn(turn),
            expires_at_ms,
            hard_end_ms,
        },
    );
    let grant = |bytes: &ByteBuf| {
        let (epoch, number, turn, hard_end_ms) = unpack(bytes)?;
        let visit = visit_id((epoch, number, turn));
        Ok(Grant { visit, hard_end_ms })
    };
    let ended = |bytes: &ByteBuf| {
        let (epoch, number, turn, used) = unpack(bytes)?;
        let visit = visit_id((epoch, number, turn));
        Ok(Ended { visit, used })
    };
    let (waiting, ready, active, reserve, issued, admitted, departed, no_shows) = code.figures;
    Ok(Reply {
        now_ms: code.now_ms,
        round: Round(code.round),
        epoch: Epoch(code.epoch),
        status: code.status,
        given,
        front: Front {
            called_upto: place(code.called_upto),
            floor: place(code.floor),
        },
        counts: code.counts.map(|(present, ready)| {
            Arc::new(Counts {
                present: counts(&present),
                ready: counts(&ready),
            })
        }),
        blocks: request
            .blocks
            .iter()
            .zip(&code.blocks)
            .map(|(id, (present, ready))| BlockView {
                id: *id,
                present: words(present),
                ready: words(ready),
            })
            .collect(),
        grants: (
            code.grants
                .0
                .iter()
                .map(grant)
                .collect::<Result<_, LinkError>>()?,
            code.grants.1,
        ),
        ended: (
            code.ended.0.iter().map(ended).collect::<Result<_, LinkError>>()?,
            code.ended.1,
        ),
        renewed: request
            .renew
            .iter()
            .zip(&code.renewed)
            .map(|(renew, expires_at_ms)| Renewed {
                visit: renew.visit,
                expires_at_ms: (*expires_at_ms > 0).then_some(*expires_at_ms),
            })
            .collect(),
        entered: code.entered.into_iter().map(entered).collect(),
        spent: code.spent.into_iter().map(place).collect(),
        figures: Figures {
            waiting,
            ready,
            active,
            reserve,
            issued,
            admitted,
            departed,
            no_shows,
        },
        more: code.more,
        settings: code.settings.map(Arc::new),
    })
}

fn entered(code: EnteredCode) -> Entered {
    match code {
        EnteredCode::Yes(expires_at_ms, hard_end_ms) => Entered::Yes {
            expires_at_ms,
            hard_end_ms,
        },
        EnteredCode::No(why) if why == "theirs" => Entered::NotTheirs,
        EnteredCode::No(_) => Entered::Over,
    }
}

fn counts(lives: &[(u64, ByteBuf)]) -> Vec<(BlockId, u16)> {
    let blocks = lives.iter().flat_map(|(epoch, bytes)| {
        let counts = bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|count| u16::from_be_bytes(*count));
        (0..).zip(counts).map(|(index, count)| {
            let epoch = Epoch(*epoch);
            (BlockId { epoch, index }, count)
        })
    });
    blocks.filter(|(_, count)| *count > 0).collect()
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// A change of settings.
pub(super) fn change(change: &Change) -> Vec<u8> {
    pack(change)
}

/// The settings that a change brought about.
pub(super) fn settings(bytes: &[u8]) -> Result<Settings, LinkError> {
    unpack(bytes)
}

/// The field of a place among the visits.
pub(super) fn field(place: Place) -> String {
    format!("{:016}.{:016}", place.epoch.0, place.number)
}

/// The visit in a field, and whose place it is.
pub(super) fn visit(field: &str, bytes: &[u8]) -> Result<(VisitId, Visit), LinkError> {
    let unreadable = || LinkError::Answer(format!("the visit {field} is none"));
    let (epoch, number) = field.split_once('.').ok_or_else(unreadable)?;
    let number_of = |text: &str| text.parse::<u64>().map_err(|_| unreadable());
    let (turn, stage, visitor, expires_at_ms, hard_end_ms): (u64, u8, String, u64, u64) = unpack(bytes)?;
    let stages = [Stage::Granted, Stage::Taken, Stage::Entered, Stage::Live];
    let visit = Visit {
        turn: Turn(turn),
        stage: *stages.get(usize::from(stage)).ok_or_else(unreadable)?,
        visitor: u128::from_str_radix(&visitor, 16).ok().map(Visitor),
        expires_at_ms,
        hard_end_ms,
    };
    let id = visit_id((number_of(epoch)?, number_of(number)?, turn));
    Ok((id, visit))
}
