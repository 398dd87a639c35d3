//! Places over plain HTTP: joining, polling, answering a call, leaving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tidegate_config::OnTurn;
use tidegate_queue::line::Status;

use super::identity::{Identity, cookies_of, new_visitor};
use super::{Answer, Asked};
use crate::request::problem::{Problem, cases};
use crate::request::return_to::return_to;
use crate::room::{Fan, Joined, Resumed, Room, Turn};
use crate::shared::Shared;
use crate::wire::message::{self, Polled, Position, State, ToFan};

/// A poll that answers its fan's call waits this long for the turn: two ticks of an idle line, and a script less.
const PATIENCE: Duration = Duration::from_millis(250);
/// Nobody polls less often than this far back.
const POLL_MAX_S: u32 = 30;
/// Who is this near the front polls every two seconds.
const NEAR: u64 = 50;

/// `POST places`: joins.
pub(super) async fn join(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let ring = shared.ring.load();
    let identity = Identity::read(&ring, room, asked, None);
    if let Some(claims) = identity.place_if_good(room)
        && let Resumed::Fan(fan) = room.resume(claims).await
    {
        return Ok(joined(shared, room, asked, &fan));
    }
    let fan = join_anew(shared, room, asked, &identity).await?;
    Ok(joined(shared, room, asked, &fan))
}

/// A new place for whoever asks. One who could go straight through has the turn at once.
pub(super) async fn join_anew(
    shared: &Shared,
    room: &Arc<Room>,
    asked: &Asked<'_>,
    identity: &Identity,
) -> Result<Arc<Fan>, Problem> {
    let id = &room.config.id;
    room.joins
        .admit(asked.client, Instant::now())
        .map_err(|seconds| {
            shared.metrics.joined(id, "refused");
            cases::too_many_joins(seconds)
        })?;
    let visitor = identity.visitor.unwrap_or_else(new_visitor);
    match room.join().await {
        Joined::Waiting { round, place, ahead } => {
            shared.metrics.joined(id, "waiting");
            Ok(room.hold_new(place, round, visitor, ahead))
        }
        Joined::Straight { round, visit, lives } => {
            shared.metrics.joined(id, "straight");
            let fan = room.hold_new(visit.place, round, visitor, 0);
            fan.has_turn(Turn {
                visit,
                hard_end_ms: lives.1,
            });
            Ok(fan)
        }
        // A closed room may be draining besides; closed says more.
        Joined::NoPlaces => Err(if room.snapshot().status == Status::Closed {
            cases::closed()
        } else {
            cases::draining()
        }),
        Joined::StoreLost => Err(cases::store_lost(5)),
    }
}

fn joined(shared: &Shared, room: &Room, asked: &Asked<'_>, fan: &Arc<Fan>) -> Answer {
    let ring = shared.ring.load();
    let snapshot = room.snapshot();
    let standing = snapshot.standing(fan, room.stock(), room.config.sold_out_by_stock);
    let place_token = room.place_token(&ring, fan);
    let body = message::Joined {
        place_token: &place_token,
        number: fan.place.number,
        ahead: standing.ahead,
        wait_s: standing.wait_s,
        poll_after_s: poll_after_s(room, standing.ahead),
    };
    let cookies = cookies_of(&ring, room, asked.secure, fan.visitor, Some(&place_token));
    Answer::of(StatusCode::CREATED, &body).cookies(cookies)
}

/// How long until the next poll or reload: never more than half of `away_after`, and 2 s near the front.
pub(super) fn poll_after_s(room: &Room, ahead: u64) -> u32 {
    let half = (room.config.away_after.as_secs() / 2).clamp(1, u64::from(POLL_MAX_S)) as u32;
    let far = if ahead <= NEAR {
        2
    } else {
        2 + (ahead / 200).min(u64::from(POLL_MAX_S)) as u32
    };
    far.min(half)
}

/// The fan a request names by its place token.
async fn fan_of(shared: &Shared, room: &Arc<Room>, asked: &Asked<'_>) -> Result<Arc<Fan>, Problem> {
    let ring = shared.ring.load();
    let claims = Identity::read(&ring, room, asked, None).place(room)?;
    match room.resume(&claims).await {
        Resumed::Fan(fan) => Ok(fan),
        Resumed::Arrival => Err(cases::place_is_over()),
    }
}

