//! A navigation without a visit: straight through, through `enter`, or the waiting page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use tidegate_config::OnTurn;
use tidegate_queue::line::Status;

use super::enter::{exchange, straight_cookies};
use super::identity::{Identity, cookies_of, new_visitor, visit_cookie};
use super::places::{hear, nobody, poll_after_s};
use super::{Answer, Asked};
use crate::page::{self, View};
use crate::request::headers::names_token;
use crate::request::problem::cases;
use crate::room::{Fan, Joined, Resumed, Room};
use crate::shared::Shared;
use crate::wire::message::{Position, State};

/// On every waiting page: which room it belongs to.
const ROOM: HeaderName = HeaderName::from_static("tidegate-room");

/// What becomes of a navigation.
pub enum Arrival {
    /// Nobody was in line: the request goes on, with these cookies on its answer.
    Straight {
        /// The token of the new visit.
        visit_token: String,
        /// For the answer.
        cookies: Vec<HeaderValue>,
    },
    /// An answer of ours.
    Answer(Answer),
}

/// A fan at the gate: one who has a place goes on holding it, anyone else takes one.
pub async fn arrive(shared: &Arc<Shared>, room: &Arc<Room>, asked: &Asked<'_>) -> Arrival {
    let ring = shared.ring.load();
    let identity = Identity::read(&ring, room, asked, None);
    if let Some(claims) = identity.place_if_good(room) {
        match room.resume(claims).await {
            Resumed::Fan(fan) => {
                let answer = again(shared, room, asked, &fan).await;
                // One whose place turns out to be used up is an arrival.
                if !fan.is_spent() {
                    return Arrival::Answer(answer);
                }
            }
            Resumed::Arrival => {}
        }
    }
    if let Err(seconds) = room.joins.admit(asked.client, Instant::now()) {
        shared.metrics.joined(&room.config.id, "refused");
        let page = without_place(room, shared, asked, (page::State::Waiting, seconds));
        return Arrival::Answer(
            page.status(StatusCode::TOO_MANY_REQUESTS)
                .header(RETRY_AFTER, seconds.into()),
        );
    }
    let visitor = identity.visitor.unwrap_or_else(new_visitor);
    let soon = poll_after_s(room, 0);
    match room.join().await {
        Joined::Straight { round, visit, lives } => {
            shared.metrics.joined(&room.config.id, "straight");
            let token = room.visit_token(&ring, round, visit, visitor, lives);
            let life = Duration::from_millis(lives.1.saturating_sub(room.clock.now_ms()));
            let cookies = straight_cookies(shared, room, asked.secure, visitor, (&token, life));
            Arrival::Straight {
                visit_token: token,
                cookies,
            }
        }
        Joined::Waiting { round, place, ahead } => {
            shared.metrics.joined(&room.config.id, "waiting");
            let fan = room.hold_new(place, round, visitor, ahead);
            let token = room.place_token(&ring, &fan);
            let cookies = cookies_of(&ring, room, asked.secure, visitor, Some(&token));
            Arrival::Answer(waiting_page(shared, room, asked, &fan).cookies(cookies))
        }
        Joined::NoPlaces => Arrival::Answer(without_place(room, shared, asked, (page::State::Closed, soon))),
        Joined::StoreLost => {
            Arrival::Answer(without_place(room, shared, asked, (page::State::StoreLost, soon)))
        }
    }
}

/// Reloading the page is a poll, and leads through `enter` once admitted: so it works without scripts to the end.
async fn again(shared: &Arc<Shared>, room: &Arc<Room>, asked: &Asked<'_>, fan: &Arc<Fan>) -> Answer {
    let answers = room.config.on_turn == OnTurn::Enter;
    if let Some(turn) = hear(room, fan, answers).await
        && let Ok((token, lives)) = exchange(shared, room, fan.round, turn.visit, fan.visitor).await
    {
        shared.metrics.admitted_pushed(&room.config.id);
        let cookie = visit_cookie(room, asked.secure, &token, lives);
        return Answer::see_other(asked.target).cookies(cookie);
    }
    waiting_page(shared, room, asked, fan)
}

