//! A room as an operator sees it.

use serde::Serialize;
use tidegate_config::{Mode, OnStoreLoss, OnTurn};
use tidegate_queue::line::{Place, Settings, Status};

use crate::room::{Room, Snapshot};

/// The limits in force, the line's figures, and what this edge holds of it.
#[derive(Debug, Serialize)]
pub(super) struct RoomView {
    id: String,
    status: Status,
    store_up: bool,
    round: u64,
    settings_version: u64,

    mode: Mode,
    active_max: u32,
    admit_per_min: u32,
    notice: Option<String>,
    paused: bool,
    draining: bool,

    waiting: u64,
    called_upto: Option<PlaceView>,
    ready: u64,
    active: u32,
    reserve: u32,
    issued: u64,
    admitted: u64,
    no_shows: u64,
    rate_per_min: u32,
    stock: Option<StockView>,
    held: usize,

    visit_ttl_s: u64,
    visit_max_s: u64,
    enter_within_s: u64,
    answer_within_s: u64,
    away_after_s: u64,
    on_turn: OnTurn,
    on_store_loss: OnStoreLoss,
}

#[derive(Debug, Serialize)]
struct PlaceView {
    epoch: u64,
    number: u64,
}

#[derive(Debug, Serialize)]
struct StockView {
    free: u64,
    held: u64,
}

impl RoomView {
    /// The room as of `snapshot`, under `settings`, which are the snapshot's own or newer.
    pub(super) fn new(room: &Room, snapshot: &Snapshot, settings: &Settings) -> Self {
        let (config, figures) = (&room.config, &snapshot.figures);
        Self {
            id: config.id.as_str().to_owned(),
            status: snapshot.status,
            store_up: snapshot.store_up,
            round: snapshot.round.0,
            settings_version: settings.version,
            mode: settings.mode,
            active_max: settings.active_max,
            admit_per_min: settings.admit_per_min,
            notice: settings.notice.clone(),
            paused: settings.paused,
            draining: settings.draining,
            waiting: figures.waiting,
            called_upto: place(snapshot.front.called_upto),
            ready: figures.ready,
            active: figures.active,
            reserve: figures.reserve,
            issued: figures.issued,
            admitted: figures.admitted,
            no_shows: figures.no_shows,
            rate_per_min: snapshot.rate_per_min(),
            stock: room.stock().map(|stock| StockView {
                free: stock.free,
                held: stock.held,
            }),
            held: room.fans.len(),
            visit_ttl_s: settings.visit_ttl_ms / 1_000,
            visit_max_s: settings.visit_max_ms / 1_000,
            enter_within_s: settings.enter_within_ms / 1_000,
            answer_within_s: settings.answer_within_ms / 1_000,
            away_after_s: config.away_after.as_secs(),
            on_turn: config.on_turn,
            on_store_loss: config.on_store_loss,
        }
    }

    /// The room as this edge sees it now.
    pub(super) fn now(room: &Room) -> Self {
        let snapshot = room.snapshot();
        Self::new(room, &snapshot, &snapshot.settings)
    }
}

fn place(place: Place) -> Option<PlaceView> {
    (place > Place::START).then_some(PlaceView {
        epoch: place.epoch.0,
        number: place.number,
    })
}
