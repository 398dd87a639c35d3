//! What has changed for a fan since it was last told.

use std::time::Duration;

use rand::Rng;
use tidegate_queue::line::VisitId;

use super::run::PING_EVERY;
use super::{Wire, say};
use crate::room::{Fan, Room, Snapshot, Standing};
use crate::shared::Shared;
use crate::wire::frame::CloseCode;
use crate::wire::message::{State, ToFan};

/// What the fan was told last.
#[derive(Default)]
pub(super) struct Told {
    standing: Option<(Standing, u64)>,
    called: bool,
    admitted: Option<VisitId>,
    open: bool,
}

/// What comes after writing.
pub(super) enum Next {
    /// Wait for something to happen, at most so long.
    Wait(Duration),
    /// Say goodbye.
    Close(CloseCode, &'static str),
}

/// Appends what has changed since the fan was last told.
pub(super) fn compose(
    shared: &Shared,
    room: &Room,
    fan: &Fan,
    wire: Wire,
    told: &mut Told,
    out: &mut Vec<u8>,
) -> Next {
    if shared.is_stopping() {
        return Next::Close(CloseCode::RESTART, "restarting: come back to the same place");
    }
    if fan.is_spent() {
        return Next::Close(CloseCode::NORMAL, "this place is used");
    }
    let snapshot = room.snapshot();
    let begun = out.len();
    if snapshot.is_off() {
        if !std::mem::replace(&mut told.open, true) {
            say(wire, &ToFan::Open, out);
            shared.metrics.frames(1);
        }
        return Next::Wait(PING_EVERY);
    }
    told.open = false;
    if let Some(turn) = fan.turn() {
        if told.admitted != Some(turn.visit) {
            told.admitted = Some(turn.visit);
            let (token, expires_in_s) = room.admission(&shared.ring.load(), fan, turn);
            let enter = shared.enter_path(room);
            say(
                wire,
                &ToFan::Admitted {
                    admission_token: &token,
                    enter: &enter,
                    expires_in_s,
                },
                out,
            );
            shared.metrics.admitted_pushed(&room.config.id);
            shared.metrics.frames(1);
        }
        return Next::Wait(PING_EVERY);
    }
    told.admitted = None;
    let standing = snapshot.standing(fan, room.stock(), room.config.sold_out_by_stock);
    let said = (standing, snapshot.settings.version);
    // Who has come from another edge was told there; more than that would be a step back.
    if told.standing != Some(said) && snapshot.knows_who_is_before(fan) {
        told.standing = Some(said);
        say(wire, &ToFan::Position(standing.position(&snapshot)), out);
    }
    let asks = standing.state == State::Waiting && room.is_called(fan) && !fan.has_answered();
    if asks && !told.called {
        say(wire, &ToFan::Called, out);
    }
    told.called = asks;
    if out.len() > begun {
        shared.metrics.frames(1);
    }
    let ahead = if told.standing.is_some() {
        standing.ahead
    } else {
        0
    };
    Next::Wait(Snapshot::update_after(ahead, rand::rng().random()))
}