/// The waiting page for a fan who holds a place.
fn waiting_page(shared: &Shared, room: &Room, asked: &Asked<'_>, fan: &Arc<Fan>) -> Answer {
    let snapshot = room.snapshot();
    let standing = snapshot.standing(fan, room.stock(), room.config.sold_out_by_stock);
    let called = room.is_called(fan) && !fan.has_answered();
    let state = match standing.state {
        State::Waiting if called => page::State::Called,
        State::Waiting => page::State::Waiting,
        State::Paused if !snapshot.store_up => page::State::StoreLost,
        State::Paused => page::State::Paused,
        State::BeforeSale => page::State::BeforeSale,
        State::SoldOut => page::State::SoldOut,
        State::Closed => page::State::Closed,
    };
    render(
        room,
        shared,
        asked,
        (state, Some(fan.place.number), poll_after_s(room, standing.ahead)),
        &standing.position(&snapshot),
    )
}

/// The page while no place can be given. It asks again by itself after so many seconds.
fn without_place(
    room: &Room,
    shared: &Shared,
    asked: &Asked<'_>,
    (state, refresh_s): (page::State, u32),
) -> Answer {
    render(
        room,
        shared,
        asked,
        (state, None, refresh_s),
        &nobody(State::Paused),
    )
}

fn render(
    room: &Room,
    shared: &Shared,
    asked: &Asked<'_>,
    (state, number, refresh_s): (page::State, Option<u64>, u32),
    position: &Position<'_>,
) -> Answer {
    let text = |name: &HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let lang = page::negotiate(text(&ACCEPT_LANGUAGE));
    let view = View {
        lang,
        state,
        number,
        ahead: number.map(|_| position.ahead),
        wait_s: position.wait_s,
        opens_at: None,
        notice: position.notice,
        stock: position.stock.map(|left| (left.free, left.held)),
        refresh_s,
        room: &room.config.id,
        prefix: &shared.prefix,
        return_to: asked.target,
    };
    let gzip = accepts_coding(asked, "gzip");
    let fixed = room.theme.headers(lang, gzip);
    let mut headers = Vec::with_capacity(fixed.len() + 3);
    headers.extend_from_slice(fixed);
    headers.push((ROOM, room.id_value.clone()));
    Answer {
        status: StatusCode::from_u16(room.config.waiting_status).unwrap_or(StatusCode::OK),
        headers,
        body: if gzip {
            room.theme.render_gzip(&view)
        } else {
            room.theme.render(&view)
        },
    }
}

/// Whether a content coding is accepted; one with a weight is taken at its word only where it is not zero.
fn accepts_coding(asked: &Asked<'_>, coding: &str) -> bool {
    names_token(asked.headers, &ACCEPT_ENCODING, coding)
        || crate::request::headers::list(asked.headers, &ACCEPT_ENCODING).any(|element| {
            element.split_once(';').is_some_and(|(name, weight)| {
                name.trim().eq_ignore_ascii_case(coding)
                    && weight
                        .trim()
                        .strip_prefix("q=")
                        .and_then(|q| q.parse::<f32>().ok())
                        .is_some_and(|q| q > 0.0)
            })
        })
}

/// Told to join, or that nobody can: for everything that is no navigation. Nothing is forwarded and no place taken.
pub fn wait(shared: &Shared, room: &Room) -> Answer {
    let snapshot = room.snapshot();
    if !snapshot.store_up {
        return cases::store_lost(5).into();
    }
    if snapshot.status == Status::Closed {
        return cases::closed_for_now().into();
    }
    if snapshot.settings.draining {
        return cases::draining().into();
    }
    let join = format!("{}rooms/{}/places", shared.prefix, room.config.id);
    cases::waiting(&join, 5).into()
}