/// Hearing a fan may show that the place was used up meanwhile.
fn still_waits(fan: &Fan) -> Result<(), Problem> {
    if fan.is_spent() {
        Err(cases::place_is_over())
    } else {
        Ok(())
    }
}

/// `GET places/me`: the position, or the admission token.
pub(super) async fn poll(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let fan = fan_of(shared, room, asked).await?;
    let answers = room.config.on_turn == OnTurn::Enter;
    let turn = hear(room, &fan, answers).await;
    still_waits(&fan)?;
    Ok(standing(shared, room, &fan, turn))
}

/// Takes a sign of life, which answers a call where `answers` says so. The answer waits a little for the turn it may bring;
/// where the room is full it brings none, and later signs of life do not wait again.
pub(super) async fn hear(room: &Room, fan: &Arc<Fan>, answers: bool) -> Option<Turn> {
    fan.seen();
    let answered = answers && room.is_called(fan) && room.answer(fan);
    match fan.turn() {
        None if answered => room.turn_within(fan, PATIENCE).await,
        turn => turn,
    }
}

/// What a poll says.
fn standing(shared: &Shared, room: &Room, fan: &Fan, turn: Option<Turn>) -> Answer {
    let enter = shared.enter_path(room);
    let snapshot = room.snapshot();
    if snapshot.is_off() {
        return Answer::of(
            StatusCode::OK,
            &Polled {
                frame: ToFan::Open,
                poll_after_s: None,
            },
        );
    }
    if let Some(turn) = turn {
        let (admission_token, expires_in_s) = room.admission(&shared.ring.load(), fan, turn);
        shared.metrics.admitted_pushed(&room.config.id);
        let frame = ToFan::Admitted {
            admission_token: &admission_token,
            enter: &enter,
            expires_in_s,
        };
        return Answer::of(
            StatusCode::OK,
            &Polled {
                frame,
                poll_after_s: None,
            },
        );
    }
    let standing = snapshot.standing(fan, room.stock(), room.config.sold_out_by_stock);
    let waits = !fan.has_answered() && room.is_called(fan) && standing.state == State::Waiting;
    let frame = if waits {
        ToFan::Called
    } else {
        ToFan::Position(standing.position(&snapshot))
    };
    Answer::of(
        StatusCode::OK,
        &Polled {
            frame,
            poll_after_s: Some(poll_after_s(room, standing.ahead)),
        },
    )
}

/// What the page says better than a problem: it shows how things stand, or takes a new place.
const SHOWN_BY_THE_PAGE: [&str; 3] = ["not-called", "place-is-over", "token-missing"];

/// `POST places/me/here`: answers a call. A form is sent back to the page it stood on, which says what came of it.
pub(super) async fn here(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
    body: &Bytes,
) -> Result<Answer, Problem> {
    let answered = answer_call(shared, room, asked).await;
    if !super::enter::is_form(asked.headers) {
        return answered.map(|(fan, turn)| standing(shared, room, &fan, turn));
    }
    match answered {
        Err(problem) if !SHOWN_BY_THE_PAGE.contains(&problem.slug) => Err(problem),
        _ => {
            let form = super::enter::form(body)?;
            Ok(Answer::see_other(&return_to(&form.return_to, &shared.prefix)))
        }
    }
}

async fn answer_call(
    shared: &Shared,
    room: &Arc<Room>,
    asked: &Asked<'_>,
) -> Result<(Arc<Fan>, Option<Turn>), Problem> {
    let fan = fan_of(shared, room, asked).await?;
    if !room.is_called(&fan) && fan.turn().is_none() {
        return Err(cases::not_called());
    }
    let turn = hear(room, &fan, true).await;
    still_waits(&fan)?;
    Ok((fan, turn))
}

/// `DELETE places/me`: leaves the line. Leaving twice is leaving once.
pub(super) async fn leave(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    if super::is_foreign(asked) {
        return Err(cases::foreign_origin());
    }
    let claims = Identity::read(&shared.ring.load(), room, asked, None).place(room)?;
    if claims.round >= room.snapshot().round {
        room.leave(claims.place());
    }
    let names = room.names(asked.secure);
    Ok(Answer::empty(StatusCode::NO_CONTENT).cookies(names.clear(&names.place)))
}

/// A position as a fan without a place would see it: for pages shown while none can be given.
pub(super) fn nobody(state: State) -> Position<'static> {
    Position {
        state,
        ahead: 0,
        wait_s: None,
        rate_per_min: 0,
        notice: None,
        opens_at: None,
        stock: None,
    }
}
