//! Reading rooms and changing them. Every change is written to the log under the target `audit`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::Value;
use tidegate_queue::line::{Change, Settings, Status};
use tidegate_queue::store::Round;

use super::extract::Named;
use super::room_view::RoomView;
use super::{Shared, change, problems};
use crate::request::problem::{Problem, cases};
use crate::room::{Room, Snapshot};

/// How long an answer waits for this edge to see a change, which is in force already. An idle edge ticks every second.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

type Answer = Result<Json<RoomView>, Problem>;

/// What this edge has.
#[derive(Serialize)]
pub(super) struct Rooms {
    sockets: i64,
    rooms: Vec<RoomView>,
}

pub(super) async fn list(State(admin): State<Shared>) -> Json<Rooms> {
    let rooms = admin
        .state
        .rooms
        .values()
        .map(|room| RoomView::now(room))
        .collect();
    Json(Rooms {
        sockets: admin.state.metrics.sockets(),
        rooms,
    })
}

pub(super) async fn one(Named(room): Named) -> Json<RoomView> {
    Json(RoomView::now(&room))
}

pub(super) async fn patch(
    Named(room): Named,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    if !is_json(&headers) {
        return Err(cases::unsupported_media_type("application/json"));
    }
    let body = body.map_err(|rejection| problems::unread(rejection.status()))?;
    let change = change::read(&body)?;
    if change == Change::default() {
        return Ok(Json(RoomView::now(&room)));
    }
    configure(&room, "patch", change).await
}

pub(super) async fn pause(Named(room): Named) -> Answer {
    configure(
        &room,
        "pause",
        Change {
            paused: Some(true),
            ..Change::default()
        },
    )
    .await
}

pub(super) async fn drain(Named(room): Named) -> Answer {
    configure(
        &room,
        "drain",
        Change {
            draining: Some(true),
            ..Change::default()
        },
    )
    .await
}

/// Ends a pause and a drain, and opens a closed room. The room is opened last, so that it does not open paused.
pub(super) async fn resume(Named(room): Named) -> Answer {
    let change = Change {
        paused: Some(false),
        draining: Some(false),
        ..Change::default()
    };
    let settings = change_settings(&room, "resume", change).await?;
    // Not only when it looks closed from here: another edge may have closed it this moment, and opening an open room
    // changes nothing.
    turn(&room, "open", Round::Open).await?;
    Ok(once_seen(&room, &settings, |snapshot| snapshot.status != Status::Closed).await)
}

/// Ends the round. Once is enough: closing a closed room would end a round in which nobody ever was.
pub(super) async fn close(Named(room): Named) -> Answer {
    if room.snapshot().status == Status::Closed {
        return Ok(Json(RoomView::now(&room)));
    }
    turn(&room, "close", Round::Close).await?;
    let settings = room.snapshot().settings.clone();
    Ok(once_seen(&room, &settings, |snapshot| snapshot.status == Status::Closed).await)
}

async fn configure(room: &Room, action: &'static str, change: Change) -> Answer {
    let settings = change_settings(room, action, change).await?;
    Ok(once_seen(room, &settings, |_| true).await)
}

async fn change_settings(
    room: &Room,
    action: &'static str,
    change: Change,
) -> Result<Arc<Settings>, Problem> {
    let was = said(room.snapshot().settings.as_ref());
    let changed = room.configure(change.clone()).await;
    let settings = changed.map_err(|error| problems::store_failed(&room.config.id, &error))?;
    let change = said(&change);
    let was: Value = match &change {
        Value::Object(changed) => changed
            .keys()
            .map(|key| (key.clone(), was[key].clone()))
            .collect(),
        _ => Value::Null,
    };
    let version = settings.version;
    tracing::info!(
        target: "audit", room = %room.config.id, action, %change, %was, version, "an operator changed the room"
    );
    Ok(settings)
}

async fn turn(room: &Room, action: &'static str, round: Round) -> Result<(), Problem> {
    let before = room.snapshot().round.0;
    let turned = room.turn_round(round).await;
    turned.map_err(|error| problems::store_failed(&room.config.id, &error))?;
    tracing::info!(target: "audit", room = %room.config.id, action, round = before, "an operator turned the round");
    Ok(())
}

/// The room once this edge sees these settings or newer ones, and what else `is` asks for.
async fn once_seen(room: &Room, settings: &Settings, is: impl Fn(&Snapshot) -> bool) -> Json<RoomView> {
    let look = async {
        loop {
            let snapshot = room.snapshot();
            if snapshot.settings.version >= settings.version && is(&snapshot) {
                break;
            }
            drop(snapshot);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(SEEN_WITHIN, look).await.is_err() {
        tracing::warn!(room = %room.config.id, "a change is in the store, and this edge has not seen it yet");
    }
    let snapshot = room.snapshot();
    let newer = snapshot.settings.version >= settings.version;
    Json(RoomView::new(
        room,
        &snapshot,
        if newer { &snapshot.settings } else { settings },
    ))
}

fn said(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

fn is_json(headers: &HeaderMap) -> bool {
    let sent = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = sent.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}
